// A layer's rate-distortion curve: for every candidate quantizer its codes, their bytes (the rate)
// and the error that they cause in the layer's output (the distortion).
#ifndef SQZ_COMPRESS_RATE_DISTORTION_H
#define SQZ_COMPRESS_RATE_DISTORTION_H

#include "compress/gptq.h"

#define SQZ_CANDIDATES 38 // quantizers that are tried on a layer

struct sqz_rate_distortion {
    const struct sqz_layer *layer;
    const struct sqz_param *weight, *bias;
    const struct sqz_input_statistics *statistics;
    int rows, columns;
    bool sparse;     // its zeros are kept
    float *oihw;     // the original weights, rows x columns
    float bias_step; // that the biases are multiples of already; 0: none
    struct sqz_candidate candidates[SQZ_CANDIDATES];
    int reference; // the candidate that measures how sensitive the predictions are to this layer
    int16_t *codes[SQZ_CANDIDATES];
    double distortion[SQZ_CANDIDATES]; // as in gptq.h
    size_t bytes[SQZ_CANDIDATES];      // of the weight's payload
};
// grid: NULL, or a step for each parameter that its weights are multiples of already (0: they are
// not). The candidates of such a layer keep its step and zero more codes, or take a coarser step.
// Without a grid, the candidates are a scale of steps, ascending.
enum sqz_status sqz_rate_distortion_new(const struct sqz_net *net, const float *weights,
                                        const float *grid,
                                        const struct sqz_input_statistics *statistics,
                                        struct sqz_pool *pool, struct sqz_rate_distortion *out,
                                        struct sqz_error *err);
void sqz_rate_distortion_release(struct sqz_rate_distortion *curve);
// Writes the layer, quantized by candidate `choice`, into a network's weights. The bias absorbs the
// mean of the outputs' error and is rounded to multiples of bias_step (0: not rounded).
void sqz_rate_distortion_apply(const struct sqz_rate_distortion *curve, int choice, float bias_step,
                               float *weights);
// A step for the biases whose rounding error is small compared with that of the weights, and that
// is no finer than the step they have.
float sqz_rate_distortion_bias_step(const struct sqz_rate_distortion *curve, int choice);

#endif
