// Pillow's antialiased resize, bit for bit: a filter widened by the scale, 22-bit fixed-point
// weights, columns first, 8 bits in between.
#include "data/resize.h"

#include <math.h>

#define PRECISION 22
#define HALF (1 << (PRECISION - 1))

typedef double (*filter_fn)(double x);

static double linear_filter(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double cubic_filter(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double support_of(enum sqz_interpolation interpolation)
{
    return interpolation == SQZ_PIL_BICUBIC ? 2.0 : 1.0;
}

struct reach {
    double scale, widening, support;
};

static struct reach reach_of(const struct sqz_resize_axis *axis, double filter_support)
{
    double scale = (double)axis->in / axis->out;
    double widening = scale < 1.0 ? 1.0 : scale;
    return (struct reach){scale, widening, filter_support * widening};
}

static double span(const struct sqz_resize_axis *axis, const struct reach *reach, int d, int *low,
                   int *high)
{
    double centre = (d + 0.5) * reach->scale;
    int from = (int)(centre - reach->support + 0.5), to = (int)(centre + reach->support + 0.5);
    *low = from < 0 ? 0 : from;
    *high = to > axis->in ? axis->in : to;
    return centre;
}

void sqz_resize_pillow_linear_span(const struct sqz_resize_axis *axis, int d, int *low, int *high)
{
    struct reach reach = reach_of(axis, support_of(SQZ_PIL_BILINEAR));
    span(axis, &reach, d, low, high);
}

void sqz_resize_pillow_cubic_span(const struct sqz_resize_axis *axis, int d, int *low, int *high)
{
    struct reach reach = reach_of(axis, support_of(SQZ_PIL_BICUBIC));
    span(axis, &reach, d, low, high);
}

// The filter of one direction: `taps` weights are kept for every result, `count` of them in use.
struct bank {
    int *first, *count;
    int32_t *weights;
    double *exact; // one result's
    size_t taps;
};

static size_t bank_taps(const struct sqz_resize_axis *axis, enum sqz_interpolation interpolation)
{
    return (size_t)ceil(reach_of(axis, support_of(interpolation)).support) * 2 + 1;
}

static void fill_bank(const struct sqz_resize_axis *axis, enum sqz_interpolation interpolation,
                      struct bank *bank)
{
    filter_fn filter = interpolation == SQZ_PIL_BICUBIC ? cubic_filter : linear_filter;
    struct reach reach = reach_of(axis, support_of(interpolation));
    double inverse = 1.0 / reach.widening;
    for (int i = 0; i < axis->count; i++) {
        int low, high;
        double centre = span(axis, &reach, axis->first + i, &low, &high), sum = 0;
        bank->first[i] = low;
        bank->count[i] = high - low;
        for (int k = 0; k < high - low; k++) {
            bank->exact[k] = filter((k + low - centre + 0.5) * inverse);
            sum += bank->exact[k];
        }
        int32_t *weights = bank->weights + (size_t)i * bank->taps;
        for (int k = 0; k < high - low; k++) {
            double weight = sum != 0.0 ? bank->exact[k] / sum : bank->exact[k];
            weights[k] = (int32_t)((weight < 0 ? -0.5 : 0.5) + weight * (1 << PRECISION));
        }
    }
}

static uint8_t clip(int32_t sum)
{
    int32_t value = sum >> PRECISION;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void resample_row(const struct bank *bank, const struct sqz_resize_axis *x,
                         const uint8_t *row, int channels, uint8_t *out)
{
    for (int i = 0; i < x->count; i++) {
        const int32_t *w = bank->weights + (size_t)i * bank->taps;
        const uint8_t *p = row + (size_t)(bank->first[i] - x->held) * (size_t)channels;
        int count = bank->count[i];
        if (channels == 3) {
            int32_t r = HALF, g = HALF, b = HALF;
            for (int k = 0; k < count; k++) {
                r += p[3 * k] * w[k];
                g += p[3 * k + 1] * w[k];
                b += p[3 * k + 2] * w[k];
            }
            out[3 * i] = clip(r);
            out[3 * i + 1] = clip(g);
            out[3 * i + 2] = clip(b);
        } else {
            int32_t sum = HALF;
            for (int k = 0; k < count; k++)
                sum += p[k] * w[k];
            out[i] = clip(sum);
        }
    }
}

static void blend_rows(const uint8_t *rows, size_t n, const int32_t *weights, int count,
                       int32_t *restrict sums, uint8_t *restrict out)
{
    for (size_t i = 0; i < n; i++)
        sums[i] = HALF;
    for (int k = 0; k < count; k++) {
        const uint8_t *restrict row = rows + (size_t)k * n;
        int32_t weight = weights[k];
        for (size_t i = 0; i < n; i++)
            sums[i] += row[i] * weight;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = clip(sums[i]);
}

static void cut_bank(void **parts, size_t taps, struct bank *bank)
{
    *bank = (struct bank){parts[0], parts[1], parts[2], parts[3], taps};
}

enum sqz_status sqz_resize_pillow(const struct sqz_resize *resize,
                                  const struct sqz_resize_source *in, uint8_t *out,
                                  struct sqz_transform_scratch *scratch, struct sqz_error *err)
{
    const struct sqz_resize_axis *x = &resize->x, *y = &resize->y;
    struct sqz_rect needs;
    sqz_resize_needs(resize, &needs);
    size_t w = (size_t)x->count, h = (size_t)y->count, n = w * (size_t)in->c;
    size_t taps_x = bank_taps(x, resize->interpolation);
    size_t taps_y = bank_taps(y, resize->interpolation);
    size_t sizes[] = {
        w * sizeof(int), w * sizeof(int), w * taps_x * sizeof(int32_t), taps_x * sizeof(double),
        h * sizeof(int), h * sizeof(int), h * taps_y * sizeof(int32_t), taps_y * sizeof(double),
        (size_t)needs.h * n, n * sizeof(int32_t),
    };
    void *parts[sizeof sizes / sizeof *sizes];
    enum sqz_status status =
        sqz_scratch_cut(scratch, sizes, (int)(sizeof sizes / sizeof *sizes), parts, err);
    if (status)
        return status;
    struct bank across, down;
    cut_bank(parts, taps_x, &across);
    cut_bank(parts + 4, taps_y, &down);
    fill_bank(x, resize->interpolation, &across);
    fill_bank(y, resize->interpolation, &down);
    uint8_t *narrowed = parts[8];
    for (int j = 0; j < needs.h; j++)
        resample_row(&across, x, in->pixels + (size_t)(needs.y + j - y->held) * in->stride, in->c,
                     narrowed + (size_t)j * n);
    for (int j = 0; j < y->count; j++)
        blend_rows(narrowed + (size_t)(down.first[j] - needs.y) * n, n,
                   down.weights + (size_t)j * taps_y, down.count[j], parts[9],
                   out + (size_t)j * n);
    return SQZ_OK;
}
