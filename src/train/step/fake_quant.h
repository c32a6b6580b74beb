// Fake quantization: the weights that a network computes with while it is trained for a small file.
// Training moves full-precision weights; the forward pass sees them rounded (a straight-through
// estimator: the gradient ignores the rounding), pruned weights stay 0, and weights that share a
// value move together.
#ifndef SQZ_TRAIN_STEP_FAKE_QUANT_H
#define SQZ_TRAIN_STEP_FAKE_QUANT_H

#include "compress/uniform_quantizer.h"
#include "compress/weight_sharing.h"
#include <stdbool.h>

enum sqz_quant_kind {
    SQZ_QUANT_NONE,    // full precision
    SQZ_QUANT_UNIFORM, // rounded to multiples of a step
    SQZ_QUANT_SHARED   // weight sharing: equal weights are trained as one
};
struct sqz_fake_quant {
    struct sqz_pool *pool; // borrowed
    enum sqz_quant_kind kind;
    enum sqz_quant_kind planned_kind;  // `kind` once the quantizer is in the loop
    bool keeps_zeros;                  // weights of 0 are not trained
    struct sqz_uniform_quantizer grid; // UNIFORM
    struct sqz_weight_sharing ties;    // SHARED
    float *rounded;                    // UNIFORM: what the last forward pass used
    unsigned char *zeros;              // which weights were 0 before the update
    size_t n;
    const float *export_weights; // the weights as a file will hold them, which validation uses;
                                 // NULL: not made yet
};
enum sqz_status sqz_fake_quant_init(const struct sqz_net *net, struct sqz_pool *pool,
                                    struct sqz_fake_quant *out, struct sqz_error *err);
void sqz_fake_quant_release(struct sqz_fake_quant *fake_quant);
// In the order of a step: before the forward pass; on its gradient; around the optimizer's update.
const float *sqz_fake_quant_weights(struct sqz_fake_quant *fake_quant, const float *weights);
void sqz_fake_quant_gradient(struct sqz_fake_quant *fake_quant, const float *weights,
                             float *gradient);
void sqz_fake_quant_before_update(struct sqz_fake_quant *fake_quant, const float *weights,
                                  float *gradient);
void sqz_fake_quant_after_update(struct sqz_fake_quant *fake_quant, float *weights);

#endif
