// The inner loops of resizing and normalising, per SIMD level (operation_ops.h: of the others).
// All levels give the same bits. Private to the image code of this directory.
#ifndef SQZ_DATA_PIXEL_OPS_H
#define SQZ_DATA_PIXEL_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint8_t sqz_clamp(int value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

#define SQZ_PIXEL_BLOCK 64 // values that stay near

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
    // The same in groups of four taps (the last filled up with zeros), as 16-bit halves: eight
    // pairs of low ones (the first two weights four times, the other two four times), then of high
    // ones. weight = high * 2^SQZ_FILTER_LOW_BITS + low. Where no result has more than two taps, a
    // group holds those of two results.
    int16_t *halves;
    size_t groups; // a result; 0: one for two results
};
#define SQZ_FILTER_BITS     22
#define SQZ_FILTER_LOW_BITS 11
#define SQZ_FILTER_GROUP    32 // halves
#define SQZ_FILTER_ROOM     16
// Fills `halves`, which has room for all taps in groups of four, from `weights`, and sets `groups`.
void sqz_filter_split(struct sqz_filter_bank *bank);

// Values: whole vectors, whole pixels of 1 or 3 channels, half a row of 224. Long, so that the
// first mirrored bytes have left the store buffer when they are read, by wider loads than they were
// stored.
#define SQZ_NORMALIZE_BLOCK 336

struct sqz_pixel_ops {
    // Writes n * c values, and may write one more.
    void (*linear_row)(const struct sqz_linear_columns *columns, const uint8_t *row, int16_t *out);
    void (*linear_blend)(const int16_t *above, const int16_t *below, int n, int16_t w0, int16_t w1,
                         uint8_t *out);
    // Writes n * c values, and may write SQZ_FILTER_ROOM more bytes; this many after the row's last
    // pixel must be readable if `room` says so.
    void (*filter_row)(const struct sqz_filter_bank *bank, const uint8_t *row, int c, bool room,
                       uint8_t *out);
    // The first n of each row's `stride` values: row k counts with weights[k].
    void (*filter_blend)(const uint8_t *rows, size_t stride, size_t n, const int32_t *weights,
                         int count, uint8_t *out);
    // n pixels of three channels, the last one first
    void (*mirror)(const uint8_t *in, int n, uint8_t *out);
    // (x - mean) / std for n <= SQZ_NORMALIZE_BLOCK values
    void (*normalize)(const uint8_t *in, int n, const float *mean, const float *std, float *out);
    // The same for what is not read soon: such stores may pass by the caches, in any order, and are
    // there for other threads once this one has called `settle`.
    void (*normalize_far)(const uint8_t *in, int n, const float *mean, const float *std,
                          float *out);
    void (*settle)(void);
};
// Whether processor and SQUEEZENET_CPU allow AVX2, the level above the plain one.
bool sqz_pixels_by_avx2(void);
// The best that this processor has and SQUEEZENET_CPU allows.
const struct sqz_pixel_ops *sqz_pixel_ops(void);

extern const struct sqz_pixel_ops sqz_pixel_ops_ref, sqz_pixel_ops_avx2;

#endif
