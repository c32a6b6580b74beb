// OpenCV's INTER_LINEAR on 8 bits, bit for bit: two taps of 11-bit weights in each direction, rows
// kept as 15-bit numbers in between. INTER_AREA enlarges by the same arithmetic.
#include "data/resize/resize.h"
#include "data/resize/pixel_ops.h"

#include <math.h>

#define WEIGHT_ONE 2048

struct tap {
    int index; // of the first of two neighbours; may be -1 in the vertical direction
    int16_t w0, w1;
};

static struct tap weigh(int index, float fraction)
{
    return (struct tap){index, (int16_t)lrintf((1.0f - fraction) * WEIGHT_ONE),
                        (int16_t)lrintf(fraction * WEIGHT_ONE)};
}

typedef struct tap (*tap_fn)(const struct sqz_resize_axis *axis, int d);

static struct tap linear_tap(const struct sqz_resize_axis *axis, int d)
{
    double step = 1.0 / ((double)axis->out / axis->in);
    float at = (float)((d + 0.5) * step - 0.5);
    int index = (int)floorf(at);
    return weigh(index, at - (float)index);
}

static struct tap enlarge_tap(const struct sqz_resize_axis *axis, int d)
{
    double inverse = (double)axis->out / axis->in, step = 1.0 / inverse;
    int index = (int)floor(d * step);
    float fraction = (float)((d + 1) - (index + 1) * inverse);
    return weigh(index, fraction <= 0 ? 0.0f : fraction - floorf(fraction));
}

static int clamp(int i, int n)
{
    return i < 0 ? 0 : i < n ? i : n - 1;
}

static void span(const struct sqz_resize_axis *axis, struct tap tap, int *low, int *high)
{
    *low = clamp(tap.index, axis->in);
    *high = clamp(tap.index + 1, axis->in) + 1;
    // At the right edge the horizontal pass reads the last pair with weights 0 and 1.
    if (*low == axis->in - 1 && *low > 0)
        *low -= 1;
}

void sqz_resize_linear_span(const struct sqz_resize_axis *axis, int d, int *low, int *high)
{
    span(axis, linear_tap(axis, d), low, high);
}

void sqz_resize_enlarge_span(const struct sqz_resize_axis *axis, int d, int *low, int *high)
{
    span(axis, enlarge_tap(axis, d), low, high);
}

// Columns beyond an edge count as the edge's with full weight. The right edge is written as the
// last pair with weights 0 and 1, so that no pair reaches beyond the row.
static struct tap edge_column(struct tap tap, int in)
{
    if (tap.index < 0)
        return (struct tap){0, WEIGHT_ONE, 0};
    if (tap.index >= in - 1)
        return in == 1 ? (struct tap){0, WEIGHT_ONE, 0} : (struct tap){in - 2, 0, WEIGHT_ONE};
    return tap;
}

// The one of two buffers that holds source row `wanted`; fills the one that does not hold `other`.
static const int16_t *row_buffer(const struct sqz_pixel_ops *ops,
                                 const struct sqz_linear_columns *columns,
                                 const struct sqz_resize_source *in, int held, int wanted,
                                 int other, int16_t *rows[2], int filled[2])
{
    for (int i = 0; i < 2; i++)
        if (filled[i] == wanted)
            return rows[i];
    int slot = filled[0] == other;
    ops->linear_row(columns, in->pixels + (size_t)(wanted - held) * in->stride, rows[slot]);
    filled[slot] = wanted;
    return rows[slot];
}

static enum sqz_status run(const struct sqz_resize *resize, tap_fn tap_at,
                           const struct sqz_resize_source *in, uint8_t *out,
                           struct sqz_transform_scratch *scratch, struct sqz_error *err)
{
    const struct sqz_resize_axis *x = &resize->x, *y = &resize->y;
    const struct sqz_pixel_ops *ops = sqz_pixel_ops();
    size_t n = (size_t)x->count, c = (size_t)in->c, row_bytes = (n * c + 1) * sizeof(int16_t);
    size_t sizes[] = {n * sizeof(int), 2 * n * sizeof(int16_t), row_bytes, row_bytes};
    void *parts[4];
    enum sqz_status status = sqz_scratch_cut(scratch, sizes, 4, parts, err);
    if (status)
        return status;
    struct sqz_linear_columns columns = {.offsets = parts[0],
                                         .weights = parts[1],
                                         .n = x->count,
                                         .c = in->c,
                                         .next = x->in > 1 ? in->c : 0};
    for (int i = 0; i < x->count; i++) {
        struct tap tap = edge_column(tap_at(x, x->first + i), x->in);
        columns.offsets[i] = (tap.index - x->held) * in->c;
        columns.weights[2 * i] = tap.w0;
        columns.weights[2 * i + 1] = tap.w1;
    }
    int16_t *rows[2] = {parts[2], parts[3]};
    int filled[2] = {-1, -1};
    for (int j = 0; j < y->count; j++, out += n * c) {
        struct tap tap = tap_at(y, y->first + j);
        int top = clamp(tap.index, y->in), bottom = clamp(tap.index + 1, y->in);
        const int16_t *above = row_buffer(ops, &columns, in, y->held, top, bottom, rows, filled);
        const int16_t *below = row_buffer(ops, &columns, in, y->held, bottom, top, rows, filled);
        ops->linear_blend(above, below, x->count * in->c, tap.w0, tap.w1, out);
    }
    return SQZ_OK;
}

enum sqz_status sqz_resize_linear(const struct sqz_resize *resize,
                                  const struct sqz_resize_source *in, uint8_t *out,
                                  struct sqz_transform_scratch *scratch, struct sqz_error *err)
{
    return run(resize, linear_tap, in, out, scratch, err);
}

enum sqz_status sqz_resize_enlarge(const struct sqz_resize *resize,
                                   const struct sqz_resize_source *in, uint8_t *out,
                                   struct sqz_transform_scratch *scratch, struct sqz_error *err)
{
    return run(resize, enlarge_tap, in, out, scratch, err);
}
