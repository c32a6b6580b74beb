// Loss and gradient of one global batch: threads take whole leaves (small fixed groups of samples),
// leaves are added by a fixed binary tree, so the bits do not depend on the number of threads.
#ifndef SQZ_NET_GRADIENT_H
#define SQZ_NET_GRADIENT_H

#include "base/threads.h"
#include "net/net.h"

struct sqz_gradient;
struct sqz_reduce;

// Samples per leaf: a function of image size and global batch only (an eighth of the batch at 64
// pixels and below, 4 at 224), so it belongs to the recipe. image_size: the larger side.
int sqz_gradient_leaf(int image_size, int batch);

// ranks: how many share the batch.
enum sqz_status sqz_gradient_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                 struct sqz_pool *pool, int max_batch, int ranks,
                                 struct sqz_gradient **out, struct sqz_error *err);
void sqz_gradient_free(struct sqz_gradient *gradient);

// Known before anything is allocated; equal to what sqz_gradient_new takes, but for a few KB of
// bookkeeping. Bytes.
struct sqz_gradient_memory {
    size_t activations; // one worker's arena: activations and their gradients
    size_t workers;     // arenas (threads)
    size_t shared;      // networks with BN: the activations of a group instead, and its sums
    size_t gradients;   // all parameter gradients of leaves in flight
    size_t packed_weights, scratch;
    size_t total;
};
enum sqz_status sqz_gradient_memory(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                    int threads, int max_batch, int ranks,
                                    struct sqz_gradient_memory *out, struct sqz_error *err);

// Called from any worker with the logits of samples first .. first+n-1 of the batch (n x classes;
// n is 1 or a few, never across leaves): writes d(loss of the whole batch)/d(logits) and returns
// these samples' share of the batch's loss. Must depend on its arguments only.
typedef double (*sqz_loss_fn)(void *arg, int first, int n, const float *logits, float *dlogits);

struct sqz_gradient_step {
    const float *weights;
    const float *images; // n x H x W x C; of a rank: only those of its share
    int n;               // <= max_batch
    int rank, ranks;     // of several ranks this one; 0 of 0 for one process
    // For several ranks: called between the layers of the backward pass, from the calling thread.
    void (*poll)(void *arg);
    void *poll_arg;
    sqz_loss_fn loss; // NULL, networks with BN only: see below
    // NULL, or added to the loss, from one thread a leaf as well: the same of the classes' maps
    // (sqz_net_maps; n x h x w x classes), to whose gradient it adds. Not with BN.
    sqz_loss_fn maps;
    void *loss_arg;
    uint64_t seed, micro_step; // key of the dropout masks
    float *gradient;           // out: n_weights, overwritten
    double loss_value;         // out: leaves' shares added by the same tree
    double *zero_fraction;     // out, may be NULL: share of zeros among the ReLU outputs of leaf 0
    const bool *fixed;         // per layer, may be NULL: normalised by its running statistics
};
// A network with BN (net.h, norm_group) takes the batch in groups of consecutive samples, all of
// a group layer by layer; a short batch is cut into equal groups as far as possible. A group is a
// leaf. The gradient holds the batch's statistics (the groups' mean) where the running ones have
// their places: sqz_bn_extract_batch_stats (bn.h). Without a loss there is no backward pass, every
// layer is fixed, and variances are those of the batch itself: what sqz_bn_calibrate wants.
// gradient and loss_value are the same bits for every number of threads. Each of several ranks
// computes its leaves only; gradient and loss_value then stay as they are, and the nodes of the sum
// are in sqz_gradient_reduce's.
void sqz_gradient_run(struct sqz_gradient *gradient, struct sqz_gradient_step *step);

// Rows *first .. *end-1 of a batch of n rows, which are rank `rank`'s of `ranks`: whole leaves, so
// that ranks change no bits. A rank may have none.
void sqz_gradient_share(const struct sqz_net *net, int n, int rank, int ranks, int *first,
                        int *end);
// Where the nodes of this rank's leaves are added up, and the leaves of a batch of n rows.
struct sqz_reduce *sqz_gradient_reduce(struct sqz_gradient *gradient, int n, int *leaves);

#endif
