// The factor on the loss while gradients are computed: fixed, or dynamic (halved by an overflow).
#ifndef SQZ_TRAIN_STEP_LOSS_SCALE_H
#define SQZ_TRAIN_STEP_LOSS_SCALE_H

#include "train/options/train_config.h"

struct sqz_loss_scale {
    double scale;
    bool drops;   // skip the update when a gradient is not finite
    bool dynamic; // halved on overflow, doubled after a while without one
    // For a dynamic scale: steps so far, and the step of the last overflow or doubling.
    int64_t steps, mark;
};
// As configured.
struct sqz_loss_scale sqz_loss_scale_of(const struct sqz_train_config *config);
// After one step; `overflow`: its gradient was not finite.
void sqz_loss_scale_step(struct sqz_loss_scale *scale, bool overflow);

#endif
