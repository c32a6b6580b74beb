// Option resume_opt: a new run directory that goes on where a MindCV checkpoint stands.
#include "train/run/run.h"
#include "train/setup/param_arrays.h"

#include <stdlib.h>
#include <string.h>

// An optimizer state's name in a file; with accumulation MindSpore puts "optimizer." before it.
static bool find_state(const struct sqz_run *run, const struct sqz_archive *archive,
                       const char *state, char *out, size_t size)
{
    static const char *const plain[] = {"", "optimizer."};
    static const char *const with_bn[] = {SQZ_CHECKPOINT_BN};
    const char *const *before = run->stepper.model ? with_bn : plain;
    for (int i = 0, n = run->stepper.model ? 1 : 2; i < n; i++) {
        snprintf(out, size, "%s%s", before[i], state);
        if (sqz_param_arrays_has(archive, run->stepper.config.net, out))
            return true;
    }
    return false;
}

static bool has_optimizer(const struct sqz_run *run, const struct sqz_archive *archive)
{
    char name[64];
    return find_state(run, archive, run->optimizer->rule->states[0], name, sizeof name);
}

// optim_<model>.ckpt beside the checkpoint, as MindCV writes it.
static char *beside(const struct sqz_train_config *config)
{
    char name[128];
    const char *path = config->ckpt_path, *file = sqz_path_name(path);
    snprintf(name, sizeof name, "optim_%s.ckpt", config->model);
    if (file == path)
        return sqz_copy_string(name);
    char *dir = sqz_copy_string_n(path, (size_t)(file - path));
    char *joined = dir ? sqz_path_join(dir, name) : NULL;
    sqz_free(dir);
    return joined;
}

// The archive that holds the optimizer's state: the checkpoint itself, or the file beside it.
static enum sqz_status open_states(const struct sqz_run *run, struct sqz_archive *archive,
                                   struct sqz_error *err)
{
    const struct sqz_train_config *config = run->setup.config;
    enum sqz_status status = sqz_archive_read(config->ckpt_path, archive, NULL, err);
    if (status || has_optimizer(run, archive))
        return status;
    sqz_archive_release(archive);
    char *other = beside(config);
    if (!other)
        return sqz_fail_memory(err, "a path", strlen(config->ckpt_path));
    enum sqz_path_kind kind = SQZ_PATH_MISSING;
    status = sqz_path_look(other, &kind, err);
    const bool there = kind != SQZ_PATH_MISSING;
    if (!status && there)
        status = sqz_archive_read(other, archive, NULL, err);
    if (!status && (!there || !has_optimizer(run, archive)))
        status = sqz_fail(err, there ? SQZ_E_DATA : SQZ_E_NOINPUT,
                          "Neither \"%s\" nor \"%s\" holds the state of optimizer %s%s, which "
                          "resume_opt asks for.",
                          config->ckpt_path, other, config->opt_word,
                          run->stepper.model ? " with \"--norm batch\"" : "");
    sqz_free(other);
    return status;
}

// Updates done, or -1 when the file does not say.
static int64_t read_global_step(const struct sqz_archive *archive)
{
    const struct sqz_array *array = sqz_archive_find(archive, "global_step");
    int32_t value;
    if (!array)
        array = sqz_archive_find(archive, "optimizer.global_step");
    if (!array || array->dtype != SQZ_I32 || array->size != sizeof value)
        return -1;
    memcpy(&value, array->data, sizeof value);
    return value;
}

// The epoch in "<model>-<epoch>_<step>.ckpt", or -1.
static int64_t epoch_in_name(const char *path)
{
    const char *dash = strchr(sqz_path_name(path), '-');
    char *end = NULL;
    if (!dash || dash[1] < '0' || dash[1] > '9')
        return -1;
    long long epoch = strtoll(dash + 1, &end, 10);
    return *end == '_' && epoch < INT32_MAX ? epoch : -1;
}

static enum sqz_status take_position(struct sqz_run *run, int64_t updates, struct sqz_error *err)
{
    const struct sqz_train_config *config = run->setup.config;
    struct sqz_train_state *state = &run->state;
    int64_t epoch = epoch_in_name(config->ckpt_path);
    if (epoch < 0 && updates >= 0)
        epoch = updates * config->gradient_accumulation_steps / run->steps_per_epoch;
    if (epoch < 0)
        return sqz_fail(
            err, SQZ_E_DATA,
            "\"%s\" does not say at which epoch it stands: resume_opt needs a name like "
            "%s-12_500.ckpt, or a global_step in the file.",
            config->ckpt_path, config->model);
    if (epoch >= config->epoch_size)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "\"%s\" stands after epoch %lld, and epoch_size is %lld: nothing is left "
                        "to train; raise epoch_size, or leave out resume_opt to start again.",
                        config->ckpt_path, (long long)epoch, (long long)config->epoch_size);
    state->epoch = epoch;
    state->steps = epoch * run->steps_per_epoch;
    run->stepper.counters.counted = state->steps;
    run->stepper.micro_steps = (uint64_t)state->steps;
    run->optimizer->updates =
        (uint64_t)(updates >= 0 ? updates : state->steps / config->gradient_accumulation_steps);
    return SQZ_OK;
}

// The weights that a network with BN is trained with, and the moving average.
static enum sqz_status take_weights(struct sqz_run *run, const struct sqz_archive *archive,
                                    struct sqz_error *err)
{
    struct sqz_stepper *stepper = &run->stepper;
    bool averaged = sqz_param_arrays_has(archive, run->setup.model->net, "ema");
    if (!stepper->model && !averaged)
        return SQZ_OK;
    if (stepper->ema && !averaged)
        return sqz_fail(err, SQZ_E_DATA,
                        "\"%s\" holds no moving average, which resume_opt with \"--ema true\" and "
                        "\"--norm batch\" asks for.",
                        run->setup.config->ckpt_path);
    stepper->calibrated = true;
    if (stepper->ema)
        stepper->counters.ema_updates = run->state.steps;
    return sqz_checkpoint_take_weights(run->setup.config->ckpt_path, archive, stepper, err);
}

enum sqz_status sqz_run_import_ckpt(struct sqz_run *run, struct sqz_error *err)
{
    const struct sqz_train_config *config = run->setup.config;
    const struct sqz_optimizer *optimizer = run->optimizer;
    struct sqz_archive archive = {0};
    if (!config->resume_opt)
        return SQZ_OK;
    if (!*config->ckpt_path)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option resume_opt needs ckpt_path, the checkpoint to go on from; a run of "
                        "this program goes on with \"--resume RUN_DIR\".");
    enum sqz_status status = open_states(run, &archive, err);
    for (int i = 0; i < optimizer->rule->n_states && !status; i++) {
        char name[64];
        find_state(run, &archive, optimizer->rule->states[i], name, sizeof name);
        status = sqz_param_arrays_take(config->ckpt_path, &archive, run->stepper.config.net, name,
                                       optimizer->state[i], err);
    }
    if (!status)
        status = take_position(run, read_global_step(&archive), err);
    if (!status)
        status = take_weights(run, &archive, err);
    if (!status)
        sqz_text_add(&run->setup.notes,
                     "Continuing after epoch %lld of \"%s\" with its optimizer's state.\n",
                     (long long)run->state.epoch, sqz_path_name(config->ckpt_path));
    sqz_archive_release(&archive);
    return status;
}
