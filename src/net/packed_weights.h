// A network's weights as the kernels read them, made once. They do not change afterwards, so that
// any number of threads may compute with them; they are counted, and freed with the last holder.
#ifndef SQZ_NET_PACKED_WEIGHTS_H
#define SQZ_NET_PACKED_WEIGHTS_H

#include "base/threads.h"
#include "net/forward.h"
#include "net/weight_layout.h"

#include <stdatomic.h>

struct sqz_packed_weights {
    const struct sqz_net *net; // borrowed, as the kernels are
    const struct sqz_kernels *kernels;
    bool low_memory; // what the layout was planned for (infer.h)
    atomic_int holders;
    float *values;        // packed weights, then biases
    const float **packed; // per layer, into `values`
    const float **bias;
};

// Room for weights that `layout` places and n_bias floats of biases; held once.
enum sqz_status sqz_packed_weights_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                       const struct sqz_weight_layout *layout, size_t n_bias,
                                       struct sqz_packed_weights **out, struct sqz_error *err);
void sqz_packed_weights_fill(struct sqz_packed_weights *packed,
                             const struct sqz_weight_layout *layout, const float *weights,
                             struct sqz_pool *pool);
struct sqz_packed_weights *sqz_packed_weights_hold(struct sqz_packed_weights *packed);
void sqz_packed_weights_release(struct sqz_packed_weights *packed); // may be NULL

#endif
