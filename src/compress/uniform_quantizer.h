// The uniform quantizer that training runs through: every parameter has one step.
#ifndef SQZ_COMPRESS_UNIFORM_QUANTIZER_H
#define SQZ_COMPRESS_UNIFORM_QUANTIZER_H

#include "base/threads.h"
#include "net/net.h"

struct sqz_uniform_quantizer {
    const struct sqz_net *net;
    float *steps; // one for each parameter; 0: its values stay as they are (or as base). Owned
    // NULL, or the weights of an older file on the same steps. Owned.
    float *base;
    // In steps: a value keeps its old code (without a base: 0) while it is nearer to it than this.
    float dead_zone;
};
void sqz_uniform_quantizer_release(struct sqz_uniform_quantizer *quantizer);
// SQZ_E_NOMEM when out of memory; all steps are 0.
enum sqz_status sqz_uniform_quantizer_new(const struct sqz_net *net,
                                          struct sqz_uniform_quantizer *out, struct sqz_error *err);
// `out` becomes the quantized `weights` (both n_weights floats): code * step exactly, never -0.0,
// so that sqz_coded_from_floats finds the step again.
void sqz_uniform_quantizer_round(const struct sqz_uniform_quantizer *quantizer,
                                 struct sqz_pool *pool, const float *weights, float *out);

#endif
