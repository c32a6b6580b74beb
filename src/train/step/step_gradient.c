// A step's loss and gradient: the losses of the leaves, and the ranks' shares added up.
#include "train/step/step_gradient.h"

#include "base/cpu.h"

#include <stdio.h>
#include <string.h>

static double leaf_loss(void *arg, int first, int n, const float *logits, float *dlogits)
{
    struct sqz_loss_job *job = arg;
    size_t classes = (size_t)job->batch.loss->classes, size = (size_t)n * classes;
    size_t at = (size_t)first * classes;
    int zeros = 0;
    if (job->dlogits) {
        memcpy(dlogits, job->dlogits + at, size * sizeof *dlogits);
        return 0;
    }
    for (size_t i = 0; i < size; i++)
        zeros += logits[i] == 0;
    __atomic_fetch_add(&job->zeros, zeros, __ATOMIC_RELAXED);
    if (job->logits) {
        memcpy(job->logits + at, logits, size * sizeof *logits);
        memset(dlogits, 0, size * sizeof *dlogits);
        return 0;
    }
    return sqz_loss_rows(&job->batch, first, n, logits, job->scale, dlogits);
}

// How far the maps of each row are from the teacher's, as a share of those.
static double leaf_maps(void *arg, int first, int n, const float *x, float *dx)
{
    const struct sqz_loss_job *job = arg;
    const size_t size = job->n_maps;
    const float *wanted = job->maps + (size_t)first * size;
    const double weight = job->map_weight / job->batch.n;
    double loss = 0;
    for (int row = 0; row < n; row++, x += size, dx += size, wanted += size) {
        double whole = 0, missed = 0;
        for (size_t i = 0; i < size; i++) {
            const double difference = (double)x[i] - (double)wanted[i];
            whole += (double)wanted[i] * (double)wanted[i];
            missed += difference * difference;
        }
        if (whole == 0)
            continue;
        loss += weight * missed / whole;
        const float factor = (float)(2 * weight * job->scale / whole);
        for (size_t i = 0; i < size; i++)
            dx[i] += factor * (x[i] - wanted[i]);
    }
    return loss;
}

// The jsd loss looks at three rows at once, which may lie in different leaves: it takes a pass for
// the logits of the whole batch, and a second one, with the same dropout masks, for the gradient.
static enum sqz_status find_logits(struct sqz_stepper *stepper, struct sqz_loss_job *job,
                                   struct sqz_gradient_step *step, bool computes)
{
    enum sqz_status status = SQZ_OK;
    job->logits = stepper->logits;
    if (computes)
        sqz_gradient_run(stepper->engine, step);
    if (stepper->exchange)
        status =
            sqz_exchange_rows(stepper->config.ranks, stepper->config.net, step->n,
                              (size_t)job->batch.loss->classes, stepper->logits, &stepper->error);
    step->loss_value = sqz_loss_jsd(&job->batch, stepper->logits, job->scale, stepper->dlogits);
    job->dlogits = stepper->dlogits;
    return status;
}

// Takes over what the ranks tell, from left to right.
static enum sqz_status read_reports(struct sqz_stepper *stepper, struct sqz_loss_job *job, int n,
                                    struct sqz_step_result *out)
{
    struct sqz_ranks *ranks = stepper->config.ranks;
    job->zeros = 0;
    for (int r = 0; r < sqz_ranks_size(ranks); r++) {
        const struct sqz_rank_report *report = &out->reports[r];
        int first, end;
        if (report->status) {
            sqz_ranks_mark_agreed(ranks);
            return sqz_fail(&stepper->error, (enum sqz_status)report->status, "Rank %d on %s: %s",
                            r, sqz_ranks_host(ranks, r), report->text);
        }
        sqz_gradient_share(stepper->config.net, n, r, sqz_ranks_size(ranks), &first, &end);
        if (first == 0 && end > 0)
            out->zero_fraction = report->zero_fraction;
        out->stop = out->stop || report->stop;
        job->zeros += report->zeros;
    }
    return SQZ_OK;
}

// This rank's share, and the sum over all.
static enum sqz_status run_share(struct sqz_stepper *stepper, const struct sqz_step_batch *batch,
                                 struct sqz_loss_job *job, struct sqz_gradient_step *step,
                                 struct sqz_step_result *out)
{
    struct sqz_exchange *exchange = stepper->exchange;
    struct sqz_rank_report mine = {.stop = batch->stop};
    double begin = sqz_clock_seconds(), loss;
    enum sqz_status status =
        sqz_exchange_begin(exchange, step->n, step->gradient, !batch->failed, &stepper->error);
    if (status)
        return status;
    if (batch->failed) {
        mine.status = (int32_t)batch->failed->status;
        snprintf(mine.text, sizeof mine.text, "%.*s", (int)sizeof mine.text - 1,
                 batch->failed->text);
    } else {
        step->poll = sqz_exchange_poll;
        step->poll_arg = exchange;
        sqz_gradient_run(stepper->engine, step);
    }
    mine.zeros = job->zeros;
    mine.zero_fraction = out->zero_fraction;
    mine.compute_seconds = sqz_clock_seconds() - begin;
    mine.exposed_seconds = sqz_exchange_cost(exchange).seconds;
    status = sqz_exchange_finish(exchange, &mine, &out->reports, &loss, &stepper->error);
    out->cost = sqz_exchange_cost(exchange);
    if (!status)
        status = read_reports(stepper, job, step->n, out);
    if (!stepper->logits)
        step->loss_value = loss;
    return status;
}

enum sqz_status sqz_step_pass(struct sqz_stepper *stepper, const struct sqz_step_batch *batch,
                              struct sqz_loss_job *job, struct sqz_gradient_step *step,
                              struct sqz_step_result *out)
{
    if (stepper->exchange)
        return run_share(stepper, batch, job, step, out);
    sqz_gradient_run(stepper->engine, step);
    return SQZ_OK;
}

enum sqz_status sqz_step_gradient(struct sqz_stepper *stepper, const struct sqz_step_batch *batch,
                                  struct sqz_loss_job *job, struct sqz_gradient_step *step,
                                  struct sqz_step_result *out)
{
    enum sqz_status status = SQZ_OK;
    step->loss = leaf_loss;
    step->loss_arg = job;
    if (job->maps)
        step->maps = leaf_maps;
    if (stepper->logits)
        status = find_logits(stepper, job, step, !batch->failed);
    double loss = step->loss_value;
    if (!status)
        status = sqz_step_pass(stepper, batch, job, step, out);
    out->loss = stepper->logits ? loss : step->loss_value;
    return status;
}
