// One-shot compression: no retraining, some images.
#ifndef SQZ_COMPRESS_AUTO_H
#define SQZ_COMPRESS_AUTO_H

#include "compress/rate_distortion.h"
#include "compress/divergence_probe.h"

struct sqz_auto_job {
    const struct sqz_net *net;
    const float *weights;
    const float *grid; // NULL, or the steps that the weights lie on already, as in curve.h
    const struct sqz_kernels *kernels;
    struct sqz_pool *pool;
    sqz_images_fn images; // NULL: none; then a layer's sensitivity is guessed from its weights
    void *images_arg;
    int n_images;
    sqz_progress_fn progress;
    void *progress_arg;
    // One of the three has to be given (not 0); a size goes before the others.
    size_t size;     // bytes by measure_size
    double max_kl;   // both need images
    double max_drop; // as in divergence_probe.h: 0.01 is one point
    // The size of a file of such weights.
    enum sqz_status (*measure_size)(void *arg, const float *weights, size_t *bytes,
                                    struct sqz_error *err);
    void *measure_arg;
    float *steps; // out: one a parameter of the net, 0 for what is not rounded; may be NULL
};
struct sqz_auto_result {
    struct sqz_divergence divergence; // of the result on the probe's images; kl NAN without images
    int images_read;
};
// The compressed network's weights: multiples of one step in every tensor, which
// sqz_coded_from_floats finds again.
enum sqz_status sqz_auto_run(const struct sqz_auto_job *job, float *out,
                             struct sqz_auto_result *result, struct sqz_error *err);

#endif
