// Calibration on the split of a dataset: half of each class fits, the other half reports.
#include "train/eval/calibrate.h"

#include "compress/predictions.h"
#include "data/sets/image_dir.h"
#include "train/eval/validate.h"
#include "train/setup/setup.h"

#include <math.h>
#include <string.h>

enum { UNKNOWN_MOST = 10000, UNKNOWN_BATCH = 32 };

// Everything that a model says about the split, and about the unknown images.
struct answers {
    float *logits, *unknown; // n x classes; n_unknown x classes
    int *labels;
    bool *fits;
    size_t n, n_unknown;
    int classes;
};

static void release(struct answers *answers)
{
    sqz_free(answers->logits);
    sqz_free(answers->unknown);
    sqz_free(answers->labels);
    sqz_free(answers->fits);
}

static struct sqz_logit_rows rows_of(const struct answers *a)
{
    return (struct sqz_logit_rows){a->logits, a->labels, a->fits, a->n, a->classes};
}

static enum sqz_status stopped(const struct sqz_environment *environment, struct sqz_error *err)
{
    if (sqz_stop_asked(environment->stop))
        return sqz_fail(err, SQZ_E_STOPPED, "The calibration was stopped before its end.");
    return SQZ_OK;
}

static void report(const struct sqz_environment *environment, size_t done, size_t all, double start)
{
    double seconds = sqz_clock_seconds() - start;
    struct sqz_event event = {.kind = SQZ_EVENT_PROGRESS,
                              .text = "calibrate",
                              .step = (int64_t)done,
                              .steps = (int64_t)all,
                              .loss = NAN,
                              .lr = NAN,
                              .items_per_second = (double)done / seconds,
                              .seconds_left = seconds / (double)done * (double)(all - done)};
    if (environment->on_event)
        environment->on_event(environment->event_arg, &event);
}

static enum sqz_status run_split(const struct sqz_environment *environment,
                                 struct sqz_engine *engine, struct sqz_loader *loader,
                                 struct answers *out, struct sqz_error *err)
{
    struct sqz_batch batch = {0};
    double start = sqz_clock_seconds();
    size_t room = out->n;
    out->n = 0;
    enum sqz_status status = sqz_loader_start(loader, 0, 0, err);
    while (!status) {
        status = stopped(environment, err);
        if (!status)
            status = sqz_loader_next(loader, &batch, err);
        if (status || batch.n == 0)
            break;
        if ((size_t)batch.n > room - out->n)
            return sqz_fail(err, SQZ_E_INTERNAL, "The split has more than its %zu images.", room);
        const struct sqz_engine_job job = {.images = batch.images,
                                           .n = batch.n,
                                           .logits = out->logits + out->n * (size_t)out->classes};
        status = sqz_engine_run(engine, &job, err);
        memcpy(out->labels + out->n, batch.labels, (size_t)batch.n * sizeof *batch.labels);
        out->n += (size_t)batch.n;
        report(environment, out->n, room, start);
    }
    return status;
}

static enum sqz_status run_unknown(const struct sqz_environment *environment,
                                   const struct sqz_model *model, struct sqz_engine *engine,
                                   const char *dir, struct answers *out, struct sqz_error *err)
{
    struct sqz_image_dir *images = NULL;
    size_t floats = sqz_tensor_size(model->net, 0), classes = (size_t)out->classes;
    float *inputs = sqz_new_aligned(UNKNOWN_BATCH * floats, sizeof *inputs);
    enum sqz_status status =
        inputs ? sqz_image_dir_open(environment->pool, dir, &model->preprocess, UNKNOWN_MOST,
                                    &images, err)
               : sqz_fail_memory(err, "images", UNKNOWN_BATCH * floats * sizeof *inputs);
    int count = status ? 0 : sqz_image_dir_count(images);
    if (!status && !(out->unknown = sqz_new_array((size_t)count * classes, sizeof(float))))
        status = sqz_fail_memory(err, "logits", (size_t)count * classes * sizeof(float));
    for (int first = 0; !status && first < count; first += UNKNOWN_BATCH) {
        int n = count - first < UNKNOWN_BATCH ? count - first : UNKNOWN_BATCH;
        const struct sqz_engine_job job = {
            .images = inputs, .n = n, .logits = out->unknown + (size_t)first * classes};
        status = stopped(environment, err);
        if (!status)
            status = sqz_image_dir_read(images, first, n, inputs, err);
        if (!status)
            status = sqz_engine_run(engine, &job, err);
    }
    out->n_unknown = (size_t)count;
    sqz_image_dir_free(images);
    sqz_free(inputs);
    return status;
}

// Every second image of each class fits. The classes take turns in which their first one does, so
// that a dataset of one image a class is divided as well.
static enum sqz_status divide(struct answers *a, struct sqz_error *err)
{
    int *seen = sqz_new_array((size_t)a->classes, sizeof *seen);
    size_t fit = 0;
    int classes = 0;
    if (!seen)
        return sqz_fail_memory(err, "classes", (size_t)a->classes * sizeof *seen);
    for (size_t i = 0; i < a->n; i++) {
        int *of_class = &seen[a->labels[i]];
        if (*of_class == 0)
            *of_class = 1 + classes++ % 2;
        a->fits[i] = (*of_class)++ % 2 == 1;
        fit += a->fits[i];
    }
    sqz_free(seen);
    return fit > 0 && fit < a->n
               ? SQZ_OK
               : sqz_fail(err, SQZ_E_DATA,
                          "%zu images are too few to calibrate with: half of each class "
                          "reports.",
                          a->n);
}

static enum sqz_status answer(const struct sqz_environment *environment,
                              const struct sqz_model *model,
                              const struct sqz_calibrate_options *how, struct answers *out,
                              struct sqz_error *err)
{
    struct sqz_session session;
    struct sqz_engine *engine = NULL;
    enum sqz_status status =
        sqz_session_open(environment, model, how->options, false, &session, err);
    if (status)
        return status;
    const struct sqz_engine_config config = {.net = session.model->net,
                                             .weights = session.model->weights,
                                             .kernels = environment->kernels,
                                             .pool = environment->pool,
                                             .preprocess = &session.model->preprocess};
    out->classes = model->net->spec.classes;
    out->n = sqz_loader_samples(session.loader);
    out->logits = sqz_new_array(out->n * (size_t)out->classes, sizeof *out->logits);
    out->labels = sqz_new_array(out->n, sizeof *out->labels);
    out->fits = sqz_new_array(out->n, sizeof *out->fits);
    if (!out->logits || !out->labels || !out->fits)
        status = sqz_fail_memory(err, "logits", out->n * (size_t)out->classes * sizeof(float));
    if (!status)
        status = sqz_engine_new(&config, &engine, err);
    if (!status)
        status = run_split(environment, engine, session.loader, out, err);
    if (!status)
        status = divide(out, err);
    if (!status && how->unknown_dir)
        status = run_unknown(environment, session.model, engine, how->unknown_dir, out, err);
    sqz_engine_free(engine);
    sqz_session_release(&session);
    return status;
}

// What the half that reports says.
static struct sqz_calibrate_figures figures_of(const struct answers *a)
{
    struct sqz_reliability sums = {0};
    struct sqz_validate_result told = {0};
    int64_t correct = 0;
    for (size_t i = 0; i < a->n; i++) {
        const float *row = a->logits + i * (size_t)a->classes;
        if (a->fits[i])
            continue;
        struct sqz_reliability_sample sample = sqz_reliability_of(row, a->classes, a->labels[i]);
        bool right = sqz_rank_of(row, a->classes, a->labels[i]) == 0;
        sqz_reliability_add(&sums, &sample, right);
        correct += right;
    }
    sqz_reliability_tell(&sums, &told);
    return (struct sqz_calibrate_figures){.top1 = (double)correct / (double)sums.n,
                                          .ece = told.ece,
                                          .nll = told.nll,
                                          .brier = told.brier};
}

// --- The threshold ---

struct scores {
    double *fit, *held, *unknown;
    bool *fit_right, *held_right;
    size_t n_fit, n_held, n_unknown;
};

static void release_scores(struct scores *s)
{
    sqz_free(s->fit);
    sqz_free(s->held);
    sqz_free(s->unknown);
    sqz_free(s->fit_right);
    sqz_free(s->held_right);
    *s = (struct scores){0};
}

static enum sqz_status make_scores(const struct answers *a, enum sqz_unknown_score score,
                                   struct scores *out, struct sqz_error *err)
{
    struct sqz_logit_rows rows = rows_of(a);
    *out = (struct scores){.fit = sqz_new_array(a->n, sizeof(double)),
                           .held = sqz_new_array(a->n, sizeof(double)),
                           .unknown = sqz_new_array(a->n_unknown + 1, sizeof(double)),
                           .fit_right = sqz_new_array(a->n, sizeof(bool)),
                           .held_right = sqz_new_array(a->n, sizeof(bool)),
                           .n_unknown = a->n_unknown};
    if (!out->fit || !out->held || !out->unknown || !out->fit_right || !out->held_right)
        return sqz_fail_memory(err, "scores", a->n * sizeof(double));
    out->n_fit = sqz_scores_of(&rows, true, score, out->fit, out->fit_right);
    out->n_held = sqz_scores_of(&rows, false, score, out->held, out->held_right);
    for (size_t i = 0; i < a->n_unknown; i++)
        out->unknown[i] = sqz_unknown_value(score, a->unknown + i * (size_t)a->classes, a->classes);
    return SQZ_OK;
}

// AUROC of each score between the half that reports and the unknown images; the best score wins.
static enum sqz_status choose_score(const struct answers *a, struct sqz_calibrate_result *result,
                                    enum sqz_unknown_score *best, struct sqz_error *err)
{
    double *aurocs[] = {NULL, &result->auroc_softmax, &result->auroc_logit, &result->auroc_energy};
    double most = -1;
    enum sqz_status status = SQZ_OK;
    *best = SQZ_UNKNOWN_SOFTMAX;
    for (int score = SQZ_UNKNOWN_SOFTMAX; !status && score < SQZ_UNKNOWN_SCORES; score++) {
        struct scores s = {0};
        *aurocs[score] = NAN;
        if (a->n_unknown)
            status = make_scores(a, (enum sqz_unknown_score)score, &s, err);
        if (!status && a->n_unknown)
            status = sqz_auroc(s.held, s.n_held, s.unknown, s.n_unknown, aurocs[score], err);
        if (!status && *aurocs[score] > most) {
            most = *aurocs[score];
            *best = (enum sqz_unknown_score)score;
        }
        release_scores(&s);
    }
    return status;
}

static void cut(const double *scores, const bool *right, size_t n, double threshold,
                double *coverage, double *precision)
{
    size_t kept = 0, correct = 0;
    for (size_t i = 0; i < n; i++) {
        kept += scores[i] >= threshold;
        correct += scores[i] >= threshold && right && right[i];
    }
    *coverage = (double)kept / (double)n;
    *precision = kept ? (double)correct / (double)kept : NAN;
}

static enum sqz_status choose_threshold(const struct answers *a,
                                        const struct sqz_calibrate_options *how,
                                        struct sqz_model *model,
                                        struct sqz_calibrate_result *result, struct sqz_error *err)
{
    static const double coverages[SQZ_TRADE_OFF_ROWS] = {1, 0.98, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5};
    enum sqz_unknown_score score;
    struct scores s = {0};
    double coverage = how->coverage > 0 ? how->coverage : 0.95, refused;
    bool stores = how->precision > 0 || how->coverage > 0 || how->unknown_dir;
    enum sqz_status status = choose_score(a, result, &score, err);
    if (!status)
        status = make_scores(a, score, &s, err);
    for (int i = 0; !status && i < SQZ_TRADE_OFF_ROWS; i++) {
        struct sqz_trade_off *row = &result->trade_off[i];
        status = sqz_threshold_of_coverage(s.fit, s.n_fit, coverages[i], &row->threshold, err);
        if (!status)
            cut(s.held, s.held_right, s.n_held, row->threshold, &row->coverage, &row->precision);
    }
    double *threshold = &model->unknown.threshold;
    if (!status && stores)
        status = how->precision > 0
                     ? sqz_threshold_of_precision(s.fit, s.fit_right, s.n_fit, how->precision,
                                                  threshold, err)
                     : sqz_threshold_of_coverage(s.fit, s.n_fit, coverage, threshold, err);
    if (!status && stores) {
        model->unknown.score = score;
        result->threshold = *threshold;
        cut(s.held, s.held_right, s.n_held, *threshold, &result->coverage, &result->precision);
        result->unknown_refused = NAN;
        if (s.n_unknown) {
            cut(s.unknown, NULL, s.n_unknown, *threshold, &refused, &(double){0});
            result->unknown_refused = 1 - refused;
        }
    }
    result->score = sqz_unknown_name(stores ? score : SQZ_UNKNOWN_NONE);
    release_scores(&s);
    return status;
}

// --- All of it ---

static enum sqz_status check(const struct sqz_model *model, const struct sqz_calibrate_options *how,
                             struct sqz_error *err)
{
    if (model->integer)
        return sqz_fail(err, SQZ_E_USAGE,
                        "A model in 8-bit integers is not calibrated; calibrate the model that it "
                        "was made from, then compress that one.");
    if (!(how->precision >= 0 && how->precision <= 1 && how->coverage >= 0 && how->coverage <= 1))
        return sqz_fail(err, SQZ_E_USAGE, "Precision and coverage are shares from 0 to 1.");
    if (how->precision > 0 && how->coverage > 0)
        return sqz_fail(err, SQZ_E_USAGE, "A threshold has a precision or a coverage, not both.");
    return SQZ_OK;
}

static enum sqz_status copy(const struct sqz_model *model, struct sqz_model **out,
                            struct sqz_error *err)
{
    enum sqz_status status = sqz_model_adapt(model, &model->net->spec, 0, out, err);
    if (!status && model->classes)
        status = sqz_model_set_classes(*out, (const char *const *)model->classes,
                                       (const char *const *)model->labels, err);
    return status;
}

static int64_t count_changes(const struct answers *a, const struct answers *b)
{
    int64_t changed = 0;
    for (size_t i = 0; i < a->n; i++) {
        size_t at = i * (size_t)a->classes;
        changed += sqz_most_probable(a->logits + at, a->classes) !=
                   sqz_most_probable(b->logits + at, b->classes);
    }
    return changed;
}

enum sqz_status sqz_calibrate_model(const struct sqz_environment *environment,
                                    const struct sqz_model *model,
                                    const struct sqz_calibrate_options *how, struct sqz_model **out,
                                    struct sqz_calibrate_result *result, struct sqz_error *err)
{
    struct answers before = {0}, after = {0};
    struct sqz_model *made = NULL;
    struct sqz_calibrate_options again = *how;
    again.unknown_dir = NULL;
    enum sqz_status status = check(model, how, err);
    if (!status)
        status = answer(environment, model, &again, &before, err);
    if (!status)
        status = copy(model, &made, err);
    if (!status) {
        struct sqz_logit_rows rows = rows_of(&before);
        result->temperature = sqz_fit_temperature(&rows);
        status = sqz_fold_temperature(made, result->temperature, err);
    }
    if (!status)
        status = answer(environment, made, how, &after, err);
    if (!status)
        status = choose_threshold(&after, how, made, result, err);
    if (!status) {
        made->temperature = result->temperature * (model->temperature > 0 ? model->temperature : 1);
        for (size_t i = 0; i < after.n; i++)
            result->fitted += after.fits[i];
        result->held = (int64_t)after.n - result->fitted;
        result->unknown = (int64_t)after.n_unknown;
        result->before = figures_of(&before);
        result->after = figures_of(&after);
        result->top1_changed = count_changes(&before, &after);
        *out = made;
        made = NULL;
    }
    sqz_model_free(made);
    release(&before);
    release(&after);
    return status;
}
