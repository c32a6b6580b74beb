// Adds the leaves' gradients by a fixed binary tree while they come in, with few buffers. For a
// part of the tree it makes the nodes that lie whole in it, bucket by bucket.
#ifndef SQZ_NET_REDUCE_H
#define SQZ_NET_REDUCE_H

#include "base/error.h"
#include "kernels/kernels.h"
#include "net/bucket.h"
#include "net/tree.h"

struct sqz_reduce;

// Buffers that let `threads` threads work on `leaves` leaves: see reduce.c. parts: also on any
// range of them.
int sqz_reduce_buffers(int threads, int leaves, bool parts);
size_t sqz_reduce_buffer_size(size_t n_weights); // bytes of one

// max_leaves and buffers (sqz_reduce_buffers of it) fix the memory. The buckets are copied; the
// first ends where the weights do.
enum sqz_status sqz_reduce_new(const struct sqz_kernels *kernels, const struct sqz_bucket *buckets,
                               int n_buckets, int max_leaves, int buffers, struct sqz_reduce **out,
                               struct sqz_error *err);
void sqz_reduce_free(struct sqz_reduce *reduce);

// A new sum of the leaves first .. end-1 of `leaves`; the previous one must be complete. out
// (n_weights floats) is for the sum of all of them; NULL: the sum stays in nodes.
void sqz_reduce_begin(struct sqz_reduce *reduce, int leaves, int first, int end, float *out);

struct sqz_leaf {
    int index;       // first .. end - 1
    float *gradient; // n_weights zeros to add to
    int buffer;      // reduce.c's
};
// Gives out the leaves in ascending order; waits until a buffer is free. To be called exactly once
// per leaf, from any thread, and followed by sqz_reduce_put of all buckets, in their order, from
// the same thread. `loss` is that of the leaf, and counts with the last bucket.
void sqz_reduce_take(struct sqz_reduce *reduce, struct sqz_leaf *leaf);
void sqz_reduce_put(struct sqz_reduce *reduce, const struct sqz_leaf *leaf, int bucket,
                    double loss);
// When all leaves are put: the sum of their losses, added by the same tree.
double sqz_reduce_loss(const struct sqz_reduce *reduce);

// --- A part

const struct sqz_bucket *sqz_reduce_buckets(const struct sqz_reduce *reduce, int *n);
// Whether the nodes (sqz_tree_nodes of the range) are complete in this bucket. From any thread.
bool sqz_reduce_ready(struct sqz_reduce *reduce, int bucket);
// Node `node` of them: n_weights floats, valid (where ready) until the next begin, and the caller's
// to change; and its loss.
float *sqz_reduce_node(const struct sqz_reduce *reduce, int node, double *loss);

#endif
