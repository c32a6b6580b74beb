// Pillow's antialiased resize, bit for bit: a filter widened by the scale, 22-bit fixed-point
// weights, columns first, 8 bits in between.
#include "data/resize/resize.h"
#include "data/resize/pixel_ops.h"

#include <math.h>

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

static size_t bank_taps(const struct sqz_resize_axis *axis, enum sqz_interpolation interpolation)
{
    return (size_t)ceil(reach_of(axis, support_of(interpolation)).support) * 2 + 1;
}

// `step`: bytes from one pixel to the next. `exact` has room for one result's weights.
static void fill_bank(const struct sqz_resize_axis *axis, enum sqz_interpolation interpolation,
                      int step, double *exact, struct sqz_filter_bank *bank)
{
    bool cubic = interpolation == SQZ_PIL_BICUBIC;
    struct reach reach = reach_of(axis, support_of(interpolation));
    double inverse = 1.0 / reach.widening;
    for (int i = 0; i < axis->count; i++) {
        int low, high;
        double centre = span(axis, &reach, axis->first + i, &low, &high), sum = 0;
        bank->offsets[i] = (low - axis->held) * step;
        bank->counts[i] = high - low;
        for (int k = 0; k < high - low; k++) {
            double x = (k + low - centre + 0.5) * inverse;
            exact[k] = cubic ? cubic_filter(x) : linear_filter(x);
            sum += exact[k];
        }
        int32_t *weights = bank->weights + (size_t)i * bank->taps;
        for (int k = 0; k < high - low; k++) {
            double weight = sum != 0.0 ? exact[k] / sum : exact[k];
            weights[k] = (int32_t)((weight < 0 ? -0.5 : 0.5) + weight * (1 << SQZ_FILTER_BITS));
        }
    }
}

enum sqz_status sqz_resize_pillow(const struct sqz_resize *resize,
                                  const struct sqz_resize_source *in, uint8_t *out,
                                  struct sqz_transform_scratch *scratch, struct sqz_error *err)
{
    const struct sqz_resize_axis *x = &resize->x;
    struct sqz_resize_axis y = resize->y;
    struct reach reach = reach_of(&y, support_of(resize->interpolation));
    int low, high, unused;
    span(&y, &reach, y.first, &low, &unused);
    span(&y, &reach, y.first + y.count - 1, &unused, &high);
    // The columns leave rows low .. high - 1 for the second pass.
    y.held = low;
    size_t w = (size_t)x->count, h = (size_t)y.count, n = w * (size_t)in->c;
    size_t taps_x = bank_taps(x, resize->interpolation);
    size_t taps_y = bank_taps(&y, resize->interpolation);
    size_t groups = (taps_x + 3) / 4;
    size_t sizes[] = {
        w * sizeof(int),
        w * sizeof(int),
        w * taps_x * sizeof(int32_t),
        h * sizeof(int),
        h * sizeof(int),
        h * taps_y * sizeof(int32_t),
        (size_t)(high - low) * n + SQZ_FILTER_ROOM,
        (taps_x > taps_y ? taps_x : taps_y) * sizeof(double),
        w * groups * SQZ_FILTER_GROUP * sizeof(int16_t),
    };
    void *parts[sizeof sizes / sizeof *sizes];
    enum sqz_status status =
        sqz_scratch_cut(scratch, sizes, (int)(sizeof sizes / sizeof *sizes), parts, err);
    if (status)
        return status;
    struct sqz_filter_bank across = {parts[0], parts[1], parts[2], taps_x, x->count, parts[8], 0};
    struct sqz_filter_bank down = {parts[3], parts[4], parts[5], taps_y, y.count, NULL, 0};
    fill_bank(x, resize->interpolation, in->c, parts[7], &across);
    sqz_filter_split(&across);
    fill_bank(&y, resize->interpolation, 1, parts[7], &down);
    const struct sqz_pixel_ops *ops = sqz_pixel_ops();
    uint8_t *narrowed = parts[6];
    // Every row but the last is followed by the next one, which is longer than the room.
    bool wide = in->stride >= SQZ_FILTER_ROOM;
    for (int j = 0; j < high - low; j++) {
        const uint8_t *row = in->pixels + (size_t)(low + j - resize->y.held) * in->stride;
        ops->filter_row(&across, row, in->c, wide && j + 1 < high - low, narrowed + (size_t)j * n);
    }
    for (int j = 0; j < y.count; j++)
        ops->filter_blend(narrowed + (size_t)down.offsets[j] * n, n, n,
                          down.weights + (size_t)j * taps_y, down.counts[j], out + (size_t)j * n);
    return SQZ_OK;
}
