// The plan by which a group goes through a network with BN: its stages, the tensors stored between
// them, and the memory of each worker. A group is a BN ghost batch: samples that share statistics.
#ifndef SQZ_NET_BN_PLAN_H
#define SQZ_NET_BN_PLAN_H

#include "net/net.h"
#include "net/plan.h"

enum { SQZ_BN_TASKS = 8 }; // threads take a group in at most this many tasks of some samples each

// Layers that a sample can go through without knowing the other samples: a stage ends where a layer
// reads what this stage has written and what is not normalised yet.
struct sqz_bn_stage {
    int first, end;       // layers
    int pass;             // samples that go through it together, layer by layer
    int chunk, chunk_end; // of its parameters' gradients
    size_t task_floats;   // floats: these gradients of one task of the group
};
// A run of a convolution's gradient: where it lies in a task's gradients and in the network's.
struct sqz_bn_chunk {
    size_t from, to, n; // floats
};
// We store only the outputs of convolutions; whoever reads a normalised tensor recomputes its y. A
// maximum of y is y of a maximum (with negative gamma, of a minimum): where a pool is the only
// reader of the convolutions, its output is normalised instead, a quarter of the pixels. The
// statistics are still those of the convolutions.
struct sqz_bn_tensor {
    bool normalised, relu;
    int written;        // what a normalised one's convolutions wrote: itself, or a pool's input
    int pool;           // that pool's layer, or -1
    int writer, reader; // stages: the first that writes it and that reads it
    size_t channel;     // its first one among all normalised channels
};
struct sqz_bn_plan {
    int group, pass; // most samples, and of a stage's pass
    struct sqz_bn_stage *stages;
    int n_stages;
    struct sqz_bn_chunk *chunks;
    struct sqz_bn_tensor *tensors;
    size_t n_channels;
    // One arena for the group: convolutions' outputs or tensors, gradients of tensors, indices of
    // layers. `group` samples, contiguous.
    struct sqz_block *kept, *grads, *indices;
    int n_blocks;
    size_t arena;       // bytes
    size_t task_floats; // floats: the largest stage's
    size_t window;      // bytes a worker: y of what a stage reads, gradients of what it wrote
    // The network as its convolutions see it: no ReLU at the normalised ones, and parameters'
    // offsets within the gradients of a task.
    struct sqz_net linear;
};

enum sqz_status sqz_bn_plan_new(const struct sqz_net *net, int max_batch, struct sqz_bn_plan *out,
                                struct sqz_error *err);
void sqz_bn_plan_release(struct sqz_bn_plan *plan);

int sqz_bn_groups(const struct sqz_net *net, int batch);
bool sqz_bn_reads(const struct sqz_net *net, int layer, int tensor);
// Whether a stage needs y of this normalised tensor: forwards where it is read, backwards where a
// convolution reads it.
bool sqz_bn_needs(const struct sqz_bn_plan *plan, int stage, bool backward, int tensor);
size_t sqz_bn_window(const struct sqz_bn_plan *plan, int stage, int tensor); // bytes of a pass

#endif
