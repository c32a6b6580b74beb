// Weight sharing in training (Deep Compression's third stage): the weights of a layer that are
// equal stay equal. There is no list of groups: equal values are a group, zeros are not trained.
#ifndef SQZ_COMPRESS_WEIGHT_SHARING_H
#define SQZ_COMPRESS_WEIGHT_SHARING_H

#include "base/threads.h"
#include "net/net.h"

#define SQZ_SHARED_VALUES 256 // distinct values of a layer; a layer with more is not shared

struct sqz_weight_sharing {
    const struct sqz_net *net;
    uint16_t *groups; // a weight's group, counted from 0 in each parameter. Owned
    uint16_t *counts; // groups of a parameter; 0: a bias, or a layer that is not shared. Owned
};
enum sqz_status sqz_weight_sharing_new(const struct sqz_net *net, struct sqz_weight_sharing *out,
                                       struct sqz_error *err);
void sqz_weight_sharing_release(struct sqz_weight_sharing *sharing);
// Before an update: finds the groups, and gives every member the sum of its group's gradients. Sums
// run in the order of the weights, whatever the number of threads.
void sqz_weight_sharing_sum_gradients(struct sqz_weight_sharing *sharing, struct sqz_pool *pool,
                                      const float *weights, float *gradient);
// After it: every member takes the new value of its group's first member.
void sqz_weight_sharing_sync(const struct sqz_weight_sharing *sharing, struct sqz_pool *pool,
                             float *weights);

#endif
