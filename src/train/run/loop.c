// The epochs and steps of a run.
#include "train/run/events.h"
#include "train/run/run.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static bool stop_asked(const struct sqz_run *run)
{
    return sqz_stop_asked(run->environment->stop);
}

static bool limit_reached(const struct sqz_run *run)
{
    return run->max_steps > 0 && run->state.steps >= run->max_steps;
}

static enum sqz_status stopped(struct sqz_run *run, struct sqz_error *err)
{
    enum sqz_status status = sqz_run_save_last(run, err);
    if (status)
        return status;
    return sqz_fail(err, SQZ_E_STOPPED,
                    "Stopped in epoch %" PRId64 " after step %" PRId64
                    "; everything is saved, continue "
                    "with: squeezenet train --resume %s",
                    run->state.epoch + 1, run->state.steps, run->dir.path);
}

// A validation ends like this when the user asks for it, or when a rank is lost in its middle; then
// the sentence about that stands, and nobody is left to save.
static enum sqz_status cut_validation(struct sqz_run *run, struct sqz_error *err)
{
    return sqz_ranks_lost(run->environment->ranks) ? SQZ_E_STOPPED : stopped(run, err);
}

static enum sqz_status diverged(struct sqz_run *run, const struct sqz_step_result *result,
                                double rate, struct sqz_error *err)
{
    const struct sqz_train_config *config = run->setup.config;
    char kept[600] = "No checkpoint had been saved yet.";
    if (run->saved)
        snprintf(kept, sizeof kept, "The last good state is kept in \"%.500s\".", run->last_path);
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
    sqz_run_rank_columns(run, result, seconds, &row, &ranks);
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
                                    .whole_rate = run->whole_rate};
    return sqz_watchdog_step(&run->state.watch, &step, err);
}

// One image ends the run, but costs no more than its step.
static enum sqz_status bad_image(struct sqz_run *run, enum sqz_status status,
                                 const struct sqz_error *failure, struct sqz_error *err)
{
    bool of_file = status == SQZ_E_DATA || status == SQZ_E_NOINPUT;
    if (!of_file || run->state.steps == 0 || sqz_run_save_last(run, NULL))
        return sqz_fail(err, status, "%s", failure->text);
    size_t length = strlen(failure->text);
    length -= length > 0 && failure->text[length - 1] == '.';
    return sqz_fail(err, status,
                    "%.*s. The %" PRId64 " steps before it are saved; to continue without it: "
                    "squeezenet train --resume %s --on_bad skip",
                    (int)length, failure->text, run->state.steps, run->dir.path);
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
        return bad_image(run, status, &failure, err);
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
    run->train_seconds += seconds;
    run->epoch_seconds += seconds;
    run->images += batch.n;
    run->epoch_images += batch.n;
    run->steps_here++;
    sqz_run_count_ranks(run, &result);
    log_step(run, &result, rate, seconds);
    sqz_run_progress(run, rate);
    if (result.skipped)
        return SQZ_OK;
    *stop = result.stop;
    return watch(run, &rows, &result, rate, err);
}

static enum sqz_status validate(struct sqz_run *run, struct sqz_evaluation *out,
                                struct sqz_error *err)
{
    const struct sqz_engine_config engine = {.net = run->setup.model->net,
                                             .weights = sqz_stepper_eval_weights(&run->stepper)};
    return sqz_evaluate(run->environment, &engine, run->val_loader, &run->setup.loss, out, err);
}

static double top1_of(const struct sqz_evaluation *result)
{
    return (double)result->correct1 / (double)result->samples;
}

static double loss_of(const struct sqz_evaluation *result)
{
    return result->loss_sum / (double)result->samples;
}

static bool is_better(const struct sqz_evaluation *result, const struct sqz_train_state *state)
{
    const double top1 = top1_of(result);
    return state->best_epoch == 0 || top1 > state->best_top1 ||
           (top1 == state->best_top1 && loss_of(result) < state->best_loss);
}

// Best checkpoint and best-so-far of the state; without validation the last model is the best.
static enum sqz_status take_best(struct sqz_run *run, const struct sqz_evaluation *result,
                                 bool *is_best, struct sqz_error *err)
{
    struct sqz_train_state *state = &run->state;
    *is_best = false;
    if (!sqz_qat_is_final(run->qat, state->epoch, state->steps))
        return SQZ_OK;
    if (!result)
        return state->finished && state->best_epoch == 0 ? sqz_run_save_best(run, NULL, err)
                                                         : SQZ_OK;
    if (!is_better(result, state))
        return SQZ_OK;
    *is_best = true;
    state->best_epoch = state->epoch;
    state->best_top1 = top1_of(result);
    state->best_top5 = (double)result->correct5 / (double)result->samples;
    state->best_loss = loss_of(result);
    return sqz_run_save_best(run, NULL, err);
}

// As in MindCV, epochs 1, 1 + v, 1 + 2v, ... for a val_interval of v; `epoch` is 0-based.
static bool validates_in(const struct sqz_train_config *config, int64_t epoch)
{
    return config->val_while_train && epoch % config->val_interval == 0;
}

// Validations of the first `epoch` epochs.
static int64_t count_validations(const struct sqz_train_config *config, int64_t epoch)
{
    return epoch > 0 ? (epoch - 1) / config->val_interval + 1 : 0;
}

// Ends the run when the validations since the best one are as many as early_stopping allows.
static void stop_early(struct sqz_run *run)
{
    struct sqz_train_state *state = &run->state;
    const struct sqz_train_config *config = run->setup.config;
    int64_t since =
        count_validations(config, state->epoch) - count_validations(config, state->best_epoch);
    if (state->finished || config->early_stopping == 0 || since < config->early_stopping ||
        !sqz_qat_is_final(run->qat, state->epoch, state->steps))
        return;
    state->finished = 1;
    sqz_run_note(run, SQZ_EVENT_NOTE,
                 "Ended after epoch %" PRId64 ": nothing was better since epoch %" PRId64
                 " (early_stopping %" PRId64 ").",
                 state->epoch, state->best_epoch, config->early_stopping);
}

static double speed(const struct sqz_run *run)
{
    return run->epoch_seconds > 0 ? (double)run->epoch_images / run->epoch_seconds : 0;
}

// MindCV's names; 0 is the rank.
static void add_epoch_events(struct sqz_run *run, double loss, const struct sqz_evaluation *result)
{
    struct sqz_scalar scalars[4] = {{"train_loss_0", loss}};
    if (result) {
        double samples = (double)result->samples;
        scalars[1] = (struct sqz_scalar){"val_loss_0", loss_of(result)};
        scalars[2] = (struct sqz_scalar){"val_Top_1_Accuracy_0", top1_of(result)};
        scalars[3] =
            (struct sqz_scalar){"val_Top_5_Accuracy_0", (double)result->correct5 / samples};
    }
    sqz_events_add(run->dir.events, run->state.steps, scalars, result ? 4 : 1);
}

static enum sqz_status end_epoch(struct sqz_run *run, struct sqz_error *err)
{
    struct sqz_train_state *state = &run->state;
    const struct sqz_train_config *config = run->setup.config;
    struct sqz_evaluation result = {0};
    struct sqz_text row = {0};
    bool last = state->epoch + 1 >= config->epoch_size, is_best = false;
    bool due = run->val_loader && (last || validates_in(config, state->epoch));
    double rate = sqz_run_last_rate(run);
    double loss = state->loss_sum / (double)state->loss_samples;
    enum sqz_status status = sqz_qat_export(run->qat, state->epoch, err);
    if (!status && due)
        status = validate(run, &result, err);
    if (status == SQZ_E_STOPPED)
        return cut_validation(run, err);
    if (status)
        return status;
    state->epoch++;
    state->batch = 0;
    state->loss_sum = 0;
    state->loss_samples = 0;
    state->final_loss = loss;
    state->finished = last;
    status = take_best(run, due ? &result : NULL, &is_best, err);
    if (due)
        stop_early(run);
    sqz_run_history_row(run, state->epoch, loss, rate, due ? &result : NULL, &row);
    sqz_text_add(&state->history, "%s\n", sqz_text_get(&row));
    if (!status)
        status = sqz_run_save_ckpt(run, due ? top1_of(&result) : 0, err);
    if (!status)
        status = sqz_run_save_last(run, err);
    if (!status)
        status =
            sqz_run_dir_epoch(&run->dir, sqz_text_get(&row), run->epoch_seconds, speed(run), err);
    if (!status)
        status = sqz_run_plot_history(run, err);
    if (!status)
        add_epoch_events(run, loss, due ? &result : NULL);
    if (!status)
        sqz_run_epoch_line(run, state->epoch, loss, rate, due ? &result : NULL, is_best);
    if (is_best) {
        run->shown = result;
        run->shown_epoch = state->epoch;
    }
    sqz_text_release(&row);
    run->epoch_seconds = 0;
    run->epoch_images = 0;
    return status;
}

// A run that was cut short is validated, too, and its model may be the best.
static enum sqz_status validate_early(struct sqz_run *run, int64_t epoch,
                                      struct sqz_evaluation *result, bool *is_best,
                                      struct sqz_error *err)
{
    struct sqz_train_state *state = &run->state;
    enum sqz_status status = validate(run, result, err);
    if (status)
        return status;
    *is_best = state->best_epoch == 0 || top1_of(result) > state->best_top1;
    if (!*is_best)
        return SQZ_OK;
    run->shown = *result;
    run->shown_epoch = epoch;
    return state->best_epoch > 0 ? sqz_run_keep_previous_best(run, err) : SQZ_OK;
}

// Row and line of an epoch that a limit cut short; not in the state, which an uninterrupted run
// shares.
static enum sqz_status report_early(struct sqz_run *run, int64_t epoch,
                                    const struct sqz_evaluation *result, bool is_best,
                                    struct sqz_error *err)
{
    const struct sqz_train_state *state = &run->state;
    struct sqz_text row = {0};
    double rate = sqz_run_last_rate(run);
    double loss =
        state->batch > 0 ? state->loss_sum / (double)state->loss_samples : state->final_loss;
    sqz_run_history_row(run, epoch, loss, rate, result, &row);
    enum sqz_status status =
        sqz_run_dir_epoch(&run->dir, sqz_text_get(&row), run->epoch_seconds, speed(run), err);
    if (!status)
        sqz_run_epoch_line(run, epoch, loss, rate, result, is_best);
    sqz_text_release(&row);
    return status;
}

// A limit cut the run short: validate and leave both files, but keep in the state what an
// uninterrupted run would know here, so that resuming still ends the same.
static enum sqz_status end_early(struct sqz_run *run, struct sqz_error *err)
{
    struct sqz_train_state *state = &run->state;
    const struct sqz_train_config *config = run->setup.config;
    struct sqz_evaluation result = {0};
    bool partial = state->batch > 0;
    int64_t epoch = partial ? state->epoch + 1 : state->epoch;
    bool due = run->val_loader && (partial || !validates_in(config, state->epoch - 1));
    bool is_best = false;
    enum sqz_status status = sqz_qat_export(run->qat, state->epoch, err);
    if (!status && due)
        status = validate_early(run, epoch, &result, &is_best, err);
    if (status == SQZ_E_STOPPED)
        return cut_validation(run, err);
    // Here the state goes first: it holds the best weights that are about to be replaced.
    if (!status)
        status = sqz_run_save_last(run, err);
    if (!status && (is_best || !run->val_loader))
        status = sqz_run_save_best(run, NULL, err);
    if (!status && (partial || due))
        status = report_early(run, epoch, due ? &result : NULL, is_best, err);
    if (!status)
        sqz_run_note(run, SQZ_EVENT_NOTE,
                     "Ended after %" PRId64 " steps, as %s asks; to go on: "
                     "squeezenet train --resume %s",
                     state->steps, run->time_planned ? "max_seconds" : "max_steps", run->dir.path);
    return status;
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
                return end_early(run, err);
            bool stop = false;
            status = run_step(run, &stop, err);
            if (status)
                return status;
            if (run->environment->ranks ? stop : stop_asked(run))
                return stopped(run, err);
            if (config->save_steps > 0 && state->steps % config->save_steps == 0)
                status = sqz_ranks_agree(run->environment->ranks, sqz_run_save_last(run, err), err);
        }
        if (!status)
            status = sqz_ranks_agree(run->environment->ranks, end_epoch(run, err), err);
    }
    return status;
}
