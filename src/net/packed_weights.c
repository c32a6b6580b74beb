// Packs the weights of all layers, and counts who computes with them.
#include "net/packed_weights.h"

#include "base/memory.h"

#include <string.h>

enum sqz_status sqz_packed_weights_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                       const struct sqz_weight_layout *layout, size_t n_bias,
                                       struct sqz_packed_weights **out, struct sqz_error *err)
{
    size_t layers = (size_t)net->n_layers, floats = layout->size + n_bias;
    struct sqz_packed_weights *packed = sqz_new_array(1, sizeof *packed);
    if (!packed)
        return sqz_fail_memory(err, "packed weights", sizeof *packed);
    packed->net = net;
    packed->kernels = kernels;
    atomic_init(&packed->holders, 1);
    packed->packed = sqz_new_array(layers, sizeof *packed->packed);
    packed->bias = sqz_new_array(layers, sizeof *packed->bias);
    packed->values = sqz_new_aligned(floats, sizeof(float));
    if (!packed->packed || !packed->bias || !packed->values) {
        sqz_packed_weights_release(packed);
        return sqz_fail_memory(err, "packed weights", floats * sizeof(float));
    }
    *out = packed;
    return SQZ_OK;
}

struct fill {
    struct sqz_packed_weights *packed;
    const struct sqz_weight_layout *layout;
    const float *weights;
};

// One layer; the last layers are the largest, and the pool hands out ascending numbers.
static void fill_layer(void *arg, int task, int worker)
{
    (void)worker;
    const struct fill *fill = arg;
    const struct sqz_packed_weights *packed = fill->packed;
    int layer = packed->net->n_layers - 1 - task;
    sqz_weight_layout_pack(fill->layout, packed->net, packed->kernels, layer, fill->weights,
                           packed->values);
}

void sqz_packed_weights_fill(struct sqz_packed_weights *packed,
                             const struct sqz_weight_layout *layout, const float *weights,
                             struct sqz_pool *pool)
{
    const struct sqz_net *net = packed->net;
    float *bias = packed->values + layout->size;
    for (int i = 0; i < net->n_layers; i++) {
        if (net->layers[i].kind != SQZ_LAYER_CONV)
            continue;
        const struct sqz_param *param = &net->params[net->layers[i].bias];
        memcpy(bias, weights + param->offset, param->size * sizeof *bias);
        packed->packed[i] = packed->values + layout->forward[i];
        packed->bias[i] = bias;
        bias += param->size;
    }
    struct fill fill = {packed, layout, weights};
    sqz_pool_run(pool, net->n_layers, fill_layer, &fill);
}

struct sqz_packed_weights *sqz_packed_weights_hold(struct sqz_packed_weights *packed)
{
    atomic_fetch_add(&packed->holders, 1);
    return packed;
}

void sqz_packed_weights_release(struct sqz_packed_weights *packed)
{
    if (!packed || atomic_fetch_sub(&packed->holders, 1) > 1)
        return;
    sqz_free(packed->values);
    sqz_free(packed->packed);
    sqz_free(packed->bias);
    sqz_free(packed);
}
