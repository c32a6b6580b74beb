// Filling in what the user left open.
#include "train/options/resolve.h"

#include "train/options/recipe_tools.h"
#include "train/options/transforms.h"

#include <string.h>

enum sqz_status sqz_options_resolve_data(struct sqz_options *options,
                                         const struct sqz_dataset_layout *layout,
                                         struct sqz_error *err)
{
    const enum sqz_option_origin origin = SQZ_FROM_BUILTIN_RECIPE;
    // A directory without splits keeps the usual names: they mark it for division.
    const char *train = layout->has_splits ? layout->train : "train";
    const char *val = layout->has_splits ? layout->val : "val";
    const struct sqz_setting settings[] = {{"dataset", layout->kind},
                                           {"train_split", *train ? train : NULL},
                                           {"val_split", *val ? val : NULL}};
    return sqz_options_set_all(options, settings, 3, origin, err);
}

enum sqz_status sqz_options_resolve_weights(struct sqz_options *options, const char *path,
                                            struct sqz_error *err)
{
    // A resumed run names both: the option and the file that it led to.
    enum sqz_option_origin origin = sqz_options_origin(options, "ckpt_path");
    return sqz_options_set(options, "ckpt_path", path,
                           origin > SQZ_FROM_MODEL ? origin : SQZ_FROM_MODEL, err);
}

enum sqz_status sqz_options_resolve_transforms(struct sqz_options *options, const char *kind,
                                               const struct sqz_preprocess *model, int channels,
                                               struct sqz_error *err)
{
    enum sqz_status status = sqz_transforms_preset(options, kind, err);
    if (!status)
        status = sqz_transforms_from_model(options, model, false, err);
    if (!status)
        status =
            sqz_options_fill(options, SQZ_FROM_COMMAND_LINE, err, "in_channels", "%d", channels);
    return status;
}

static enum sqz_status merge_builtin(struct sqz_options *options, const struct sqz_run_facts *facts,
                                     const char **recipe, struct sqz_text *notes,
                                     struct sqz_error *err)
{
    enum { SMALL_SIDE = 64 }; // images up to this size gain nothing from the recipe for photos
    if (!*options->ckpt_path && facts->typical_side > 0 && facts->typical_side <= SMALL_SIDE)
        *recipe = "small_images";
    enum sqz_status status = sqz_options_use_builtin(options, recipe, notes, err);
    // The recipe speaks of class directories; what was found in the directory is truer.
    return status ? status : sqz_options_resolve_data(options, facts->layout, err);
}

static enum sqz_status fit_batch(struct sqz_options *options, int ranks, struct sqz_text *notes,
                                 struct sqz_error *err)
{
    if (options->batch_is_global && ranks > 1)
        return SQZ_OK;
    enum sqz_status status = sqz_recipe_fit_batch(options, ranks, notes, err);
    if (!status)
        status = sqz_recipe_fit_norm(options, notes, err);
    if (status || ranks == 1)
        return status;
    int64_t batch = options->batch_size * ranks;
    if (batch > 1 << 20)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "%d ranks with %lld images each make a batch of more than 1048576.", ranks,
                        (long long)options->batch_size);
    sqz_text_add(notes, "Batch     %lld images on each of %d ranks: %lld in all.\n",
                 (long long)options->batch_size, ranks, (long long)batch);
    status = sqz_options_fill(options, SQZ_FROM_COMMAND_LINE, err, "recipe_devices", "1");
    if (!status)
        status = sqz_options_fill(options, SQZ_FROM_COMMAND_LINE, err, "batch_size", "%lld",
                                  (long long)batch);
    return status;
}

static enum sqz_status take_dialect(struct sqz_options *options, struct sqz_error *err)
{
    const char *name = *options->dialect ? options->dialect : "mindcv";
    const struct sqz_dialect *dialect = sqz_dialect_find(name);
    const struct sqz_setting settings[] = {
        {"dialect", dialect->name},
        {"stem", *options->stem ? NULL : sqz_stem_name(SQZ_STEM_IMAGENET)}};
    enum sqz_status status = sqz_options_set_all(options, settings, 2, SQZ_FROM_MODEL, err);
    return status ? status : sqz_transforms_from_model(options, &dialect->preprocess, false, err);
}

static enum sqz_status take_file(struct sqz_options *options, const struct sqz_net_spec *spec,
                                 const struct sqz_preprocess *preprocess, struct sqz_error *err)
{
    if (sqz_options_origin(options, "model") >= SQZ_FROM_YAML &&
        strcmp(options->model, spec->variant->name) != 0)
        return sqz_fail(err, SQZ_E_CONFIG, "\"%s\" holds a %s, but option model asks for %s.",
                        options->ckpt_path, spec->variant->name, options->model);
    const struct sqz_setting settings[] = {
        {"model", spec->variant->name},
        {"dialect", spec->dialect->name},
        {"stem", *options->stem ? NULL : sqz_stem_name(spec->stem)},
        {"in_channels", spec->channels == 1 ? "1" : "3"}};
    enum sqz_status status = sqz_options_set_all(options, settings, 4, SQZ_FROM_MODEL, err);
    return status ? status : sqz_transforms_from_model(options, preprocess, true, err);
}

enum sqz_status sqz_options_resolve(struct sqz_options *options, const struct sqz_run_facts *facts,
                                    const char **recipe, struct sqz_text *notes,
                                    struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    if (!options->has_recipe)
        status = merge_builtin(options, facts, recipe, notes, err);
    if (!status)
        status = fit_batch(options, facts->ranks, notes, err);
    if (!status && !facts->validates)
        status = sqz_options_fill(options, SQZ_FROM_MODEL, err, "val_while_train", "false");
    if (!status)
        status = sqz_transforms_preset(options, options->dataset, err);
    if (!status && facts->spec)
        status = take_file(options, facts->spec, facts->preprocess, err);
    else if (!status && !facts->resumed)
        status = take_dialect(options, err);
    if (!status && options->num_classes == SQZ_NONE_INT)
        status =
            sqz_options_fill(options, SQZ_FROM_MODEL, err, "num_classes", "%d", facts->n_classes);
    return status;
}
