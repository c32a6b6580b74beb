// Colour jitter on 8 bits, rounded as MindSpore rounds: float32, halves to even.
#include "data/augment/transform.h"
#include "data/augment/operation_ops.h"

#include <math.h>

static size_t count_pixels(const struct sqz_image *image)
{
    return (size_t)image->w * (size_t)image->h;
}

static int mean_gray(const struct sqz_operation_ops *ops, const struct sqz_image *image)
{
    size_t n = count_pixels(image);
    uint64_t sum = 0;
    if (image->c == 3)
        sum = ops->sum_gray(image->pixels, n);
    else
        for (size_t i = 0; i < n; i++)
            sum += image->pixels[i];
    return (int)((double)sum / (double)n + 0.5);
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
    const struct sqz_operation_ops *ops = sqz_operation_ops();
    size_t n = count_pixels(image), values = n * (size_t)image->c;
    if (kind == SQZ_BRIGHTNESS)
        ops->brighten(image->pixels, values, factor);
    else if (kind == SQZ_CONTRAST)
        ops->mix_one(image->pixels, values, factor, (uint8_t)mean_gray(ops, image));
    else if (image->c == 3 && kind == SQZ_SATURATION)
        ops->mix_gray(image->pixels, n, factor);
    else if (image->c == 3 && kind == SQZ_HUE)
        hue(factor, image);
}
