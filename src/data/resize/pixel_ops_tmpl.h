// The loops of pixel_ops.h in plain C, compiled once per SIMD level.
#include "data/image/image.h"
#include "data/resize/pixel_ops.h"

#include <string.h>

static void linear_row(const struct sqz_linear_columns *columns, const uint8_t *row, int16_t *out)
{
    int next = columns->next, c = columns->c;
    for (int i = 0; i < columns->n; i++, out += c) {
        const uint8_t *p = row + columns->offsets[i];
        int w0 = columns->weights[2 * i], w1 = columns->weights[2 * i + 1];
        out[0] = (int16_t)((p[0] * w0 + p[next] * w1) >> 4);
        if (c == 3) {
            out[1] = (int16_t)((p[1] * w0 + p[next + 1] * w1) >> 4);
            out[2] = (int16_t)((p[2] * w0 + p[next + 2] * w1) >> 4);
        }
    }
}

// The largest sum is (1020 + 1 + 2) >> 2, so nothing needs to be clamped.
static void linear_blend(const int16_t *restrict above, const int16_t *restrict below, int n,
                         int16_t w0, int16_t w1, uint8_t *restrict out)
{
    for (int i = 0; i < n; i++) {
        int16_t a = (int16_t)((above[i] * w0) >> 16), b = (int16_t)((below[i] * w1) >> 16);
        out[i] = (uint8_t)((uint16_t)(a + b + 2) >> 2);
    }
}

#define FILTER_HALF (1 << (SQZ_FILTER_BITS - 1))

// One result of three channels, or of one.
static inline void filter_pixel(const uint8_t *p, const int32_t *w, int count, int c, uint8_t *out)
{
    int32_t sums[3] = {FILTER_HALF, FILTER_HALF, FILTER_HALF};
    if (c == 3)
        for (int k = 0; k < count; k++, p += 3) {
            sums[0] += p[0] * w[k];
            sums[1] += p[1] * w[k];
            sums[2] += p[2] * w[k];
        }
    else
        for (int k = 0; k < count; k++)
            sums[0] += p[k] * w[k];
    for (int i = 0; i < c; i++)
        out[i] = sqz_clamp(sums[i] >> SQZ_FILTER_BITS);
}

static inline void filter_row(const struct sqz_filter_bank *bank, const uint8_t *row, int c,
                              bool room, uint8_t *out)
{
    (void)room;
    for (int i = 0; i < bank->n; i++)
        filter_pixel(row + bank->offsets[i], bank->weights + (size_t)i * bank->taps,
                     bank->counts[i], c, out + (ptrdiff_t)i * c);
}

static void filter_blend(const uint8_t *rows, size_t stride, size_t n, const int32_t *weights,
                         int count, uint8_t *restrict out)
{
    for (size_t first = 0; first < n; first += SQZ_PIXEL_BLOCK) {
        size_t size = n - first < SQZ_PIXEL_BLOCK ? n - first : SQZ_PIXEL_BLOCK;
        int32_t sums[SQZ_PIXEL_BLOCK];
        for (size_t i = 0; i < size; i++)
            sums[i] = FILTER_HALF;
        for (int k = 0; k < count; k++) {
            const uint8_t *restrict row = rows + (size_t)k * stride + first;
            for (size_t i = 0; i < size; i++)
                sums[i] += row[i] * weights[k];
        }
        for (size_t i = 0; i < size; i++)
            out[first + i] = sqz_clamp(sums[i] >> SQZ_FILTER_BITS);
    }
}

static void mirror(const uint8_t *restrict in, int n, uint8_t *restrict out)
{
    for (int i = n - 1; i >= 0; i--, out += 3)
        memcpy(out, in + 3 * i, 3);
}

static void normalize(const uint8_t *restrict in, int n, const float *restrict mean,
                      const float *restrict std, float *restrict out)
{
    for (int i = 0; i < n; i++)
        out[i] = ((float)in[i] - mean[i]) / std[i];
}
