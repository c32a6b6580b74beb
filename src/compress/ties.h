// Shared weights in training (Deep Compression's third stage): the weights of a layer that are
// equal stay equal. There is no list of groups: equal values are a group, zeros are not trained.
#ifndef SQZ_COMPRESS_TIES_H
#define SQZ_COMPRESS_TIES_H

#include "base/threads.h"
#include "net/net.h"

#define SQZ_TIES 256 // values of a layer, at most; of a layer with more none are tied

struct sqz_ties {
    const struct sqz_net *net;
    uint16_t *groups; // a weight's group, counted from 0 in each parameter. Owned
    uint16_t *counts; // groups of a parameter; 0: a bias, or none are tied. Owned
};
enum sqz_status sqz_ties_new(const struct sqz_net *net, struct sqz_ties *out,
                             struct sqz_error *err);
void sqz_ties_release(struct sqz_ties *ties);
// Before an update: finds the groups, and gives every member the sum of its group's gradients. Sums
// run in the order of the weights, whatever the number of threads.
void sqz_ties_sum(struct sqz_ties *ties, struct sqz_pool *pool, const float *weights,
                  float *gradient);
// After it: every member takes what became of its group's first one.
void sqz_ties_settle(const struct sqz_ties *ties, struct sqz_pool *pool, float *weights);

#endif
