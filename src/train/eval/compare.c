// Two models side by side on the same images: `validate A --against B`.
#include "compress/predictions.h"
#include "formats/integer.h"
#include "net/engine.h"
#include "train/eval/validate.h"
#include "train/step/loss.h"
#include "train/setup/setup.h"

#include <math.h>
#include <string.h>

// One of the two: its pass over the split.
struct side {
    struct sqz_session session;
    struct sqz_engine *engine;
    struct sqz_batch batch;
    float *logits;
    int room; // images that `logits` holds
    struct sqz_evaluation sums;
};

struct tally {
    int64_t n, same, better, worse; // better: right where the other one is wrong
    double kl;
};

static void release_side(struct side *side)
{
    sqz_engine_free(side->engine);
    sqz_free(side->logits);
    sqz_session_release(&side->session);
}

static enum sqz_status open_side(const struct sqz_environment *environment,
                                 const struct sqz_model *model, enum sqz_precision precision,
                                 const struct sqz_options *options, struct side *side,
                                 struct sqz_error *err)
{
    enum sqz_status status =
        sqz_session_open(environment, model, options, false, &side->session, err);
    const struct sqz_integer_net *integer = NULL;
    if (!status)
        status = sqz_model_integers(side->session.model, precision, &integer, err);
    if (!status) {
        const struct sqz_engine_config config = {.net = side->session.model->net,
                                                 .preprocess = &side->session.model->preprocess,
                                                 .integer = integer,
                                                 .weights = side->session.model->weights,
                                                 .kernels = environment->kernels,
                                                 .pool = environment->pool};
        status = sqz_engine_new(&config, &side->engine, err);
    }
    if (!status)
        status = sqz_loader_start(side->session.loader, 0, 0, err);
    return status;
}

// The next batch and its logits; batch.n = 0 past the last.
static enum sqz_status advance(struct side *side, struct sqz_error *err)
{
    size_t classes = (size_t)side->session.model->net->spec.classes;
    enum sqz_status status = sqz_loader_next(side->session.loader, &side->batch, err);
    if (status || side->batch.n == 0)
        return status;
    if (side->batch.n > side->room) {
        sqz_free(side->logits);
        side->room = side->batch.n;
        side->logits = sqz_new_array((size_t)side->room * classes, sizeof *side->logits);
        if (!side->logits)
            return sqz_fail_memory(err, "logits", (size_t)side->room * classes * sizeof(float));
    }
    const struct sqz_engine_job job = {
        .images = side->batch.images, .n = side->batch.n, .logits = side->logits};
    return sqz_engine_run(side->engine, &job, err);
}

// Adds image i to a side's sums; true when it is right.
static bool add_image(struct side *side, int i)
{
    int classes = side->session.model->net->spec.classes, label = side->batch.labels[i];
    const float *row = side->logits + (size_t)i * (size_t)classes;
    int rank = isfinite(row[label]) ? sqz_rank_of(row, classes, label) : classes;
    side->sums.samples++;
    side->sums.correct1 += rank < 1;
    side->sums.correct5 += rank < 5 && rank < classes;
    side->sums.loss_sum += sqz_loss_cross_entropy(row, &label, 1, classes, 1, 0, 1.0, NULL);
    return rank < 1;
}

static void tally_batch(struct side *model, struct side *against, struct tally *tally)
{
    int classes = model->session.model->net->spec.classes;
    for (int i = 0; i < model->batch.n; i++) {
        const float *a = model->logits + (size_t)i * (size_t)classes;
        const float *b = against->logits + (size_t)i * (size_t)classes;
        bool right = add_image(model, i), other_right = add_image(against, i);
        tally->n++;
        tally->same += sqz_most_probable(a, classes) == sqz_most_probable(b, classes);
        tally->better += right && !other_right;
        tally->worse += !right && other_right;
        tally->kl += sqz_kl(b, a, classes, 1);
    }
}

static enum sqz_status check_classes(const struct sqz_model *a, const struct sqz_model *b,
                                     struct sqz_error *err)
{
    int classes = a->net->spec.classes;
    if (classes != b->net->spec.classes)
        return sqz_fail(err, SQZ_E_USAGE,
                        "The models cannot be compared: one has %d classes, the other %d.", classes,
                        b->net->spec.classes);
    for (int c = 0; a->classes && b->classes && c < classes; c++)
        if (strcmp(a->classes[c], b->classes[c]) != 0)
            return sqz_fail(err, SQZ_E_USAGE,
                            "The models cannot be compared: class %d is %s in one and %s in the "
                            "other.",
                            c, a->classes[c], b->classes[c]);
    return SQZ_OK;
}

static void report(const struct sqz_environment *environment, const struct side *side, int64_t step,
                   double seconds)
{
    int64_t steps = (int64_t)sqz_loader_steps(side->session.loader);
    struct sqz_event event = {.kind = SQZ_EVENT_PROGRESS,
                              .text = "compare",
                              .step = step,
                              .steps = steps,
                              .loss = NAN,
                              .lr = NAN,
                              .items_per_second = (double)side->sums.samples / seconds,
                              .seconds_left = seconds / (double)step * (double)(steps - step)};
    if (environment->on_event)
        environment->on_event(environment->event_arg, &event);
}

static struct sqz_validate_result result_of(const struct side *side)
{
    double n = (double)side->sums.samples;
    return (struct sqz_validate_result){.samples = side->sums.samples,
                                        .substituted =
                                            (int64_t)sqz_loader_substituted(side->session.loader),
                                        .classes = side->session.model->net->spec.classes,
                                        .top1 = (double)side->sums.correct1 / n,
                                        .top5 = (double)side->sums.correct5 / n,
                                        .loss = side->sums.loss_sum / n};
}

enum sqz_status sqz_compare_models(const struct sqz_environment *environment,
                                   const struct sqz_model *model, const struct sqz_model *against,
                                   const struct sqz_options *options, struct sqz_comparison *out,
                                   struct sqz_error *err)
{
    struct side a = {0}, b = {0};
    struct tally tally = {0};
    double start = sqz_clock_seconds();
    enum sqz_status status = check_classes(model, against, err);
    if (!status)
        status = open_side(environment, model, environment->precision, options, &a, err);
    if (!status)
        status = open_side(environment, against, SQZ_PRECISION_AUTO, options, &b, err);
    for (int64_t step = 1; !status; step++) {
        if (sqz_stop_asked(environment->stop))
            status = sqz_fail(err, SQZ_E_STOPPED, "The comparison was stopped before its end.");
        if (!status)
            status = advance(&a, err);
        if (!status)
            status = advance(&b, err);
        if (status || a.batch.n == 0)
            break;
        tally_batch(&a, &b, &tally);
        report(environment, &a, step, sqz_clock_seconds() - start);
    }
    if (!status) {
        double n = (double)tally.n, mean = (double)(tally.better - tally.worse) / n;
        double square = (double)(tally.better + tally.worse) / n; // mean square of -1, 0, 1
        *out = (struct sqz_comparison){
            .model = result_of(&a),
            .against = result_of(&b),
            .difference = {.kl = tally.kl / n,
                           .agreement = (double)tally.same / n,
                           .top1_difference = mean,
                           .standard_error = sqrt((square - mean * mean) / n)}};
    }
    release_side(&a);
    release_side(&b);
    return status;
}
