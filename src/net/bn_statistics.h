// Between the stages of a group: from sums over pixels to what the kernels multiply with.
#ifndef SQZ_NET_BN_STATISTICS_H
#define SQZ_NET_BN_STATISTICS_H

#include "net/bn_group.h"

enum sqz_bn_number {
    SQZ_BN_SCALE,
    SQZ_BN_SHIFT,
    SQZ_BN_A,
    SQZ_BN_B,
    SQZ_BN_C,
    SQZ_BN_SIGN, // of gamma: 1 or -1
    SQZ_BN_NUMBERS
};
float *sqz_bn_numbers(const struct sqz_bn_group *group, enum sqz_bn_number which, int tensor);

// Before the first stage: the signs of gamma.
void sqz_bn_begin(struct sqz_bn_group *group);
// Mean and variance of what the stage's convolutions wrote, and the group's share of the batch's
// statistics.
void sqz_bn_finish_forward(struct sqz_bn_group *group, int tasks);
// Gradients of gamma and beta of the stage's convolutions, and the way back through their
// normalisation.
void sqz_bn_finish_backward(struct sqz_bn_group *group, int tasks);

#endif
