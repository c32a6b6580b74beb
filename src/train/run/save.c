// Which checkpoint is written when, and in which order, so that a kill at any moment leaves a run
// that resumes to the same end: best.safetensors before the state that speaks of it.
#include "train/options/recipe_write.h"
#include "train/run/kept.h"
#include "train/run/run.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum sqz_status sqz_run_save_last(struct sqz_run *run, struct sqz_error *err)
{
    struct sqz_train_state *state = &run->state;
    snprintf(state->simd, sizeof state->simd, "%s",
             sqz_cpu_level_name(run->environment->kernels->level));
    if (run->dir.mute)
        return SQZ_OK;
    if (state->history.failed || state->step_rows.failed || state->kept.failed)
        return sqz_fail_memory(err, "the history", state->step_rows.length);
    enum sqz_status status =
        sqz_checkpoint_write(run->dir.last, state, &run->stepper, run->setup.model, err);
    run->dir.has_last = run->dir.has_last || !status;
    return status;
}

enum sqz_status sqz_run_stopped(struct sqz_run *run, struct sqz_error *err)
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

enum sqz_status sqz_run_save_failed(struct sqz_run *run, enum sqz_status status,
                                    const struct sqz_error *failure, struct sqz_error *err)
{
    const bool of_data = status == SQZ_E_DATA || status == SQZ_E_NOINPUT || status == SQZ_E_IO;
    if (!of_data || run->state.steps == 0 || sqz_run_save_last(run, NULL))
        return sqz_fail(err, status, "%s", failure->text);
    size_t length = strlen(failure->text);
    length -= length > 0 && failure->text[length - 1] == '.';
    return sqz_fail(err, status,
                    "%.*s. The %" PRId64 " steps before it are saved; to %s: "
                    "squeezenet train --resume %s%s",
                    (int)length, failure->text, run->state.steps,
                    status == SQZ_E_DATA ? "continue without it" : "go on", run->dir.path,
                    status == SQZ_E_DATA ? " --on_bad skip" : "");
}

enum sqz_status sqz_run_save_best(struct sqz_run *run, const float *weights, struct sqz_error *err)
{
    struct sqz_model best = *run->setup.model; // a borrowed view; nothing of it is released
    if (run->dir.mute)
        return SQZ_OK;
    best.weights = (float *)(weights ? weights : sqz_stepper_eval_weights(&run->stepper));
    return sqz_model_write(&best, run->dir.best, SQZ_REPLACE_EXISTING, err);
}

enum sqz_status sqz_run_keep_previous_best(struct sqz_run *run, struct sqz_error *err)
{
    const struct sqz_net *net = run->setup.model->net;
    struct sqz_model *best = NULL;
    if (run->dir.mute)
        return SQZ_OK;
    enum sqz_status status = sqz_model_read(run->dir.best, NULL, 0, &best, err);
    if (status)
        return status;
    if (best->net->n_weights != net->n_weights) {
        sqz_model_free(best);
        return sqz_fail(err, SQZ_E_DATA, "\"%s\" is not a model of this run.", run->dir.best);
    }
    float *weights = sqz_new_aligned(net->n_weights, sizeof *weights);
    if (!weights)
        status = sqz_fail_memory(err, "weights", net->n_weights * sizeof *weights);
    else
        memcpy(weights, best->weights, net->n_weights * sizeof *weights);
    sqz_free(run->state.previous_best);
    run->state.previous_best = weights;
    sqz_model_free(best);
    return status;
}

enum sqz_status sqz_run_write_recipe(struct sqz_run *run, struct sqz_error *err)
{
    struct sqz_text text = {0};
    enum sqz_status status =
        sqz_recipe_of_run(run->setup.options, run->setup.config, run->limit.max_steps, &text, err);
    if (!status)
        status = sqz_run_dir_write(&run->dir, "recipe.yaml", sqz_text_get(&text), err);
    sqz_text_release(&text);
    return status;
}

// --- MindCV-style checkpoints ---

static enum sqz_status remove_kept(const struct sqz_run_dir *dir, const char *name,
                                   struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    char *path = sqz_run_dir_file(dir, name);
    if (!path)
        return sqz_fail_memory(err, "a path", strlen(name));
    if (unlink(path) && errno != ENOENT)
        status = sqz_fail_errno(err, SQZ_E_CANTWRITE, errno, "Cannot remove \"%s\"", path);
    sqz_free(path);
    return status;
}

static enum sqz_status rewrite_kept(struct sqz_run *run, const struct sqz_kept *kept, int n,
                                    int victim, const char *name, double top1,
                                    struct sqz_error *err)
{
    struct sqz_text text = {0};
    sqz_kept_write(kept, n, victim, name, top1, &text);
    if (text.failed) {
        sqz_text_release(&text);
        return sqz_fail_memory(err, "the list of checkpoints", text.length);
    }
    sqz_text_release(&run->state.kept);
    run->state.kept = text;
    return SQZ_OK;
}

enum sqz_status sqz_run_save_ckpt(struct sqz_run *run, double top1, struct sqz_error *err)
{
    const struct sqz_train_config *config = run->setup.config;
    int64_t epoch = run->state.epoch;
    if (run->dir.mute || config->ckpt_format != SQZ_CKPT_MINDCV ||
        (epoch % config->ckpt_save_interval != 0 && !run->state.finished))
        return SQZ_OK;
    int n = sqz_kept_count(sqz_text_get(&run->state.kept));
    if (n < 0)
        return sqz_fail(err, SQZ_E_INTERNAL, "The list of kept checkpoints is damaged.");
    struct sqz_kept *kept = sqz_new_array((size_t)n, sizeof *kept);
    char name[SQZ_KEPT_NAME];
    sqz_kept_name(name, config->model, epoch, run->steps_per_epoch);
    char *path = sqz_run_dir_file(&run->dir, name);
    enum sqz_status status = SQZ_OK;
    if (!kept || !path) {
        status = sqz_fail_memory(err, "the list of checkpoints", (size_t)n * sizeof *kept);
        goto done;
    }
    sqz_kept_read(sqz_text_get(&run->state.kept), kept);
    bool limited = config->ckpt_save_policy != SQZ_SAVE_ALL;
    int victim = sqz_kept_victim(kept, n, limited ? config->keep_checkpoint_max : 0,
                                 config->ckpt_save_policy == SQZ_SAVE_TOP_K, top1);
    if (victim == -2)
        goto done;
    status = sqz_checkpoint_write_ckpt(path, &run->stepper, run->setup.model, err);
    if (!status && victim >= 0)
        status = remove_kept(&run->dir, kept[victim].name, err);
    if (!status)
        status = rewrite_kept(run, kept, n, victim, name, top1, err);
done:
    sqz_free(kept);
    sqz_free(path);
    return status;
}
