// Pruning by magnitude: the weights that matter least become 0.
#ifndef SQZ_COMPRESS_PRUNE_H
#define SQZ_COMPRESS_PRUNE_H

#include "base/threads.h"
#include "net/net.h"

// Sets weights to 0 in place until a share of at most `density` of all weights is left; biases are
// not touched, and what is 0 stays 0. Layers are compared by what a weight is of the weights at
// least as large as itself in its layer, squared (LAMP, arXiv 2010.07611): small layers keep more
// than large ones, none is emptied. The same bits for any number of threads.
enum sqz_status sqz_prune(const struct sqz_net *net, struct sqz_pool *pool, double density,
                          float *weights, struct sqz_error *err);
// Share of the weights (biases not counted) that are not 0.
double sqz_density(const struct sqz_net *net, const float *weights);

#endif
