// OpenCV's INTER_CUBIC on 8 bits: four taps of 11-bit weights (a = -0.75), borders repeated; the
// vertical sum in float32, as OpenCV's vector code has it.
#include "data/resize/resize.h"

#include <math.h>

#define TAPS       4
#define WEIGHT_ONE 2048

struct tap {
    int index; // of the first of four neighbours, not clamped
    int16_t w[TAPS];
};

static struct tap cubic_tap(const struct sqz_resize_axis *axis, int d)
{
    const float a = -0.75f;
    double step = 1.0 / ((double)axis->out / axis->in);
    float at = (float)((d + 0.5) * step - 0.5);
    float whole = floorf(at), x = at - whole;
    float w[TAPS];
    w[0] = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a;
    w[1] = ((a + 2) * x - (a + 3)) * x * x + 1;
    w[2] = ((a + 2) * (1 - x) - (a + 3)) * (1 - x) * (1 - x) + 1;
    w[3] = 1.0f - w[0] - w[1] - w[2];
    struct tap tap = {.index = (int)whole - 1};
    for (int i = 0; i < TAPS; i++)
        tap.w[i] = (int16_t)lrintf(w[i] * WEIGHT_ONE);
    return tap;
}

static int clamp(int i, int n)
{
    return i < 0 ? 0 : i < n ? i : n - 1;
}

void sqz_resize_cubic_span(const struct sqz_resize_axis *axis, int d, int *low, int *high)
{
    int index = cubic_tap(axis, d).index;
    *low = clamp(index, axis->in);
    *high = clamp(index + TAPS - 1, axis->in) + 1;
}

struct columns {
    int *offsets;     // TAPS a column, in bytes from the row's start
    int16_t *weights; // TAPS a column
    int n, c;
};

static void resample_row(const struct columns *columns, const uint8_t *row, int32_t *out)
{
    for (int i = 0; i < columns->n; i++)
        for (int c = 0; c < columns->c; c++) {
            const int *offsets = columns->offsets + TAPS * i;
            const int16_t *w = columns->weights + TAPS * i;
            *out++ = row[offsets[0] + c] * w[0] + row[offsets[1] + c] * w[1] +
                     row[offsets[2] + c] * w[2] + row[offsets[3] + c] * w[3];
        }
}

static void blend_rows(int32_t *const rows[TAPS], const int16_t *weights, int n, uint8_t *out)
{
    const float scale = 1.0f / (WEIGHT_ONE * WEIGHT_ONE);
    float b[TAPS];
    for (int k = 0; k < TAPS; k++)
        b[k] = weights[k] * scale;
    for (int i = 0; i < n; i++) {
        float sum = (float)rows[3][i] * b[3];
        sum = (float)rows[2][i] * b[2] + sum;
        sum = (float)rows[1][i] * b[1] + sum;
        sum = (float)rows[0][i] * b[0] + sum;
        sum = sum < 0 ? 0 : sum > 255 ? 255 : sum;
        out[i] = (uint8_t)lrintf(sum);
    }
}

static void fill_columns(const struct sqz_resize_axis *x, struct columns *columns)
{
    for (int i = 0; i < x->count; i++) {
        struct tap tap = cubic_tap(x, x->first + i);
        for (int k = 0; k < TAPS; k++) {
            columns->offsets[TAPS * i + k] = (clamp(tap.index + k, x->in) - x->held) * columns->c;
            columns->weights[TAPS * i + k] = tap.w[k];
        }
    }
}

enum sqz_status sqz_resize_cubic(const struct sqz_resize *resize,
                                 const struct sqz_resize_source *in, uint8_t *out,
                                 struct sqz_transform_scratch *scratch, struct sqz_error *err)
{
    const struct sqz_resize_axis *x = &resize->x, *y = &resize->y;
    size_t n = (size_t)x->count, c = (size_t)in->c;
    size_t sizes[] = {TAPS * n * sizeof(int), TAPS * n * sizeof(int16_t),
                      TAPS * n * c * sizeof(int32_t)};
    void *parts[3];
    enum sqz_status status = sqz_scratch_cut(scratch, sizes, 3, parts, err);
    if (status)
        return status;
    struct columns columns = {.offsets = parts[0], .weights = parts[1], .n = x->count, .c = in->c};
    fill_columns(x, &columns);
    int32_t *buffer = parts[2];
    int filled[TAPS] = {-1, -1, -1, -1};
    for (int j = 0; j < y->count; j++, out += n * c) {
        struct tap tap = cubic_tap(y, y->first + j);
        int32_t *rows[TAPS];
        for (int k = 0; k < TAPS; k++) {
            // Four neighbouring rows never share a slot.
            int row = clamp(tap.index + k, y->in), slot = row % TAPS;
            rows[k] = buffer + (size_t)slot * n * c;
            if (filled[slot] != row)
                resample_row(&columns, in->pixels + (size_t)(row - y->held) * in->stride, rows[k]);
            filled[slot] = row;
        }
        blend_rows(rows, tap.w, x->count * in->c, out);
    }
    return SQZ_OK;
}
