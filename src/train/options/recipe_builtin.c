// The recipes that are used when no file is given.
#include "train/options/options.h"

#include <string.h>

// configs/<name>.yaml, put in by CMake.
static const struct {
    const char *name, *text;
} recipes[] = {
#include "builtin_recipes.inc"
};

const char *sqz_builtin_recipe(const char *name)
{
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++)
        if (strcmp(name, recipes[i].name) == 0)
            return recipes[i].text;
    return NULL;
}

static bool is_ours(const struct sqz_options *options, const char *name)
{
    return options->origins[sqz_option_find(name)] <= SQZ_FROM_BUILTIN_RECIPE;
}

enum sqz_status sqz_options_use_builtin(struct sqz_options *options, const char **name,
                                        struct sqz_error *err)
{
    enum sqz_status status;
    const char *text;
    int64_t longest;

    if (!*name)
        *name = *options->ckpt_path ? "finetune" : "photos";
    text = sqz_builtin_recipe(*name);
    if (!text)
        return sqz_fail(err, SQZ_E_INTERNAL, "There is no built-in recipe %.80s.", *name);
    status =
        sqz_options_parse_yaml(options, text, strlen(text), *name, SQZ_FROM_BUILTIN_RECIPE, err);
    if (status != SQZ_OK)
        return status;
    // A shorter or longer run keeps the curve's shape: the decay ends with the run. One epoch of
    // warm-up stays where it can: without it a network may die in its first steps.
    longest = options->epoch_size < 2 ? 0 : options->epoch_size < 8 ? 1 : options->epoch_size / 4;
    if (is_ours(options, "warmup_epochs") && options->warmup_epochs > longest)
        options->warmup_epochs = longest;
    if (is_ours(options, "decay_epochs") && options->epoch_size > options->warmup_epochs)
        options->decay_epochs = options->epoch_size - options->warmup_epochs;
    return SQZ_OK;
}
