// The inner loops of colour jitter and of the policies' operations, per SIMD level. All levels give
// the same bits. Private to the image code of this directory.
#ifndef SQZ_DATA_OPERATION_OPS_H
#define SQZ_DATA_OPERATION_OPS_H

#include "data/image/image.h"
#include "data/resize/pixel_ops.h"

// A row of a turned image whose results all lie inside it: four neighbours each, beginning at the
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

struct sqz_operation_ops {
    // x = x * factor
    void (*brighten)(uint8_t *x, size_t n, float factor);
    // x = fma(other, 1 - factor, x * factor)
    void (*mix_one)(uint8_t *x, size_t n, float factor, uint8_t other);
    // x = fma(x, factor, gray * (1 - factor)) for n pixels of three channels
    void (*mix_gray)(uint8_t *rgb, size_t n, float factor);
    // x = fma(x, factor, other * (1 - factor))
    void (*mix)(uint8_t *x, const uint8_t *other, size_t n, float factor);
    uint64_t (*sum_gray)(const uint8_t *rgb, size_t n);
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
    // The same where neighbouring results come from neighbouring pixels: n values, all of them
    // right / 32 between `above` and its right neighbour (c values on), down / 32 between that and
    // `below`.
    void (*shift_row)(const uint8_t *above, const uint8_t *below, size_t n, size_t c, int right,
                      int down, uint8_t *out);
    // The smallest and the largest value of each of c channels.
    void (*extremes)(const uint8_t *x, size_t n, size_t c, uint8_t *low, uint8_t *high);
};
// The best that this processor has and SQUEEZENET_CPU allows.
const struct sqz_operation_ops *sqz_operation_ops(void);

extern const struct sqz_operation_ops sqz_operation_ops_ref, sqz_operation_ops_avx2;

#endif
