// The float engine for speed: one arena planned by liveness, weights packed once. Callers reach it
// through engine.h.
#ifndef SQZ_NET_INFER_H
#define SQZ_NET_INFER_H

#include "base/threads.h"
#include "net/feature.h"

struct sqz_infer;
struct sqz_packed_weights; // packed_weights.h

// Borrows net and pool; copies what it needs of weights. Memory is all taken here. low_memory: no
// enlarged weights.
enum sqz_status sqz_infer_new(const struct sqz_net *net, const float *weights,
                              const struct sqz_kernels *kernels, struct sqz_pool *pool,
                              bool low_memory, struct sqz_infer **out, struct sqz_error *err);
// Its packed weights, and another infer that computes with them: several that share weights may run
// at the same time, each in a thread of its own.
struct sqz_packed_weights *sqz_infer_weights(const struct sqz_infer *infer);
enum sqz_status sqz_infer_share(struct sqz_packed_weights *weights, struct sqz_pool *pool,
                                struct sqz_infer **out, struct sqz_error *err);
void sqz_infer_free(struct sqz_infer *infer);
// images: n x H x W x C; logits: n x classes. An image's logits are the same bits for every n and
// number of threads.
void sqz_infer_run(struct sqz_infer *infer, const float *images, int n, float *logits);
// The same logits, and a feature of every image: n x sqz_feature_size floats. Fails without memory
// for the feature's tensor.
enum sqz_status sqz_infer_run_feature(struct sqz_infer *infer, const float *images, int n,
                                      float *logits, const struct sqz_feature *feature,
                                      float *features, struct sqz_error *err);

// Known before anything is allocated; equal to what sqz_infer_new takes. Bytes.
struct sqz_infer_memory {
    size_t activations; // one worker's arena
    size_t workers;     // arenas (threads)
    size_t packed_weights, scratch;
    size_t total;
};
enum sqz_status sqz_infer_memory(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                 int threads, bool low_memory, struct sqz_infer_memory *out,
                                 struct sqz_error *err);

#endif
