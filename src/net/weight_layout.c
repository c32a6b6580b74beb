// Which way each convolution is computed, where its packed weights lie, and the packing.
#include "net/weight_layout.h"

#include "base/memory.h"
#include "kernels/winograd/winograd.h"

#include <string.h>

static size_t place(size_t *total, size_t floats)
{
    size_t at = *total, step = SQZ_ALIGNMENT / sizeof(float);
    *total += (floats + step - 1) / step * step;
    return at;
}

static void need_scratch(struct sqz_weight_layout *layout, size_t bytes)
{
    bytes = (bytes + SQZ_ALIGNMENT - 1) / SQZ_ALIGNMENT * SQZ_ALIGNMENT;
    if (bytes > layout->scratch)
        layout->scratch = bytes;
}

static void place_forward(struct sqz_weight_layout *layout, const struct sqz_kernels *kernels,
                          const struct sqz_conv *conv, int side_most, int index)
{
    const int tile = sqz_winograd_tile(kernels, conv, side_most);
    layout->forward_tile[index] = tile;
    const size_t size = tile ? sqz_winograd_forward_pack_size(conv, tile)
                             : sqz_conv_forward_pack_size(kernels, conv);
    layout->forward[index] = place(&layout->size, size);
    if (tile)
        need_scratch(layout, sqz_winograd_forward_scratch(kernels, conv, tile));
}

static void place_backward(struct sqz_weight_layout *layout, const struct sqz_kernels *kernels,
                           const struct sqz_conv *conv, int side_most, int index)
{
    const int tile = sqz_winograd_backward_tile(kernels, conv, side_most);
    layout->backward_tile[index] = tile;
    const size_t size = tile ? sqz_winograd_backward_pack_size(conv, tile)
                             : sqz_conv_backward_pack_size(kernels, conv);
    layout->backward[index] = place(&layout->size, size);
    if (tile)
        need_scratch(layout, sqz_winograd_backward_scratch(kernels, conv, tile));
}

static void choose_weights_tile(struct sqz_weight_layout *layout, const struct sqz_kernels *kernels,
                                const struct sqz_conv *conv, int index)
{
    const int tile = sqz_winograd_weights_tile(kernels, conv);
    layout->weights_tile[index] = tile;
    if (tile)
        need_scratch(layout, sqz_winograd_weights_scratch(kernels, conv, tile));
}

enum sqz_status sqz_weight_layout_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                      bool backward, int side_most, struct sqz_weight_layout *out,
                                      struct sqz_error *err)
{
    size_t n = (size_t)net->n_layers;
    struct sqz_weight_layout layout = {.forward = sqz_new_array(n, sizeof(size_t)),
                                       .backward = sqz_new_array(n, sizeof(size_t)),
                                       .forward_tile = sqz_new_array(n, sizeof(int)),
                                       .backward_tile = sqz_new_array(n, sizeof(int)),
                                       .weights_tile = sqz_new_array(n, sizeof(int))};
    if (!layout.forward || !layout.backward || !layout.forward_tile || !layout.backward_tile ||
        !layout.weights_tile) {
        sqz_weight_layout_release(&layout);
        return sqz_fail_memory(err, "the plan of the packed weights", n * sizeof(size_t));
    }
    for (int i = 0; i < net->n_layers; i++) {
        layout.forward[i] = layout.backward[i] = SIZE_MAX;
        if (net->layers[i].kind != SQZ_LAYER_CONV)
            continue;
        struct sqz_conv conv = sqz_layer_conv(net, i);
        need_scratch(&layout, backward ? sqz_conv_scratch_size(kernels, &conv)
                                       : sqz_conv_forward_scratch_size(kernels, &conv));
        place_forward(&layout, kernels, &conv, side_most, i);
        if (backward)
            choose_weights_tile(&layout, kernels, &conv, i);
        if (backward && net->layers[i].input != 0)
            place_backward(&layout, kernels, &conv, side_most, i);
    }
    *out = layout;
    return SQZ_OK;
}

void sqz_weight_layout_release(struct sqz_weight_layout *layout)
{
    sqz_free(layout->forward);
    sqz_free(layout->backward);
    sqz_free(layout->forward_tile);
    sqz_free(layout->backward_tile);
    sqz_free(layout->weights_tile);
    memset(layout, 0, sizeof *layout);
}

void sqz_weight_layout_pack(const struct sqz_weight_layout *layout, const struct sqz_net *net,
                            const struct sqz_kernels *kernels, int index, const float *weights,
                            float *packed)
{
    const struct sqz_layer *layer = &net->layers[index];
    if (layer->kind != SQZ_LAYER_CONV)
        return;
    struct sqz_conv conv = sqz_layer_conv(net, index);
    const float *from = weights + net->params[layer->weight].offset;
    float *to = packed + layout->forward[index];
    if (layout->forward_tile[index])
        sqz_winograd_pack_forward(kernels, &conv, layout->forward_tile[index], from, to);
    else
        sqz_conv_pack_forward(kernels, &conv, from, to);
    if (layout->backward[index] == SIZE_MAX)
        return;
    to = packed + layout->backward[index];
    if (layout->backward_tile[index])
        sqz_winograd_pack_backward(kernels, &conv, layout->backward_tile[index], from, to);
    else
        sqz_conv_pack_backward(kernels, &conv, from, to);
}
