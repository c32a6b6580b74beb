// Loss and gradient of one global batch: threads take whole leaves (small fixed groups of samples),
// leaves are added by a fixed binary tree, so the bits do not depend on the number of threads.
#ifndef SQZ_NET_GRADIENT_H
#define SQZ_NET_GRADIENT_H

#include "base/threads.h"
#include "net/net.h"

struct sqz_gradient;

// Samples per leaf: a function of image size and global batch only (about batch/8 at 64 pixels and
// below, 4 at 224), so it belongs to the recipe.
int sqz_gradient_leaf(int image_size, int batch);

enum sqz_status sqz_gradient_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                 struct sqz_pool *pool, int max_batch, struct sqz_gradient **out,
                                 struct sqz_error *err);
void sqz_gradient_free(struct sqz_gradient *gradient);

struct sqz_gradient_memory {
    size_t activations, workers, gradients, packed_weights, scratch, total; // bytes
};
enum sqz_status sqz_gradient_memory(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                    int threads, int max_batch, struct sqz_gradient_memory *out,
                                    struct sqz_error *err);

// Called once per leaf, from any worker, with the leaf's logits (n x classes): writes
// d(loss of the whole batch)/d(logits) for samples first .. first+n-1 and returns the leaf's share
// of the batch's loss. Must depend on its arguments only.
typedef double (*sqz_loss_fn)(void *arg, int first, int n, const float *logits, float *dlogits);

struct sqz_gradient_step {
    const float *weights;
    const float *images;     // n x H x W x C
    int n;                   // <= max_batch
    sqz_loss_fn loss;
    void *loss_arg;
    uint64_t seed, micro_step; // key of the dropout masks
    float *gradient;         // out: n_weights, overwritten
    double loss_value;       // out: leaves' shares added by the same tree
    double *zero_fraction;   // out, may be NULL: share of zeros among the ReLU outputs of leaf 0
};
void sqz_gradient_run(struct sqz_gradient *gradient, struct sqz_gradient_step *step);

#endif
