// The model that a run starts from: fresh, or a file's with the classifier fitted to the data.
#include "train/setup/setup.h"

#include "train/setup/param_arrays.h"

#include <string.h>

#define MADE_BY "squeezenet " SQZ_VERSION

static bool is_classifier(const struct sqz_param *param)
{
    return strncmp(param->name, "classifier.", 11) == 0;
}

// conv1 of a gray network from one of colour: gray is three equal channels, so their weights add
// up.
static void sum_input_channels(const struct sqz_param *from, const float *source,
                               const struct sqz_param *to, float *target)
{
    int taps = to->kh * to->kw;
    memset(target, 0, to->size * sizeof(float));
    for (int t = 0; t < taps; t++)
        for (int c = 0; c < from->in; c++)
            for (int o = 0; o < to->out; o++)
                target[(size_t)t * (size_t)to->out + (size_t)o] +=
                    source[((size_t)t * (size_t)from->in + (size_t)c) * (size_t)to->out +
                           (size_t)o];
}

enum sqz_status sqz_model_adapt(const struct sqz_model *from, const struct sqz_net_spec *spec,
                                uint64_t seed, struct sqz_model **out, struct sqz_error *err)
{
    struct sqz_model *model = NULL;
    enum sqz_status status = sqz_model_create(spec, &model, err);
    if (status)
        return status;
    sqz_net_initialize(model->net, seed, model->weights);
    for (int i = 0; i < model->net->n_params && !status; i++) {
        const struct sqz_param *to = &model->net->params[i];
        int found = sqz_net_find_param(from->net, to->name);
        const struct sqz_param *source = found < 0 ? NULL : &from->net->params[found];
        if (!source)
            status = sqz_fail(err, SQZ_E_CONFIG, "The weights hold no %s, which %s needs.",
                              to->name, spec->variant->name);
        else if (source->size == to->size)
            memcpy(model->weights + to->offset, from->weights + source->offset,
                   to->size * sizeof(float));
        else if (to->in == 1 && source->in == 3)
            sum_input_channels(source, from->weights + source->offset, to,
                               model->weights + to->offset);
        else if (source->kh != to->kh)
            status = sqz_fail(err, SQZ_E_CONFIG,
                              "%s is %d x %d in the weights and %d x %d in this network; leave "
                              "option stem out to take the file's.",
                              to->name, source->kh, source->kw, to->kh, to->kw);
        else if (!is_classifier(to))
            status = sqz_fail(err, SQZ_E_CONFIG,
                              "%s has %d input channels in the weights and %d in this network.",
                              to->name, source->in, to->in);
    }
    if (status) {
        sqz_model_free(model);
        return status;
    }
    model->preprocess = from->preprocess;
    *out = model;
    return SQZ_OK;
}

static struct sqz_net_spec spec_of(const struct sqz_train_config *config)
{
    const char *dialect = *config->dialect ? config->dialect : "mindcv";
    return (struct sqz_net_spec){.variant = sqz_variant_find(config->model),
                                 .dialect = sqz_dialect_find(dialect),
                                 .stem = (enum sqz_stem)sqz_stem_find(config->stem),
                                 .classes = (int)config->num_classes,
                                 .channels = (int)config->in_channels,
                                 .image_h = (int)config->image_resize,
                                 .image_w = (int)config->image_resize,
                                 .drop_rate = config->drop_rate};
}

// Labels follow the file's class names when it knows every directory's; the classifier keeps its
// meaning.
static enum sqz_status fit_classes(struct sqz_setup *setup, const struct sqz_model *file,
                                   bool *keeps_names, struct sqz_error *err)
{
    const struct sqz_train_config *config = setup->config;
    struct sqz_dataset *train = setup->train;
    *keeps_names = false;
    if (config->num_classes < train->n_classes)
        return sqz_fail(
            err, SQZ_E_CONFIG,
            "Option num_classes is %lld, but \"%s\" has %d classes; leave it out to take "
            "the dataset's.",
            (long long)config->num_classes, train->name, train->n_classes);
    if (file && file->classes && file->net->spec.classes == config->num_classes)
        *keeps_names = !sqz_dataset_map_classes(train, (const char *const *)file->classes,
                                                file->net->spec.classes, NULL);
    if (!setup->val)
        return SQZ_OK;
    return sqz_dataset_map_classes(setup->val, (const char *const *)train->classes,
                                   train->n_classes, err);
}

// Names for every output: a recipe may ask for more outputs than there are directories.
static enum sqz_status name_classes(struct sqz_setup *setup, char *const *labels,
                                    struct sqz_error *err)
{
    const struct sqz_dataset *train = setup->train;
    struct sqz_model *model = setup->model;
    int n = model->net->spec.classes;
    if (n != train->n_classes) {
        sqz_text_add(&setup->notes,
                     "The model has %d outputs for %d class directories, as num_classes "
                     "asks; it is saved without class names.\n",
                     n, train->n_classes);
        return SQZ_OK;
    }
    return sqz_model_set_classes(model, (const char *const *)train->classes,
                                 (const char *const *)labels, err);
}

// A common offset of all logits leaves the softmax as it is, but keeps the last layer's ReLU open
// until the features are worth something. With MindCV's 0 the first thing that a network learns on
// hard images is to close every logit, and then no gradient is left.
static void open_classifier(struct sqz_model *model, double bias)
{
    const struct sqz_param *param = &model->net->params[model->net->n_params - 1];
    for (size_t i = 0; i < param->size; i++)
        model->weights[param->offset + i] = (float)bias;
}

static enum sqz_status start_fresh(struct sqz_setup *setup, struct sqz_error *err)
{
    const struct sqz_train_config *config = setup->config;
    struct sqz_net_spec spec = spec_of(config);
    bool unused;
    enum sqz_status status = fit_classes(setup, NULL, &unused, err);
    if (!status)
        status = sqz_model_create(&spec, &setup->model, err);
    if (status)
        return status;
    sqz_net_initialize(setup->model->net, (uint64_t)config->seed, setup->model->weights);
    open_classifier(setup->model, config->classifier_bias);
    if (setup->recipe)
        sqz_text_add(&setup->notes,
                     "Training starts from random weights; with few images, starting "
                     "from published ones (--ckpt_path FILE) is faster and usually much more "
                     "accurate.\n");
    return name_classes(setup, NULL, err);
}

// With option ema the moving average of a checkpoint that holds one is the better start; MindCV
// takes it, too (and refuses files without one). resume_opt goes on with both.
static enum sqz_status take_average(struct sqz_setup *setup, struct sqz_model *file,
                                    struct sqz_error *err)
{
    const char *path = setup->config->ckpt_path;
    struct sqz_archive archive = {0};
    enum sqz_status status = sqz_archive_read(path, &archive, NULL, err);
    if (!status && sqz_param_arrays_has(&archive, file->net, "ema")) {
        status = sqz_param_arrays_take(path, &archive, file->net, "ema", file->weights, err);
        sqz_text_add(&setup->notes, "Starting from the moving average that \"%s\" holds.\n",
                     sqz_path_name(path));
    }
    sqz_archive_release(&archive);
    return status;
}

static enum sqz_status start_from_file(struct sqz_setup *setup, struct sqz_model *file,
                                       struct sqz_error *err)
{
    const struct sqz_train_config *config = setup->config;
    struct sqz_net_spec spec = spec_of(config);
    const int had = file->net->spec.classes;
    bool keeps_names = false;
    enum sqz_status status = SQZ_OK;
    if (config->ema && !config->resume_opt)
        status = take_average(setup, file, err);
    if (!status)
        status = fit_classes(setup, file, &keeps_names, err);
    if (!status)
        status = sqz_model_adapt(file, &spec, (uint64_t)config->seed, &setup->model, err);
    if (status)
        return status;
    if (had != spec.classes) {
        open_classifier(setup->model, config->classifier_bias);
        sqz_text_add(&setup->notes,
                     "Fine-tuning \"%s\": its classifier for %d classes is replaced by "
                     "a fresh one for %d; every other weight is kept.\n",
                     sqz_path_name(config->ckpt_path), had, spec.classes);
    } else {
        sqz_text_add(&setup->notes, "Fine-tuning \"%s\" with its classifier%s.\n",
                     sqz_path_name(config->ckpt_path),
                     keeps_names || !file->classes ? "" : ", though the class names differ");
    }
    return name_classes(setup, keeps_names ? file->labels : NULL, err);
}

// A resumed model brings its own classes: the directories must still be the same ones. It is
// rebuilt, because files hold no dropout rate.
static enum sqz_status keep_resumed(struct sqz_setup *setup, const struct sqz_model *old,
                                    struct sqz_error *err)
{
    struct sqz_net_spec spec = spec_of(setup->config);
    bool keeps_names = false;
    enum sqz_status status = fit_classes(setup, old, &keeps_names, err);
    if (!status)
        status = sqz_model_adapt(old, &spec, 0, &setup->model, err);
    return status ? status : name_classes(setup, keeps_names ? old->labels : NULL, err);
}

enum sqz_status sqz_setup_model(struct sqz_setup *setup, struct sqz_model *from, bool resumed,
                                struct sqz_error *err)
{
    enum sqz_status status = resumed ? keep_resumed(setup, from, err)
                             : from  ? start_from_file(setup, from, err)
                                     : start_fresh(setup, err);
    if (status)
        return status;
    struct sqz_model *model = setup->model;
    sqz_free(model->made_by);
    model->made_by = sqz_copy_string(MADE_BY);
    if (!model->made_by)
        return sqz_fail_memory(err, "a name", sizeof MADE_BY);
    const struct sqz_preprocess base = model->preprocess;
    return sqz_transforms_build(setup->config, &base, &model->preprocess, &setup->augment, err);
}
