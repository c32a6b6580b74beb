// Images through the plain layer table, whole layers at a time, nothing overwritten.
#include "net/activations.h"

#include "base/memory.h"
#include "kernels/winograd/winograd.h"
#include "net/forward.h"
#include "net/weight_layout.h"

#include <string.h>

struct sqz_activations {
    const struct sqz_net *net;
    struct sqz_pool *pool;
    struct sqz_weight_layout layout;
    struct sqz_forward forward;
    float *packed_weights, *biases, *activations;
    const float **packed, **bias; // per layer
    float **tensors;              // [image][tensor]
    char *scratch;                // one per worker
};

static size_t tensor_floats(const struct sqz_net *net, int tensor)
{
    size_t step = SQZ_ALIGNMENT / sizeof(float);
    return (sqz_tensor_size(net, tensor) + step - 1) / step * step;
}

static enum sqz_status take_memory(struct sqz_activations *o, int images, struct sqz_error *err)
{
    const struct sqz_net *net = o->net;
    size_t layers = (size_t)net->n_layers, tensors = (size_t)net->n_tensors, floats = 0;
    for (int t = 1; t < net->n_tensors; t++) // tensor 0 is the caller's image
        floats += tensor_floats(net, t);
    o->packed = sqz_new_array(layers, sizeof *o->packed);
    o->bias = sqz_new_array(layers, sizeof *o->bias);
    o->packed_weights = sqz_new_aligned(o->layout.size, sizeof(float));
    o->biases = sqz_new_aligned(net->n_weights, sizeof(float));
    o->tensors = sqz_new_array((size_t)images * tensors, sizeof *o->tensors);
    o->activations = sqz_new_aligned((size_t)images * floats, sizeof(float));
    o->scratch = sqz_new_aligned((size_t)sqz_pool_size(o->pool), o->layout.scratch);
    if (!o->packed || !o->bias || !o->packed_weights || !o->biases || !o->tensors ||
        !o->activations || !o->scratch)
        return sqz_fail_memory(err, "the activations of all layers",
                               (size_t)images * floats * sizeof(float));
    float *at = o->activations;
    for (size_t i = 0; i < (size_t)images; i++)
        for (int t = 1; t < net->n_tensors; t++) {
            o->tensors[i * tensors + (size_t)t] = at;
            at += tensor_floats(net, t);
        }
    return SQZ_OK;
}

enum sqz_status sqz_activations_new(const struct sqz_net *net, const float *weights,
                                    const struct sqz_kernels *kernels, struct sqz_pool *pool,
                                    int images, struct sqz_activations **out, struct sqz_error *err)
{
    struct sqz_activations *o = sqz_new_array(1, sizeof *o);
    if (!o)
        return sqz_fail_memory(err, "the activations", sizeof *o);
    o->net = net;
    o->pool = pool;
    enum sqz_status status =
        sqz_weight_layout_new(net, kernels, false, SQZ_WINOGRAD_SIDE_MOST, &o->layout, err);
    if (!status)
        status = take_memory(o, images, err);
    if (status) {
        sqz_activations_free(o);
        return status;
    }
    memcpy(o->biases, weights, net->n_weights * sizeof *weights);
    for (int i = 0; i < net->n_layers; i++) {
        if (net->layers[i].kind != SQZ_LAYER_CONV)
            continue;
        sqz_weight_layout_pack(&o->layout, net, kernels, i, weights, o->packed_weights);
        o->packed[i] = o->packed_weights + o->layout.forward[i];
        o->bias[i] = o->biases + net->params[net->layers[i].bias].offset;
    }
    o->forward = (struct sqz_forward){net, kernels, o->packed, o->bias, o->layout.forward_tile};
    *out = o;
    return SQZ_OK;
}

void sqz_activations_free(struct sqz_activations *o)
{
    if (!o)
        return;
    sqz_weight_layout_release(&o->layout);
    sqz_free(o->packed);
    sqz_free(o->bias);
    sqz_free(o->packed_weights);
    sqz_free(o->biases);
    sqz_free(o->tensors);
    sqz_free(o->activations);
    sqz_free(o->scratch);
    sqz_free(o);
}

static void run_image(void *arg, int image, int worker)
{
    const struct sqz_activations *o = arg;
    for (int i = 0; i < o->net->n_layers; i++) {
        struct sqz_work_item item = sqz_work_item_whole(o->net, i);
        sqz_work_item_forward(&o->forward, &item, o->tensors + (size_t)image * o->net->n_tensors,
                              NULL, o->scratch + (size_t)worker * o->layout.scratch);
    }
}

void sqz_forward_all(struct sqz_activations *o, const float *images, int n)
{
    for (size_t i = 0; i < (size_t)n; i++) // no layer writes tensor 0
        o->tensors[i * (size_t)o->net->n_tensors] =
            (float *)images + i * sqz_tensor_size(o->net, 0);
    sqz_pool_run(o->pool, n, run_image, o);
}

const float *sqz_activations_tensor(const struct sqz_activations *o, int image, int tensor)
{
    return o->tensors[(size_t)image * (size_t)o->net->n_tensors + (size_t)tensor];
}
