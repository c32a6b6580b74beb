// Which checkpoint is written when, and in which order, so that a kill at any moment leaves a run
// that resumes to the same end: best.safetensors before the state that speaks of it.
#include "train/trainer_run.h"

#include <errno.h>
#include <stdlib.h>
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
        sqz_checkpoint_write(run->last_path, state, &run->stepper, run->setup.model, err);
    run->saved = run->saved || !status;
    return status;
}

enum sqz_status sqz_run_save_best(struct sqz_run *run, const float *weights, struct sqz_error *err)
{
    struct sqz_model best = *run->setup.model; // a borrowed view; nothing of it is released
    if (run->dir.mute)
        return SQZ_OK;
    best.weights = (float *)(weights ? weights : sqz_stepper_judged(&run->stepper));
    return sqz_model_write(&best, run->best_path, SQZ_REPLACE_EXISTING, err);
}

enum sqz_status sqz_run_displace_best(struct sqz_run *run, struct sqz_error *err)
{
    const struct sqz_net *net = run->setup.model->net;
    struct sqz_model *best = NULL;
    if (run->dir.mute)
        return SQZ_OK;
    enum sqz_status status = sqz_model_read(run->best_path, NULL, 0, &best, err);
    if (status)
        return status;
    if (best->net->n_weights != net->n_weights) {
        sqz_model_free(best);
        return sqz_fail(err, SQZ_E_DATA, "\"%s\" is not a model of this run.", run->best_path);
    }
    float *weights = sqz_new_aligned(net->n_weights, sizeof *weights);
    if (!weights)
        status = sqz_fail_memory(err, "weights", net->n_weights * sizeof *weights);
    else
        memcpy(weights, best->weights, net->n_weights * sizeof *weights);
    sqz_free(run->state.displaced_best);
    run->state.displaced_best = weights;
    sqz_model_free(best);
    return status;
}

// --- MindCV-style checkpoints: the list of kept files is part of the training state ---

struct kept {
    char name[128];
    double top1;
};

static int parse_kept(const char *text, struct kept *out, int room)
{
    int n = 0;
    while (*text && n < room) {
        size_t name = strcspn(text, "\t");
        if (!text[name] || name >= sizeof out->name)
            break;
        memcpy(out[n].name, text, name);
        out[n].name[name] = '\0';
        out[n++].top1 = strtod(text + name + 1, NULL);
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return n;
}

static int count_lines(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

// The kept file that makes room: the oldest, or with top_k the worst. -1: nothing has to go; -2:
// the new one is not good enough.
static int choose_victim(const struct sqz_options *options, const struct kept *kept, int n,
                         double top1)
{
    int64_t limit = options->keep_checkpoint_max;
    if (!*options->ckpt_save_policy || limit == 0 || n < limit)
        return -1;
    if (strcmp(options->ckpt_save_policy, "top_k") != 0)
        return 0;
    int worst = 0;
    for (int i = 1; i < n; i++)
        if (kept[i].top1 < kept[worst].top1)
            worst = i;
    return top1 > kept[worst].top1 ? worst : -2;
}

static enum sqz_status rewrite_kept(struct sqz_run *run, const struct kept *kept, int n, int victim,
                                    const char *name, double top1, struct sqz_error *err)
{
    struct sqz_text text = {0};
    for (int i = 0; i < n; i++)
        if (i != victim && strcmp(kept[i].name, name) != 0)
            sqz_text_add(&text, "%s\t%.17g\n", kept[i].name, kept[i].top1);
    sqz_text_add(&text, "%s\t%.17g\n", name, top1);
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
    const struct sqz_options *options = run->setup.options;
    int64_t epoch = run->state.epoch;
    if (run->dir.mute || strcmp(options->ckpt_format, "ckpt") != 0 ||
        (epoch % options->ckpt_save_interval != 0 && !run->state.finished))
        return SQZ_OK;
    int n = count_lines(sqz_text_get(&run->state.kept));
    struct kept *kept = sqz_new_array((size_t)n, sizeof *kept);
    char name[128];
    snprintf(name, sizeof name, "%s-%lld_%lld.ckpt", options->model, (long long)epoch,
             (long long)run->steps_per_epoch);
    char *path = sqz_run_dir_file(&run->dir, name);
    enum sqz_status status = SQZ_OK;
    if (!kept || !path) {
        status = sqz_fail_memory(err, "the list of checkpoints", (size_t)n * sizeof *kept);
        goto done;
    }
    n = parse_kept(sqz_text_get(&run->state.kept), kept, n);
    int victim = choose_victim(options, kept, n, top1);
    if (victim == -2)
        goto done;
    status = sqz_checkpoint_write_ckpt(path, &run->stepper, run->setup.model, err);
    if (!status && victim >= 0) {
        char *old = sqz_run_dir_file(&run->dir, kept[victim].name);
        if (!old)
            status = sqz_fail_memory(err, "a path", sizeof kept->name);
        else if (unlink(old) && errno != ENOENT)
            status = sqz_fail_errno(err, SQZ_E_CANTWRITE, errno, "Cannot remove \"%s\"", old);
        sqz_free(old);
    }
    if (!status)
        status = rewrite_kept(run, kept, n, victim, name, top1, err);
done:
    sqz_free(kept);
    sqz_free(path);
    return status;
}
