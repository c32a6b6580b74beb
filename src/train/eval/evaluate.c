// One pass over a loader: top-1, top-5, loss and the confusion matrix.
#include "train/eval/evaluate.h"

#include "net/engine.h"
#include "train/step/exchange.h"
#include "train/step/loss.h"
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
    struct sqz_reliability_sample reliability;
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

static struct prediction predict_image(const float *row, int label, const struct sqz_loss *loss)
{
    struct sqz_loss unweighted = *loss;
    struct sqz_loss_batch one;
    int classes = loss->classes;
    int rank = isfinite(row[label]) ? sqz_rank_of(row, classes, label) : classes;
    unweighted.class_weights = NULL;
    sqz_loss_begin(&unweighted, &label, NULL, 1, &one);
    return (struct prediction){.loss = sqz_loss_rows(&one, 0, 1, row, 1, NULL),
                               .reliability = sqz_reliability_of(row, classes, label),
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
        sqz_reliability_add(&out->reliability, &prediction->reliability, prediction->top1);
    }
}

// Completes the predictions with those of the other ranks.
static enum sqz_status exchange_predictions(struct sqz_ranks *ranks, size_t batch,
                                            struct predictions *predictions, struct sqz_error *err)
{
    int size = sqz_ranks_size(ranks), first, end;
    if (!ranks || predictions->n == 0)
        return SQZ_OK;
    // A rank has at most this many rows of every batch.
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
                sqz_even_share((int)n, r, size, &first, &end);
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
        // Ranks stop together, after the last batch.
        if (!environment->ranks && sqz_stop_asked(environment->stop))
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

enum sqz_status sqz_evaluate(const struct sqz_environment *environment,
                             const struct sqz_engine_config *of, struct sqz_loader *loader,
                             const struct sqz_loss *loss, struct sqz_evaluation *out,
                             struct sqz_error *err)
{
    const struct sqz_net *net = of->net;
    size_t batch = sqz_loader_batch(loader), samples = sqz_loader_samples(loader);
    struct sqz_engine *engine = NULL;
    struct sqz_engine_config config = *of;
    config.kernels = environment->kernels;
    config.pool = environment->pool;
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
    if (!status && environment->ranks && sqz_stop_asked(environment->stop))
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
