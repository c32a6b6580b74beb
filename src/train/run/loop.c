// The epochs and steps of a run.
#include "train/run/events.h"
#include "train/run/run_ranks.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static bool stop_asked(const struct sqz_run *run)
{
    return sqz_stop_asked(run->environment->stop);
}

static bool limit_reached(const struct sqz_run *run)
{
    return run->limit.max_steps > 0 && run->state.steps >= run->limit.max_steps;
}

static enum sqz_status diverged(struct sqz_run *run, const struct sqz_step_result *result,
                                double rate, struct sqz_error *err)
{
    const struct sqz_train_config *config = run->setup.config;
    char kept[600] = "No checkpoint had been saved yet.";
    if (run->dir.has_last)
        snprintf(kept, sizeof kept, "The last good state is kept in \"%.500s\".", run->dir.last);
    struct sqz_nonfinite_report what = {.epoch = (int)run->state.epoch + 1,
                                        .step = run->state.steps + 1,
                                        .loss = result->loss,
                                        .gradient_norm = result->gradient_norm,
                                        .rate = rate,
                                        .clipped = config->clip_grad,
                                        .warmed_up = config->warmup_epochs > 0};
    return sqz_watchdog_not_finite(&what, kept, err);
}

// At the first batch of an epoch, at multiples of log_interval, and at the last: MindCV's lines.
static void log_step(struct sqz_run *run, const struct sqz_step_result *result, double rate,
                     double seconds)
{
    struct sqz_train_state *state = &run->state;
    struct sqz_text row = {0}, ranks = {0};
    const struct sqz_train_config *config = run->setup.config;
    if (state->batch != 1 && state->batch % config->log_interval != 0 &&
        state->batch != run->steps_per_epoch)
        return;
    size_t start = state->step_rows.length;
    sqz_text_add(&state->step_rows, "%" PRId64 ",%" PRId64 ",%.9g,%.9g,%.6g,%.4f,%.4f\n",
                 state->epoch + 1, state->steps, rate, result->loss, result->gradient_norm,
                 result->zero_fraction, result->zero_logits);
    // The state's rows end before what depends on the machine.
    if (!state->step_rows.failed)
        sqz_text_add(&row, "%.*s", (int)(state->step_rows.length - start - 1),
                     state->step_rows.data + start);
    sqz_rank_columns(&run->setup, result, seconds, &row, &ranks);
    sqz_text_add(&row, "\n");
    if (!state->step_rows.failed && !row.failed)
        sqz_run_dir_step(&run->dir, sqz_text_get(&row));
    struct sqz_scalar scalars[] = {
        {"loss", result->loss}, {"learning_rate", rate}, {"gradient_norm", result->gradient_norm}};
    sqz_events_add(run->dir.events, state->steps, scalars, 3);
    sqz_run_dir_log(
        &run->dir, "epoch %" PRId64 "/%" PRId64 " step %" PRId64 "/%" PRId64 " loss %.6f lr %.6g%s",
        state->epoch + 1, config->epoch_size, state->batch, run->steps_per_epoch, result->loss,
        rate, sqz_text_get(&ranks));
    sqz_text_release(&row);
    sqz_text_release(&ranks);
}

// Every rank sees the same numbers, and so comes to the same end.
static enum sqz_status watch(struct sqz_run *run, const struct sqz_step_batch *batch,
                             const struct sqz_step_result *result, double rate,
                             struct sqz_error *err)
{
    if (!run->setup.config->stop_dead_start)
        return SQZ_OK;
    int n = run->setup.loss.kind == SQZ_LOSS_JSD ? batch->n / SQZ_JSD_SPLITS : batch->n;
    const int *labels = batch->targets ? NULL : batch->labels;
    struct sqz_watched_step step = {.loss = result->loss,
                                    .zero_fraction = result->zero_fraction,
                                    .zero_logits = result->zero_logits,
                                    .chance = sqz_loss_at_zero(&run->setup.loss, labels, n),
                                    .reducible = sqz_loss_reducible(&run->setup.loss),
                                    .rate = rate,
                                    .whole_rate = run->rates.whole};
    return sqz_watchdog_step(&run->state.watch, &step, err);
}

static void count_time(struct sqz_run_clocks *clocks, double seconds, int images)
{
    clocks->train_seconds += seconds;
    clocks->epoch_seconds += seconds;
    clocks->images += images;
    clocks->epoch_images += images;
    clocks->steps++;
}

static enum sqz_status run_step(struct sqz_run *run, bool *stop, struct sqz_error *err)
{
    struct sqz_train_state *state = &run->state;
    struct sqz_batch batch;
    struct sqz_step_result result;
    struct sqz_ranks *ranks = run->environment->ranks;
    struct sqz_error failure = {0};
    double start = sqz_clock_seconds();
    enum sqz_status status = sqz_loader_next(run->loader, &batch, &failure);
    // With ranks the others have to hear of a failure, and this one takes part in the step all the
    // same.
    if (status && !ranks)
        return sqz_run_save_failed(run, status, &failure, err);
    sqz_ranks_at(ranks, "step %" PRId64 " of epoch %" PRId64, state->batch + 1, state->epoch + 1);
    if (batch.n == 0)
        return sqz_fail(err, SQZ_E_INTERNAL, "The loader ended epoch %" PRId64 " too early.",
                        state->epoch + 1);
    double rate = sqz_run_rate(run);
    struct sqz_step_batch rows = {batch.images,
                                  batch.labels,
                                  batch.targets,
                                  batch.n,
                                  .failed = status ? &failure : NULL,
                                  .stop = stop_asked(run)};
    if (!status && (status = sqz_qat_step(run->qat, state->steps, &rows, &failure)))
        rows.failed = &failure;
    if (status && !ranks)
        return sqz_fail(err, status, "%s", failure.text);
    sqz_stepper_run(&run->stepper, &rows, rate, &result);
    if (result.status)
        return sqz_fail(err, result.status, "%s", run->stepper.error.text);
    if (!result.finite)
        return diverged(run, &result, rate, err);
    state->steps++;
    state->batch++;
    // The loss of a step that overflowed may be no number; it was left out of the training, too.
    if (!result.skipped) {
        state->loss_sum += result.loss * batch.n;
        state->loss_samples += batch.n;
    }
    double seconds = sqz_clock_seconds() - start;
    count_time(&run->clocks, seconds, batch.n);
    sqz_rank_account_add(&run->account, ranks, &result);
    log_step(run, &result, rate, seconds);
    sqz_run_progress(run, rate);
    if (result.skipped)
        return SQZ_OK;
    *stop = result.stop;
    return watch(run, &rows, &result, rate, err);
}

enum sqz_status sqz_run_loop(struct sqz_run *run, struct sqz_error *err)
{
    struct sqz_train_state *state = &run->state;
    const struct sqz_train_config *config = run->setup.config;
    enum sqz_status status = SQZ_OK;
    while (!state->finished && !status) {
        if (state->batch == 0)
            status = sqz_ranks_agree(run->environment->ranks,
                                     sqz_qat_epoch(run->qat, state->epoch, err), err);
        if (!status && state->batch < run->steps_per_epoch)
            status = sqz_loader_start(run->loader, (int)state->epoch, (size_t)state->batch, err);
        while (!status && state->batch < run->steps_per_epoch) {
            status = sqz_run_plan_time(run, err);
            if (status)
                return status;
            if (limit_reached(run))
                return sqz_run_end_early(run, err);
            bool stop = false;
            status = run_step(run, &stop, err);
            if (status)
                return status;
            if (run->environment->ranks ? stop : stop_asked(run))
                return sqz_run_stopped(run, err);
            if (config->save_steps > 0 && state->steps % config->save_steps == 0)
                status = sqz_ranks_agree(run->environment->ranks, sqz_run_save_last(run, err), err);
        }
        if (!status)
            status = sqz_ranks_agree(run->environment->ranks, sqz_run_end_epoch(run, err), err);
    }
    return status;
}
