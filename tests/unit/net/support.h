// What the tests of networks share: making nets, weights and images; a double-precision network
// built from the reference kernels' definitions.
#ifndef SQZ_TESTS_NET_SUPPORT_H
#define SQZ_TESTS_NET_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "net/backward.h"
#include "net/net.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SQZ_REAL      double
#define SQZ_REF(name) name##_double
#include "kernels/ref_tmpl.h"

static inline struct sqz_net_spec make_spec(const char *variant, const char *dialect, int classes,
                                            int h, int w)
{
    struct sqz_net_spec spec = {.variant = sqz_variant_find(variant),
                                .dialect = sqz_dialect_find(dialect),
                                .classes = classes,
                                .channels = 3,
                                .image_h = h,
                                .image_w = w};
    assert_non_null(spec.variant);
    assert_non_null(spec.dialect);
    return spec;
}

static inline struct sqz_net *make_net(const struct sqz_net_spec *spec)
{
    struct sqz_error err = {0};
    struct sqz_net *net = NULL;
    enum sqz_status status = sqz_net_new(spec, &net, &err);
    if (status)
        fail_msg("%s", err.text);
    return net;
}

// Reproducible values in [-1, 1).
static inline float *make_floats(size_t n, uint64_t seed)
{
    struct sqz_random random;
    sqz_random_init(&random, seed, 0, 0, SQZ_RANDOM_TEST);
    float *values = sqz_new_aligned(n, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < n; i++)
        values[i] = (float)sqz_random_uniform(&random, -1, 1);
    return values;
}

// MindCV's initialisation, with biases and a classifier that leave nothing at zero.
static inline float *make_weights(const struct sqz_net *net, uint64_t seed)
{
    float *weights = make_floats(net->n_weights, seed);
    float *initial = sqz_new_array(net->n_weights, sizeof *initial);
    assert_non_null(initial);
    sqz_net_initialize(net, seed, initial);
    for (int p = 0; p < net->n_params; p++) {
        const struct sqz_param *param = &net->params[p];
        float scale = param->kind == SQZ_PARAM_BIAS ? 0.1f : 0.01f;
        bool keep = param->kind == SQZ_PARAM_WEIGHT && strncmp(param->name, "classifier", 10) != 0;
        for (size_t i = param->offset; i < param->offset + param->size; i++)
            weights[i] = keep ? initial[i] : scale * (weights[i] + 0.5f);
    }
    sqz_free(initial);
    return weights;
}

static inline size_t image_floats(const struct sqz_net *net)
{
    return (size_t)net->spec.image_h * net->spec.image_w * net->spec.channels;
}

// --- The network in double ---

struct refnet {
    const struct sqz_net *net;
    double *weights;
    double **tensors;
};

static inline struct refnet refnet_new(const struct sqz_net *net, const float *weights)
{
    struct refnet ref = {net, sqz_new_array(net->n_weights, sizeof(double)),
                         sqz_new_array((size_t)net->n_tensors, sizeof(double *))};
    for (size_t i = 0; i < net->n_weights; i++)
        ref.weights[i] = weights[i];
    for (int t = 0; t < net->n_tensors; t++) {
        const struct sqz_tensor *tensor = &net->tensors[t];
        ref.tensors[t] = sqz_new_array((size_t)tensor->h * tensor->w * tensor->c, sizeof(double));
    }
    return ref;
}

static inline void refnet_free(struct refnet *ref)
{
    for (int t = 0; t < ref->net->n_tensors; t++)
        sqz_free(ref->tensors[t]);
    sqz_free(ref->tensors);
    sqz_free(ref->weights);
}

// `mask`: what DROPOUT multiplies with, or NULL.
static inline void refnet_layer(const struct refnet *ref, int index, const float *mask)
{
    const struct sqz_net *net = ref->net;
    const struct sqz_layer *layer = &net->layers[index];
    const struct sqz_tensor *in = &net->tensors[layer->input], *out = &net->tensors[layer->output];
    const double *x = ref->tensors[layer->input];
    double *y = ref->tensors[layer->output];
    size_t n = (size_t)out->h * out->w * out->c;
    if (layer->kind == SQZ_LAYER_CONV) {
        struct sqz_conv conv = sqz_layer_conv(net, index);
        conv_forward_double(&conv, x, in->c, ref->weights + net->params[layer->weight].offset,
                            ref->weights + net->params[layer->bias].offset, layer->relu,
                            y + layer->channel, out->c);
    } else if (layer->kind == SQZ_LAYER_MAXPOOL) {
        struct sqz_pool2d pool = sqz_layer_pool(net, index);
        maxpool_double(&pool, x, in->c, y, out->c, NULL);
    } else if (layer->kind == SQZ_LAYER_ADD) {
        add_double(x, ref->tensors[layer->addend], y, n);
    } else if (layer->kind == SQZ_LAYER_MEAN) {
        channel_mean_double(x, in->c, in->h * in->w, in->c, y);
    } else if (mask) {
        for (size_t i = 0; i < n; i++)
            y[i] *= mask[i];
    }
}

// Layers from `first` on; DROPOUT works in place, so with a mask `first` must not lie between it
// and its input's writer.
static inline const double *refnet_run(const struct refnet *ref, const float *image, int first,
                                       const float *mask)
{
    for (size_t i = 0; image && i < image_floats(ref->net); i++)
        ref->tensors[0][i] = image[i];
    for (int i = first; i < ref->net->n_layers; i++)
        refnet_layer(ref, i, mask);
    return ref->tensors[ref->net->n_tensors - 1];
}

// --- Cross-entropy with label smoothing, mean over `batch` ---

static inline double cross_entropy(const double *logits, int classes, int label, double smoothing,
                                   double *dlogits)
{
    double most = logits[0], sum = 0, loss = 0;
    for (int c = 1; c < classes; c++)
        most = logits[c] > most ? logits[c] : most;
    for (int c = 0; c < classes; c++)
        sum += exp(logits[c] - most);
    for (int c = 0; c < classes; c++) {
        double target = smoothing / classes + (c == label ? 1 - smoothing : 0);
        double log_p = logits[c] - most - log(sum);
        loss -= target * log_p;
        if (dlogits)
            dlogits[c] = exp(log_p) - target;
    }
    return loss;
}

struct loss_arg {
    int classes, batch;
    const int *labels;
    double smoothing;
};
static inline double batch_loss(void *arg, int first, int n, const float *logits, float *dlogits)
{
    const struct loss_arg *loss = arg;
    double wide[1024], d[1024], sum = 0;
    for (int s = 0; s < n; s++) {
        for (int c = 0; c < loss->classes; c++)
            wide[c] = logits[s * loss->classes + c];
        sum += cross_entropy(wide, loss->classes, loss->labels[first + s], loss->smoothing, d);
        for (int c = 0; c < loss->classes; c++)
            dlogits[s * loss->classes + c] = (float)(d[c] / loss->batch);
    }
    return sum / loss->batch;
}

#endif
