// What inference decides before it allocates: stages, places in the arena, work items of work.
#ifndef SQZ_NET_INFER_PLAN_H
#define SQZ_NET_INFER_PLAN_H

#include "net/forward.h"
#include "net/weight_layout.h"
#include "net/infer.h"
#include "net/plan.h"

// Images that one thread takes through the late layers together: there the weights outweigh the
// maps, and each reading of them serves all these images.
enum { SQZ_INFER_TASK_IMAGES = 2 }; // as fused.h can take

// A stage is a run of layers that do not read what the stage writes (the two expands of a Fire, and
// its bypass), so that its work items may run in any order and at once. A convolution that its
// reader takes in (fused.h) belongs to that one's stage and has no work items.
struct sqz_infer_plan {
    int *stage;    // per layer
    bool *taken;   // per layer: its only reader computes it
    size_t *strip; // per layer: floats that it needs if it takes a convolution in, else 0
    int late; // the first layer after the last pooling: there, the images of a task run together
    int task_images; // images of a task; 1 with low_memory
    int n_stages;
    struct sqz_block *blocks; // per tensor; those of the input and the logits are empty
    struct sqz_weight_layout layout;
    size_t n_bias;         // floats of all biases
    size_t arena, scratch; // bytes per worker; the strip lies after the layout's scratch
    struct sqz_infer_memory memory;
};
enum sqz_status sqz_infer_plan_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                   int threads, bool low_memory, struct sqz_infer_plan *out,
                                   struct sqz_error *err);
void sqz_infer_plan_release(struct sqz_infer_plan *plan);

// The stages' layers cut for several threads (work_items.c).
struct sqz_work_items {
    struct sqz_work_item *items; // in the order of the stages
    int *first;                  // [stage], and one past the end
};
enum sqz_status sqz_work_items_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                   const struct sqz_infer_plan *plan, int threads,
                                   struct sqz_work_items *out, struct sqz_error *err);
void sqz_work_items_release(struct sqz_work_items *items);

#endif
