// Inference: one arena planned by liveness, weights packed once.
#ifndef SQZ_NET_INFER_H
#define SQZ_NET_INFER_H

#include "base/threads.h"
#include "net/net.h"

struct sqz_infer;

// Borrows net and pool; copies what it needs of weights. Memory is all taken here. low_memory: no
// enlarged weights.
enum sqz_status sqz_infer_new(const struct sqz_net *net, const float *weights,
                              const struct sqz_kernels *kernels, struct sqz_pool *pool,
                              bool low_memory, struct sqz_infer **out, struct sqz_error *err);
void sqz_infer_free(struct sqz_infer *infer);
// images: n x H x W x C; logits: n x classes. An image's logits are the same bits for every n and
// number of threads.
void sqz_infer_run(struct sqz_infer *infer, const float *images, int n, float *logits);

// Known before anything is allocated; equal to what sqz_infer_new takes. Bytes.
struct sqz_infer_memory {
    size_t activations; // one worker's arena
    size_t workers;     // arenas (threads)
    size_t packed_weights, scratch;
    size_t total;
};
enum sqz_status sqz_infer_memory(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                 int threads, struct sqz_infer_memory *out, struct sqz_error *err);

#endif
