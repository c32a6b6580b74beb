// How a group of samples that share statistics goes through a normalised network: stages, what is
// kept between them, and what a worker keeps for itself.
#ifndef SQZ_NET_NORM_PLAN_H
#define SQZ_NET_NORM_PLAN_H

#include "net/net.h"
#include "net/plan.h"

enum { SQZ_NORM_PARTS = 8 }; // of a group, at most: what threads take

// Layers that a sample can go through without knowing the other samples: a stage ends where a layer
// reads what this stage has written and what is not normalised yet.
struct sqz_norm_stage {
    int first, end;       // layers
    int pass;             // samples that go through it together, layer by layer
    int chunk, chunk_end; // of its parameters' gradients
    size_t part;          // floats: these gradients of one part of the group
};
// A piece of a convolution's gradient: where it lies in a part's and in the network's.
struct sqz_norm_chunk {
    size_t from, to, n; // floats
};
// Normalised tensors are what convolutions wrote, and kept so; their y is made where it is read. A
// maximum of y is y of a maximum (with negative gamma, of a minimum), so that where a pool is the
// only reader of the convolutions, its output is what is normalised, a quarter of the pixels: the
// statistics are the convolutions' still.
struct sqz_norm_tensor {
    bool normalised, relu;
    int written;        // what a normalised one's convolutions wrote: itself, or a pool's input
    int pool;           // that pool's layer, or -1
    int writer, reader; // stages: the first that writes it and that reads it
    size_t channel;     // its first one among all normalised channels
};
struct sqz_norm_plan {
    int group, pass; // most samples, and of a stage's pass
    struct sqz_norm_stage *stages;
    int n_stages;
    struct sqz_norm_chunk *chunks;
    struct sqz_norm_tensor *tensors;
    size_t n_channels;
    // One arena for the group: convolutions' outputs or tensors, gradients of tensors, indices of
    // layers. `group` samples, one behind the other.
    struct sqz_block *kept, *grads, *indices;
    int n_blocks;
    size_t arena;  // bytes
    size_t part;   // floats: the largest stage's
    size_t window; // bytes a worker: y of what a stage reads, gradients of what it wrote
    // The network as its convolutions see it: no ReLU at the normalised ones, and parameters'
    // offsets within the gradients of a part.
    struct sqz_net linear;
};

enum sqz_status sqz_norm_plan_new(const struct sqz_net *net, int max_batch,
                                  struct sqz_norm_plan *out, struct sqz_error *err);
void sqz_norm_plan_release(struct sqz_norm_plan *plan);

int sqz_norm_groups(const struct sqz_net *net, int batch);
bool sqz_norm_reads(const struct sqz_net *net, int layer, int tensor);
// Whether a stage needs y of this normalised tensor: forwards where it is read, backwards where a
// convolution reads it.
bool sqz_norm_needs(const struct sqz_norm_plan *plan, int stage, bool backward, int tensor);
size_t sqz_norm_window(const struct sqz_norm_plan *plan, int stage, int tensor); // bytes of a pass

#endif
