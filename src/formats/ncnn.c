// ncnn: a .param text and a .bin of weights, read as a pair.
#include "formats/common.h"
#include "formats/ncnn_graph.h"

#include <stdio.h>
#include <string.h>

enum flag {
    FLAG_FLOAT32 = 0,
    FLAG_FLOAT16 = 0x01306b47,
    FLAG_INT8 = 0x000d4b38,
    FLAG_RAW_FLOAT32 = 0x0002c056 // anything else: 256 floats and 8-bit indices
};

// The binary form of .param begins with the same number, as an integer.
static bool is_binary_param(const uint8_t *head, size_t size)
{
    static const uint8_t magic[4] = {0xdd, 0x85, 0x76, 0x00};
    return size >= 4 && memcmp(head, magic, 4) == 0;
}

static bool is_param(const uint8_t *head, size_t size)
{
    return size >= 7 && memcmp(head, SQZ_NCNN_MAGIC, 7) == 0;
}

// The other file of the pair: the same path with the other suffix. NULL: no such suffix, or out of
// memory.
static char *sibling(const char *path, const char *suffix, const char *other)
{
    struct sqz_text text = {0};
    if (!sqz_has_suffix(path, suffix))
        return NULL;
    sqz_text_add_bytes(&text, path, strlen(path) - strlen(suffix));
    sqz_text_add(&text, "%s", other);
    char *copy = text.failed ? NULL : sqz_copy_string(sqz_text_get(&text));
    sqz_text_release(&text);
    return copy;
}

// A .bin has no magic number; a .param beside it tells what it is.
static bool probe(const char *path, const uint8_t *head, size_t size)
{
    if (is_param(head, size) || is_binary_param(head, size))
        return true;
    char *param = sibling(path, ".bin", ".param");
    enum sqz_path_kind kind = SQZ_PATH_MISSING;
    bool found = param && !sqz_path_look(param, &kind, NULL) && kind != SQZ_PATH_MISSING;
    sqz_free(param);
    return found;
}

// A convolution's shape from its keys; false for one that no SqueezeNet has.
static bool conv_shape(const struct sqz_ncnn_layer *layer, size_t shape[4])
{
    int64_t out = sqz_ncnn_key(layer, 0, 0), kernel = sqz_ncnn_key(layer, 1, 0);
    int64_t count = sqz_ncnn_key(layer, 6, 0), activation = sqz_ncnn_key(layer, 9, 0);
    int64_t bias = sqz_ncnn_key(layer, 5, 0);
    if (out < 1 || out > 1 << 24 || kernel < 1 || kernel > 64 || count < 1 ||
        sqz_ncnn_key(layer, 11, kernel) != kernel || sqz_ncnn_key(layer, 2, 1) != 1 || bias != 1 ||
        activation < 0 || activation > 1 || count % (out * kernel * kernel))
        return false;
    shape[0] = (size_t)out;
    shape[1] = (size_t)(count / (out * kernel * kernel));
    shape[2] = shape[3] = (size_t)kernel;
    return true;
}

struct weights {
    uint32_t flag;
    const uint8_t *table; // of 256 floats
    const uint8_t *data;
    size_t count;
};

// Points at a convolution's weights, so that nothing is allocated that the file does not hold.
static bool take_weights(struct sqz_cursor *cursor, size_t count, struct weights *out)
{
    size_t width = 1, bytes, padded;
    *out = (struct weights){.count = count};
    if (!sqz_take_u32(cursor, &out->flag))
        return false;
    if (out->flag == FLAG_FLOAT32 || out->flag == FLAG_RAW_FLOAT32)
        width = 4;
    else if (out->flag == FLAG_FLOAT16)
        width = 2;
    else if (out->flag != FLAG_INT8 && !sqz_take_span(cursor, 256 * sizeof(float), &out->table))
        return false;
    if (!sqz_size_mul(count, width, &bytes) || !sqz_size_add(bytes, 3, &padded))
        return false;
    return sqz_take_span(cursor, padded / 4 * 4, &out->data);
}

// scales: one float per output channel, for int8.
static void expand_weights(const struct weights *from, const uint8_t *scales, size_t per_output,
                           float *to)
{
    if (from->flag == FLAG_FLOAT32 || from->flag == FLAG_RAW_FLOAT32) {
        memcpy(to, from->data, from->count * sizeof *to);
        return;
    }
    for (size_t i = 0; i < from->count; i++) {
        float scale;
        uint16_t half;
        if (from->table) {
            memcpy(&to[i], from->table + 4 * (size_t)from->data[i], sizeof to[i]);
        } else if (from->flag == FLAG_INT8) {
            memcpy(&scale, scales + i / per_output * sizeof scale, sizeof scale);
            to[i] = (float)(int8_t)from->data[i] / scale;
        } else {
            memcpy(&half, from->data + 2 * i, sizeof half);
            to[i] = sqz_float_from_half(half);
        }
    }
}

static enum sqz_status read_conv(const char *path, const struct sqz_ncnn_layer *layer,
                                 const char *name, struct sqz_cursor *cursor,
                                 struct sqz_archive *out, struct sqz_error *err)
{
    struct weights weights;
    const uint8_t *bias, *scales = NULL, *others;
    struct sqz_array *array;
    char full[64];
    size_t shape[4], count;
    int64_t int8_term = sqz_ncnn_key(layer, 8, 0);
    if (!conv_shape(layer, shape) || int8_term < 0 || int8_term > 1000)
        return sqz_fail(err, SQZ_E_DATA,
                        "The convolution in line %d of the .param of %s is none of a SqueezeNet.",
                        layer->line, path);
    count = (size_t)sqz_ncnn_key(layer, 6, 0);
    if (!take_weights(cursor, count, &weights) ||
        !sqz_take_span(cursor, shape[0] * sizeof(float), &bias) ||
        (int8_term && !sqz_take_span(cursor, shape[0] * sizeof(float), &scales)) ||
        (int8_term && !sqz_take_span(cursor, int8_term > 100 ? 8 : 4, &others)))
        return sqz_fail(err, SQZ_E_DATA,
                        "The .bin of %s is truncated inside the convolution of line %d.", path,
                        layer->line);
    if (weights.flag == FLAG_INT8 && !scales)
        return sqz_fail(err, SQZ_E_DATA,
                        "The convolution in line %d of %s has 8-bit weights without scales.",
                        layer->line, path);
    snprintf(full, sizeof full, "%s.weight", name);
    enum sqz_status status = sqz_archive_put(out, path, full, SQZ_F32, 4, shape, NULL, &array, err);
    if (status)
        return status;
    expand_weights(&weights, scales, count / shape[0], array->data);
    snprintf(full, sizeof full, "%s.bias", name);
    status = sqz_archive_put(out, path, full, SQZ_F32, 1, shape, NULL, &array, err);
    if (!status)
        memcpy(array->data, bias, array->size);
    return status;
}

enum sqz_status sqz_ncnn_decode(const char *path, const uint8_t *param, size_t param_size,
                                const uint8_t *bin, size_t bin_size, struct sqz_archive *out,
                                struct sqz_error *err)
{
    struct sqz_ncnn_graph graph = {0};
    struct sqz_cursor cursor = {bin, bin_size, 0};
    int convs[SQZ_N_CONVS];
    enum sqz_status status = sqz_ncnn_parse(path, (const char *)param, param_size, &graph, err);
    if (!status)
        status = sqz_ncnn_map(path, &graph, convs, err);
    if (status)
        goto done;
    // Only the first convolution tells 1.0 (7 x 7) and 1.1 (3 x 3) apart here.
    int version = sqz_ncnn_key(&graph.layers[convs[0]], 1, 0) == 7 ? 0 : 1;
    for (int i = 0; i < graph.n_layers; i++) {
        char name[48];
        int conv = 0;
        if (graph.layers[i].type != SQZ_NCNN_CONVOLUTION)
            continue;
        while (convs[conv] != i)
            conv++;
        sqz_conv_name(SQZ_NAMING_MINDCV, version, conv, name);
        status = read_conv(path, &graph.layers[i], name, &cursor, out, err);
        if (status)
            goto done;
    }
    if (sqz_cursor_left(&cursor))
        status =
            sqz_fail(err, SQZ_E_DATA, "The .bin of %s has %zu bytes more than its .param says.",
                     path, sqz_cursor_left(&cursor));
done:
    sqz_free(graph.layers);
    return status;
}

static enum sqz_status read_file(const char *path, const uint8_t *data, size_t size,
                                 struct sqz_archive *out, struct sqz_error *err)
{
    struct sqz_bytes other = {0};
    if (is_binary_param(data, size))
        return sqz_fail(err, SQZ_E_DATA,
                        "%s is ncnn's binary form of .param, which is not supported; use the text "
                        "form.",
                        path);
    bool given_param = is_param(data, size);
    char *name = given_param ? sibling(path, ".param", ".bin") : sibling(path, ".bin", ".param");
    if (!name)
        return sqz_fail(err, SQZ_E_DATA,
                        "%s is one of ncnn's two files, but without the suffix .param or .bin its "
                        "other half cannot be found.",
                        path);
    enum sqz_status status = sqz_file_read(name, SQZ_FILE_LIMIT, &other, err);
    if (!status && given_param)
        status = sqz_ncnn_decode(path, data, size, other.data, other.size, out, err);
    else if (!status)
        status = sqz_ncnn_decode(path, other.data, other.size, data, size, out, err);
    sqz_bytes_release(&other);
    sqz_free(name);
    return status;
}

const struct sqz_format sqz_format_ncnn = {
    .name = "ncnn",
    .suffix = ".param",
    .dialect = "torchvision",
    .summary = "ncnn's pair of .param and .bin; either may be given",
    .probe = probe,
    .pair = true,
    .read = read_file,
};
