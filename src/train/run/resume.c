// Continuing a run: its options come from its own directory, and what would make it another run is
// refused.
#include "train/run/resume.h"

#include <inttypes.h>
#include <string.h>

// The directory's recipe.yaml and, above it, what the checkpoint itself says.
static enum sqz_status read_recipes(const struct sqz_run_dir *dir, struct sqz_resumed *resumed,
                                    struct sqz_error *err)
{
    const struct sqz_text *recipe = &resumed->state.recipe;
    enum sqz_status status = SQZ_OK;
    char *path = sqz_run_dir_file(dir, "recipe.yaml");
    if (!path)
        return sqz_fail_memory(err, "a path", strlen(dir->path));
    enum sqz_path_kind kind;
    status = sqz_path_look(path, &kind, err);
    if (!status && kind != SQZ_PATH_MISSING)
        status = sqz_options_read_yaml(resumed->options, path, SQZ_FROM_YAML, err);
    else if (!status && !resumed->model)
        status =
            sqz_fail(err, SQZ_E_NOINPUT,
                     "\"%s\" holds neither a checkpoint nor a recipe.yaml, so there is no run to "
                     "resume in it.",
                     dir->path);
    if (!status && resumed->model)
        status = sqz_options_parse_yaml(resumed->options, sqz_text_get(recipe), recipe->length,
                                        resumed->checkpoint, SQZ_FROM_YAML, err);
    sqz_free(path);
    return status;
}

static enum sqz_status overlay_one(const struct sqz_options *given, int index,
                                   struct sqz_options *options, struct sqz_error *err)
{
    const char *name = sqz_option_at(index)->name;
    struct sqz_text wanted = {0}, has = {0};
    enum sqz_status status = SQZ_OK;
    sqz_option_value_text(given, index, &wanted);
    sqz_option_value_text(options, index, &has);
    if (wanted.failed || has.failed)
        status = sqz_fail_memory(err, "an option", wanted.length);
    else if (sqz_option_role(name) != SQZ_ROLE_RECIPE)
        status = sqz_options_set(options, name, sqz_text_get(&wanted), SQZ_FROM_COMMAND_LINE, err);
    else if (strcmp(sqz_text_get(&wanted), sqz_text_get(&has)) != 0)
        status =
            sqz_fail(err, SQZ_E_USAGE,
                     "Option %s is %s in the run to be resumed and cannot become %s; leave it out, "
                     "or start a new run from its weights with --ckpt_path.",
                     name, sqz_text_get(&has), sqz_text_get(&wanted));
    sqz_text_release(&wanted);
    sqz_text_release(&has);
    return status;
}

// Once past it, the limit of an earlier command has done its work; a new time limit replaces it.
static enum sqz_status drop_old_limit(struct sqz_options *options, int64_t steps,
                                      struct sqz_error *err)
{
    if ((options->max_seconds == 0 && options->max_steps > steps) ||
        sqz_options_origin(options, "max_steps") == SQZ_FROM_COMMAND_LINE)
        return SQZ_OK;
    return sqz_options_set(options, "max_steps", "0", SQZ_FROM_YAML, err);
}

enum sqz_status sqz_resume_open(const struct sqz_options *given, struct sqz_run_dir *dir,
                                struct sqz_resumed *out, struct sqz_error *err)
{
    *out = (struct sqz_resumed){0};
    enum sqz_status status = sqz_run_dir_find(given->resume, dir, &out->checkpoint, err);
    if (!status && out->checkpoint)
        status = sqz_checkpoint_read(out->checkpoint, &out->archive, &out->model, &out->state, err);
    if (!status)
        status = sqz_options_new(&out->options, err);
    if (!status)
        status = read_recipes(dir, out, err);
    if (!status)
        status = sqz_options_drop_orders(out->options, err);
    for (int i = 0; i < sqz_option_count() && !status; i++)
        if (given->origins[i] >= SQZ_FROM_YAML && strcmp(sqz_option_at(i)->name, "resume") != 0)
            status = overlay_one(given, i, out->options, err);
    if (!status)
        status = drop_old_limit(out->options, out->state.steps, err);
    if (!status)
        out->options->batch_is_global = true;
    return status;
}

void sqz_resumed_release(struct sqz_resumed *resumed)
{
    sqz_options_free(resumed->options);
    sqz_free(resumed->checkpoint);
    sqz_archive_release(&resumed->archive);
    sqz_model_free(resumed->model);
    sqz_train_state_release(&resumed->state);
    *resumed = (struct sqz_resumed){0};
}
