// What a training step decides before it allocates: leaves, buffers, places in a worker's arena.
#ifndef SQZ_NET_GRADIENT_PLAN_H
#define SQZ_NET_GRADIENT_PLAN_H

#include "net/forward.h"
#include "net/weight_layout.h"
#include "net/gradient.h"
#include "net/bn_plan.h"
#include "net/plan.h"

struct sqz_gradient_plan {
    int max_leaves, buffers; // leaves of any batch; gradient buffers
    // Samples that a worker takes forward and back: through the layers before `late` one after the
    // other, which keeps their large maps in the cache; through the others together, which then
    // share each reading of the weights and each updating of their gradients.
    int pass, late;
    struct sqz_block *tensors, *grads; // per tensor, in a worker's arena
    struct sqz_block *indices;         // per layer; empty but for MAXPOOL
    struct sqz_block *blocks;          // the three above
    int n_blocks;
    struct sqz_weight_layout layout;
    bool *add_input, *add_addend, *pool_masks; // see sqz_backward
    size_t arena, scratch;   // bytes per worker; no arenas where `norm` has its own
    struct sqz_bn_plan norm; // networks with BN only
    // Leaves that are worked on at once, each by threads / crews threads: groups by all or by one.
    int crews;
    struct sqz_gradient_memory memory;
};
enum sqz_status sqz_gradient_plan_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                      int threads, int max_batch, int ranks,
                                      struct sqz_gradient_plan *out, struct sqz_error *err);
void sqz_gradient_plan_release(struct sqz_gradient_plan *plan);
// Bytes from one sample of a block to the next, `sample` being its size; 0: one place for all.
size_t sqz_gradient_stride(const struct sqz_block *block, size_t sample);

int sqz_gradient_net_leaf(const struct sqz_net *net, int batch);
// The leaves of a batch (groups, where the network is normalised), and the sample that leaf `leaf`
// begins with; past the last leaf: the batch's end.
int sqz_gradient_leaves(const struct sqz_net *net, int batch);
int sqz_gradient_leaf_start(const struct sqz_net *net, int batch, int leaf);

#endif
