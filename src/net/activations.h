// All activations of a network: runs images layer by layer and keeps every tensor in a place of its
// own, while inference (infer.h) reuses memory.
#ifndef SQZ_NET_ACTIVATIONS_H
#define SQZ_NET_ACTIVATIONS_H

#include "base/threads.h"
#include "net/net.h"

struct sqz_activations;

// Borrows net and pool; copies what it needs of weights. Room for the tensors of `images` images.
enum sqz_status sqz_activations_new(const struct sqz_net *net, const float *weights,
                                    const struct sqz_kernels *kernels, struct sqz_pool *pool,
                                    int images, struct sqz_activations **out,
                                    struct sqz_error *err);
void sqz_activations_free(struct sqz_activations *activations);
// images: n x H x W x C, n at most the number that there is room for; they have to stay while the
// tensors are looked at. An image's tensors are the same bits for every n and number of threads.
void sqz_forward_all(struct sqz_activations *activations, const float *images, int n);
// Tensor `tensor` of image `image` of the last run: h x w x c values.
const float *sqz_activations_tensor(const struct sqz_activations *activations, int image,
                                    int tensor);

#endif
