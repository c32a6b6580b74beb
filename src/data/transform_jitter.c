// Colour jitter on 8 bits, rounded as MindSpore rounds: float32, halves to even.
#include "data/transform.h"

#include <math.h>

static uint8_t saturate(float value)
{
    return (uint8_t)lrintf(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void look_up(struct sqz_image *image, const uint8_t table[256])
{
    size_t n = (size_t)image->w * (size_t)image->h * (size_t)image->c;
    for (size_t i = 0; i < n; i++)
        image->pixels[i] = table[image->pixels[i]];
}

static void brightness(float factor, struct sqz_image *image)
{
    uint8_t table[256];
    for (int i = 0; i < 256; i++)
        table[i] = saturate((float)i * factor);
    look_up(image, table);
}

static int mean_gray(const struct sqz_image *image)
{
    size_t n = (size_t)image->w * (size_t)image->h;
    const uint8_t *p = image->pixels;
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++, p += image->c)
        sum += image->c == 3 ? sqz_luma(p[0], p[1], p[2]) : p[0];
    return (int)((double)sum / (double)n + 0.5);
}

static void contrast(float factor, struct sqz_image *image)
{
    float mean = (float)mean_gray(image);
    uint8_t table[256];
    for (int i = 0; i < 256; i++)
        table[i] = saturate(fmaf(mean, 1.0f - factor, (float)i * factor));
    look_up(image, table);
}

#define BLOCK 64 // pixels

// rint(fma(x, factor, gray * (1 - factor))), with the fused product taken in double, where it is
// exact: the same bits without FMA hardware. Adding 1.5 * 2^23 rounds to even at the last integer
// bit.
static void saturate_block(uint8_t *restrict x, const uint8_t *restrict gray, int n, float factor)
{
    const float shift = 12582912.0f;
    double f = factor;
    float rest = 1.0f - factor;
    for (int i = 0; i < n; i++) {
        float value = (float)(x[i] * f + (double)((float)gray[i] * rest));
        value = value < 0 ? 0 : value > 255 ? 255 : value;
        x[i] = (uint8_t)(int)((value + shift) - shift);
    }
}

static void saturation(float factor, struct sqz_image *image)
{
    size_t n = (size_t)image->w * (size_t)image->h;
    uint8_t *p = image->pixels;
    for (size_t first = 0; first < n; first += BLOCK) {
        int count = n - first < BLOCK ? (int)(n - first) : BLOCK;
        uint8_t gray[3 * BLOCK];
        for (int i = 0; i < count; i++) {
            uint8_t luma = sqz_luma(p[3 * i], p[3 * i + 1], p[3 * i + 2]);
            gray[3 * i] = gray[3 * i + 1] = gray[3 * i + 2] = luma;
        }
        saturate_block(p, gray, 3 * count, factor);
        p += 3 * count;
    }
}

struct hsv {
    int h, s, v; // h: 0..255 for the full circle
};

// OpenCV's 8-bit RGB2HSV_FULL: 12-bit fixed point with tables of reciprocals.
static struct hsv hsv_from_rgb(int r, int g, int b, const int *by_value, const int *by_range)
{
    int v = r > g ? r : g, low = r < g ? r : g;
    v = v > b ? v : b;
    low = low < b ? low : b;
    int range = v - low;
    int sector = v == r ? g - b : v == g ? b - r + 2 * range : r - g + 4 * range;
    int h = (sector * by_range[range] + (1 << 11)) >> 12;
    return (struct hsv){h < 0 ? h + 256 : h, (range * by_value[v] + (1 << 11)) >> 12, v};
}

static void rgb_from_hsv(const struct hsv *hsv, uint8_t *out)
{
    static const int8_t choice[6][3] = {{0, 3, 1}, {2, 0, 1}, {1, 0, 3},
                                        {1, 2, 0}, {3, 1, 0}, {0, 1, 2}};
    float h = (float)hsv->h * (6.0f / 255.0f), s = (float)hsv->s / 255.0f;
    float v = (float)hsv->v / 255.0f;
    int sector = (int)h;
    float part = h - (float)sector;
    float levels[4] = {v, v * (1 - s), v * (1 - s * part), v * (1 - s * (1 - part))};
    for (int c = 0; c < 3; c++)
        out[c] = (uint8_t)(levels[choice[sector % 6][c]] * 255.0f);
}

static void hue(float shift, struct sqz_image *image)
{
    int by_value[256] = {0}, by_range[256] = {0};
    for (int i = 1; i < 256; i++) {
        by_value[i] = (int)lrint((255 << 12) / (double)i);
        by_range[i] = (int)lrint((256 << 12) / (6.0 * i));
    }
    int step = (int)(255 * shift);
    size_t n = (size_t)image->w * (size_t)image->h;
    uint8_t *p = image->pixels;
    for (size_t i = 0; i < n; i++, p += 3) {
        struct hsv hsv = hsv_from_rgb(p[0], p[1], p[2], by_value, by_range);
        hsv.h = (hsv.h + step) & 255;
        rgb_from_hsv(&hsv, p);
    }
}

void sqz_jitter_run(enum sqz_jitter kind, float factor, struct sqz_image *image)
{
    if (kind == SQZ_BRIGHTNESS)
        brightness(factor, image);
    else if (kind == SQZ_CONTRAST)
        contrast(factor, image);
    else if (image->c == 3 && kind == SQZ_SATURATION)
        saturation(factor, image);
    else if (image->c == 3 && kind == SQZ_HUE)
        hue(factor, image);
}
