// Looks into a network: runs images layer by layer and keeps every tensor, each in its own place,
// which inference does not.
#ifndef SQZ_NET_OBSERVE_H
#define SQZ_NET_OBSERVE_H

#include "base/threads.h"
#include "net/net.h"

struct sqz_observer;

// Borrows net and pool; copies what it needs of weights. Room for the tensors of `images` images.
enum sqz_status sqz_observer_new(const struct sqz_net *net, const float *weights,
                                 const struct sqz_kernels *kernels, struct sqz_pool *pool,
                                 int images, struct sqz_observer **out, struct sqz_error *err);
void sqz_observer_free(struct sqz_observer *observer);
// images: n x H x W x C, n at most the number that there is room for; they have to stay while the
// tensors are looked at. An image's tensors are the same bits for every n and number of threads.
void sqz_observer_run(struct sqz_observer *observer, const float *images, int n);
// Tensor `tensor` of image `image` of the last run: h x w x c values.
const float *sqz_observer_tensor(const struct sqz_observer *observer, int image, int tensor);

#endif
