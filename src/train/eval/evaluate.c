// A pass over a split, and the whole of `validate` (but for --against: compare.c).
#include "train/eval/evaluate.h"

#include "net/engine.h"
#include "train/step/loss.h"
#include "train/setup/setup.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

int sqz_rank_of(const float *logits, int classes, int label)
{
    int before = 0;
    for (int i = 0; i < classes; i++)
        before +=
            i != label && !(logits[i] < logits[label] || (logits[i] == logits[label] && i > label));
    return before;
}

// The most probable class as sqz_rank_of has it: the first of equals.
static int predicted(const float *logits, int classes)
{
    int best = 0;
    for (int i = 1; i < classes; i++)
        if (logits[i] > logits[best] || isnan(logits[best]))
            best = i;
    return best;
}

// What is kept of a sample until all are counted, in their order.
struct prediction {
    double loss;
    int32_t label, predicted;
    bool top1, top5;
};
struct predictions {
    struct prediction *list; // one a sample; of other ranks' samples empty until they are exchanged
    size_t n;
    int64_t correct1; // so far, of this rank's, and their loss
    double loss_sum;
    int64_t own;
};

void sqz_evaluation_share(int n, int rank, int ranks, int *first, int *end)
{
    *first = (int)((int64_t)n * rank / ranks);
    *end = (int)((int64_t)n * (rank + 1) / ranks);
}

static struct prediction predict_image(const float *row, int label, const struct sqz_loss *loss)
{
    struct sqz_loss unweighted = *loss;
    struct sqz_loss_batch one;
    int classes = loss->classes;
    int rank = isfinite(row[label]) ? sqz_rank_of(row, classes, label) : classes;
    unweighted.class_weights = NULL;
    sqz_loss_begin(&unweighted, &label, NULL, 1, &one);
    return (struct prediction){.loss = sqz_loss_rows(&one, 0, 1, row, 1, NULL),
                               .label = label,
                               .predicted = predicted(row, classes),
                               .top1 = rank < 1,
                               .top5 = rank < 5 && rank < classes};
}

static void predict_batch(const struct sqz_batch *batch, const float *logits,
                          const struct sqz_loss *loss, struct predictions *predictions)
{
    for (int i = 0; i < batch->own; i++) {
        int at = batch->first + i;
        struct prediction prediction =
            predict_image(logits + (size_t)i * (size_t)loss->classes, batch->labels[at], loss);
        predictions->list[predictions->n + (size_t)at] = prediction;
        predictions->correct1 += prediction.top1;
        predictions->loss_sum += prediction.loss;
        predictions->own++;
    }
    predictions->n += (size_t)batch->n;
}

static void count(const struct predictions *predictions, int classes, struct sqz_evaluation *out)
{
    for (size_t i = 0; i < predictions->n; i++) {
        const struct prediction *prediction = &predictions->list[i];
        if (out->confusion)
            out->confusion[(size_t)prediction->label * (size_t)classes +
                           (size_t)prediction->predicted]++;
        out->samples++;
        out->correct1 += prediction->top1;
        out->correct5 += prediction->top5;
        out->loss_sum += prediction->loss;
    }
}

// Completes the predictions with those of the other ranks.
static enum sqz_status exchange_predictions(struct sqz_ranks *ranks, size_t batch,
                                            struct predictions *predictions, struct sqz_error *err)
{
    int size = sqz_ranks_size(ranks), first, end;
    if (!ranks || predictions->n == 0)
        return SQZ_OK;
    // Of every batch a rank has at most so many.
    size_t most = (batch + (size_t)size - 1) / (size_t)size;
    size_t room = (predictions->n + batch - 1) / batch * most;
    struct prediction *mine = sqz_new_array(room, sizeof *mine);
    struct prediction *all = sqz_new_array(room * (size_t)size, sizeof *all);
    enum sqz_status status = SQZ_OK;
    if (!mine || !all)
        status = sqz_fail_memory(err, "the validation", room * (size_t)size * sizeof *all);
    status = sqz_ranks_agree(ranks, status, err);
    for (int turn = 0; turn < 2 && !status; turn++) {
        for (size_t at = 0; at < predictions->n; at += batch) {
            size_t left = predictions->n - at, n = left < batch ? left : batch;
            for (int r = 0; r < size; r++) {
                sqz_evaluation_share((int)n, r, size, &first, &end);
                struct prediction *own = predictions->list + at + first;
                struct prediction *packed = all + (size_t)r * room + at / batch * most;
                if (turn == 0 && r == sqz_ranks_rank(ranks))
                    memcpy(mine + at / batch * most, own, (size_t)(end - first) * sizeof *own);
                else if (turn == 1)
                    memcpy(own, packed, (size_t)(end - first) * sizeof *own);
            }
        }
        if (turn == 0)
            status = sqz_ranks_gather(ranks, mine, room * sizeof *mine, all, err);
    }
    sqz_free(mine);
    sqz_free(all);
    return status;
}

static void report(const struct sqz_environment *environment, const struct sqz_loader *loader,
                   int64_t step, double seconds, const struct predictions *so_far)
{
    int64_t steps = (int64_t)sqz_loader_steps(loader);
    double rate = seconds > 0 ? (double)so_far->n / seconds : NAN;
    struct sqz_event event = {.kind = SQZ_EVENT_PROGRESS,
                              .text = "validate",
                              .step = step,
                              .steps = steps,
                              .loss = so_far->loss_sum / (double)so_far->own,
                              .lr = NAN,
                              .items_per_second = rate,
                              .seconds_left = seconds / (double)step * (double)(steps - step)};
    environment->on_event(environment->event_arg, &event);
}

// All batches, this rank's share of each.
static enum sqz_status predict_all(const struct sqz_environment *environment,
                                   struct sqz_engine *engine, struct sqz_loader *loader,
                                   const struct sqz_loss *loss, float *logits, size_t room,
                                   struct predictions *predictions, struct sqz_error *err)
{
    double start = sqz_clock_seconds(), told = start;
    struct sqz_batch batch = {0};
    for (int64_t step = 1;; step++) {
        // Ranks stop together, behind the last batch.
        if (!environment->ranks && environment->stop && *environment->stop)
            return sqz_fail(err, SQZ_E_STOPPED, "Validation was stopped before its end.");
        enum sqz_status status = sqz_loader_next(loader, &batch, err);
        if (status || batch.n == 0)
            return status;
        if ((size_t)batch.n > room)
            return sqz_fail(err, SQZ_E_INTERNAL, "A batch to validate has %d images, not %zu.",
                            batch.n, room);
        const struct sqz_engine_job job = {
            .images = batch.images, .n = batch.own, .logits = logits};
        status = sqz_engine_run(engine, &job, err);
        if (status)
            return status;
        predict_batch(&batch, logits, loss, predictions);
        double now = sqz_clock_seconds();
        if (environment->on_event && now - told >= 0.1) {
            told = now;
            report(environment, loader, step, now - start, predictions);
        }
    }
}

enum sqz_status sqz_evaluate(const struct sqz_environment *environment, const struct sqz_net *net,
                             const float *weights, struct sqz_loader *loader,
                             const struct sqz_loss *loss, struct sqz_evaluation *out,
                             struct sqz_error *err)
{
    size_t batch = sqz_loader_batch(loader), samples = sqz_loader_samples(loader);
    struct sqz_engine *engine = NULL;
    const struct sqz_engine_config config = {
        .net = net, .weights = weights, .kernels = environment->kernels, .pool = environment->pool};
    struct predictions predictions = {.list = sqz_new_array(samples, sizeof *predictions.list)};
    float *logits = sqz_new_array(batch * (size_t)net->spec.classes, sizeof *logits);
    *out = (struct sqz_evaluation){.confusion = out->confusion};
    enum sqz_status status = sqz_engine_new(&config, &engine, err);
    if (!status && (!logits || !predictions.list))
        status = sqz_fail_memory(err, "the validation", samples * sizeof *predictions.list);
    if (!status)
        status = sqz_loader_start(loader, 0, 0, err);
    if (!status)
        status = predict_all(environment, engine, loader, loss, logits, batch, &predictions, err);
    if (!status && environment->ranks && environment->stop && *environment->stop)
        status = sqz_fail(err, SQZ_E_STOPPED, "Validation was stopped before its end.");
    status = sqz_ranks_agree(environment->ranks, status, err);
    if (!status)
        status = exchange_predictions(environment->ranks, batch, &predictions, err);
    if (!status)
        count(&predictions, net->spec.classes, out);
    sqz_free(predictions.list);
    sqz_free(logits);
    sqz_engine_free(engine);
    return status;
}

size_t sqz_substituted(struct sqz_ranks *ranks, const struct sqz_loader *loader)
{
    uint64_t own = sqz_loader_substituted(loader), sum = 0;
    if (!ranks || sqz_ranks_lost(ranks))
        return (size_t)own;
    uint64_t *all = sqz_new_array((size_t)sqz_ranks_size(ranks), sizeof *all);
    if (all && !sqz_ranks_gather(ranks, &own, sizeof own, all, NULL))
        for (int r = 0; r < sqz_ranks_size(ranks); r++)
            sum += all[r];
    sqz_free(all);
    return (size_t)sum;
}

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
        status = sqz_transforms_preset(options, kind, err);
    if (!status)
        status = sqz_transforms_from_model(options, &model->preprocess, false, err);
    if (!status)
        status = sqz_options_fill(options, SQZ_FROM_COMMAND_LINE, err, "in_channels", "%d",
                                  model->net->spec.channels);
    if (!status)
        status = sqz_transforms_build(options, &model->preprocess, out, &unused, err);
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
    for (int i = 0; i < 2; i++)
        if (*paths[i] && !options->force && sqz_path_exists(paths[i]))
            return sqz_fail(err, SQZ_E_CANTWRITE, "\"%s\" exists; --force overwrites it.",
                            paths[i]);
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
            sqz_setup_val_loader(options, out->set, &preprocess, environment, &out->loader, err);
    if (status)
        sqz_session_release(out);
    return status;
}

enum sqz_status sqz_evaluate_model(const struct sqz_environment *environment,
                                   const struct sqz_model *model, const struct sqz_options *options,
                                   bool use_recipe, struct sqz_validate_result *out,
                                   struct sqz_error *err)
{
    struct sqz_session session;
    struct sqz_evaluation result = {0};
    struct sqz_ranks *ranks = environment->ranks;
    struct sqz_loss loss = {.kind = SQZ_LOSS_CE, .classes = model->net->spec.classes};
    if (use_recipe)
        loss = sqz_loss_of(options, loss.classes);
    enum sqz_status status =
        sqz_session_open(environment, model, options, use_recipe, &session, err);
    if (!status)
        status = begin_tables(options, loss.classes, &result.confusion, err);
    status = sqz_ranks_agree(ranks, status, err);
    if (!status)
        status = sqz_evaluate(environment, session.model->net, session.model->weights,
                              session.loader, &loss, &result, err);
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
    sqz_free(result.confusion);
    sqz_session_release(&session);
    return status;
}
