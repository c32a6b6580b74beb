// Model handles: open, make, save, describe.
#include "api/context.h"
#include "api/struct_size.h"
#include "base/memory.h"
#include <stdio.h>
#include <string.h>

static enum sqz_status take_options(struct sqz_model_options *ours,
                                    const struct sqz_model_options *theirs, struct sqz_error *err)
{
    enum sqz_status status = SQZ_STRUCT_IN(sqz_model_options, ours, theirs, err);
    if (!status && ours->dialect && !sqz_dialect_find(ours->dialect))
        status = sqz_fail(err, SQZ_E_USAGE,
                          "Unknown dialect \"%s\": mindcv, torchvision and caffe are known.",
                          ours->dialect);
    return status;
}

// Gives the model with its class names, or frees it.
static enum sqz_status finish(struct sqz_model *model, const struct sqz_model_options *options,
                              struct sqz_model **out, struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    if (options->apply_exif)
        model->preprocess.apply_exif = options->apply_exif > 0;
    if (options->classes_file)
        status = sqz_model_read_classes(model, options->classes_file, err);
    if (status)
        sqz_model_free(model);
    else
        *out = model;
    return status;
}

enum sqz_status sqz_model_open(const char *path, const struct sqz_model_options *options,
                               struct sqz_model **out, struct sqz_error *err)
{
    struct sqz_model_options how;
    struct sqz_model *model = NULL;
    enum sqz_status status = take_options(&how, options, err);
    if (!status)
        status = sqz_model_read(path, how.dialect, how.image_size, &model, err);
    return status ? status : finish(model, &how, out, err);
}

enum sqz_status sqz_model_open_memory(const void *data, size_t size, const char *name,
                                      const struct sqz_model_options *options,
                                      struct sqz_model **out, struct sqz_error *err)
{
    struct sqz_model_options how;
    struct sqz_model *model = NULL;
    enum sqz_status status = take_options(&how, options, err);
    if (!status)
        status = sqz_model_parse(data, size, name ? name : "The model in memory", how.dialect,
                                 how.image_size, &model, err);
    return status ? status : finish(model, &how, out, err);
}

enum sqz_status sqz_model_open_streamed(const char *path, const struct sqz_model_options *options,
                                        struct sqz_model **out, struct sqz_streamed **streamed,
                                        struct sqz_error *err)
{
    struct sqz_model_options how;
    struct sqz_model *model = NULL;
    enum sqz_status status = take_options(&how, options, err);
    if (!status)
        status = sqz_streamed_open(path, how.dialect, how.image_size, &model, streamed, err);
    if (status)
        return status;
    status = finish(model, &how, out, err);
    if (status)
        sqz_streamed_free(*streamed);
    return status;
}

enum sqz_status sqz_model_new(const char *variant, const char *dialect, int classes, int channels,
                              int image_size, uint64_t seed, struct sqz_model **out,
                              struct sqz_error *err)
{
    struct sqz_net_spec spec = {.variant = sqz_variant_find(variant),
                                .dialect = sqz_dialect_find(dialect ? dialect : "mindcv"),
                                .classes = classes,
                                .channels = channels,
                                .drop_rate = 0.5};
    if (!spec.variant)
        return sqz_fail(err, SQZ_E_USAGE,
                        "Unknown network \"%s\": \"squeezenet info --help\" lists the known ones.",
                        variant);
    if (!spec.dialect)
        return sqz_fail(err, SQZ_E_USAGE,
                        "Unknown dialect \"%s\": mindcv, torchvision and caffe are known.",
                        dialect);
    spec.image_h = spec.image_w = image_size ? image_size : spec.dialect->preprocess.image_size;
    struct sqz_model *model = NULL;
    enum sqz_status status = sqz_model_create(&spec, &model, err);
    if (status)
        return status;
    sqz_net_initialize(model->net, seed, model->weights);
    *out = model;
    return SQZ_OK;
}

enum sqz_status sqz_model_save(const struct sqz_model *model, const char *path, bool force,
                               struct sqz_error *err)
{
    return sqz_model_write(model, path, force ? SQZ_REPLACE_EXISTING : SQZ_KEEP_EXISTING, err);
}

// Every layer with a stride is on the one path that all cells of the last convolution come from;
// the parallel branches of a Fire module keep the places of their input.
static void describe_map_places(const struct sqz_net *net, struct sqz_model_info *info)
{
    info->class_map_start = 0;
    info->class_map_step = 1;
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *l = &net->layers[i];
        if (l->kind != SQZ_LAYER_CONV && l->kind != SQZ_LAYER_MAXPOOL)
            continue;
        info->class_map_start += ((l->kernel - 1) / 2.0 - l->pad) * info->class_map_step;
        info->class_map_step *= l->stride;
        // A kernel of one pixel that reads padding reads nothing else.
        if (l->kind == SQZ_LAYER_CONV)
            info->class_map_border = l->kernel == 1 ? l->pad : 0;
    }
}

// "shorter side to 256 (bilinear), centre crop 224, RGB, mean ..., std ..."
static void describe_preprocess(const struct sqz_preprocess *p, char *text, size_t size)
{
    static const char *const interpolations[] = {[SQZ_NEAREST] = "nearest",
                                                 [SQZ_BILINEAR] = "bilinear",
                                                 [SQZ_BICUBIC] = "bicubic",
                                                 [SQZ_AREA] = "area",
                                                 [SQZ_PIL_BILINEAR] = "antialiased bilinear",
                                                 [SQZ_PIL_BICUBIC] = "antialiased bicubic"};
    char resize[64], numbers[96];
    if (p->resize_mode == SQZ_RESIZE_SHORTER)
        snprintf(resize, sizeof resize, "shorter side to %d", p->resize);
    else
        snprintf(resize, sizeof resize, "whole image to %dx%d", p->resize, p->resize);
    if (p->channels == 1)
        snprintf(numbers, sizeof numbers, "gray, mean %.5g, std %.5g", p->mean[0], p->std[0]);
    else
        snprintf(numbers, sizeof numbers, "%s, mean %.5g %.5g %.5g, std %.5g %.5g %.5g",
                 p->bgr ? "BGR" : "RGB", p->mean[0], p->mean[1], p->mean[2], p->std[0], p->std[1],
                 p->std[2]);
    snprintf(text, size, "%s (%s), centre crop %d, %s, EXIF orientation %s", resize,
             interpolations[p->interpolation], p->image_size, numbers,
             p->apply_exif ? "applied" : "ignored");
}

enum sqz_status sqz_model_describe(const struct sqz_model *model, struct sqz_model_info *out,
                                   struct sqz_error *err)
{
    const struct sqz_net *net = model->net;
    const struct sqz_engine_config config = {.net = net,
                                             .kernels = sqz_kernels_get(sqz_cpu_level(NULL))};
    struct sqz_engine_memory memory;
    struct sqz_feature embedding, maps;
    enum sqz_status status = SQZ_STRUCT_CHECK(sqz_model_info, out, err);
    if (!status)
        status = sqz_engine_memory(&config, 1, &memory, err);
    if (!status)
        status = sqz_feature_find(net, SQZ_FEATURE_EMBEDDING, &embedding, err);
    if (!status)
        status = sqz_feature_find(net, SQZ_FEATURE_CLASS_MAPS, &maps, err);
    if (status)
        return status;
    struct sqz_model_info info = {.variant = net->spec.variant->name,
                                  .dialect = net->spec.dialect->name,
                                  .made_by = model->made_by,
                                  .stem = sqz_stem_name(net->spec.stem),
                                  .classes = net->spec.classes,
                                  .channels = net->spec.channels,
                                  .image_size = net->spec.image_h,
                                  .layers = net->n_layers,
                                  .parameters = net->n_weights,
                                  .weight_bytes = net->n_weights * sizeof(float),
                                  .activation_bytes = memory.activations,
                                  .has_class_names = model->classes != NULL,
                                  .has_integers = model->integer != NULL,
                                  .embedding_size = embedding.c,
                                  .unknown_score = model->unknown.score != SQZ_UNKNOWN_NONE
                                                       ? sqz_unknown_name(model->unknown.score)
                                                       : NULL,
                                  .unknown_threshold = model->unknown.threshold,
                                  .temperature = model->temperature,
                                  .class_map_height = maps.h,
                                  .class_map_width = maps.w};
    for (int i = 0; i < net->n_layers; i++)
        info.macs += sqz_layer_macs(net, i);
    describe_map_places(net, &info);
    describe_preprocess(&model->preprocess, info.preprocess, sizeof info.preprocess);
    SQZ_STRUCT_OUT(sqz_model_info, out, &info);
    return SQZ_OK;
}

bool sqz_model_layer(const struct sqz_model *model, int layer, struct sqz_layer_info *out)
{
    const struct sqz_net *net = model->net;
    if (layer < 0 || layer >= net->n_layers || SQZ_STRUCT_CHECK(sqz_layer_info, out, NULL))
        return false;
    const struct sqz_layer *l = &net->layers[layer];
    const struct sqz_tensor *t = &net->tensors[l->output];
    struct sqz_layer_info info = {.name = l->name,
                                  .kind = sqz_layer_kind_name(l->kind),
                                  .h = t->h,
                                  .w = t->w,
                                  .c = l->channels,
                                  .kernel = l->kernel,
                                  .stride = l->stride,
                                  .pad = l->pad,
                                  .macs = sqz_layer_macs(net, layer)};
    if (l->weight >= 0)
        info.parameters += net->params[l->weight].size;
    if (l->bias >= 0)
        info.parameters += net->params[l->bias].size;
    SQZ_STRUCT_OUT(sqz_layer_info, out, &info);
    return true;
}

const char *sqz_model_class_name(const struct sqz_model *model, int index)
{
    if (index < 0 || index >= model->net->spec.classes)
        return NULL;
    if (model->labels)
        return model->labels[index];
    return model->classes ? model->classes[index] : NULL;
}

const char *sqz_variant_name(int index, const char **summary)
{
    const struct sqz_variant *variant = sqz_variant_at(index);
    if (variant && summary)
        *summary = variant->summary;
    return variant ? variant->name : NULL;
}

const char *sqz_dialect_name(int index)
{
    const struct sqz_dialect *dialect = sqz_dialect_at(index);
    return dialect ? dialect->name : NULL;
}

const char *sqz_format_name(int index, const char **suffix, const char **summary, bool *writable)
{
    const struct sqz_format *format = sqz_format_at(index);
    if (!format)
        return NULL;
    if (suffix)
        *suffix = format->suffix;
    if (summary)
        *summary = format->summary;
    if (writable)
        *writable = format->write != NULL;
    return format->name;
}
