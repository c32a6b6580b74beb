// Deep Compression's first two stages (arXiv 1510.00149): pruning by magnitude, shared weights.
#ifndef SQZ_COMPRESS_DEEP_H
#define SQZ_COMPRESS_DEEP_H

#include "base/threads.h"
#include "net/net.h"

struct sqz_deep_job {
    const struct sqz_net *net;
    double density; // share of the weights that stay, 0 < density <= 1; zeros never come back
    int bits;       // 2 to 8: 2^bits - 1 shared values a layer, and zero
    struct sqz_pool *pool;
};
// Changes the convolutions' weights in place: sqz_prune, then k-means a layer. Biases keep 17
// significant bits. Retraining on the result is compress/weight_sharing.h's.
enum sqz_status sqz_deep_run(const struct sqz_deep_job *job, float *weights, struct sqz_error *err);
void sqz_deep_round_biases(const struct sqz_net *net, float *weights);

#endif
