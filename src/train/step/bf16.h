// Floats as 16 bits: the upper half of a float, rounded to the nearest, ties to even.
#ifndef SQZ_TRAIN_STEP_BF16_H
#define SQZ_TRAIN_STEP_BF16_H

#include <stddef.h>
#include <stdint.h>

// Not-a-number stays that; a float beyond bfloat16's largest becomes infinite.
void sqz_bf16_from_floats(const float *in, uint16_t *out, size_t n);
void sqz_bf16_to_floats(const uint16_t *in, float *out, size_t n);

#endif
