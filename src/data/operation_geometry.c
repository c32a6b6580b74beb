// Rotation, shear and translation: OpenCV 4's warpAffine on 8 bits. Source places are integers in
// 1/1024 pixel, cut to 1/32; weights are integers in 1/32768.
#include "data/operation.h"
#include "data/transform_pixels.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#define PLACE_BITS SQZ_WARP_PLACE_BITS
#define STEP_BITS  SQZ_WARP_STEP_BITS
#define STEPS      (1 << STEP_BITS)
#define WEIGHT_ONE 32768

// x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5]
struct affine {
    double m[6];
};

static struct affine forward_map(const struct sqz_operation *operation, int w, int h)
{
    const double degree = 3.14159265358979323846 / 180;
    double v = operation->argument, cx = (w - 1) / 2.0, cy = (h - 1) / 2.0;
    double t = tan(v * degree), a = cos(v * degree), b = sin(v * degree);
    switch (operation->kind) {
    case SQZ_SHEAR_X:
        return (struct affine){{1, t, -t * cy, 0, 1, 0}};
    case SQZ_SHEAR_Y:
        return (struct affine){{1, 0, 0, -t, 1, t * cx}};
    case SQZ_TRANSLATE_X:
        return (struct affine){{1, 0, v * w, 0, 1, 0}};
    case SQZ_TRANSLATE_Y:
        return (struct affine){{1, 0, 0, 0, 1, v * h}};
    default:
        return (struct affine){{a, b, (1 - a) * cx - b * cy, -b, a, b * cx + (1 - a) * cy}};
    }
}

static struct affine inverse(const struct affine *map)
{
    const double *m = map->m;
    double d = m[0] * m[4] - m[1] * m[3];
    d = d != 0 ? 1 / d : 0;
    double a = m[4] * d, b = -m[1] * d, c = -m[3] * d, e = m[0] * d;
    return (struct affine){{a, b, -a * m[2] - b * m[5], c, e, -c * m[2] - e * m[5]}};
}

static int rounded(double value)
{
    return (int)lrint(value * (1 << PLACE_BITS));
}

// Weights of OpenCV's cubic: for every pair of fractions 4 x 4 numbers that add up to WEIGHT_ONE.
static int16_t cubic_weights[STEPS * STEPS][16];

static void cubic_taps(float x, float out[4])
{
    const float a = -0.75f;
    out[0] = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a;
    out[1] = ((a + 2) * x - (a + 3)) * x * x + 1;
    out[2] = ((a + 2) * (1 - x) - (a + 3)) * (1 - x) * (1 - x) + 1;
    out[3] = 1.0f - out[0] - out[1] - out[2];
}

// What rounding left over goes to the largest or the smallest of the four inner weights.
static void correct(int16_t w[16], int excess)
{
    int largest = 10, smallest = 10;
    for (int y = 2; y < 4; y++)
        for (int x = 2; x < 4; x++) {
            if (w[4 * y + x] < w[smallest])
                smallest = 4 * y + x;
            else if (w[4 * y + x] > w[largest])
                largest = 4 * y + x;
        }
    int at = excess < 0 ? largest : smallest;
    w[at] = (int16_t)(w[at] - excess);
}

static void make_cubic_weights(void)
{
    float taps[STEPS][4];
    for (int i = 0; i < STEPS; i++)
        cubic_taps((float)i / STEPS, taps[i]);
    for (int i = 0; i < STEPS * STEPS; i++) {
        int16_t *w = cubic_weights[i];
        int sum = 0;
        for (int k = 0; k < 16; k++) {
            long weight = lrintf(taps[i / STEPS][k / 4] * taps[i % STEPS][k % 4] * WEIGHT_ONE);
            w[k] = (int16_t)(weight > INT16_MAX ? INT16_MAX : weight);
            sum += w[k];
        }
        if (sum != WEIGHT_ONE)
            correct(w, sum - WEIGHT_ONE);
    }
}

struct warp {
    const struct sqz_image *in;
    const uint8_t *fill;
    int taps, margin; // 2 and 0, or 4 and 1
};

// One result from taps x taps pixels, some of which may lie outside.
static void sample(const struct warp *warp, int x, int y, const int16_t *weights, uint8_t *out)
{
    const struct sqz_image *in = warp->in;
    int sums[3] = {0, 0, 0}, c = in->c, reach = warp->taps - warp->margin;
    if (x <= -reach || x >= in->w + warp->margin || y <= -reach || y >= in->h + warp->margin) {
        memcpy(out, warp->fill, (size_t)c);
        return;
    }
    for (int k = 0; k < warp->taps * warp->taps; k++) {
        int sx = x - warp->margin + k % warp->taps, sy = y - warp->margin + k / warp->taps;
        bool inside = sx >= 0 && sx < in->w && sy >= 0 && sy < in->h;
        const uint8_t *p = inside
                               ? in->pixels + ((size_t)sy * (size_t)in->w + (size_t)sx) * (size_t)c
                               : warp->fill;
        for (int i = 0; i < c; i++)
            sums[i] += weights[k] * p[i];
    }
    for (int i = 0; i < c; i++) {
        int value = (sums[i] + WEIGHT_ONE / 2) >> 15;
        out[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

static void linear_weights(int fx, int fy, int16_t out[4])
{
    // 32768 does not fit, and OpenCV's own table has 32767 there; a plain copy comes out the same.
    int w[4] = {(STEPS - fx) * (STEPS - fy) * 32, fx * (STEPS - fy) * 32, (STEPS - fx) * fy * 32,
                fx * fy * 32};
    for (int k = 0; k < 4; k++)
        out[k] = (int16_t)(w[k] > INT16_MAX ? INT16_MAX : w[k]);
}

// Results `first`..`end` of a row, pixel by pixel: whatever reaches an edge, and the cubic.
static void warp_careful(const struct warp *warp, const int *xs, const int *ys, int x0, int y0,
                         int first, int end, uint8_t *out)
{
    for (int x = first; x < end; x++) {
        int px = (x0 + xs[x]) >> (PLACE_BITS - STEP_BITS);
        int py = (y0 + ys[x]) >> (PLACE_BITS - STEP_BITS);
        int fx = px & (STEPS - 1), fy = py & (STEPS - 1);
        int16_t linear[4];
        linear_weights(fx, fy, linear);
        sample(warp, px >> STEP_BITS, py >> STEP_BITS,
               warp->taps == 2 ? linear : cubic_weights[fy * STEPS + fx], out + x * warp->in->c);
    }
}

static void warp_nearest(const struct warp *warp, const int *xs, const int *ys, int x0, int y0,
                         uint8_t *out)
{
    const struct sqz_image *in = warp->in;
    size_t c = (size_t)in->c;
    for (int x = 0; x < in->w; x++, out += c) {
        int sx = (x0 + xs[x]) >> PLACE_BITS, sy = (y0 + ys[x]) >> PLACE_BITS;
        bool inside = sx >= 0 && sx < in->w && sy >= 0 && sy < in->h;
        memcpy(out,
               inside ? in->pixels + ((size_t)sy * (size_t)in->w + (size_t)sx) * c : warp->fill, c);
    }
}

// Narrows *first..*end to the results whose place, linear in x, lies in low..high.
static void narrow(const int *steps, int start, int low, int high, int *first, int *end)
{
    while (*first < *end && (start + steps[*first] < low || start + steps[*first] > high))
        ++*first;
    while (*first < *end && (start + steps[*end - 1] < low || start + steps[*end - 1] > high))
        --*end;
}

static void warp_linear(const struct warp *warp, const int *xs, const int *ys, int x0, int y0,
                        uint8_t *out)
{
    const struct sqz_image *in = warp->in;
    int first = 0, end = in->w;
    // Inside, all four pixels exist.
    narrow(xs, x0, 0, (in->w - 1) * (1 << PLACE_BITS) - 1, &first, &end);
    narrow(ys, y0, 0, (in->h - 1) * (1 << PLACE_BITS) - 1, &first, &end);
    if (first >= end)
        first = end = in->w;
    warp_careful(warp, xs, ys, x0, y0, 0, first, out);
    struct sqz_warp_row row = {
        in->pixels, (size_t)in->w * (size_t)in->c, in->c, xs + first, ys + first, x0, y0,
        end - first};
    sqz_pixel_ops()->warp_row(&row, out + first * in->c);
    warp_careful(warp, xs, ys, x0, y0, end, in->w, out);
}

void sqz_operation_geometry(const struct sqz_operation *operation,
                            const struct sqz_operation_style *style, const struct sqz_image *in,
                            struct sqz_image *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct affine forward = forward_map(operation, in->w, in->h), back = inverse(&forward);
    const double *m = back.m;
    bool nearest = style->interpolation == SQZ_NEAREST;
    bool cubic = style->interpolation == SQZ_BICUBIC || style->interpolation == SQZ_PIL_BICUBIC;
    struct warp warp = {in, style->fill, cubic ? 4 : 2, cubic ? 1 : 0};
    int half = nearest ? 1 << (PLACE_BITS - 1) : 1 << (PLACE_BITS - STEP_BITS - 1);
    int xs[SQZ_OPERATION_SIDE], ys[SQZ_OPERATION_SIDE];
    if (cubic)
        pthread_once(&once, make_cubic_weights);
    for (int x = 0; x < in->w; x++) {
        xs[x] = rounded(m[0] * x);
        ys[x] = rounded(m[3] * x);
    }
    for (int y = 0; y < in->h; y++) {
        uint8_t *row = out->pixels + (size_t)y * (size_t)in->w * (size_t)in->c;
        int x0 = rounded(m[1] * y + m[2]) + half, y0 = rounded(m[4] * y + m[5]) + half;
        if (nearest)
            warp_nearest(&warp, xs, ys, x0, y0, row);
        else if (cubic)
            warp_careful(&warp, xs, ys, x0, y0, 0, in->w, row);
        else
            warp_linear(&warp, xs, ys, x0, y0, row);
    }
}
