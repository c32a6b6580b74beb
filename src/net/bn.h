// Batch normalisation (BN), which exists in training only: inserts it into a plain network's
// parameters, folds it back into them, and updates the running statistics from those of batches.
#ifndef SQZ_NET_BN_H
#define SQZ_NET_BN_H

#include "net/net.h"

#define SQZ_BN_EPSILON  1e-5 // added to variances
#define SQZ_BN_MOMENTUM 0.1  // of the running statistics towards those of a full batch

// `net` is the network with BN, `plain` the same network without.
// Fills the parameters of the network with BN that computes the same in evaluation mode: gamma 1,
// running mean 0 and variance 1.
void sqz_bn_insert(const struct sqz_net *plain, const float *weights, const struct sqz_net *net,
                   float *out);
// Fills the parameters of the plain network that computes the same as the network with BN and its
// running statistics.
void sqz_bn_fold(const struct sqz_net *net, const float *weights, const struct sqz_net *plain,
                 float *out);

// The gradient holds a batch's statistics in the places of the running ones (gradient.h). Moves
// them into `statistics` (sqz_bn_stats_size floats) and leaves zeros.
size_t sqz_bn_stats_size(const struct sqz_net *net);
void sqz_bn_extract_batch_stats(const struct sqz_net *net, float *gradient, float *statistics);
// running += share * (the batch's - running), except for layers that are fixed (may be NULL).
void sqz_bn_update_running_stats(const struct sqz_net *net, const float *statistics, double share,
                                 const bool *fixed, float *weights);
// Sets gamma and beta of a network that came from sqz_bn_insert so that normalising by these
// statistics changes nothing.
void sqz_bn_calibrate(const struct sqz_net *net, const float *statistics, float *weights);

#endif
