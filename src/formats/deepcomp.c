// Deep Compression's .net: shared weights by 8-bit codes, gaps by 4-bit runs.
#include "formats/common.h"

#include <stdio.h>
#include <string.h>

#define N_CODES 256

// SqueezeNet 1.0's shapes: the file holds none.
static void conv_shape(int conv, size_t shape[4])
{
    static const size_t fires[8][3] = {{96, 16, 64},   {128, 16, 64},  {128, 32, 128},
                                       {256, 32, 128}, {256, 48, 192}, {384, 48, 192},
                                       {384, 64, 256}, {512, 64, 256}};
    const size_t *fire = fires[conv > 0 && conv < SQZ_N_CONVS - 1 ? (conv - 1) / 3 : 0];
    size_t out, in, kernel = 1;
    if (conv == 0) {
        out = 96, in = 3, kernel = 7;
    } else if (conv == SQZ_N_CONVS - 1) {
        out = 1000, in = 512;
    } else if ((conv - 1) % 3 == 0) {
        out = fire[1], in = fire[0];
    } else {
        out = fire[2], in = fire[1];
        kernel = (conv - 1) % 3 == 2 ? 3 : 1;
    }
    shape[0] = out, shape[1] = in, shape[2] = shape[3] = kernel;
}

// Stored entries of a convolution, false when there are more than it has weights.
static bool take_count(struct sqz_cursor *cursor, int conv, uint32_t *count)
{
    size_t shape[4];
    conv_shape(conv, shape);
    return sqz_take_u32(cursor, count) && *count <= shape[0] * shape[1] * shape[2] * shape[3];
}

static bool probe(const char *path, const uint8_t *head, size_t size)
{
    struct sqz_cursor cursor = {head, size, 0};
    uint32_t count;
    (void)path;
    // There is no magic number: 26 counts in range are as good as one.
    for (int conv = 0; conv < SQZ_N_CONVS; conv++)
        if (!take_count(&cursor, conv, &count) || count == 0)
            return false;
    return true;
}

static bool decode(const uint8_t *codebook, const uint8_t *codes, const uint8_t *runs, size_t n,
                   float *weights, size_t n_weights)
{
    size_t next = 0; // position after the last entry
    for (size_t i = 0; i < n; i++) {
        size_t at = next + (runs[i / 2] >> (i % 2 * 4) & 15);
        if (at >= n_weights)
            return false;
        memcpy(&weights[at], codebook + 4 * (size_t)codes[i], sizeof weights[at]);
        next = at + 1;
    }
    return true;
}

static enum sqz_status read_conv(const char *path, struct sqz_cursor *cursor, int conv, size_t n,
                                 struct sqz_archive *out, struct sqz_error *err)
{
    const uint8_t *codebook, *bias, *codes, *runs;
    char layer[48], name[64];
    size_t shape[4];
    struct sqz_array *array;
    conv_shape(conv, shape);
    sqz_conv_name(SQZ_NAMING_MINDCV, 0, conv, layer);
    if (!sqz_take_span(cursor, 4 * N_CODES, &codebook) ||
        !sqz_take_span(cursor, 4 * shape[0], &bias) || !sqz_take_span(cursor, n, &codes) ||
        !sqz_take_span(cursor, (n + 1) / 2, &runs))
        return sqz_fail(err, SQZ_E_DATA, "%s is truncated inside convolution %d of %d.", path,
                        conv + 1, SQZ_N_CONVS);
    snprintf(name, sizeof name, "%s.weight", layer);
    enum sqz_status status = sqz_archive_put(out, path, name, SQZ_F32, 4, shape, NULL, &array, err);
    if (status)
        return status;
    if (!decode(codebook, codes, runs, n, array->data, array->size / sizeof(float)))
        return sqz_fail(err, SQZ_E_DATA,
                        "%s is damaged: the runs of convolution %d of %d leave its weights.", path,
                        conv + 1, SQZ_N_CONVS);
    snprintf(name, sizeof name, "%s.bias", layer);
    status = sqz_archive_put(out, path, name, SQZ_F32, 1, shape, NULL, &array, err);
    if (!status)
        memcpy(array->data, bias, array->size);
    return status;
}

static enum sqz_status read_file(const char *path, const uint8_t *data, size_t size,
                                 struct sqz_archive *out, struct sqz_error *err)
{
    struct sqz_cursor cursor = {data, size, 0};
    uint32_t counts[SQZ_N_CONVS];
    for (int conv = 0; conv < SQZ_N_CONVS; conv++)
        if (!take_count(&cursor, conv, &counts[conv]))
            return sqz_fail(err, SQZ_E_DATA,
                            "The header of %s is damaged: convolution %d of %d has more entries "
                            "than weights.",
                            path, conv + 1, SQZ_N_CONVS);
    for (int conv = 0; conv < SQZ_N_CONVS; conv++) {
        enum sqz_status status = read_conv(path, &cursor, conv, counts[conv], out, err);
        if (status)
            return status;
    }
    if (sqz_cursor_left(&cursor))
        return sqz_fail(err, SQZ_E_DATA, "%s has %zu unused bytes after its last convolution.",
                        path, sqz_cursor_left(&cursor));
    return SQZ_OK;
}

const struct sqz_format sqz_format_net = {
    .name = "net",
    .suffix = ".net",
    .dialect = "caffe",
    .summary = "Deep Compression's SqueezeNet 1.0",
    .probe = probe,
    .read = read_file,
};
