// Adds the leaves' gradients by a fixed binary tree while they come in, with few buffers.
#ifndef SQZ_NET_REDUCE_H
#define SQZ_NET_REDUCE_H

#include "base/error.h"
#include "kernels/kernels.h"

struct sqz_reduce;

// Buffers that let `threads` threads work on `leaves` leaves: see reduce.c.
int sqz_reduce_buffers(int threads, int leaves);
size_t sqz_reduce_buffer_size(size_t n_weights); // bytes of one

// max_leaves and buffers (sqz_reduce_buffers of it) fix the memory.
enum sqz_status sqz_reduce_new(const struct sqz_kernels *kernels, size_t n_weights, int max_leaves,
                               int buffers, struct sqz_reduce **out, struct sqz_error *err);
void sqz_reduce_free(struct sqz_reduce *reduce);

// A new sum of `leaves` leaves into `out` (n_weights floats); the previous one must be complete.
void sqz_reduce_begin(struct sqz_reduce *reduce, int leaves, float *out);

struct sqz_leaf {
    int index;       // 0 .. leaves - 1
    float *gradient; // n_weights zeros to add to
    int buffer;      // reduce.c's
};
// Gives out the leaves in ascending order; waits until a buffer is free. To be called exactly once
// per leaf, from any thread, and followed by sqz_reduce_put from the same thread.
void sqz_reduce_take(struct sqz_reduce *reduce, struct sqz_leaf *leaf);
void sqz_reduce_put(struct sqz_reduce *reduce, const struct sqz_leaf *leaf, double loss);
// When all leaves are put: the sum of their losses, added by the same tree.
double sqz_reduce_loss(const struct sqz_reduce *reduce);

#endif
