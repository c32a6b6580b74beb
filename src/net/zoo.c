// The zoo: every network and every dialect, as tables.
#include "net/zoo.h"

#include <string.h>

#define CONV(i, c, k, s) \
    { \
        SQZ_ROW_CONV, i, .channels = c, .kernel = k, .stride = s \
    }
#define POOL(i) \
    { \
        SQZ_ROW_POOL, i, .kernel = 3, .stride = 2 \
    }
#define FIRE(i, s, e) \
    { \
        SQZ_ROW_FIRE, i, .squeeze = s, .expand1x1 = e, .expand3x3 = e \
    }
#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static const struct sqz_row rows_1_0[] = {
    CONV(0, 96, 7, 2), POOL(2),           FIRE(3, 16, 64),  FIRE(4, 16, 64),
    FIRE(5, 32, 128),  POOL(6),           FIRE(7, 32, 128), FIRE(8, 48, 192),
    FIRE(9, 48, 192),  FIRE(10, 64, 256), POOL(11),         FIRE(12, 64, 256),
};
static const struct sqz_row rows_1_1[] = {
    CONV(0, 64, 3, 2), POOL(2),           FIRE(3, 16, 64),   FIRE(4, 16, 64),
    POOL(5),           FIRE(6, 32, 128),  FIRE(7, 32, 128),  POOL(8),
    FIRE(9, 48, 192),  FIRE(10, 48, 192), FIRE(11, 64, 256), FIRE(12, 64, 256),
};
static const struct sqz_family family_1_0 = {rows_1_0, COUNT(rows_1_0), false};
static const struct sqz_family family_1_1 = {rows_1_1, COUNT(rows_1_1), true};

static const struct sqz_variant variants[] = {
    {"squeezenet1_0", "SqueezeNet 1.0 of the paper", &family_1_0, SQZ_BYPASS_NONE},
    {"squeezenet1_0_bypass", "1.0 with identity bypasses (fire3, 5, 7, 9)", &family_1_0,
     SQZ_BYPASS_SIMPLE},
    {"squeezenet1_0_complex", "1.0 with a bypass around every Fire, 1x1 convolutions where needed",
     &family_1_0, SQZ_BYPASS_COMPLEX},
    {"squeezenet1_1", "SqueezeNet 1.1: 2.2 times less arithmetic, the same accuracy", &family_1_1,
     SQZ_BYPASS_NONE},
    {"squeezenet1_1_bypass", "1.1 with identity bypasses (fire3, 5, 7, 9)", &family_1_1,
     SQZ_BYPASS_SIMPLE},
    {"squeezenet1_1_complex", "1.1 with a bypass around every Fire, 1x1 convolutions where needed",
     &family_1_1, SQZ_BYPASS_COMPLEX},
};

#define IMAGENET_MEAN \
    { \
        123.675f, 116.28f, 103.53f \
    }
#define IMAGENET_STD \
    { \
        58.395f, 57.12f, 57.375f \
    }

static const struct sqz_dialect dialects[] = {
    {.name = "mindcv",
     .ceil_pooling = false,
     .conv1_pad_v11 = 1,
     .conv10_pad_v10 = 0,
     .preprocess = {.resize_mode = SQZ_RESIZE_SHORTER,
                    .resize = 256,
                    .image_size = 224,
                    .interpolation = SQZ_BILINEAR,
                    .channels = 3,
                    .mean = IMAGENET_MEAN,
                    .std = IMAGENET_STD}},
    {.name = "torchvision",
     .ceil_pooling = true,
     .conv1_pad_v11 = 0,
     .conv10_pad_v10 = 0,
     .preprocess = {.resize_mode = SQZ_RESIZE_SHORTER,
                    .resize = 256,
                    .image_size = 224,
                    .interpolation = SQZ_PIL_BILINEAR,
                    .channels = 3,
                    .mean = IMAGENET_MEAN,
                    .std = IMAGENET_STD}},
    {.name = "caffe",
     .ceil_pooling = true,
     .conv1_pad_v11 = 0,
     .conv10_pad_v10 = 1,
     .preprocess = {.resize_mode = SQZ_RESIZE_EXACT,
                    .resize = 256,
                    .image_size = 227,
                    .interpolation = SQZ_PIL_BILINEAR,
                    .bgr = true,
                    .channels = 3,
                    .mean = {104.0f, 117.0f, 123.0f},
                    .std = {1.0f, 1.0f, 1.0f}}},
};

const struct sqz_dialect *sqz_dialect_at(int index)
{
    return index >= 0 && index < COUNT(dialects) ? &dialects[index] : NULL;
}

const struct sqz_dialect *sqz_dialect_find(const char *name)
{
    for (int i = 0; i < COUNT(dialects); i++) {
        if (strcmp(dialects[i].name, name) == 0)
            return &dialects[i];
    }
    return NULL;
}

const struct sqz_variant *sqz_variant_at(int index)
{
    return index >= 0 && index < COUNT(variants) ? &variants[index] : NULL;
}

const struct sqz_variant *sqz_variant_find(const char *name)
{
    for (int i = 0; i < COUNT(variants); i++) {
        if (strcmp(variants[i].name, name) == 0)
            return &variants[i];
    }
    return NULL;
}

static const char *const stems[] = {[SQZ_STEM_IMAGENET] = "imagenet",
                                    [SQZ_STEM_SMALL] = "small",
                                    [SQZ_STEM_SMALL_NOPOOL] = "small_nopool"};

const char *sqz_stem_name(enum sqz_stem stem)
{
    return stems[stem];
}

int sqz_stem_find(const char *name)
{
    for (int i = 0; i < COUNT(stems); i++) {
        if (strcmp(stems[i], name) == 0)
            return i;
    }
    return -1;
}

bool sqz_spec_row(const struct sqz_net_spec *spec, int index, struct sqz_row *out)
{
    *out = spec->variant->family->rows[index];
    if (out->kind == SQZ_ROW_CONV && spec->stem != SQZ_STEM_IMAGENET) {
        out->kernel = 3;
        out->stride = 1;
    }
    return spec->stem != SQZ_STEM_SMALL_NOPOOL || index != 1;
}

int sqz_spec_conv1_pad(const struct sqz_net_spec *spec)
{
    if (spec->stem != SQZ_STEM_IMAGENET)
        return 1;
    return spec->variant->family->v11 ? spec->dialect->conv1_pad_v11 : 0;
}

int sqz_dialect_conv10_pad(const struct sqz_dialect *dialect, const struct sqz_family *family)
{
    return family->v11 ? 0 : dialect->conv10_pad_v10;
}
