// The first half of a training step (steps.c): loss and gradient of a micro-batch, over all ranks.
#ifndef SQZ_TRAIN_STEP_STEP_GRADIENT_H
#define SQZ_TRAIN_STEP_STEP_GRADIENT_H

#include "train/step/steps.h"

struct sqz_loss_job {
    struct sqz_loss_batch batch;
    double scale;
    const float *maps; // as in sqz_step_batch
    double map_weight;
    size_t n_maps;  // floats of a row
    int64_t zeros;  // among all logits; a count, so the order of the leaves does not matter
    float *logits;  // jsd, first pass: where they go
    float *dlogits; // jsd, second pass: where their gradient lies
};

// One pass over the whole batch, whoever computes it; into step->gradient. Without step->loss only
// the statistics of normalisation.
enum sqz_status sqz_step_pass(struct sqz_stepper *stepper, const struct sqz_step_batch *batch,
                              struct sqz_loss_job *job, struct sqz_gradient_step *step,
                              struct sqz_step_result *out);
// The loss into out->loss, and the gradient times the loss scale.
enum sqz_status sqz_step_gradient(struct sqz_stepper *stepper, const struct sqz_step_batch *batch,
                                  struct sqz_loss_job *job, struct sqz_gradient_step *step,
                                  struct sqz_step_result *out);

#endif
