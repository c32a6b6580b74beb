// Integer networks in archives. Of layer NAME there are, all float32 and but for the steps whole:
//   NAME.int8.weight      OIHW, -127..127
//   NAME.int8.bias        one a channel, in units of a sum
//   NAME.int8.multiplier  one a channel
//   NAME.int8.shift       one
//   NAME.int8.step        one a channel: what a weight of 1 stands for (conv1: per grey level)
//   NAME.int8.unit        one a channel: what a sum of 1 stands for
// of an addition NAME.int8.multiplier of two numbers, and int8.pad, the pixel around the image.
#include "formats/integer.h"

#include "base/memory.h"
#include "formats/common.h"
#include "kernels/requantize.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define KEY     "int8"
#define VERSION "1"

bool sqz_archive_has_integers(const struct sqz_archive *archive)
{
    return sqz_archive_get(archive, KEY) != NULL;
}

enum sqz_status sqz_model_integers(const struct sqz_model *model, enum sqz_precision precision,
                                   const struct sqz_integer_net **out, struct sqz_error *err)
{
    *out = precision == SQZ_PRECISION_FP32 ? NULL : model->integer;
    if (precision != SQZ_PRECISION_INT8 || model->integer)
        return SQZ_OK;
    return sqz_fail(err, SQZ_E_USAGE,
                    "The model holds no integer network (for this dialect and image size); make "
                    "one with squeezenet compress MODEL --int8 --calibrate DIR -o OUT.sqz.");
}

bool sqz_integers_fit(const struct sqz_archive *archive, const char *path,
                      const struct sqz_model *model)
{
    struct sqz_preprocess stated;
    const char *dialect = sqz_archive_get(archive, "dialect");
    bool found;
    return sqz_archive_has_integers(archive) && dialect &&
           strcmp(dialect, model->net->spec.dialect->name) == 0 &&
           !sqz_metadata_preprocess(archive, path, &found, &stated, NULL) && found &&
           stated.image_size == model->preprocess.image_size;
}

static const char *array_name(char *buffer, size_t size, const char *layer, const char *what)
{
    snprintf(buffer, size, "%s.int8.%s", layer, what);
    return buffer;
}

// --- Writing ---

static enum sqz_status add(struct sqz_archive *out, const char *layer, const char *what, size_t n,
                           const int32_t *values, struct sqz_error *err)
{
    char name[96];
    struct sqz_array *array =
        sqz_archive_add(out, array_name(name, sizeof name, layer, what), SQZ_F32, 1, &n, NULL);
    if (!array)
        return sqz_fail_memory(err, name, n * sizeof(float));
    for (size_t i = 0; i < n; i++)
        ((float *)array->data)[i] = (float)values[i];
    return SQZ_OK;
}

static enum sqz_status add_floats(struct sqz_archive *out, const char *layer, const char *what,
                                  size_t n, const float *values, struct sqz_error *err)
{
    char name[96];
    return sqz_archive_add(out, array_name(name, sizeof name, layer, what), SQZ_F32, 1, &n, values)
               ? SQZ_OK
               : sqz_fail_memory(err, name, n * sizeof(float));
}

// [out][ky][kx][in] to OIHW.
static enum sqz_status add_weights(const struct sqz_integer_net *integer,
                                   const struct sqz_integer_conv *conv, struct sqz_archive *out,
                                   struct sqz_error *err)
{
    const struct sqz_layer *layer = &integer->net->layers[conv->layer];
    const int in = integer->net->tensors[layer->input].c, k = layer->kernel;
    size_t shape[4] = {(size_t)layer->channels, (size_t)in, (size_t)k, (size_t)k};
    char name[96];
    struct sqz_array *array = sqz_archive_add(
        out, array_name(name, sizeof name, layer->name, "weight"), SQZ_F32, 4, shape, NULL);
    if (!array)
        return sqz_fail_memory(err, name, shape[0] * shape[1] * shape[2] * shape[3] * 4);
    float *to = array->data;
    for (int o = 0; o < layer->channels; o++)
        for (int c = 0; c < in; c++)
            for (int t = 0; t < k * k; t++)
                *to++ = (float)conv->weights[(size_t)((o * k * k + t) * in + c)];
    return SQZ_OK;
}

enum sqz_status sqz_integers_to_archive(const struct sqz_model *model, struct sqz_archive *out,
                                        struct sqz_error *err)
{
    const struct sqz_integer_net *integer = model->integer;
    const struct sqz_net *net = integer->net;
    int32_t pad[3] = {integer->pad_pixel[0], integer->pad_pixel[1], integer->pad_pixel[2]};
    size_t channels = (size_t)net->spec.channels;
    enum sqz_status status =
        sqz_archive_set(out, KEY, VERSION) ? sqz_fail_memory(err, "metadata", sizeof KEY) : SQZ_OK;
    for (int i = 0; i < integer->n_convs && !status; i++) {
        const struct sqz_integer_conv *conv = &integer->convs[i];
        const struct sqz_layer *layer = &net->layers[conv->layer];
        size_t n = (size_t)layer->channels;
        const float shift = (float)conv->shift;
        status = add_weights(integer, conv, out, err);
        if (!status)
            status = add(out, layer->name, "bias", n, conv->bias, err);
        if (!status)
            status = add(out, layer->name, "multiplier", n, conv->multipliers, err);
        if (!status)
            status = add_floats(out, layer->name, "shift", 1, &shift, err);
        if (!status)
            status = add_floats(out, layer->name, "step", n, conv->steps, err);
        if (!status)
            status = add_floats(out, layer->name, "unit", n, conv->units, err);
    }
    for (int i = 0; i < integer->n_adds && !status; i++) {
        const struct sqz_integer_add *a = &integer->adds[i];
        int32_t both[2] = {a->input_multiplier, a->addend_multiplier};
        status = add(out, net->layers[a->layer].name, "multiplier", 2, both, err);
    }
    if (!status)
        status = add(out, "image", "pad", channels, pad, err);
    return status;
}

// --- Reading ---

static enum sqz_status bad_array(struct sqz_error *err, const char *path, const char *name,
                                 const char *what)
{
    return sqz_fail(err, SQZ_E_DATA, "%s holds an integer network whose array %s %s.", path, name,
                    what);
}

// An array of n floats in OIHW or one dimension; finite.
static enum sqz_status find(const struct sqz_archive *archive, const char *path, const char *layer,
                            const char *what, size_t n, const float **out, struct sqz_error *err)
{
    char name[96];
    const struct sqz_array *array =
        sqz_archive_find(archive, array_name(name, sizeof name, layer, what));
    if (!array)
        return bad_array(err, path, name, "is missing");
    if (array->dtype != SQZ_F32 || array->size != n * sizeof(float))
        return bad_array(err, path, name, "has another size or type than its layer");
    *out = array->data;
    for (size_t i = 0; i < n; i++)
        if (!isfinite((*out)[i]))
            return bad_array(err, path, name, "holds a number that is not finite");
    return SQZ_OK;
}

static enum sqz_status find_whole(const struct sqz_archive *archive, const char *path,
                                  const char *layer, const char *what, size_t n, int32_t limit,
                                  const float **out, struct sqz_error *err)
{
    char name[96];
    enum sqz_status status = find(archive, path, layer, what, n, out, err);
    for (size_t i = 0; i < n && !status; i++)
        if (fabsf((*out)[i]) > (float)limit || rintf((*out)[i]) != (*out)[i])
            status = bad_array(err, path, array_name(name, sizeof name, layer, what),
                               "holds a number that is no integer of its range");
    return status;
}

static void to_integers(const float *from, size_t n, int32_t *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (int32_t)from[i];
}

static enum sqz_status read_conv(const struct sqz_archive *archive, const char *path,
                                 const struct sqz_net *net, struct sqz_integer_conv *conv,
                                 struct sqz_error *err)
{
    const struct sqz_layer *layer = &net->layers[conv->layer];
    const int in = net->tensors[layer->input].c, k = layer->kernel;
    const size_t n = (size_t)layer->channels, columns = (size_t)(in * k * k);
    const float *weight, *bias, *multiplier, *shift, *step, *unit;
    enum sqz_status status =
        find_whole(archive, path, layer->name, "weight", n * columns, 127, &weight, err);
    if (!status)
        status =
            find_whole(archive, path, layer->name, "bias", n, SQZ_REQUANTIZE_SUM_LIMIT, &bias, err);
    if (!status)
        status = find_whole(archive, path, layer->name, "multiplier", n,
                            SQZ_REQUANTIZE_MULTIPLIER_LIMIT, &multiplier, err);
    if (!status)
        status =
            find_whole(archive, path, layer->name, "shift", 1, SQZ_CLASS_SHIFT_MOST, &shift, err);
    if (!status)
        status = find(archive, path, layer->name, "step", n, &step, err);
    if (!status)
        status = find(archive, path, layer->name, "unit", n, &unit, err);
    if (status)
        return status;
    for (int o = 0; o < layer->channels; o++)
        for (int c = 0; c < in; c++)
            for (int t = 0; t < k * k; t++)
                conv->weights[(size_t)((o * k * k + t) * in + c)] = (int8_t)*weight++;
    to_integers(bias, n, conv->bias);
    to_integers(multiplier, n, conv->multipliers);
    conv->shift = (int)shift[0];
    memcpy(conv->steps, step, n * sizeof *step);
    memcpy(conv->units, unit, n * sizeof *unit);
    return SQZ_OK;
}

enum sqz_status sqz_integers_from_archive(const struct sqz_archive *archive, const char *path,
                                          struct sqz_model *model, struct sqz_error *err)
{
    const struct sqz_net *net = model->net;
    struct sqz_integer_net *integer = NULL;
    const float *values = NULL;
    enum sqz_status status = sqz_integer_net_new(net, &integer, err);
    for (int i = 0; !status && i < integer->n_convs; i++)
        status = read_conv(archive, path, net, &integer->convs[i], err);
    for (int i = 0; !status && i < integer->n_adds; i++) {
        struct sqz_integer_add *a = &integer->adds[i];
        status = find_whole(archive, path, net->layers[a->layer].name, "multiplier", 2,
                            SQZ_ADD_MULTIPLIER_LIMIT, &values, err);
        if (!status) {
            a->input_multiplier = (int32_t)values[0];
            a->addend_multiplier = (int32_t)values[1];
        }
    }
    if (!status)
        status = find_whole(archive, path, "image", "pad", (size_t)net->spec.channels, 255, &values,
                            err);
    for (int c = 0; !status && c < net->spec.channels && c < 3; c++) {
        if (values[c] < 0)
            status = bad_array(err, path, "image.int8.pad", "holds a number that is no pixel");
        integer->pad_pixel[c] = (uint8_t)(int)values[c];
    }
    if (!status)
        status = sqz_integer_net_check(integer, path, err);
    if (status) {
        sqz_integer_net_free(integer);
        return status;
    }
    model->integer = integer;
    return SQZ_OK;
}

// NAME.weight and NAME.bias of one layer whose weights are `array`.
static enum sqz_status expand_layer(struct sqz_archive *archive, const char *path, size_t index,
                                    const struct sqz_preprocess *pixels, struct sqz_error *err)
{
    struct sqz_array *array = &archive->arrays[index];
    const size_t out = array->shape[0], taps = array->shape[2] * array->shape[3];
    const size_t columns = array->shape[1] * taps;
    char layer[64], name[96];
    const float *steps, *units, *bias;
    snprintf(layer, sizeof layer, "%.*s", (int)(strlen(array->name) - strlen(".int8.weight")),
             array->name);
    enum sqz_status status = find(archive, path, layer, "step", out, &steps, err);
    if (!status)
        status = find(archive, path, layer, "unit", out, &units, err);
    if (!status)
        status = find(archive, path, layer, "bias", out, &bias, err);
    if (status)
        return status;
    const float *codes = array->data; // stays when the list of arrays moves
    size_t shape[4];
    memcpy(shape, array->shape, sizeof shape);
    snprintf(name, sizeof name, "%s.weight", layer);
    struct sqz_array *weights = sqz_archive_add(archive, name, SQZ_F32, 4, shape, NULL);
    if (!weights)
        return sqz_fail_memory(err, name, out * columns * sizeof(float));
    float *w = weights->data;
    snprintf(name, sizeof name, "%s.bias", layer);
    struct sqz_array *biases = sqz_archive_add(archive, name, SQZ_F32, 1, &out, NULL);
    if (!biases)
        return sqz_fail_memory(err, name, out * sizeof(float));
    for (size_t o = 0; o < out; o++) {
        double sum = (double)bias[o] * (double)units[o];
        for (size_t i = 0; i < columns; i++) {
            double value = (double)codes[o * columns + i] * (double)steps[o];
            if (pixels) { // w (x - mean) / std = (w / std) x - w mean / std, the other way round
                sum += value * (double)pixels->mean[i / taps];
                value *= (double)pixels->std[i / taps];
            }
            w[o * columns + i] = (float)value;
        }
        ((float *)biases->data)[o] = (float)sum;
    }
    return SQZ_OK;
}

enum sqz_status sqz_integers_expand(struct sqz_archive *archive, const char *path,
                                    struct sqz_error *err)
{
    static const char ending[] = ".int8.weight";
    struct sqz_preprocess preprocess;
    const size_t n = archive->n_arrays;
    bool found;
    if (!sqz_archive_has_integers(archive))
        return SQZ_OK;
    enum sqz_status status = sqz_metadata_preprocess(archive, path, &found, &preprocess, err);
    if (!status && !found)
        status = sqz_fail(err, SQZ_E_DATA, "%s holds an integer network without its preprocessing.",
                          path);
    for (size_t i = 0; i < n && !status; i++) {
        const struct sqz_array *array = &archive->arrays[i];
        const size_t length = strlen(array->name);
        if (length < sizeof ending || strcmp(array->name + length - sizeof ending + 1, ending) != 0)
            continue;
        if (length >= 64 || array->rank != 4 || array->dtype != SQZ_F32)
            return bad_array(err, path, "of weights", "has an impossible name, shape or type");
        bool first = strcmp(array->name, "features.0.int8.weight") == 0;
        if (first && array->shape[1] > (size_t)preprocess.channels)
            return bad_array(err, path, array->name, "has more channels than the preprocessing");
        status = expand_layer(archive, path, i, first ? &preprocess : NULL, err);
    }
    return status;
}
