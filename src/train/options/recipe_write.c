// Writing recipes.
#include "train/options/recipe_write.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

// The options that mean this configuration.
static enum sqz_status options_of(const struct sqz_options *options,
                                  const struct sqz_train_config *config, struct sqz_options **out,
                                  struct sqz_error *err)
{
    enum sqz_status status = sqz_options_copy(options, out, err);
    if (status)
        return status;
    (*out)->batch_size = config->batch_size;
    (*out)->gradient_accumulation_steps = config->gradient_accumulation_steps;
    return SQZ_OK;
}

static enum sqz_status finish(const struct sqz_text *out, struct sqz_error *err)
{
    return out->failed ? sqz_fail_memory(err, "the recipe", out->length) : SQZ_OK;
}

// The option's path as it is from any directory. One that does not resolve is reported by whoever
// opens it.
static enum sqz_status make_absolute(struct sqz_options *options, const char *name,
                                     const char *value, struct sqz_error *err)
{
    char path[PATH_MAX];
    if (!*value || !realpath(value, path))
        return SQZ_OK;
    return sqz_options_set(options, name, path, sqz_options_origin(options, name), err);
}

enum sqz_status sqz_recipe_of_run(const struct sqz_options *options,
                                  const struct sqz_train_config *config, int64_t max_steps,
                                  struct sqz_text *out, struct sqz_error *err)
{
    struct sqz_options *own = NULL;
    const char *const paths[][2] = {{"data_dir", options->data_dir},
                                    {"unlabelled_dir", options->unlabelled_dir},
                                    {"ckpt_path", options->ckpt_path},
                                    {"teacher", options->teacher}};
    enum sqz_status status = options_of(options, config, &own, err);
    if (!status)
        own->max_steps = max_steps;
    for (size_t i = 0; i < sizeof paths / sizeof *paths && !status; i++)
        status = make_absolute(own, paths[i][0], paths[i][1], err);
    // Orders for this one command are none for a later --resume.
    for (int i = 0; i < sqz_option_count() && !status; i++) {
        const struct sqz_option *option = sqz_option_at(i);
        if (sqz_option_role(option->name) == SQZ_ROLE_ORDER)
            status =
                sqz_options_set(own, option->name, option->fallback, SQZ_FROM_COMMAND_LINE, err);
    }
    if (!status) {
        sqz_options_write_yaml(own, false, out);
        status = finish(out, err);
    }
    sqz_options_free(own);
    return status;
}

enum sqz_status sqz_recipe_annotated(const struct sqz_options *options,
                                     const struct sqz_train_config *config, struct sqz_text *out,
                                     struct sqz_error *err)
{
    struct sqz_options *own = NULL;
    enum sqz_status status = options_of(options, config, &own, err);
    if (!status) {
        sqz_options_write_yaml(own, true, out);
        status = finish(out, err);
    }
    sqz_options_free(own);
    return status;
}

enum sqz_status sqz_recipe_portable(const struct sqz_options *options,
                                    const struct sqz_train_config *config, struct sqz_text *out,
                                    struct sqz_error *err)
{
    struct sqz_options *own = NULL;
    struct sqz_text whole = {0};
    enum sqz_status status = options_of(options, config, &own, err);
    if (!status)
        sqz_options_write_yaml(own, false, &whole);
    out->failed = out->failed || whole.failed;
    for (const char *line = sqz_text_get(&whole); *line;) {
        size_t length = strcspn(line, "\n"), name_length = strcspn(line, ":\n");
        char name[64] = "";
        if (line[0] != '#' && line[name_length] == ':' && name_length < sizeof name)
            memcpy(name, line, name_length);
        if (sqz_option_find(name) >= 0 && sqz_option_role(name) == SQZ_ROLE_RECIPE) {
            sqz_text_add_bytes(out, line, length);
            sqz_text_add(out, "\n");
        }
        line += length + (line[length] == '\n');
    }
    sqz_text_release(&whole);
    sqz_options_free(own);
    return status ? status : finish(out, err);
}
