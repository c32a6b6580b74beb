// The rounding of the integer network: from a sum in 32 bits to an activation in 8
// (docs/integer-network.md, "Requantization"). Both forms give the same bits for every sum that a
// checked network can have: SIMD code uses the float form, everything else the integer form.
#ifndef SQZ_KERNELS_REQUANTIZE_H
#define SQZ_KERNELS_REQUANTIZE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

enum {
    SQZ_REQUANTIZE_SHIFT_LEAST = 26, // so that no product can be a tie
    SQZ_REQUANTIZE_SHIFT_MOST = 40,
    SQZ_REQUANTIZE_SUM_LIMIT = 1 << 24,       // |sum| is below: float32 holds it exactly
    SQZ_REQUANTIZE_MULTIPLIER_LIMIT = 1 << 24 // a multiplier is odd and below
};

// clamp(floor(sum * multiplier / 2^shift + 1/2), 0, 255). The clamp at 0 is the ReLU.
static inline uint8_t sqz_requantize(int32_t sum, int32_t multiplier, int shift)
{
    int64_t scaled = ((int64_t)sum * multiplier + ((int64_t)1 << (shift - 1))) >> shift;
    return (uint8_t)(scaled < 0 ? 0 : scaled > 255 ? 255 : scaled);
}

// The same with one fused multiply-add: at 1.5 * 2^23 the unit of a float is 1, so that the
// addition rounds to an integer, which the low byte then holds. scale = multiplier * 2^-shift.
// Needs |sum * scale| < 2^22.
static inline uint8_t sqz_requantize_float(int32_t sum, float scale)
{
    const float least = 12582912.0f;
    float rounded = fmaf((float)sum, scale, least);
    rounded = rounded < least ? least : rounded > least + 255 ? least + 255 : rounded;
    uint32_t bits;
    memcpy(&bits, &rounded, sizeof bits);
    return (uint8_t)bits;
}

// The sum of two activations: (a * a_multiplier + b * b_multiplier) / 2^14, rounded half up,
// clamped to 0..255. Multipliers are 0..32767, so that pairs of 16 bits hold all factors.
enum { SQZ_ADD_SHIFT = 14, SQZ_ADD_MULTIPLIER_LIMIT = 1 << 15 };
static inline uint8_t sqz_requantize_add(uint8_t a, int32_t a_multiplier, uint8_t b,
                                         int32_t b_multiplier)
{
    int32_t sum =
        (a * a_multiplier + b * b_multiplier + (1 << (SQZ_ADD_SHIFT - 1))) >> SQZ_ADD_SHIFT;
    return (uint8_t)(sum > 255 ? 255 : sum);
}

#endif
