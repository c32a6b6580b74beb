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
// Changes the convolutions' weights in place; biases keep 17 significant bits. A layer's threshold
// is its standard deviation times a factor that all layers share, as in the paper; there is no
// retraining here.
enum sqz_status sqz_deep_run(const struct sqz_deep_job *job, float *weights, struct sqz_error *err);

#endif
