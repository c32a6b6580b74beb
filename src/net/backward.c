// Some images backwards through one layer, and dropout both ways.
#include "net/backward.h"

#include "base/random.h"
#include "kernels/winograd/winograd.h"

#include <string.h>

static bool is_masked_by_pool(const struct sqz_net *net, int tensor)
{
    bool relu = false;
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        if (layer->output == tensor)
            relu = layer->kind == SQZ_LAYER_CONV && layer->relu && layer->gamma < 0;
    }
    return relu && sqz_only_pool(net, tensor) >= 0;
}

void sqz_backward_order(const struct sqz_net *net, bool *add_input, bool *add_addend,
                        bool *pool_masks)
{
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        add_input[i] = add_addend[i] = false;
        for (int later = i + 1; later < net->n_layers; later++) {
            const struct sqz_layer *other = &net->layers[later];
            if (other->kind == SQZ_LAYER_DROPOUT)
                continue; // works on the tensor where it is
            if (other->input == layer->input || other->addend == layer->input)
                add_input[i] = true;
            if (layer->addend >= 0 &&
                (other->input == layer->addend || other->addend == layer->addend))
                add_addend[i] = true;
        }
    }
    for (int t = 0; t < net->n_tensors; t++)
        pool_masks[t] = is_masked_by_pool(net, t);
}

static void mask(const struct sqz_backward *backward, const struct sqz_layer *layer,
                 const struct sqz_backward_images *images)
{
    const struct sqz_tensor *out = &backward->net->tensors[layer->output];
    if (layer->relu && !backward->pool_masks[layer->output])
        backward->kernels->relu_backward(images->tensors[layer->output] + layer->channel, out->c,
                                         images->grads[layer->output] + layer->channel, out->c,
                                         images->n * out->h * out->w, layer->channels);
}

static void weights_backward(const struct sqz_backward *backward, int index,
                             const struct sqz_backward_images *images)
{
    const struct sqz_net *net = backward->net;
    const struct sqz_kernels *k = backward->kernels;
    const struct sqz_layer *layer = &net->layers[index];
    const struct sqz_conv conv = sqz_layer_conv(net, index);
    struct sqz_conv_gradient gradient = {
        .conv = &conv,
        .x = images->tensors[layer->input],
        .ldx = net->tensors[layer->input].c,
        .dy = images->grads[layer->output] + layer->channel,
        .lddy = net->tensors[layer->output].c,
        .dw = images->params + net->params[layer->weight].offset,
        // beta's gradient comes from the sums over a group (net/bn_statistics.c).
        .db = layer->gamma < 0 ? images->params + net->params[layer->bias].offset : NULL};
    if (backward->weights_tile[index] > 0) {
        sqz_winograd_backward_weights(k, &gradient, backward->weights_tile[index], images->n,
                                      images->scratch);
        return;
    }
    for (int i = 0; i < images->n; i++) {
        sqz_conv_backward_weights(k, &gradient, images->scratch);
        gradient.x += sqz_tensor_size(net, layer->input);
        gradient.dy += sqz_tensor_size(net, layer->output);
    }
}

static void data_backward(const struct sqz_backward *backward, int index,
                          const struct sqz_backward_images *images)
{
    const struct sqz_net *net = backward->net;
    const struct sqz_kernels *k = backward->kernels;
    const struct sqz_layer *layer = &net->layers[index];
    const struct sqz_conv conv = sqz_layer_conv(net, index);
    const int tile = backward->tile[index];
    struct sqz_conv_task task = {.conv = &conv,
                                 .x = images->grads[layer->output] + layer->channel,
                                 .ldx = net->tensors[layer->output].c,
                                 .packed = backward->packed[index],
                                 .accumulate = backward->add_input[index],
                                 .y = images->grads[layer->input],
                                 .ldy = net->tensors[layer->input].c};
    for (int i = 0; i < images->n; i++) {
        if (tile > 0)
            sqz_winograd_backward_data(k, &task, tile, images->scratch);
        else
            sqz_conv_backward_data(k, &task, images->scratch);
        task.x += sqz_tensor_size(net, layer->output);
        task.y += sqz_tensor_size(net, layer->input);
    }
}

static void maxpool_backward(const struct sqz_backward *backward, int index,
                             const struct sqz_backward_images *images)
{
    const struct sqz_net *net = backward->net;
    const struct sqz_layer *layer = &net->layers[index];
    const struct sqz_pool2d pool = sqz_layer_pool(net, index);
    const size_t n_in = sqz_tensor_size(net, layer->input);
    const size_t n_out = sqz_tensor_size(net, layer->output);
    for (int i = 0; i < images->n; i++) {
        float *dx = images->grads[layer->input] + i * n_in;
        float *dy = images->grads[layer->output] + i * n_out;
        if (backward->pool_masks[layer->input])
            backward->kernels->relu_backward(images->tensors[layer->output] + i * n_out,
                                             pool.channels, dy, pool.channels,
                                             pool.out_h * pool.out_w, pool.channels);
        if (!backward->add_input[index])
            memset(dx, 0, n_in * sizeof *dx);
        backward->kernels->maxpool_backward(&pool, dy, pool.channels,
                                            images->indices[index] + i * n_out, dx, pool.channels);
    }
}

static void pass_on(const struct sqz_kernels *k, const float *dy, bool add, float *dx, size_t n)
{
    if (add)
        k->add(dx, dy, dx, n);
    else
        memcpy(dx, dy, n * sizeof *dx);
}

static void mean_backward(const struct sqz_tensor *in, const float *dy, float *dx)
{
    size_t pixels = (size_t)in->h * in->w;
    float share = 1.0f / (float)pixels;
    for (int c = 0; c < in->c; c++)
        dx[c] = dy[c] * share;
    for (size_t p = 1; p < pixels; p++)
        memcpy(dx + p * in->c, dx, (size_t)in->c * sizeof *dx);
}

void sqz_layer_backward(const struct sqz_backward *backward, int index,
                        const struct sqz_backward_images *images)
{
    const struct sqz_layer *layer = &backward->net->layers[index];
    const struct sqz_tensor *in = &backward->net->tensors[layer->input];
    const float *dy = images->grads[layer->output];
    const size_t size = sqz_tensor_size(backward->net, layer->input), n = (size_t)images->n;
    switch (layer->kind) {
    case SQZ_LAYER_CONV:
        mask(backward, layer, images);
        weights_backward(backward, index, images);
        if (layer->input > 0)
            data_backward(backward, index, images);
        break;
    case SQZ_LAYER_MAXPOOL:
        maxpool_backward(backward, index, images);
        break;
    case SQZ_LAYER_ADD:
        pass_on(backward->kernels, dy, backward->add_input[index], images->grads[layer->input],
                n * size);
        pass_on(backward->kernels, dy, backward->add_addend[index], images->grads[layer->addend],
                n * size);
        break;
    case SQZ_LAYER_MEAN:
        for (size_t i = 0; i < n; i++)
            mean_backward(in, dy + i * (size_t)in->c, images->grads[layer->input] + i * size);
        break;
    case SQZ_LAYER_DROPOUT:
        break; // the caller's, who knows the mask's key
    }
}

// 16 bits decide one value: the rate is rounded to 1/65536, and the scale is that of the rounded
// rate, so that the expectation stays exact. A block's bits come first, without branches then, so
// that both loops are vectorised.
void sqz_dropout(const struct sqz_net *net, uint64_t key, float *x, size_t n)
{
    enum { BLOCK = 256 };
    int threshold = (int)(net->spec.drop_rate * 65536 + 0.5);
    if (threshold > 65535)
        threshold = 65535;
    if (threshold == 0)
        return;
    const float scale = 65536.0f / (float)(65536 - threshold);
    for (size_t i = 0; i < n; i += BLOCK) {
        const size_t m = n - i < BLOCK ? n - i : BLOCK;
        uint16_t bits[BLOCK];
        for (size_t j = 0; j < BLOCK; j += 4) {
            const uint64_t four = sqz_random_hash(key, (i + j) / 4);
            for (int part = 0; part < 4; part++)
                bits[j + (size_t)part] = (uint16_t)(four >> 16 * part);
        }
        for (size_t j = i; j < i + m; j++) {
            const float scaled = x[j] * scale;
            uint32_t word;
            memcpy(&word, &scaled, sizeof word);
            word &= bits[j - i] < threshold ? 0 : UINT32_MAX;
            memcpy(&x[j], &word, sizeof word);
        }
    }
}
