// The loops of transform_pixels.h in plain C, compiled once per SIMD level.
#include "data/image.h"
#include "data/transform_pixels.h"

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

static inline uint8_t clamp(int value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

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
        out[i] = clamp(sums[i] >> SQZ_FILTER_BITS);
}

static inline void filter_row(const struct sqz_filter_bank *bank, const uint8_t *row, int c,
                              uint8_t *out)
{
    for (int i = 0; i < bank->n; i++)
        filter_pixel(row + bank->offsets[i], bank->weights + (size_t)i * bank->taps,
                     bank->counts[i], c, out + (ptrdiff_t)i * c);
}

#define BLOCK 64 // values that stay near

static void filter_blend(const uint8_t *rows, size_t stride, size_t n, const int32_t *weights,
                         int count, uint8_t *restrict out)
{
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t size = n - first < BLOCK ? n - first : BLOCK;
        int32_t sums[BLOCK];
        for (size_t i = 0; i < size; i++)
            sums[i] = FILTER_HALF;
        for (int k = 0; k < count; k++) {
            const uint8_t *restrict row = rows + (size_t)k * stride + first;
            for (size_t i = 0; i < size; i++)
                sums[i] += row[i] * weights[k];
        }
        for (size_t i = 0; i < size; i++)
            out[first + i] = clamp(sums[i] >> SQZ_FILTER_BITS);
    }
}

// Adding 1.5 * 2^23 rounds to even at the last integer bit, a whole vector at once.
static inline int round_even(float value)
{
    const float shift = 12582912.0f;
    return (int)((value + shift) - shift);
}

static void brighten(uint8_t *x, size_t n, float factor)
{
    for (size_t i = 0; i < n; i++)
        x[i] = clamp(round_even((float)x[i] * factor));
}

// The products that are fused with a sum are taken in double, where they and the sum are exact: the
// same bits as fmaf() has, without FMA hardware.
static void mix_one(uint8_t *x, size_t n, float factor, uint8_t other)
{
    double other_part = (double)other * (double)(1.0f - factor);
    for (size_t i = 0; i < n; i++)
        x[i] = clamp(round_even((float)(other_part + (double)((float)x[i] * factor))));
}

static void gray_of_block(const uint8_t *restrict rgb, int n, uint8_t *restrict gray)
{
    for (int i = 0; i < n; i++)
        gray[i] = sqz_luma(rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]);
}

static void mix_block(uint8_t *restrict x, const uint8_t *restrict gray, int n, float factor)
{
    double f = factor;
    float rest = 1.0f - factor;
    for (int i = 0; i < n; i++)
        x[i] = clamp(round_even((float)(x[i] * f + (double)((float)gray[i] * rest))));
}

static void mix(uint8_t *restrict x, const uint8_t *restrict other, size_t n, float factor)
{
    for (size_t first = 0; first < n; first += BLOCK)
        mix_block(x + first, other + first, n - first < BLOCK ? (int)(n - first) : BLOCK, factor);
}

static void mix_gray(uint8_t *rgb, size_t n, float factor)
{
    for (size_t first = 0; first < n; first += BLOCK) {
        int count = n - first < BLOCK ? (int)(n - first) : BLOCK;
        uint8_t gray[BLOCK], spread[3 * BLOCK];
        gray_of_block(rgb, count, gray);
        for (int i = 0; i < count; i++)
            spread[3 * i] = spread[3 * i + 1] = spread[3 * i + 2] = gray[i];
        mix_block(rgb, spread, 3 * count, factor);
        rgb += 3 * count;
    }
}

static uint64_t sum_gray(const uint8_t *rgb, size_t n)
{
    uint64_t sum = 0;
    for (size_t first = 0; first < n; first += BLOCK) {
        int count = n - first < BLOCK ? (int)(n - first) : BLOCK;
        uint8_t gray[BLOCK];
        unsigned part = 0;
        gray_of_block(rgb + 3 * first, count, gray);
        for (int i = 0; i < count; i++)
            part += gray[i];
        sum += part;
    }
    return sum;
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

static void invert_from(uint8_t *x, size_t n, uint8_t threshold)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (uint8_t)(x[i] >= threshold ? 255 - x[i] : x[i]);
}

static void mask(uint8_t *x, size_t n, uint8_t bits)
{
    for (size_t i = 0; i < n; i++)
        x[i] &= bits;
}

// (s + 6) / 13 by a multiplication that is exact up to 13 * 255.
static void smooth_row(const uint8_t *restrict above, const uint8_t *restrict row,
                       const uint8_t *restrict below, size_t n, size_t c, uint8_t *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        size_t j = i + c, k = j + c;
        unsigned sum = (unsigned)above[i] + above[j] + above[k] + row[i] + 5u * row[j] + row[k] +
                       below[i] + below[j] + below[k];
        out[i] = (uint8_t)((sum + 6) * 5042 >> 16);
    }
}

static inline uint32_t weigh_three(uint32_t left, uint32_t middle, uint32_t right, uint32_t outer,
                                   uint32_t centre)
{
    return (left + right) * outer + middle * centre;
}

static void blur_row(const uint8_t *const rows[3], size_t n, size_t c, uint16_t outer,
                     uint16_t centre, uint8_t *restrict out)
{
    const uint8_t *restrict a = rows[0], *restrict b = rows[1], *restrict d = rows[2];
    for (size_t i = 0; i < n; i++) {
        size_t j = i + c, k = j + c;
        uint32_t above = weigh_three(a[i], a[j], a[k], outer, centre);
        uint32_t here = weigh_three(b[i], b[j], b[k], outer, centre);
        uint32_t below = weigh_three(d[i], d[j], d[k], outer, centre);
        out[i] = (uint8_t)((weigh_three(above, here, below, outer, centre) + (1 << 15)) >> 16);
    }
}

#define WARP_STEPS (1 << SQZ_WARP_STEP_BITS)

// Where the four neighbours begin, and the two pairs of 15-bit weights: the left one in the low
// half. The largest would be 32768; 32767 gives the same result.
static inline void warp_places(const struct sqz_warp_row *row, int first, int n,
                               int32_t *restrict offsets, uint32_t *restrict top,
                               uint32_t *restrict bottom)
{
    const int shift = SQZ_WARP_PLACE_BITS - SQZ_WARP_STEP_BITS;
    const int *restrict xs = row->xs + first, *restrict ys = row->ys + first;
    int stride = (int)row->stride, c = row->c;
    for (int i = 0; i < n; i++) {
        int x = (row->x0 + xs[i]) >> shift, y = (row->y0 + ys[i]) >> shift;
        int fx = x & (WARP_STEPS - 1), fy = y & (WARP_STEPS - 1);
        int left = (WARP_STEPS - fx) * 32, right = fx * 32;
        int corner = left * (WARP_STEPS - fy);
        offsets[i] = (y >> SQZ_WARP_STEP_BITS) * stride + (x >> SQZ_WARP_STEP_BITS) * c;
        top[i] = (uint32_t)(corner > 32767 ? 32767 : corner) | (uint32_t)(right * (WARP_STEPS - fy))
                                                                   << 16;
        bottom[i] = (uint32_t)(left * fy) | (uint32_t)(right * fy) << 16;
    }
}

static void warp_row(const struct sqz_warp_row *row, uint8_t *out)
{
    for (int first = 0; first < row->n; first += BLOCK) {
        int n = row->n - first < BLOCK ? row->n - first : BLOCK;
        int32_t offsets[BLOCK];
        uint32_t top[BLOCK], bottom[BLOCK];
        warp_places(row, first, n, offsets, top, bottom);
        for (int i = 0; i < n; i++)
            for (int k = 0; k < row->c; k++, out++) {
                const uint8_t *p = row->pixels + offsets[i] + k, *q = p + row->stride;
                uint32_t sum = p[0] * (top[i] & 0xFFFF) + p[row->c] * (top[i] >> 16) +
                               q[0] * (bottom[i] & 0xFFFF) + q[row->c] * (bottom[i] >> 16);
                *out = (uint8_t)((sum + (1 << 14)) >> 15);
            }
    }
}
