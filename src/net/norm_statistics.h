// Between the stages of a group: from sums over pixels to what the kernels multiply with.
#ifndef SQZ_NET_NORM_STATISTICS_H
#define SQZ_NET_NORM_STATISTICS_H

#include "net/norm_group.h"

enum sqz_norm_number {
    SQZ_NORM_SCALE,
    SQZ_NORM_SHIFT,
    SQZ_NORM_A,
    SQZ_NORM_B,
    SQZ_NORM_C,
    SQZ_NORM_SIGN, // of gamma: 1 or -1
    SQZ_NORM_NUMBERS
};
float *sqz_norm_numbers(const struct sqz_norm_group *group, enum sqz_norm_number which, int tensor);

// Before the first stage: the signs of gamma.
void sqz_norm_begin(struct sqz_norm_group *group);
// Mean and variance of what the stage's convolutions wrote, and the group's share of the batch's
// statistics.
void sqz_norm_finish_forward(struct sqz_norm_group *group, int parts);
// Gradients of gamma and beta of the stage's convolutions, and the way back through their
// normalisation.
void sqz_norm_finish_backward(struct sqz_norm_group *group, int parts);

#endif
