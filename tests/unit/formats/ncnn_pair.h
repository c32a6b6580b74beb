// A toy SqueezeNet as ncnn's two files, with few channels and any coding of the weights.
#ifndef SQZ_TESTS_FORMATS_NCNN_PAIR_H
#define SQZ_TESTS_FORMATS_NCNN_PAIR_H

#include "support.h"

#define TOY_TABLE 0x12345678u // any value that no other coding has

struct ncnn_pair {
    struct sqz_text param;
    uint8_t *bin;
    size_t size, capacity;
    uint32_t flag;
    bool int8;
    int layers, blobs, convs;
};

static inline void pair_bytes(struct ncnn_pair *pair, const void *data, size_t size)
{
    if (pair->size + size > pair->capacity) {
        pair->capacity = 2 * (pair->capacity + size);
        pair->bin = realloc(pair->bin, pair->capacity);
        assert_non_null(pair->bin);
    }
    memcpy(pair->bin + pair->size, data, size);
    pair->size += size;
}

// Weight i of convolution c is 1 or -2, in a pattern that all codings can hold.
static inline float toy_weight(int conv, int i)
{
    return (conv + i) % 3 ? 1.0f : -2.0f;
}

static inline void pair_weights(struct ncnn_pair *pair, int count)
{
    static const uint8_t zeros[4];
    float table[256] = {[3] = 1.0f, [200] = -2.0f};
    size_t begin = pair->size;
    pair_bytes(pair, &pair->flag, 4);
    if (pair->flag == TOY_TABLE)
        pair_bytes(pair, table, sizeof table);
    for (int i = 0; i < count; i++) {
        float value = toy_weight(pair->convs, i);
        uint16_t half = value > 0 ? 0x3c00 : 0xc000;
        int8_t small = (int8_t)(value * 4);
        uint8_t index = value > 0 ? 3 : 200;
        if (pair->flag == 0x01306b47)
            pair_bytes(pair, &half, 2);
        else if (pair->flag == 0x000d4b38)
            pair_bytes(pair, &small, 1);
        else if (pair->flag == TOY_TABLE)
            pair_bytes(pair, &index, 1);
        else
            pair_bytes(pair, &value, 4);
    }
    pair_bytes(pair, zeros, (4 - (pair->size - begin) % 4) % 4);
}

static inline int pair_conv(struct ncnn_pair *pair, int from, int out, int in, int kernel)
{
    int count = out * in * kernel * kernel, blob = ++pair->blobs;
    sqz_text_add(&pair->param, "Convolution  c%d 1 1 b%d b%d 0=%d 1=%d 5=1 6=%d 9=1%s\n",
                 99 - pair->convs, from, blob, out, kernel, count, pair->int8 ? " 8=1" : "");
    pair_weights(pair, count);
    for (int i = 0; i < out; i++)
        pair_bytes(pair, &(float){(float)(100 * pair->convs + i)}, 4);
    for (int i = 0; i < out + 1 && pair->int8; i++)
        pair_bytes(pair, &(float){4.0f}, 4);
    pair->convs++;
    pair->layers++;
    return blob;
}

static inline int pair_layer(struct ncnn_pair *pair, const char *type, int from, int outs)
{
    int blob = pair->blobs + 1;
    sqz_text_add(&pair->param, "%s l%d 1 %d b%d", type, pair->layers, outs, from);
    for (int i = 0; i < outs; i++)
        sqz_text_add(&pair->param, " b%d", ++pair->blobs);
    sqz_text_add(&pair->param, " -23300=2,1,2\n");
    pair->layers++;
    return blob;
}

// expand3x3 is written before expand1x1, so that only the graph tells them apart.
static inline int pair_fire(struct ncnn_pair *pair, int from)
{
    int squeeze = pair_conv(pair, from, 1, 1, 1);
    int relu = pair_layer(pair, "ReLU", squeeze, 1);
    int split = pair_layer(pair, "Split", relu, 2);
    int three = pair_conv(pair, split + 1, 1, 1, 3), one = pair_conv(pair, split, 1, 1, 1);
    sqz_text_add(&pair->param, "Concat cat%d 2 1 b%d b%d b%d 0=0\n", pair->layers, one, three,
                 ++pair->blobs);
    pair->layers++;
    return pair->blobs;
}

// version 0 has a 7 x 7 first convolution, version 1 a 3 x 3 one.
static inline struct ncnn_pair make_pair(int version, uint32_t flag)
{
    struct ncnn_pair pair = {.flag = flag, .int8 = flag == 0x000d4b38, .layers = 1};
    struct sqz_text body = {0};
    int blob = pair_conv(&pair, 0, 1, 3, version ? 3 : 7);
    blob = pair_layer(&pair, "Pooling", blob, 1);
    for (int fire = 0; fire < 8; fire++)
        blob = pair_fire(&pair, blob);
    blob = pair_layer(&pair, "Dropout", blob, 1);
    blob = pair_conv(&pair, blob, 2, 1, 1);
    pair_layer(&pair, "Softmax", blob, 1);
    sqz_text_add(&body, "7767517\n%d %d\nInput data 0 1 b0\n", pair.layers, pair.blobs + 1);
    sqz_text_add(&body, "%s", sqz_text_get(&pair.param));
    sqz_text_release(&pair.param);
    pair.param = body;
    return pair;
}

static inline void release_pair(struct ncnn_pair *pair)
{
    sqz_text_release(&pair->param);
    free(pair->bin);
}

// Both files in blocks of exactly their sizes.
static inline enum sqz_status decode_pair(const void *param, size_t param_size, const void *bin,
                                          size_t bin_size, struct sqz_archive *out,
                                          struct sqz_error *err)
{
    uint8_t *a = malloc(param_size + !param_size), *b = malloc(bin_size + !bin_size);
    assert_true(a && b);
    memcpy(a, param, param_size);
    memcpy(b, bin, bin_size);
    *out = (struct sqz_archive){0};
    enum sqz_status status = sqz_ncnn_decode("toy", a, param_size, b, bin_size, out, err);
    free(a);
    free(b);
    return status;
}

#endif
