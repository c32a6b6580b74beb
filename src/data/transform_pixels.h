// The inner loops of resizing, colour jitter and normalising, per SIMD level. All levels give the
// same bits. Private to the image code of this folder.
#ifndef SQZ_DATA_TRANSFORM_PIXELS_H
#define SQZ_DATA_TRANSFORM_PIXELS_H

#include <stddef.h>
#include <stdint.h>

// A row's results from two neighbouring pixels each.
struct sqz_linear_columns {
    int *offsets;     // bytes from the row's start to the first pixel of a pair; ascending
    int16_t *weights; // pairs of 11-bit weights
    int n, c, next;   // next: bytes to the second pixel of a pair
};
// A direction's results from `counts` neighbouring pixels each.
struct sqz_filter_bank {
    int *offsets; // to the first pixel; ascending
    int *counts;
    int32_t *weights; // `taps` are kept for every result, 22-bit fixed point
    size_t taps;
    int n;
    // The same in groups of four (the last filled up with zeros), as 16-bit halves: eight pairs of
    // low ones (the first two weights four times, the other two four times), then of high ones.
    // weight = high * 2^SQZ_FILTER_LOW_BITS + low.
    int16_t *halves;
    size_t groups; // a result
};
#define SQZ_FILTER_BITS     22
#define SQZ_FILTER_LOW_BITS 11
#define SQZ_FILTER_GROUP    32 // halves
// Fills `halves`, which has room for all taps, from `weights`, and sets `groups`.
void sqz_filter_split(struct sqz_filter_bank *bank);

// A row of a turned picture whose results all lie inside it: four neighbours each, beginning at the
// place (x0 + xs[i], y0 + ys[i]) in 1/1024 pixel, of which 1/32 counts.
struct sqz_warp_row {
    const uint8_t *pixels; // followed by two more readable bytes
    size_t stride;
    int c;
    const int *xs, *ys;
    int x0, y0, n;
};
#define SQZ_WARP_PLACE_BITS 10
#define SQZ_WARP_STEP_BITS  5

// Values: whole vectors, whole pixels of 1 or 3 channels, half a row of 224. Long, so that the
// first mirrored bytes have left the store buffer when they are read, by wider loads than they were
// stored.
#define SQZ_NORMALIZE_BLOCK 336

struct sqz_pixel_ops {
    // Writes n * c values, and may write one more.
    void (*linear_row)(const struct sqz_linear_columns *columns, const uint8_t *row, int16_t *out);
    void (*linear_blend)(const int16_t *above, const int16_t *below, int n, int16_t w0, int16_t w1,
                         uint8_t *out);
    // Writes n * c values, and may write one more.
    void (*filter_row)(const struct sqz_filter_bank *bank, const uint8_t *row, int c, uint8_t *out);
    // The first n of each row's `stride` values: row k counts with weights[k].
    void (*filter_blend)(const uint8_t *rows, size_t stride, size_t n, const int32_t *weights,
                         int count, uint8_t *out);
    // x = x * factor
    void (*brighten)(uint8_t *x, size_t n, float factor);
    // x = fma(other, 1 - factor, x * factor)
    void (*mix_one)(uint8_t *x, size_t n, float factor, uint8_t other);
    // x = fma(x, factor, gray * (1 - factor)) for n pixels of three channels
    void (*mix_gray)(uint8_t *rgb, size_t n, float factor);
    // x = fma(x, factor, other * (1 - factor))
    void (*mix)(uint8_t *x, const uint8_t *other, size_t n, float factor);
    uint64_t (*sum_gray)(const uint8_t *rgb, size_t n);
    // n pixels of three channels, the last one first
    void (*mirror)(const uint8_t *in, int n, uint8_t *out);
    // (x - mean) / std for n <= SQZ_NORMALIZE_BLOCK values
    void (*normalize)(const uint8_t *in, int n, const float *mean, const float *std, float *out);
    // x = x >= threshold ? 255 - x : x
    void (*invert_from)(uint8_t *x, size_t n, uint8_t threshold);
    void (*mask)(uint8_t *x, size_t n, uint8_t mask); // x = x & mask
    // n values beginning with the second pixel of c channels: their nine neighbours, the centre
    // five times, by 13.
    void (*smooth_row)(const uint8_t *above, const uint8_t *row, const uint8_t *below, size_t n,
                       size_t c, uint8_t *out);
    // The same neighbours with the weights outer, centre, outer (of 256) in both directions.
    void (*blur_row)(const uint8_t *const rows[3], size_t n, size_t c, uint16_t outer,
                     uint16_t centre, uint8_t *out);
    void (*warp_row)(const struct sqz_warp_row *row, uint8_t *out);
};
// The best that this processor has and SQUEEZENET_CPU allows.
const struct sqz_pixel_ops *sqz_pixel_ops(void);

extern const struct sqz_pixel_ops sqz_pixel_ops_ref, sqz_pixel_ops_avx2;

#endif
