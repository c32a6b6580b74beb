// The loops of operation_ops.h in plain C, compiled once per SIMD level.
#include "data/augment/operation_ops.h"

#include <string.h>

// Adding 1.5 * 2^23 rounds to even at the last integer bit, a whole vector at once.
static inline int round_even(float value)
{
    const float shift = 12582912.0f;
    return (int)((value + shift) - shift);
}

static void brighten(uint8_t *x, size_t n, float factor)
{
    for (size_t i = 0; i < n; i++)
        x[i] = sqz_clamp(round_even((float)x[i] * factor));
}

// The products that are fused with a sum are taken in double, where they and the sum are exact: the
// same bits as fmaf() has, without FMA hardware.
static void mix_one(uint8_t *x, size_t n, float factor, uint8_t other)
{
    double other_part = (double)other * (double)(1.0f - factor);
    for (size_t i = 0; i < n; i++)
        x[i] = sqz_clamp(round_even((float)(other_part + (double)((float)x[i] * factor))));
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
        x[i] = sqz_clamp(round_even((float)(x[i] * f + (double)((float)gray[i] * rest))));
}

static void mix(uint8_t *restrict x, const uint8_t *restrict other, size_t n, float factor)
{
    for (size_t first = 0; first < n; first += SQZ_PIXEL_BLOCK)
        mix_block(x + first, other + first,
                  n - first < SQZ_PIXEL_BLOCK ? (int)(n - first) : SQZ_PIXEL_BLOCK, factor);
}

static void mix_gray(uint8_t *rgb, size_t n, float factor)
{
    for (size_t first = 0; first < n; first += SQZ_PIXEL_BLOCK) {
        int count = n - first < SQZ_PIXEL_BLOCK ? (int)(n - first) : SQZ_PIXEL_BLOCK;
        uint8_t gray[SQZ_PIXEL_BLOCK], spread[3 * SQZ_PIXEL_BLOCK];
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
    for (size_t first = 0; first < n; first += SQZ_PIXEL_BLOCK) {
        int count = n - first < SQZ_PIXEL_BLOCK ? (int)(n - first) : SQZ_PIXEL_BLOCK;
        uint8_t gray[SQZ_PIXEL_BLOCK];
        unsigned part = 0;
        gray_of_block(rgb + 3 * first, count, gray);
        for (int i = 0; i < count; i++)
            part += gray[i];
        sum += part;
    }
    return sum;
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

#define SMOOTH_BLOCK 384

// (s + 6) / 13 by a multiplication that is exact up to 13 * 255.
static void smooth_row(const uint8_t *restrict above, const uint8_t *restrict row,
                       const uint8_t *restrict below, size_t n, size_t c, uint8_t *restrict out)
{
    for (size_t first = 0; first < n; first += SMOOTH_BLOCK) {
        size_t size = n - first < SMOOTH_BLOCK ? n - first : SMOOTH_BLOCK;
        uint16_t columns[SMOOTH_BLOCK + 6];
        for (size_t i = 0; i < size + 2 * c; i++)
            columns[i] = (uint16_t)(above[first + i] + row[first + i] + below[first + i]);
        for (size_t i = 0; i < size; i++) {
            uint16_t three = (uint16_t)(columns[i] + columns[i + c] + columns[i + 2 * c]);
            uint16_t sum = (uint16_t)(three + 4 * row[first + i + c] + 6);
            out[first + i] = (uint8_t)((uint32_t)sum * 5042 >> 16);
        }
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
#define WARP_BITS  (2 * SQZ_WARP_STEP_BITS) // of the weights' products
#define WARP_HALF  (1 << (WARP_BITS - 1))

// The two weights of a place between two pixels: as bytes, twice, and as halves of 16 bits.
static inline uint32_t warp_across(uint32_t right)
{
    return ((WARP_STEPS - right) | right << 8) * 0x10001u;
}

static inline uint32_t warp_down(uint32_t lower)
{
    return (WARP_STEPS - lower) | lower << 16;
}

// Where the four neighbours of the row's first n places begin, and their weights.
static inline void warp_places(const struct sqz_warp_row *row, int n, int32_t *restrict offsets,
                               uint32_t *restrict across, uint32_t *restrict down)
{
    const int shift = SQZ_WARP_PLACE_BITS - SQZ_WARP_STEP_BITS;
    const int *restrict xs = row->xs, *restrict ys = row->ys;
    int stride = (int)row->stride, c = row->c;
    for (int i = 0; i < n; i++) {
        int x = (row->x0 + xs[i]) >> shift, y = (row->y0 + ys[i]) >> shift;
        offsets[i] = (y >> SQZ_WARP_STEP_BITS) * stride + (x >> SQZ_WARP_STEP_BITS) * c;
        across[i] = warp_across((uint32_t)x & (WARP_STEPS - 1));
        down[i] = warp_down((uint32_t)y & (WARP_STEPS - 1));
    }
}

static inline void warp_advance(struct sqz_warp_row *row, int n)
{
    row->xs += n;
    row->ys += n;
    row->n -= n;
}

static inline uint8_t warp_value(const uint8_t *p, const uint8_t *q, size_t c, uint32_t across,
                                 uint32_t down)
{
    uint32_t left = across & 0xFF, right = across >> 24;
    uint32_t above = p[0] * left + p[c] * right, below = q[0] * left + q[c] * right;
    return (uint8_t)((above * (down & 0xFFFF) + below * (down >> 16) + WARP_HALF) >> WARP_BITS);
}

static inline void warp_row(const struct sqz_warp_row *row, uint8_t *out)
{
    struct sqz_warp_row rest = *row;
    while (rest.n > 0) {
        int n = rest.n < SQZ_PIXEL_BLOCK ? rest.n : SQZ_PIXEL_BLOCK;
        int32_t offsets[SQZ_PIXEL_BLOCK];
        uint32_t across[SQZ_PIXEL_BLOCK], down[SQZ_PIXEL_BLOCK];
        warp_places(&rest, n, offsets, across, down);
        for (int i = 0; i < n; i++)
            for (int k = 0; k < row->c; k++, out++) {
                const uint8_t *p = row->pixels + offsets[i] + k;
                *out = warp_value(p, p + row->stride, (size_t)row->c, across[i], down[i]);
            }
        warp_advance(&rest, n);
    }
}

static inline void shift_row(const uint8_t *restrict above, const uint8_t *restrict below, size_t n,
                             size_t c, int right, int down, uint8_t *restrict out)
{
    uint32_t across = warp_across((uint32_t)right), rows = warp_down((uint32_t)down);
    for (size_t i = 0; i < n; i++)
        out[i] = warp_value(above + i, below + i, c, across, rows);
}

#define EXTREMES_BLOCK 96 // whole vectors, whole pixels of 1 or 3 channels

static void extremes(const uint8_t *restrict x, size_t n, size_t c, uint8_t *restrict low,
                     uint8_t *restrict high)
{
    uint8_t lows[EXTREMES_BLOCK], highs[EXTREMES_BLOCK];
    memset(lows, 255, sizeof lows);
    memset(highs, 0, sizeof highs);
    for (; n >= EXTREMES_BLOCK; n -= EXTREMES_BLOCK, x += EXTREMES_BLOCK)
        for (int i = 0; i < EXTREMES_BLOCK; i++) {
            lows[i] = x[i] < lows[i] ? x[i] : lows[i];
            highs[i] = x[i] > highs[i] ? x[i] : highs[i];
        }
    for (size_t i = 0; i < n; i++) {
        lows[i] = x[i] < lows[i] ? x[i] : lows[i];
        highs[i] = x[i] > highs[i] ? x[i] : highs[i];
    }
    memset(low, 255, c);
    memset(high, 0, c);
    for (size_t i = 0; i < EXTREMES_BLOCK; i++) {
        low[i % c] = lows[i] < low[i % c] ? lows[i] : low[i % c];
        high[i % c] = highs[i] > high[i % c] ? highs[i] : high[i % c];
    }
}
