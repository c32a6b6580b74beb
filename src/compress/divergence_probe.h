// Measures how far a changed network's predictions are from the original's on a fixed set of
// images.
#ifndef SQZ_COMPRESS_DIVERGENCE_PROBE_H
#define SQZ_COMPRESS_DIVERGENCE_PROBE_H

#include "base/threads.h"
#include "compress/input_statistics.h"
#include "net/integer.h"

struct sqz_divergence_probe;
struct sqz_divergence {
    double kl; // mean over the images of KL(original || changed) of the softmax, in nats
    // The same at a higher temperature. Where the original is sure of nearly all images (usually
    // those that it was trained on), the plain softmax hardly shows what a change does to others.
    double soft_kl;
    double agreement; // share of images with the same most probable class
    // Top-1 accuracy that is lost if the original's probabilities are right: the mean over the
    // images of the probability that the original gives to its own choice minus the one that it
    // gives to the changed network's choice. It needs no labels, and it varies far less than a
    // count of hits.
    double drop;
};
// Borrows net, kernels and pool. Keeps images [0, n) and the original's logits.
enum sqz_status sqz_divergence_probe_new(const struct sqz_net *net, const float *weights,
                                         const struct sqz_kernels *kernels, struct sqz_pool *pool,
                                         sqz_images_fn images, void *images_arg, int n,
                                         struct sqz_divergence_probe **out, struct sqz_error *err);
void sqz_divergence_probe_free(struct sqz_divergence_probe *probe);
enum sqz_status sqz_divergence_probe_measure(struct sqz_divergence_probe *probe,
                                             const float *weights, struct sqz_divergence *out,
                                             struct sqz_error *err);
// The same of an integer network, which gets the images as the bytes that `preprocess` made them
// of.
enum sqz_status sqz_divergence_probe_measure_integers(struct sqz_divergence_probe *probe,
                                                      const struct sqz_integer_net *integer,
                                                      const struct sqz_preprocess *preprocess,
                                                      struct sqz_divergence *out,
                                                      struct sqz_error *err);

#endif
