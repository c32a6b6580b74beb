// A training run from its options to its end.
#include "train/run/trainer.h"

#include "train/options/recipe_write.h"
#include "train/run/events.h"
#include "train/run/resume.h"
#include "train/run/run_ranks.h"
#include <math.h>
#include <string.h>

void sqz_run_release(struct sqz_run *run)
{
    sqz_loader_free(run->loader);
    sqz_loader_free(run->val_loader);
    sqz_stepper_release(&run->stepper);
    sqz_qat_free(run->qat);
    sqz_optimizer_free(run->optimizer);
    sqz_rate_table_release(&run->rates);
    sqz_free(run->account.compute_seconds);
    sqz_train_state_release(&run->state);
    sqz_run_dir_release(&run->dir);
    sqz_setup_release(&run->setup);
}

// Images that were mended or removed change what a run ends in; others make it another run. What
// it is validated on may change: it decides no weight.
static enum sqz_status check_same_data(struct sqz_run *run, const struct sqz_train_state *old,
                                       struct sqz_error *err)
{
    const struct sqz_train_state *now = &run->state;
    const struct sqz_began *began = &run->setup.began;
    const bool same = old->train_fingerprint == now->train_fingerprint;
    if (!same && !began->fits)
        return sqz_fail(
            err, SQZ_E_DATA,
            "The training images in \"%s\" are not those that the run began with (%lld then, %lld "
            "now), so it cannot be continued; restore them as they were (damaged ones, too: "
            "--on_bad skip passes over those), or start a new run with --ckpt_path.",
            run->setup.config->data_dir, (long long)old->train_images,
            (long long)now->train_images);
    if (!same)
        sqz_text_add(&run->setup.notes,
                     "The training images were changed since the run began (mended or removed): it "
                     "goes on, and ends in other weights than with the images as they were.\n");
    if (old->val_fingerprint != now->val_fingerprint)
        sqz_text_add(&run->setup.notes,
                     "The validation images are not those that the run began with (%lld then, %lld "
                     "now): what is measured from here on does not compare with what was before.\n",
                     (long long)old->val_images, (long long)now->val_images);
    return SQZ_OK;
}

// What describes the data as they are now, not as they were.
static void keep_data(struct sqz_train_state *state, const struct sqz_train_state *now)
{
    state->train_images = now->train_images;
    state->val_images = now->val_images;
    state->train_fingerprint = now->train_fingerprint;
    state->val_fingerprint = now->val_fingerprint;
}

static enum sqz_status check_position(const struct sqz_run *run, const struct sqz_train_state *old,
                                      const char *path, struct sqz_error *err)
{
    int64_t epochs = run->setup.config->epoch_size, per_epoch = run->steps_per_epoch;
    if (old->epoch <= epochs && old->batch <= per_epoch &&
        old->steps == old->epoch * per_epoch + old->batch &&
        (old->finished ? old->epoch == epochs || run->setup.config->early_stopping > 0
                       : old->epoch < epochs))
        return SQZ_OK;
    return sqz_fail(err, SQZ_E_DATA,
                    "\"%s\" stands at step %lld of epoch %lld, which this run does not "
                    "have; the training state is damaged.",
                    path, (long long)old->steps, (long long)old->epoch);
}

static enum sqz_status begin_new(struct sqz_run *run, const struct sqz_options *given,
                                 struct sqz_error *err)
{
    enum sqz_status status = sqz_setup_open(run->environment, given, NULL, NULL, &run->setup, err);
    if (!status)
        status = sqz_run_prepare(run, err);
    if (!status)
        status = sqz_run_import_ckpt(run, err);
    if (!status && sqz_ranks_rank(run->environment->ranks) == 0)
        status = sqz_run_dir_create(run->setup.config, &run->dir, err);
    return status;
}

// Takes over the old state when it fits options, data and network.
static enum sqz_status adopt_checkpoint(struct sqz_run *run, struct sqz_resumed *resumed,
                                        struct sqz_error *err)
{
    struct sqz_train_state *old = &resumed->state;
    const char *path = resumed->checkpoint;
    const struct sqz_net *net = run->setup.model->net;
    enum sqz_status status = check_same_data(run, old, err);
    if (!status)
        status = check_position(run, old, path, err);
    if (!status)
        status = sqz_checkpoint_restore(path, &resumed->archive, old, &run->stepper, err);
    if (!status)
        status =
            sqz_checkpoint_previous_best(path, &resumed->archive, net, &old->previous_best, err);
    if (status)
        return status;
    const char *level = sqz_cpu_level_name(run->environment->kernels->level);
    if (strcmp(old->simd, level) != 0)
        sqz_text_add(&run->setup.notes,
                     "The run went on %s so far and goes on on %s: the last bits of "
                     "the results will differ from an uninterrupted run.\n",
                     old->simd, level);
    keep_data(old, &run->state);
    if (!old->samples.keys) { // of an earlier version
        old->samples = run->state.samples;
        run->state.samples = (struct sqz_sample_keys){0};
    }
    sqz_train_state_release(&run->state);
    run->state = *old;
    *old = (struct sqz_train_state){0};
    run->dir.has_last = true;
    return SQZ_OK;
}

static enum sqz_status begin_resumed(struct sqz_run *run, const struct sqz_options *given,
                                     struct sqz_error *err)
{
    struct sqz_resumed old;
    enum sqz_status status = sqz_resume_open(given, &run->dir, &old, err);
    if (!status && sqz_ranks_rank(run->environment->ranks) == 0)
        status = sqz_run_dir_lock(&run->dir, err);
    if (!status) {
        status = sqz_setup_open(run->environment, old.options, old.model, &old.state.samples,
                                &run->setup, err);
        old.model = NULL;
    }
    if (!status)
        status = sqz_run_prepare(run, err);
    if (!status && old.checkpoint)
        status = adopt_checkpoint(run, &old, err);
    else if (!status)
        status = sqz_run_import_ckpt(run, err);
    if (!status && !old.checkpoint)
        sqz_text_add(&run->setup.notes,
                     "There is no checkpoint in \"%s\" yet: the run starts again "
                     "from its recipe.yaml.\n",
                     run->dir.path);
    sqz_resumed_release(&old);
    return status;
}

static enum sqz_status open_events(struct sqz_run *run, struct sqz_error *err)
{
    if (run->dir.mute)
        return SQZ_OK;
    char *path = sqz_run_dir_file(&run->dir, SQZ_EVENTS_DIR);
    if (!path)
        return sqz_fail_memory(err, "a path", strlen(run->dir.path));
    enum sqz_status status = sqz_events_open(path, &run->dir.events, err);
    sqz_free(path);
    return status;
}

// The run directory's text files, made to agree with the state.
static enum sqz_status open_dir(struct sqz_run *run, struct sqz_error *err)
{
    struct sqz_train_state *state = &run->state;
    sqz_text_release(&state->recipe);
    enum sqz_status status =
        sqz_recipe_portable(run->setup.options, run->setup.config, &state->recipe, err);
    if (!status)
        status = sqz_run_write_recipe(run, err);
    if (!status && run->setup.divided)
        status = sqz_run_dir_write_split(&run->dir, run->setup.train, run->setup.val, err);
    if (!status)
        status = sqz_run_dir_start(&run->dir, sqz_text_get(&state->step_rows),
                                   sqz_text_get(&state->history), err);
    if (!status && run->setup.config->tensorboard)
        status = open_events(run, err);
    if (!status && state->previous_best) {
        status = sqz_run_save_best(run, state->previous_best, err);
        sqz_free(state->previous_best);
        state->previous_best = NULL;
    }
    return status;
}

static void fill_result(const struct sqz_run *run, struct sqz_train_result *out)
{
    const struct sqz_train_state *state = &run->state;
    *out = (struct sqz_train_result){
        .epochs = (int)state->epoch,
        .steps = state->steps,
        .seconds = sqz_clock_seconds() - run->clocks.started,
        .ms_per_step =
            run->clocks.steps ? 1e3 * run->clocks.train_seconds / (double)run->clocks.steps : 0,
        .images_per_second =
            run->clocks.steps ? (double)run->clocks.images / run->clocks.train_seconds : 0,
        .final_loss =
            state->loss_samples ? state->loss_sum / (double)state->loss_samples : state->final_loss,
        .best_epoch = (int)state->best_epoch,
        .best_top1 = state->best_top1,
        .best_top5 = state->best_top5};
    sqz_rank_account_fill(&run->account, run->environment->ranks, &run->clocks, out);
    if (run->shown_epoch > 0) {
        out->best_epoch = (int)run->shown_epoch;
        out->best_top1 = (double)run->shown.correct1 / (double)run->shown.samples;
        out->best_top5 = (double)run->shown.correct5 / (double)run->shown.samples;
    }
    snprintf(out->run_dir, sizeof out->run_dir, "%s", run->dir.path);
    enum sqz_path_kind kind;
    if (!sqz_path_look(run->dir.best, &kind, NULL) && kind != SQZ_PATH_MISSING)
        snprintf(out->best_checkpoint, sizeof out->best_checkpoint, "%s", run->dir.best);
}

enum sqz_status sqz_trainer_run(const struct sqz_environment *environment,
                                const struct sqz_options *options, struct sqz_train_result *out,
                                struct sqz_error *err)
{
    struct sqz_run run = {.environment = environment, .state.final_loss = NAN};
    enum sqz_status status =
        *options->resume ? begin_resumed(&run, options, err) : begin_new(&run, options, err);
    status = sqz_run_agree_on_start(&run, status, err);
    if (!status)
        status = sqz_ranks_agree(environment->ranks, open_dir(&run, err), err);
    if (status)
        goto done;
    sqz_run_report_start(&run);
    run.clocks.started = sqz_clock_seconds();
    if (run.state.finished)
        sqz_run_note(&run, SQZ_EVENT_NOTE,
                     "The run had already reached its end; nothing is left to do.");
    else if (run.state.steps > 0)
        sqz_run_note(&run, SQZ_EVENT_NOTE, "Continuing in epoch %lld after step %lld.",
                     (long long)run.state.epoch + 1, (long long)run.state.steps);
    status = sqz_ranks_agree(environment->ranks, sqz_run_loop(&run, err), err);
    if (status == SQZ_OK)
        sqz_run_show_history(&run);
    if (status == SQZ_OK || status == SQZ_E_STOPPED)
        fill_result(&run, out);
    else if (err)
        sqz_run_dir_log(&run.dir, "%s", err->text);
    size_t substituted = sqz_substituted(environment->ranks, run.loader);
    if (substituted > 0)
        sqz_run_note(&run, SQZ_EVENT_WARNING,
                     "%zu training images could not be decoded; others of "
                     "their class took their places.",
                     substituted);
done:
    sqz_run_release(&run);
    return status;
}
