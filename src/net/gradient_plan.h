// What a training step decides before it allocates: leaves, buffers, places in a worker's arena.
#ifndef SQZ_NET_GRADIENT_PLAN_H
#define SQZ_NET_GRADIENT_PLAN_H

#include "net/forward.h"
#include "net/gradient.h"
#include "net/plan.h"

struct sqz_gradient_plan {
    int max_leaves, buffers;           // leaves of any batch; gradient buffers
    int pass;                          // samples that one pass of a worker takes forward and back
    struct sqz_block *tensors, *grads; // per tensor, in a worker's arena; `pass` samples each
    struct sqz_block *indices;         // per layer; empty but for MAXPOOL
    struct sqz_block *blocks;          // the three above
    int n_blocks;
    struct sqz_packing packing;
    bool *add_input, *add_addend; // see sqz_backward
    size_t arena, scratch;        // bytes per worker
    struct sqz_gradient_memory memory;
};
enum sqz_status sqz_gradient_plan_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                      int threads, int max_batch, int ranks,
                                      struct sqz_gradient_plan *out, struct sqz_error *err);
void sqz_gradient_plan_release(struct sqz_gradient_plan *plan);

int sqz_gradient_net_leaf(const struct sqz_net *net, int batch);

#endif
