// Elementwise passes over buffers of the parameters' size, in parallel; the bits do not depend on
// the threads.
#ifndef SQZ_TRAIN_STEP_PASSES_H
#define SQZ_TRAIN_STEP_PASSES_H

#include "base/threads.h"
#include <stdbool.h>
#include <stddef.h>

// values *= factor
void sqz_scale_all(struct sqz_pool *pool, float *values, size_t n, float factor);
// sum += values / parts
void sqz_accumulate_all(struct sqz_pool *pool, const float *values, float *sum, size_t n,
                        float parts);
// average += (1 - decay) (values - average)
void sqz_average_all(struct sqz_pool *pool, const float *values, float *average, size_t n,
                     float decay);
// Whether all are finite; exact.
bool sqz_all_finite(struct sqz_pool *pool, const float *values, size_t n);

#endif
