// Batch normalisation exists in training only: a plain network's parameters become a normalised
// one's and back, and its moving statistics follow the batches.
#ifndef SQZ_NET_NORM_H
#define SQZ_NET_NORM_H

#include "net/net.h"

#define SQZ_NORM_EPSILON  1e-5 // added to variances
#define SQZ_NORM_MOMENTUM 0.1  // of the moving statistics towards those of a full batch

// `net` is normalised, `plain` the same network without.
// The network that computes the same in evaluation mode: gamma 1, moving mean 0 and variance 1.
void sqz_norm_unfold(const struct sqz_net *plain, const float *weights, const struct sqz_net *net,
                     float *out);
// The plain network that computes the same as the normalised one with its moving statistics.
void sqz_norm_fold(const struct sqz_net *net, const float *weights, const struct sqz_net *plain,
                   float *out);

// A batch's statistics travel in the places that the moving ones have in the gradient (gradient.h).
// Moves them into `statistics` (floats as many as sqz_norm_statistics says) and leaves zeros.
size_t sqz_norm_statistics(const struct sqz_net *net);
void sqz_norm_take(const struct sqz_net *net, float *gradient, float *statistics);
// Moving statistics += share * (the batch's - moving), but for layers that are fixed (may be NULL).
void sqz_norm_follow(const struct sqz_net *net, const float *statistics, double share,
                     const bool *fixed, float *weights);
// Makes gamma and beta of a network that came from sqz_norm_unfold such that normalising by these
// statistics changes nothing.
void sqz_norm_calibrate(const struct sqz_net *net, const float *statistics, float *weights);

#endif
