// The parameters in parts, in the order in which the backward pass finishes their gradients.
#ifndef SQZ_NET_BUCKET_H
#define SQZ_NET_BUCKET_H

#include "net/net.h"

struct sqz_bucket {
    size_t first, end; // floats of the parameter buffer
    int layer;         // whole once the backward pass has left this layer
};
enum { SQZ_BUCKETS = 8 }; // at most

// Fills `out` and returns how many there are: the classifier first, which has two fifths of a
// SqueezeNet's weights, then a few layers at a time. Together they are the whole buffer.
int sqz_net_buckets(const struct sqz_net *net, struct sqz_bucket out[SQZ_BUCKETS]);

#endif
