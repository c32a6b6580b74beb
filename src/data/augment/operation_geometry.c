// Rotation, shear and translation: OpenCV 4's warpAffine on 8 bits. Source places are integers in
// 1/1024 pixel, cut to 1/32; weights are integers in 1/32768.
#include "data/augment/operation.h"
#include "data/augment/operation_ops.h"

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

// Where a row's results lie in the source, along one axis: at[x] beyond its first one.
struct places {
    int at[SQZ_OPERATION_SIDE], n;
    double pace; // from one to the next, before rounding
};

struct warp {
    const struct sqz_image *in;
    const struct sqz_operation_ops *ops;
    const uint8_t *fill;
    int taps, margin; // 2 and 0, or 4 and 1
    bool straight;    // a row's places are whole pixels apart
    struct places x, y;
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
    for (int sy = y - warp->margin; sy < y + reach; sy++)
        for (int sx = x - warp->margin; sx < x + reach; sx++, weights++) {
            bool inside = sx >= 0 && sx < in->w && sy >= 0 && sy < in->h;
            const uint8_t *p =
                inside ? in->pixels + ((size_t)sy * (size_t)in->w + (size_t)sx) * (size_t)c
                       : warp->fill;
            for (int i = 0; i < c; i++)
                sums[i] += *weights * p[i];
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
static void warp_careful(const struct warp *warp, int x0, int y0, int first, int end, uint8_t *out)
{
    for (int x = first; x < end; x++) {
        int px = (x0 + warp->x.at[x]) >> (PLACE_BITS - STEP_BITS);
        int py = (y0 + warp->y.at[x]) >> (PLACE_BITS - STEP_BITS);
        int fx = px & (STEPS - 1), fy = py & (STEPS - 1);
        int16_t linear[4];
        linear_weights(fx, fy, linear);
        sample(warp, px >> STEP_BITS, py >> STEP_BITS,
               warp->taps == 2 ? linear : cubic_weights[fy * STEPS + fx], out + x * warp->in->c);
    }
}

static void warp_nearest(const struct warp *warp, int x0, int y0, uint8_t *out)
{
    const struct sqz_image *in = warp->in;
    size_t c = (size_t)in->c;
    for (int x = 0; x < in->w; x++, out += c) {
        int sx = (x0 + warp->x.at[x]) >> PLACE_BITS, sy = (y0 + warp->y.at[x]) >> PLACE_BITS;
        bool inside = sx >= 0 && sx < in->w && sy >= 0 && sy < in->h;
        memcpy(out,
               inside ? in->pixels + ((size_t)sy * (size_t)in->w + (size_t)sx) * c : warp->fill, c);
    }
}

// The first place of n that is not below the limit (with sign -1: not above its opposite). Places
// rise all the way, by nearly the same everywhere: a guess is hardly ever far off.
static int find_place(const struct places *places, int sign, int limit)
{
    const int *at = places->at;
    double guess = limit / fabs(places->pace);
    int n = places->n, i = guess > 0 ? guess < n ? (int)guess : n : 0;
    while (i > 0 && sign * at[i - 1] >= limit)
        i--;
    while (i < n && sign * at[i] < limit)
        i++;
    return i;
}

// Narrows *first..*end to the results whose place, moved by `start`, lies in low..high.
static void narrow(const struct places *places, int start, int low, int high, int *first, int *end)
{
    bool rising = places->pace >= 0;
    int sign = rising ? 1 : -1;
    int from = find_place(places, sign, rising ? low - start : start - high);
    int to = find_place(places, sign, rising ? high - start + 1 : start - low + 1);
    *first = from > *first ? from : *first;
    *end = to < *end ? to : *end;
}

// The results of a row for which at least one of the four pixels exists (margin 1), or all do (0).
static void find_inside(const struct warp *warp, int x0, int y0, int margin, int *first, int *end)
{
    int low = -margin * (1 << PLACE_BITS), more = (margin - 1) * (1 << PLACE_BITS) - 1;
    narrow(&warp->x, x0, low, warp->in->w * (1 << PLACE_BITS) + more, first, end);
    narrow(&warp->y, y0, low, warp->in->h * (1 << PLACE_BITS) + more, first, end);
    if (*first >= *end)
        *first = *end = warp->in->w;
}

static void fill(const struct warp *warp, int first, int end, uint8_t *out)
{
    size_t c = (size_t)warp->in->c, bytes = (size_t)(end - first) * c;
    uint8_t *from = out + (size_t)first * c;
    if (bytes == 0)
        return;
    memcpy(from, warp->fill, c);
    for (size_t done = c; done < bytes; done *= 2) // copies of what is there
        memcpy(from + done, from, done < bytes - done ? done : bytes - done);
}

// All four pixels of the results first..end exist. Sheared and moved rows need no place for each.
static void warp_inside(const struct warp *warp, int x0, int y0, int first, int end, uint8_t *out)
{
    const struct sqz_image *in = warp->in;
    const int *xs = warp->x.at + first, *ys = warp->y.at + first;
    size_t c = (size_t)in->c, stride = (size_t)in->w * c;
    out += (size_t)first * c;
    if (first < end && warp->straight) {
        int x = (x0 + *xs) >> (PLACE_BITS - STEP_BITS), y = (y0 + *ys) >> (PLACE_BITS - STEP_BITS);
        const uint8_t *above = in->pixels + (size_t)(y >> STEP_BITS) * stride;
        above += (size_t)(x >> STEP_BITS) * c;
        warp->ops->shift_row(above, above + stride, (size_t)(end - first) * c, c, x & (STEPS - 1),
                             y & (STEPS - 1), out);
    } else {
        struct sqz_warp_row row = {in->pixels, stride, in->c, xs, ys, x0, y0, end - first};
        warp->ops->warp_row(&row, out);
    }
}

static void warp_linear(const struct warp *warp, int x0, int y0, uint8_t *out)
{
    int from = 0, to = warp->in->w;
    find_inside(warp, x0, y0, 1, &from, &to);
    int first = from, end = to;
    find_inside(warp, x0, y0, 0, &first, &end);
    if (first == end)
        first = end = to;
    fill(warp, 0, from, out);
    warp_careful(warp, x0, y0, from, first, out);
    warp_inside(warp, x0, y0, first, end, out);
    warp_careful(warp, x0, y0, end, to, out);
    fill(warp, to, warp->in->w, out);
}

static void place(double step, int n, struct places *out)
{
    out->n = n;
    out->pace = step * (1 << PLACE_BITS);
    for (int i = 0; i < n; i++)
        out->at[i] = rounded(step * i);
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
    int half = nearest ? 1 << (PLACE_BITS - 1) : 1 << (PLACE_BITS - STEP_BITS - 1);
    struct warp warp;
    warp.in = in;
    warp.ops = sqz_operation_ops();
    warp.fill = style->fill;
    warp.taps = cubic ? 4 : 2;
    warp.margin = cubic ? 1 : 0;
    warp.straight = m[0] == 1 && m[3] == 0;
    place(m[0], in->w, &warp.x);
    place(m[3], in->w, &warp.y);
    if (cubic)
        pthread_once(&once, make_cubic_weights);
    for (int y = 0; y < in->h; y++) {
        uint8_t *row = out->pixels + (size_t)y * (size_t)in->w * (size_t)in->c;
        int x0 = rounded(m[1] * y + m[2]) + half, y0 = rounded(m[4] * y + m[5]) + half;
        if (nearest)
            warp_nearest(&warp, x0, y0, row);
        else if (cubic)
            warp_careful(&warp, x0, y0, 0, in->w, row);
        else
            warp_linear(&warp, x0, y0, row);
    }
}
