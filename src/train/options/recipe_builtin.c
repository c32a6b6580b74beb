// The recipes that are used when no file is given.
#include "train/options/options.h"

#include <inttypes.h>
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

static bool distills_maps(const struct sqz_options *options)
{
    return options->distill_maps > 0;
}

static bool scales_automatically(const struct sqz_options *options)
{
    return strcmp(options->loss_scale_type, "auto") == 0;
}

// Values of built-in recipes that sqz_options_check would refuse next to an option of the user.
static const struct {
    bool (*needed)(const struct sqz_options *options);
    const char *name, *value, *why;
} concessions[] = {
    {sqz_options_compresses, "norm", "none",
     "prune, compress and update_budget work on a network's final weights"},
    {distills_maps, "norm", "none", "distill_maps is for networks without normalisation"},
    {scales_automatically, "clip_grad", "false",
     "loss_scale_type auto cannot be combined with clipping"},
};

static enum sqz_status concede(struct sqz_options *options, size_t at, struct sqz_text *notes,
                               struct sqz_error *err)
{
    const char *name = concessions[at].name, *value = concessions[at].value;
    struct sqz_text now = {0};
    bool is_other;

    if (!concessions[at].needed(options) || !is_ours(options, name))
        return SQZ_OK;
    sqz_option_value_text(options, sqz_option_find(name), &now);
    is_other = strcmp(sqz_text_get(&now), value) != 0;
    sqz_text_release(&now);
    if (!is_other)
        return SQZ_OK;
    if (notes)
        sqz_text_add(notes, "%s is %s: %s.\n", name, value, concessions[at].why);
    return sqz_options_fill(options, SQZ_FROM_BUILTIN_RECIPE, err, name, "%s", value);
}

// With a norm_group of the user's, the batch becomes the multiple of it nearest to the recipe's.
static enum sqz_status fit_batch_to_group(struct sqz_options *options, struct sqz_text *notes,
                                          struct sqz_error *err)
{
    int64_t batch = options->batch_size, group = options->norm_group, groups;

    if (strcmp(options->norm, "batch") != 0 || batch % group == 0 ||
        !is_ours(options, "batch_size") || is_ours(options, "norm_group"))
        return SQZ_OK;
    groups = (batch + group / 2) / group;
    batch = (groups < 1 ? 1 : groups) * group;
    if (notes)
        sqz_text_add(notes, "batch_size is %" PRId64 ", a multiple of norm_group %" PRId64 ".\n",
                     batch, group);
    return sqz_options_fill(options, SQZ_FROM_BUILTIN_RECIPE, err, "batch_size", "%" PRId64, batch);
}

enum sqz_status sqz_options_use_builtin(struct sqz_options *options, const char **name,
                                        struct sqz_text *notes, struct sqz_error *err)
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
    for (size_t i = 0; status == SQZ_OK && i < sizeof concessions / sizeof *concessions; i++)
        status = concede(options, i, notes, err);
    if (status == SQZ_OK)
        status = fit_batch_to_group(options, notes, err);
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
