// The whole of `validate`: dataset, transforms, the pass and the tables (but for --against:
// compare.c).
#include "formats/integer.h"
#include "train/eval/validate.h"

#include "train/options/resolve.h"
#include "train/setup/setup.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

// The split to validate on: what the options name, else what the directory offers.
static enum sqz_status open_val(const struct sqz_environment *environment,
                                const struct sqz_options *options, char kind[16],
                                struct sqz_dataset **out, struct sqz_error *err)
{
    struct sqz_dataset_layout layout;
    enum sqz_status status = sqz_dataset_layout(options->data_dir, &layout, err);
    if (status)
        return status;
    bool kind_given = sqz_options_origin(options, "dataset") > SQZ_FROM_DEFAULT;
    bool split_given = sqz_options_origin(options, "val_split") > SQZ_FROM_DEFAULT;
    snprintf(kind, 16, "%s", kind_given ? options->dataset : layout.kind);
    struct sqz_dataset_request request = {.kind = kind,
                                          .dir = options->data_dir,
                                          .split = split_given         ? options->val_split
                                                   : layout.has_splits ? layout.val
                                                                       : "",
                                          .seed = (uint64_t)options->seed,
                                          .check_headers = true,
                                          .threads = sqz_pool_size(environment->pool)};
    if (layout.has_splits && !layout.val[0] && !split_given)
        return sqz_fail(err, SQZ_E_NOINPUT,
                        "\"%s\" holds a training split only; name the directory to "
                        "validate on with --val_split (--val_split train for the training images).",
                        options->data_dir);
    return sqz_dataset_open(&request, out, err);
}

static enum sqz_status map_labels(const struct sqz_model *model, struct sqz_dataset *set,
                                  struct sqz_error *err)
{
    int classes = model->net->spec.classes;
    if (model->classes)
        return sqz_dataset_map_classes(set, (const char *const *)model->classes, classes, err);
    if (set->n_classes == classes)
        return SQZ_OK;
    return sqz_fail(
        err, SQZ_E_DATA,
        "The model has %d outputs without class names, and \"%s\" has %d class directories; "
        "give the names with --classes FILE.",
        classes, set->name, set->n_classes);
}

// The transforms that a recipe describes, for a model that is there already.
static enum sqz_status recipe_preprocess(const struct sqz_options *given, const char *kind,
                                         const struct sqz_model *model, struct sqz_preprocess *out,
                                         struct sqz_error *err)
{
    struct sqz_options *options = NULL;
    struct sqz_augment unused;
    enum sqz_status status = sqz_options_copy(given, &options, err);
    if (!status)
        status = sqz_options_resolve_transforms(options, kind, &model->preprocess,
                                                model->net->spec.channels, err);
    if (!status) {
        struct sqz_train_config config = sqz_train_config_of(options);
        status = sqz_transforms_build(&config, &model->preprocess, out, &unused, err);
    }
    sqz_options_free(options);
    return status;
}

static enum sqz_status write_csv(const struct sqz_options *options, const char *path,
                                 struct sqz_text *csv, struct sqz_error *err)
{
    enum sqz_status status =
        csv->failed
            ? sqz_fail_memory(err, path, csv->length)
            : sqz_file_write(path, sqz_text_get(csv), csv->length,
                             options->force ? SQZ_REPLACE_EXISTING : SQZ_KEEP_EXISTING, err);
    sqz_text_release(csv);
    return status;
}

static enum sqz_status write_tables(const struct sqz_options *options,
                                    const struct sqz_model *model, const int64_t *confusion,
                                    struct sqz_error *err)
{
    int classes = model->net->spec.classes;
    struct sqz_text csv = {0};
    enum sqz_status status = SQZ_OK;
    if (*options->confusion) {
        sqz_confusion_csv(confusion, classes, model->classes, &csv);
        status = write_csv(options, options->confusion, &csv, err);
    }
    if (!status && *options->per_class) {
        sqz_per_class_csv(confusion, classes, model->classes, &csv);
        status = write_csv(options, options->per_class, &csv, err);
    }
    return status;
}

// Zeroed where a table is asked for; refused at once when its file could not be written at the end.
static enum sqz_status begin_tables(const struct sqz_options *options, int classes,
                                    int64_t **confusion, struct sqz_error *err)
{
    const char *paths[] = {options->confusion, options->per_class};
    size_t n;
    enum sqz_status status = SQZ_OK;
    for (int i = 0; i < 2 && !status; i++)
        if (*paths[i] && !options->force)
            status = sqz_path_refuse_existing(paths[i], err);
    if (status)
        return status;
    if (!*paths[0] && !*paths[1])
        return SQZ_OK;
    if (!sqz_size_mul((size_t)classes, (size_t)classes, &n) ||
        !(*confusion = sqz_new_array(n, sizeof **confusion)))
        return sqz_fail_memory(err, "the confusion matrix", (size_t)classes * sizeof **confusion);
    return SQZ_OK;
}

void sqz_session_release(struct sqz_session *session)
{
    sqz_loader_free(session->loader);
    sqz_dataset_free(session->set);
    sqz_model_free(session->resized);
    *session = (struct sqz_session){0};
}

enum sqz_status sqz_session_open(const struct sqz_environment *environment,
                                 const struct sqz_model *model, const struct sqz_options *options,
                                 bool use_recipe, struct sqz_session *out, struct sqz_error *err)
{
    struct sqz_preprocess preprocess = model->preprocess;
    char kind[16];
    *out = (struct sqz_session){.model = model};
    struct sqz_train_config config = sqz_train_config_of(options);
    enum sqz_status status = sqz_options_check(options, NULL, err);
    if (!status)
        status = open_val(environment, options, kind, &out->set, err);
    if (!status)
        status = map_labels(model, out->set, err);
    if (!status && use_recipe)
        status = recipe_preprocess(options, kind, model, &preprocess, err);
    if (!status && preprocess.image_size != model->net->spec.image_h) {
        struct sqz_net_spec spec = model->net->spec;
        spec.image_h = spec.image_w = preprocess.image_size;
        status = sqz_model_adapt(model, &spec, 0, &out->resized, err);
        out->model = out->resized;
    }
    if (!status)
        status =
            sqz_setup_val_loader(&config, out->set, &preprocess, environment, &out->loader, err);
    if (status)
        sqz_session_release(out);
    return status;
}

// What the recipe asked for and may not.
static void warn(const struct sqz_environment *environment, const struct sqz_options *options)
{
    char text[320];
    snprintf(text, sizeof text, "The recipe's %s had no effect: only the command line can say so.",
             options->ignored);
    struct sqz_event event = {.kind = SQZ_EVENT_WARNING,
                              .text = text,
                              .loss = NAN,
                              .lr = NAN,
                              .items_per_second = NAN,
                              .seconds_left = NAN};
    if (*options->ignored && environment->on_event)
        environment->on_event(environment->event_arg, &event);
}

enum sqz_status sqz_evaluate_model(const struct sqz_environment *environment,
                                   const struct sqz_model *model, const struct sqz_options *options,
                                   bool use_recipe, struct sqz_validate_result *out,
                                   struct sqz_error *err)
{
    struct sqz_session session;
    const struct sqz_integer_net *integer = NULL;
    struct sqz_evaluation result = {0};
    struct sqz_ranks *ranks = environment->ranks;
    struct sqz_loss loss = {.kind = SQZ_LOSS_CE, .classes = model->net->spec.classes};
    const struct sqz_train_config config = sqz_train_config_of(options);
    if (use_recipe)
        loss = sqz_loss_of(&config, loss.classes);
    enum sqz_status status =
        sqz_session_open(environment, model, options, use_recipe, &session, err);
    if (!status)
        status = begin_tables(options, loss.classes, &result.confusion, err);
    if (!status)
        warn(environment, options);
    if (!status) // a recipe's images need not be bytes
        status = sqz_model_integers(
            session.model, use_recipe ? SQZ_PRECISION_FP32 : environment->precision, &integer, err);
    status = sqz_ranks_agree(ranks, status, err);
    if (!status) {
        const struct sqz_engine_config engine = {.net = session.model->net,
                                                 .weights = session.model->weights,
                                                 .preprocess = &session.model->preprocess,
                                                 .integer = integer};
        status = sqz_evaluate(environment, &engine, session.loader, &loss, &result, err);
    }
    if (!status && result.confusion && sqz_ranks_rank(ranks) == 0)
        status = write_tables(options, model, result.confusion, err);
    status = sqz_ranks_agree(ranks, status, err);
    if (!status)
        *out = (struct sqz_validate_result){
            .samples = result.samples,
            .substituted = (int64_t)sqz_substituted(ranks, session.loader),
            .classes = model->net->spec.classes,
            .top1 = (double)result.correct1 / (double)result.samples,
            .top5 = (double)result.correct5 / (double)result.samples,
            .loss = result.loss_sum / (double)result.samples};
    if (!status)
        sqz_reliability_tell(&result.reliability, out);
    sqz_free(result.confusion);
    sqz_session_release(&session);
    return status;
}
