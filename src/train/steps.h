// The training step below the loader: gradient, clipping, accumulation, update (spec 13.3).
#ifndef SQZ_TRAIN_STEPS_H
#define SQZ_TRAIN_STEPS_H

#include "net/gradient.h"
#include "train/optimizer.h"

struct sqz_stepper_config {
    const struct sqz_net *net; // borrowed, as the next two
    const struct sqz_kernels *kernels;
    struct sqz_pool *pool;
    int max_batch;
    double smoothing;  // of the labels
    double clip_value; // bound of the global norm; 0 = no clipping
    int accumulate;    // micro-batches per update, >= 1
    uint64_t seed;     // of the dropout masks
};
struct sqz_stepper {
    struct sqz_stepper_config config;
    struct sqz_gradient *engine;
    struct sqz_optimizer *optimizer; // borrowed
    float *weights;                  // borrowed: the network's
    float *gradient;                 // of the last micro-batch, after clipping
    float *accumulator;              // NULL without accumulation
    int group;                       // micro-batches in the accumulator
    uint64_t micro_steps;            // done so far: key of the dropout masks
};
enum sqz_status sqz_stepper_init(struct sqz_stepper *stepper,
                                 const struct sqz_stepper_config *config,
                                 struct sqz_optimizer *optimizer, float *weights,
                                 struct sqz_error *err);
void sqz_stepper_release(struct sqz_stepper *stepper);
// Bytes that init takes, the optimizer's state not counted.
enum sqz_status sqz_stepper_memory(const struct sqz_stepper_config *config,
                                   struct sqz_gradient_memory *engine, size_t *total,
                                   struct sqz_error *err);

struct sqz_step_result {
    double loss;          // before the update, unscaled, mean over the micro-batch
    double gradient_norm; // before clipping
    double zero_fraction; // of the ReLU outputs of leaf 0
    double zero_logits;   // share of the batch's logits that are 0: closed by the last ReLU
    bool updated;         // false: went into the accumulator only, or was not finite
    bool finite;          // loss, gradient and weights; when false nothing was updated unless the
                          // update itself overflowed
};
// One micro-batch: images n x H x W x C, labels n. `rate` is used when the group is complete. A
// non-finite loss or gradient leaves weights, optimizer and accumulator as they were.
void sqz_stepper_run(struct sqz_stepper *stepper, const float *images, const int *labels, int n,
                     double rate, struct sqz_step_result *out);
// Whether n floats are all finite; exact, in parallel.
bool sqz_all_finite(struct sqz_pool *pool, const float *values, size_t n);

#endif
