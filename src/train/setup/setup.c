// Options, datasets and model brought together before a run.
#include "train/setup/setup.h"

#include "train/setup/balance.h"
#include "train/setup/memory_plan.h"
#include "train/options/resolve.h"

#include <string.h>
#include <strings.h>

void sqz_setup_release(struct sqz_setup *setup)
{
    sqz_options_free((struct sqz_options *)setup->options);
    sqz_free((void *)setup->config);
    sqz_free(setup->class_weights);
    sqz_free_view(setup->balanced);
    sqz_free(setup->sample_keys);
    sqz_dataset_free(setup->train);
    sqz_dataset_free(setup->val);
    sqz_model_free(setup->model);
    sqz_net_free(setup->norm_net);
    sqz_text_release(&setup->notes);
    *setup = (struct sqz_setup){0};
}

static bool is_class_dirs(const char *kind)
{
    return strcmp(kind, "imagenet") == 0;
}

// Option `dataset` (in any case) as one of the constants.
static const char *kind_of(const char *dataset)
{
    static const char *const kinds[] = {"mnist", "cifar100", "cifar10"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcasecmp(dataset, kinds[i]) == 0)
            return kinds[i];
    return "imagenet";
}

// Class directories directly below data_dir are divided into training and validation images, unless
// somebody asked for other directories. The names are compared, not the origins, so that a restart
// from recipe.yaml does the same.
static void find_kind(struct sqz_setup *setup, const struct sqz_dataset_layout *layout)
{
    setup->kind = kind_of(setup->options->dataset);
    setup->divided = is_class_dirs(setup->kind) && !layout->has_splits &&
                     sqz_options_usual_splits(setup->options);
}

static enum sqz_status open_split(const struct sqz_environment *environment,
                                  const struct sqz_setup *setup, bool val, struct sqz_dataset **out,
                                  struct sqz_error *err)
{
    const struct sqz_options *options = setup->options;
    struct sqz_dataset_request request = {.kind = setup->kind,
                                          .dir = options->data_dir,
                                          .split = val ? options->val_split : options->train_split,
                                          .divide = setup->divided,
                                          .held_out = val,
                                          .seed = (uint64_t)options->seed,
                                          .began = &setup->began.keys,
                                          .every_class = !val,
                                          .check_headers = true,
                                          .threads = sqz_pool_size(environment->pool)};
    if (setup->divided)
        request.split = "";
    return sqz_dataset_open(&request, out, err);
}

// Whether there is a split to validate on; asking for one that is not there is open_split's error.
static enum sqz_status has_val(const struct sqz_setup *setup, bool *out, struct sqz_error *err)
{
    const struct sqz_options *options = setup->options;
    bool asked =
        options->val_while_train && sqz_options_origin(options, "val_while_train") >= SQZ_FROM_YAML;
    bool named = is_class_dirs(setup->kind) && *options->val_split &&
                 sqz_options_origin(options, "val_split") == SQZ_FROM_COMMAND_LINE;
    *out = setup->divided || asked || named;
    if (!*out && is_class_dirs(setup->kind) && *options->val_split)
        return sqz_dataset_has_split(options->data_dir, options->val_split, out, err);
    if (!*out && !is_class_dirs(setup->kind))
        *out = sqz_options_validates_on_part(options);
    return SQZ_OK;
}

static void note_skipped(struct sqz_setup *setup, const struct sqz_dataset *set, const char *split)
{
    if (set->skipped == 0)
        return;
    sqz_text_add(
        &setup->notes, "%zu %s left out of the %s images: %s%s.\n", set->skipped,
        set->skipped == 1 ? "file is" : "files are", split,
        set->skipped == 1 || !set->skipped_example ? "" : "no images that can be read; the first: ",
        set->skipped_example ? set->skipped_example : "no images that can be read");
}

static enum sqz_status add_unlabelled(const struct sqz_environment *environment,
                                      struct sqz_setup *setup, struct sqz_error *err)
{
    const size_t labelled = setup->train->count;
    enum sqz_status status = sqz_dataset_add_unlabelled(
        setup->train, setup->options->unlabelled_dir, sqz_pool_size(environment->pool), err);
    if (!status)
        sqz_text_add(&setup->notes, "%zu of the training images have no label.\n",
                     setup->train->count - labelled);
    return status;
}

// Samples of a run to continue whose files are gone keep their places, so that all others keep
// theirs.
static enum sqz_status restore_samples(struct sqz_setup *setup, struct sqz_error *err)
{
    struct sqz_began *began = &setup->began;
    enum sqz_status status = SQZ_OK;
    if (began->keys.keys)
        status =
            sqz_dataset_restore(setup->train, &began->keys, &began->fits, &began->removed, err);
    if (!status && began->fits && began->removed > 0)
        sqz_text_add(&setup->notes,
                     "%zu of the training images that the run began with %s gone: another image of "
                     "the class takes the place of each, as with --on_bad skip.\n",
                     began->removed, began->removed == 1 ? "is" : "are");
    return status ? status : sqz_dataset_keys(setup->train, &setup->sample_keys, err);
}

static enum sqz_status open_data(const struct sqz_environment *environment, struct sqz_setup *setup,
                                 struct sqz_error *err)
{
    bool validates = false;
    enum sqz_status status = open_split(environment, setup, false, &setup->train, err);
    if (!status)
        status = has_val(setup, &validates, err);
    if (!status && validates)
        status = open_split(environment, setup, true, &setup->val, err);
    if (!status && *setup->options->unlabelled_dir)
        status = add_unlabelled(environment, setup, err);
    if (!status)
        status = restore_samples(setup, err);
    if (!status)
        note_skipped(setup, setup->train, "training");
    if (!status && setup->val)
        note_skipped(setup, setup->val, "validation");
    return status;
}

// Longest side of the largest of some evenly spaced images; 0 when none can be looked at.
static enum sqz_status find_typical_side(const struct sqz_dataset *set, int *largest,
                                         struct sqz_error *err)
{
    enum { LOOKS = 24 };
    *largest = 0;
    for (size_t i = 0; i < LOOKS; i++) {
        int w, h;
        enum sqz_status status = sqz_dataset_peek(set, set->count * i / LOOKS, &w, &h, err);
        if (status == SQZ_E_DATA || status == SQZ_E_NOINPUT)
            continue;
        if (status)
            return status;
        int side = w > h ? w : h;
        *largest = side > *largest ? side : *largest;
    }
    return SQZ_OK;
}

static enum sqz_status make_trained(struct sqz_setup *setup, struct sqz_error *err)
{
    struct sqz_net_spec spec = setup->model->net->spec;
    if (setup->config->norm != SQZ_NORM_BATCH)
        return SQZ_OK;
    spec.norm_group = (int)setup->config->norm_group;
    return sqz_net_new(&spec, &setup->norm_net, err);
}

// What cannot be is said before a large directory is read. Without a recipe file a built-in recipe
// will fill in what the user left open, and which one is known only from the images: what one of
// them makes possible is not refused yet.
static enum sqz_status check_early(const struct sqz_options *options, struct sqz_error *err)
{
    static const char *const candidates[] = {NULL, "small_images"}; // NULL: photos or finetune
    enum sqz_status first = SQZ_OK;
    if (options->has_recipe)
        return sqz_options_check(options, NULL, err);
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        struct sqz_options *merged = NULL;
        struct sqz_error *why = i == 0 ? err : NULL;
        const char *name = candidates[i];
        enum sqz_status status = sqz_options_copy(options, &merged, why);
        if (!status)
            status = sqz_options_use_builtin(merged, &name, NULL, why);
        if (!status)
            status = sqz_options_check(merged, NULL, why);
        sqz_options_free(merged);
        if (status != SQZ_E_CONFIG || *options->ckpt_path)
            return status;
        first = i == 0 ? status : first;
    }
    return first;
}

// The published weights that option pretrained names become ckpt_path.
static enum sqz_status find_published(const struct sqz_environment *environment,
                                      struct sqz_options *options, struct sqz_error *err)
{
    char *path = NULL;
    enum sqz_status status = sqz_setup_pretrained(environment, options, &path, err);
    if (!status && path)
        status = sqz_options_resolve_weights(options, path, err);
    sqz_free(path);
    return status;
}

// The setup's options, which nothing writes after this. *from, unless it is the resumed run's, is
// read from ckpt_path.
static enum sqz_status resolve(const struct sqz_environment *environment, struct sqz_setup *setup,
                               struct sqz_options *options, struct sqz_model **from,
                               struct sqz_error *err)
{
    struct sqz_dataset_layout layout;
    struct sqz_run_facts facts = {
        .layout = &layout, .ranks = sqz_ranks_size(environment->ranks), .resumed = *from != NULL};
    enum sqz_status status = check_early(options, err);
    if (!status && !facts.resumed)
        status = find_published(environment, options, err);
    if (!status)
        status = sqz_dataset_layout(options->data_dir, &layout, err);
    if (!status)
        status = sqz_options_resolve_data(options, &layout, err);
    if (status)
        return status;
    find_kind(setup, &layout);
    status = open_data(environment, setup, err);
    if (!status && !options->has_recipe)
        status = find_typical_side(setup->train, &facts.typical_side, err);
    if (!status && !facts.resumed && *options->ckpt_path)
        status = sqz_model_read(options->ckpt_path, *options->dialect ? options->dialect : NULL, 0,
                                from, err);
    if (status)
        return status;
    facts.n_classes = setup->train->n_classes;
    facts.validates = setup->val != NULL;
    if (*from && !facts.resumed) {
        facts.spec = &(*from)->net->spec;
        facts.preprocess = &(*from)->preprocess;
    }
    status = sqz_options_resolve(options, &facts, &setup->recipe, &setup->notes, err);
    if (!status)
        status = sqz_options_check(options, &setup->notes, err);
    find_kind(setup, &layout);
    return status;
}

// Everything but the options, from the configuration, which nothing writes after this. The batch
// follows from the memory that everything else takes.
static enum sqz_status build(const struct sqz_environment *environment, struct sqz_setup *setup,
                             struct sqz_model *from, bool resumed, struct sqz_error *err)
{
    struct sqz_train_config *config = sqz_new_array(1, sizeof *config);
    if (!config)
        return sqz_fail_memory(err, "the configuration", sizeof *config);
    setup->config = config;
    *config = sqz_train_config_of(setup->options);
    enum sqz_status status = sqz_setup_model(setup, from, resumed, err);
    if (!status)
        status = make_trained(setup, err);
    // After the model, which may renumber the labels.
    if (!status && config->balanced_sampling)
        status = sqz_balanced_view(setup->train, &setup->balanced, err);
    if (status)
        return status;
    setup->loss = sqz_loss_of(config, setup->model->net->spec.classes);
    status =
        sqz_class_weights(config, setup->train, setup->loss.classes, &setup->class_weights, err);
    setup->loss.class_weights = setup->class_weights;
    return status ? status : sqz_memory_fit(environment, setup, config, err);
}

enum sqz_status sqz_setup_open(const struct sqz_environment *environment,
                               const struct sqz_options *given, struct sqz_model *resumed,
                               const struct sqz_sample_keys *began, struct sqz_setup *out,
                               struct sqz_error *err)
{
    struct sqz_options *options = NULL;
    struct sqz_model *from = resumed;
    *out = (struct sqz_setup){.ranks = environment->ranks};
    if (began)
        out->began.keys = *began;
    enum sqz_status status = sqz_options_copy(given, &options, err);
    out->options = options;
    if (!status)
        status = resolve(environment, out, options, &from, err);
    if (!status)
        status = build(environment, out, from, resumed != NULL, err);
    if (!status && out->notes.failed)
        status = sqz_fail_memory(err, "messages", out->notes.length);
    sqz_model_free(from);
    if (status)
        sqz_setup_release(out);
    return status;
}
