// The parameters in parts, in the order in which the backward pass finishes their gradients.
#include "net/bucket.h"

// Where a layer's parameters begin; SIZE_MAX when it has none.
static size_t begin_of(const struct sqz_net *net, int index)
{
    const struct sqz_layer *layer = &net->layers[index];
    if (layer->kind != SQZ_LAYER_CONV)
        return SIZE_MAX;
    size_t weight = net->params[layer->weight].offset, bias = net->params[layer->bias].offset;
    return weight < bias ? weight : bias;
}

// A message of an eighth of the weights is long enough to be worth its start.
int sqz_net_buckets(const struct sqz_net *net, struct sqz_bucket out[SQZ_BUCKETS])
{
    size_t end = net->n_weights, smallest = net->n_weights / SQZ_BUCKETS + 1;
    int n = 0;
    for (int i = net->n_layers - 1; i > 0; i--) {
        size_t begin = begin_of(net, i);
        if (begin == SIZE_MAX)
            continue;
        if (begin > end) { // parameters in another order than the layers: one bucket is safe
            n = 0;
            end = net->n_weights;
            break;
        }
        if (end - begin < smallest || n == SQZ_BUCKETS - 1)
            continue;
        out[n++] = (struct sqz_bucket){begin, end, i};
        end = begin;
    }
    if (end > 0)
        out[n++] = (struct sqz_bucket){0, end, 0};
    return n;
}
