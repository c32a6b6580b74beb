// The end of an epoch, and of a run that a limit cuts short: validation, best model, rows, files.
#include "train/run/events.h"
#include "train/run/run.h"

#include <inttypes.h>

// A validation is cut when the user asks for it, by an image that cannot be read, or when a rank is
// lost in its middle; then the sentence about that stands, and nobody is left to save.
static enum sqz_status cut_validation(struct sqz_run *run, enum sqz_status status,
                                      const struct sqz_error *failure, struct sqz_error *err)
{
    if (status == SQZ_E_STOPPED && !sqz_ranks_lost(run->environment->ranks))
        return sqz_run_stopped(run, err);
    return sqz_run_save_failed(run, status, failure, err);
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

static double speed(const struct sqz_run_clocks *clocks)
{
    return clocks->epoch_seconds > 0 ? (double)clocks->epoch_images / clocks->epoch_seconds : 0;
}

// MindCV's names; 0 is the rank.
static void add_events(FILE *events, const struct sqz_epoch_summary *summary)
{
    const struct sqz_evaluation *result = summary->validated;
    struct sqz_scalar scalars[4] = {{"train_loss_0", summary->loss}};
    if (result) {
        double samples = (double)result->samples;
        scalars[1] = (struct sqz_scalar){"val_loss_0", loss_of(result)};
        scalars[2] = (struct sqz_scalar){"val_Top_1_Accuracy_0", top1_of(result)};
        scalars[3] =
            (struct sqz_scalar){"val_Top_5_Accuracy_0", (double)result->correct5 / samples};
    }
    sqz_events_add(events, summary->steps, scalars, result ? 4 : 1);
}

// The epoch's row, line and curves, after its counters have advanced.
static enum sqz_status report(struct sqz_run *run, const struct sqz_epoch_summary *summary,
                              const char *row, struct sqz_error *err)
{
    enum sqz_status status =
        sqz_run_dir_epoch(&run->dir, row, run->clocks.epoch_seconds, speed(&run->clocks), err);
    if (!status)
        status = sqz_history_plot(&run->dir, &run->state.history, run->setup.config->model, err);
    if (status)
        return status;
    add_events(run->dir.events, summary);
    sqz_run_epoch_line(run, summary);
    return SQZ_OK;
}

enum sqz_status sqz_run_end_epoch(struct sqz_run *run, struct sqz_error *err)
{
    struct sqz_train_state *state = &run->state;
    const struct sqz_train_config *config = run->setup.config;
    struct sqz_evaluation result = {0};
    struct sqz_text row = {0};
    bool last = state->epoch + 1 >= config->epoch_size;
    bool due = run->val_loader && (last || validates_in(config, state->epoch));
    struct sqz_epoch_summary summary = {.epoch = state->epoch + 1,
                                        .steps = state->steps,
                                        .loss = state->loss_sum / (double)state->loss_samples,
                                        .rate = sqz_run_last_rate(run),
                                        .validated = due ? &result : NULL};
    struct sqz_error failure = {0};
    enum sqz_status status = sqz_qat_export(run->qat, state->epoch, err);
    if (status)
        return status;
    if (due && (status = validate(run, &result, &failure)))
        return cut_validation(run, status, &failure, err);
    state->epoch++;
    state->batch = 0;
    state->loss_sum = 0;
    state->loss_samples = 0;
    state->final_loss = summary.loss;
    state->finished = last;
    status = take_best(run, summary.validated, &summary.is_best, err);
    if (due)
        stop_early(run);
    sqz_epoch_row(&summary, &row);
    sqz_text_add(&state->history, "%s\n", sqz_text_get(&row));
    if (!status)
        status = sqz_run_save_ckpt(run, due ? top1_of(&result) : 0, err);
    if (!status)
        status = sqz_run_save_last(run, err);
    if (!status)
        status = report(run, &summary, sqz_text_get(&row), err);
    if (summary.is_best) {
        run->shown = result;
        run->shown_epoch = state->epoch;
    }
    sqz_text_release(&row);
    run->clocks.epoch_seconds = 0;
    run->clocks.epoch_images = 0;
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
static enum sqz_status report_early(struct sqz_run *run, const struct sqz_epoch_summary *summary,
                                    struct sqz_error *err)
{
    struct sqz_text row = {0};
    sqz_epoch_row(summary, &row);
    enum sqz_status status = sqz_run_dir_epoch(&run->dir, sqz_text_get(&row),
                                               run->clocks.epoch_seconds, speed(&run->clocks), err);
    if (!status)
        sqz_run_epoch_line(run, summary);
    sqz_text_release(&row);
    return status;
}

// A limit cut the run short: validate and leave both files, but keep in the state what an
// uninterrupted run would know here, so that resuming still ends the same.
enum sqz_status sqz_run_end_early(struct sqz_run *run, struct sqz_error *err)
{
    struct sqz_train_state *state = &run->state;
    const struct sqz_train_config *config = run->setup.config;
    struct sqz_evaluation result = {0};
    bool partial = state->batch > 0;
    bool due = run->val_loader && (partial || !validates_in(config, state->epoch - 1));
    struct sqz_epoch_summary summary = {
        .epoch = partial ? state->epoch + 1 : state->epoch,
        .steps = state->steps,
        .loss = partial ? state->loss_sum / (double)state->loss_samples : state->final_loss,
        .rate = sqz_run_last_rate(run),
        .validated = due ? &result : NULL};
    struct sqz_error failure = {0};
    enum sqz_status status = sqz_qat_export(run->qat, state->epoch, err);
    if (status)
        return status;
    if (due)
        status = validate_early(run, summary.epoch, &result, &summary.is_best, &failure);
    if (status)
        return cut_validation(run, status, &failure, err);
    // Here the state goes first: it holds the best weights that are about to be replaced.
    if (!status)
        status = sqz_run_save_last(run, err);
    if (!status && (summary.is_best || !run->val_loader))
        status = sqz_run_save_best(run, NULL, err);
    if (!status && (partial || due))
        status = report_early(run, &summary, err);
    if (!status)
        sqz_run_note(run, SQZ_EVENT_NOTE,
                     "Ended after %" PRId64 " steps, as %s asks; to go on: "
                     "squeezenet train --resume %s",
                     state->steps, run->limit.planned ? "max_seconds" : "max_steps", run->dir.path);
    return status;
}
