// Options to augmentation and preprocessing: presets, the model's own values, the final structs.
#include "train/options/transforms.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// Option `interpolation` by name. Pillow's bilinear is called "antialias", MindCV's word for it.
static const struct {
    const char *name;
    enum sqz_interpolation value;
} interpolations[] = {
    {"bilinear", SQZ_BILINEAR},      {"linear", SQZ_BILINEAR},      {"nearest", SQZ_NEAREST},
    {"bicubic", SQZ_BICUBIC},        {"cubic", SQZ_BICUBIC},        {"area", SQZ_AREA},
    {"antialias", SQZ_PIL_BILINEAR}, {"pilcubic", SQZ_PIL_BICUBIC},
};
enum { N_INTERPOLATIONS = sizeof interpolations / sizeof *interpolations };

static const char *interpolation_name(enum sqz_interpolation value)
{
    for (int i = 0; i < N_INTERPOLATIONS; i++)
        if (interpolations[i].value == value)
            return interpolations[i].name;
    return "bilinear";
}

enum sqz_status sqz_transforms_preset(struct sqz_options *options, const char *kind,
                                      struct sqz_error *err)
{
    static const struct sqz_setting common[] = {
        {"interpolation", "bilinear"},
        {"crop_pct", "1"},
        {"color_jitter", "none"},
        {"vflip", "0"},
        {"re_prob", "0"},
        {"scale", "1,1"},
        {"ratio", "1,1"},
        {"apply_exif", "false"},
    };
    // Mean and standard deviation on the 0..255 scale.
    static const struct sqz_setting mnist[] = {
        {"mean", "33.3285"}, {"std", "78.5655"}, {"hflip", "0"}, {"in_channels", "1"}};
    static const struct sqz_setting cifar[] = {
        {"mean", "125.307,122.961,113.8575"}, {"std", "51.5865,50.847,51.255"}, {"pad_crop", "4"}};
    bool is_mnist = strcmp(kind, "mnist") == 0;
    if (!is_mnist && strncmp(kind, "cifar", 5) != 0)
        return SQZ_OK;
    enum sqz_status status = sqz_options_set_all(options, common, sizeof common / sizeof *common,
                                                 SQZ_FROM_BUILTIN_RECIPE, err);
    if (!status && is_mnist)
        status = sqz_options_set_all(options, mnist, sizeof mnist / sizeof *mnist,
                                     SQZ_FROM_BUILTIN_RECIPE, err);
    if (!status && !is_mnist)
        status = sqz_options_set_all(options, cifar, sizeof cifar / sizeof *cifar,
                                     SQZ_FROM_BUILTIN_RECIPE, err);
    return status;
}

// The fraction that makes floor(size / fraction) come out as `resize`.
static double crop_fraction(int size, int resize)
{
    double fraction = (double)size / resize;
    while (fraction > 0 && floor(size / fraction) < resize)
        fraction = nextafter(fraction, 0);
    return fraction;
}

// The shortest text that reads back as the same float, so that recipe.yaml stays readable.
static void float_text(float value, char out[32])
{
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(out, 32, "%.*g", digits, (double)value);
        if (strtof(out, NULL) == value)
            return;
    }
}

// "r,g,b" for the options, from values in the network's channel order.
static enum sqz_status fill_triple(struct sqz_options *options, enum sqz_option_origin origin,
                                   const char *name, const float *values,
                                   const struct sqz_preprocess *model, struct sqz_error *err)
{
    char text[3][32];
    for (int c = 0; c < 3; c++)
        float_text(values[model->channels == 1 ? 0 : model->bgr ? 2 - c : c], text[c]);
    if (model->channels == 1)
        return sqz_options_fill(options, origin, err, name, "%s", text[0]);
    return sqz_options_fill(options, origin, err, name, "%s,%s,%s", text[0], text[1], text[2]);
}

enum sqz_status sqz_transforms_from_model(struct sqz_options *options,
                                          const struct sqz_preprocess *model, bool from_file,
                                          struct sqz_error *err)
{
    // A dialect without a file stands at the very bottom, like the defaults; a file stands above
    // the built-in recipe.
    enum sqz_option_origin origin = from_file ? SQZ_FROM_MODEL : SQZ_FROM_DEFAULT;
    enum sqz_status status =
        sqz_options_fill(options, origin, err, "image_resize", "%d", model->image_size);
    // The crop goes with the size, unless the user chose the one without the other.
    double fraction = crop_fraction(model->image_size, model->resize);
    if (!status && model->resize >= model->image_size)
        status = sqz_options_fill(options, origin, err, "crop_pct", "%.17g", fraction);
    if (!status)
        status = sqz_options_fill(options, origin, err, "interpolation", "%s",
                                  interpolation_name(model->interpolation));
    if (!status && model->apply_exif)
        status = sqz_options_fill(options, origin, err, "apply_exif", "true");
    if (!status)
        status = fill_triple(options, origin, "mean", model->mean, model, err);
    if (!status)
        status = fill_triple(options, origin, "std", model->std, model, err);
    return status;
}

// One value stands for all channels; the options are RGB, the network may want BGR.
static void spread(const struct sqz_list *list, const struct sqz_preprocess *preprocess,
                   float out[3])
{
    for (int c = 0; c < 3; c++) {
        int source = preprocess->bgr ? 2 - c : c;
        out[c] = (float)list->v[list->n == 1 ? 0 : source];
    }
    // A gray network given three values takes their mean: gray is the mean of equal channels.
    if (preprocess->channels == 1 && list->n == 3)
        out[0] = (float)((list->v[0] + list->v[1] + list->v[2]) / 3);
}

static enum sqz_status build_preprocess(const struct sqz_train_config *config,
                                        const struct sqz_preprocess *base,
                                        struct sqz_preprocess *out, struct sqz_error *err)
{
    *out = *base;
    out->image_size = (int)config->image_resize;
    out->resize = (int)floor((double)config->image_resize / config->crop_pct);
    out->channels = (int)config->in_channels;
    out->bgr = base->bgr && out->channels == 3;
    out->apply_exif = config->apply_exif;
    for (int i = 0; i < N_INTERPOLATIONS; i++)
        if (strcasecmp(config->interpolation, interpolations[i].name) == 0)
            out->interpolation = interpolations[i].value;
    if ((config->mean.n != 1 && config->mean.n != 3) || (config->std.n != 1 && config->std.n != 3))
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Options mean and std need one value, or three for red, green and blue.");
    spread(&config->mean, out, out->mean);
    spread(&config->std, out, out->std);
    return SQZ_OK;
}

// What the policy shows beyond an image's edges: the mean colour (gray images: their mean).
static void fill_style(const struct sqz_train_config *config, struct sqz_augment *augment)
{
    augment->style.interpolation = augment->interpolation;
    for (int c = 0; c < 3; c++) {
        double value = rint(config->mean.v[config->mean.n == 1 ? 0 : c]);
        augment->style.fill[c] = (uint8_t)fmin(255, fmax(0, value));
    }
}

enum sqz_status sqz_transforms_check(const struct sqz_options *options, struct sqz_error *err)
{
    struct sqz_policy policy;
    enum sqz_status status = sqz_policy_parse(options->auto_augment, &policy, err);
    if (status)
        return status;
    if (options->aug_splits != 0 && options->aug_splits != 3)
        return sqz_fail(err, SQZ_E_CONFIG, "Option aug_splits is %d, but it must be 0 or 3.",
                        (int)options->aug_splits);
    if (options->aug_splits && policy.kind == SQZ_POLICY_NONE)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option aug_splits needs auto_augment: its second and third view would be "
                        "the same image again.");
    if (options->aug_repeats > 0 && options->num_samples != SQZ_NONE_INT)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Options num_samples and aug_repeats exclude each other: repeated "
                        "augmentation chooses the samples of an epoch itself.");
    return SQZ_OK;
}

void sqz_transforms_batches(const struct sqz_train_config *config, struct sqz_loader_config *loader)
{
    loader->repeats = (int)config->aug_repeats;
    loader->mix = (struct sqz_mix){.mixup = config->mixup,
                                   .cutmix = config->cutmix,
                                   .probability = config->cutmix_prob,
                                   .switch_probability = config->switch_prob};
}

enum sqz_status sqz_transforms_build(const struct sqz_train_config *config,
                                     const struct sqz_preprocess *base,
                                     struct sqz_preprocess *preprocess, struct sqz_augment *augment,
                                     struct sqz_error *err)
{
    enum sqz_status status = build_preprocess(config, base, preprocess, err);
    if (status)
        return status;
    const struct sqz_list *jitter = &config->color_jitter;
    bool full = config->scale.v[0] == 1 && config->scale.v[1] == 1 && config->ratio.v[0] == 1 &&
                config->ratio.v[1] == 1;
    *augment = (struct sqz_augment){.pad_crop = (int)config->pad_crop,
                                    .whole = full && config->pad_crop == 0,
                                    .scale = {config->scale.v[0], config->scale.v[1]},
                                    .ratio = {config->ratio.v[0], config->ratio.v[1]},
                                    .interpolation = preprocess->interpolation,
                                    .hflip = config->hflip,
                                    .vflip = config->vflip,
                                    .brightness = jitter->n ? jitter->v[0] : 0,
                                    .contrast = jitter->n ? jitter->v[jitter->n >= 3 ? 1 : 0] : 0,
                                    .saturation = jitter->n ? jitter->v[jitter->n >= 3 ? 2 : 0] : 0,
                                    .hue = jitter->n == 4 ? jitter->v[3] : 0,
                                    .erase_prob = config->re_prob,
                                    .erase_scale = {config->re_scale.v[0], config->re_scale.v[1]},
                                    .erase_ratio = {config->re_ratio.v[0], config->re_ratio.v[1]},
                                    .erase_attempts = (int)config->re_max_attempts,
                                    .scaled_decode = config->scaled_decode};
    memcpy(augment->erase_value, config->erase_value, sizeof augment->erase_value);
    augment->erase_mode = config->erases_randomly ? SQZ_ERASE_RANDOM : SQZ_ERASE_CONSTANT;
    augment->splits = (int)config->aug_splits;
    fill_style(config, augment);
    return sqz_policy_parse(config->auto_augment, &augment->policy, err);
}
