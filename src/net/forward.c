// One image through one layer, or a work item of it; packed weights.
#include "net/forward.h"

#include "base/memory.h"
#include "kernels/sparse.h"
#include "kernels/winograd/winograd.h"

#include <string.h>

struct sqz_work_item sqz_work_item_whole(const struct sqz_net *net, int index)
{
    const struct sqz_layer *layer = &net->layers[index];
    const struct sqz_tensor *out = &net->tensors[layer->output];
    struct sqz_work_item item = {.layer = index, .channel1 = layer->channels};
    item.end = layer->kind == SQZ_LAYER_MAXPOOL ? out->h : out->h * out->w;
    return item;
}

// Rows [begin, end) of the output are the pooling of a smaller image: the input from the first row
// that they look at.
void sqz_work_item_maxpool(const struct sqz_forward *forward, const struct sqz_work_item *item,
                           const float *x, float *y, uint8_t *index)
{
    const struct sqz_layer *layer = &forward->net->layers[item->layer];
    const struct sqz_tensor *in = &forward->net->tensors[layer->input];
    const struct sqz_tensor *out = &forward->net->tensors[layer->output];
    int skipped = item->begin * layer->stride;
    size_t done = (size_t)item->begin * out->w * out->c;
    struct sqz_pool2d pool = {.in_h = in->h - skipped,
                              .in_w = in->w,
                              .out_h = item->end - item->begin,
                              .out_w = out->w,
                              .channels = in->c,
                              .kernel = layer->kernel,
                              .stride = layer->stride};
    forward->kernels->maxpool(&pool, x + (size_t)skipped * in->w * in->c, in->c, y + done, out->c,
                              index ? index + done : NULL);
}

void sqz_work_item_conv(const struct sqz_forward *forward, const struct sqz_work_item *item,
                        const float *x, float *y, void *scratch)
{
    const struct sqz_net *net = forward->net;
    const struct sqz_layer *layer = &net->layers[item->layer];
    const struct sqz_conv conv = sqz_layer_conv(net, item->layer);
    const int ldx = net->tensors[layer->input].c, ldy = net->tensors[layer->output].c;
    const float *packed = forward->packed[item->layer], *bias = forward->bias[item->layer];
    const int tile = forward->tile[item->layer];
    y += layer->channel;
    if (tile > 0)
        sqz_winograd_forward(forward->kernels,
                             &(struct sqz_conv_task){.conv = &conv,
                                                     .x = x,
                                                     .ldx = ldx,
                                                     .packed = packed,
                                                     .bias = bias,
                                                     .relu = layer->relu,
                                                     .y = y,
                                                     .ldy = ldy,
                                                     .channel0 = item->channel0,
                                                     .channel1 = item->channel1},
                             tile, sqz_winograd_tile_at(&conv, tile, item->begin),
                             sqz_winograd_tile_at(&conv, tile, item->end), scratch);
    else
        sqz_conv_forward(forward->kernels,
                         &(struct sqz_conv_task){.conv = &conv,
                                                 .x = x,
                                                 .ldx = ldx,
                                                 .packed = packed,
                                                 .bias = bias,
                                                 .relu = layer->relu,
                                                 .y = y,
                                                 .ldy = ldy,
                                                 .pixel0 = item->begin,
                                                 .pixel1 = item->end,
                                                 .channel0 = item->channel0,
                                                 .channel1 = item->channel1},
                         scratch);
}

// A work item of a layer between the beginnings of its buffers.
static void forward_between(const struct sqz_forward *forward, const struct sqz_work_item *item,
                            const float *x, const float *addend, float *y, uint8_t *index,
                            void *scratch)
{
    const struct sqz_net *net = forward->net;
    const struct sqz_kernels *k = forward->kernels;
    const struct sqz_layer *layer = &net->layers[item->layer];
    const struct sqz_tensor *in = &net->tensors[layer->input];
    const struct sqz_tensor *out = &net->tensors[layer->output];
    switch (layer->kind) {
    case SQZ_LAYER_CONV:
        sqz_work_item_conv(forward, item, x, y, scratch);
        break;
    case SQZ_LAYER_MAXPOOL:
        sqz_work_item_maxpool(forward, item, x, y, index);
        break;
    case SQZ_LAYER_ADD: {
        size_t at = (size_t)item->begin * out->c;
        size_t n = (size_t)(item->end - item->begin) * out->c;
        k->add(x + at, addend + at, y + at, n);
        break;
    }
    case SQZ_LAYER_MEAN:
        k->channel_mean(x, in->c, in->h * in->w, in->c, y);
        break;
    case SQZ_LAYER_DROPOUT:
        break;
    }
}

void sqz_work_item_forward(const struct sqz_forward *forward, const struct sqz_work_item *item,
                           float *const *tensors, uint8_t *index, void *scratch)
{
    const struct sqz_layer *layer = &forward->net->layers[item->layer];
    forward_between(forward, item, tensors[layer->input],
                    layer->addend < 0 ? NULL : tensors[layer->addend], tensors[layer->output],
                    index, scratch);
}

// 1x1 convolutions do not see where an image ends: several are one tall image.
static void tall_conv(const struct sqz_forward *forward, int index, int images,
                      float *const *tensors, void *scratch)
{
    const struct sqz_net *net = forward->net;
    const struct sqz_layer *layer = &net->layers[index];
    struct sqz_conv conv = sqz_layer_conv(net, index);
    conv.in_h *= images;
    conv.out_h *= images;
    sqz_conv_forward(forward->kernels,
                     &(struct sqz_conv_task){.conv = &conv,
                                             .x = tensors[layer->input],
                                             .ldx = conv.in_c,
                                             .packed = forward->packed[index],
                                             .bias = forward->bias[index],
                                             .relu = layer->relu,
                                             .y = tensors[layer->output] + layer->channel,
                                             .ldy = net->tensors[layer->output].c,
                                             .pixel1 = conv.out_h * conv.out_w,
                                             .channel1 = conv.out_c},
                     scratch);
}

void sqz_images_forward(const struct sqz_forward *forward, int index, int images,
                        float *const *tensors, uint8_t *positions, void *scratch)
{
    const struct sqz_net *net = forward->net;
    const struct sqz_layer *layer = &net->layers[index];
    const struct sqz_conv conv = sqz_layer_conv(net, index);
    const int tile = forward->tile[index];
    if (layer->kind == SQZ_LAYER_CONV && tile > 0 && conv.stride == 1) {
        sqz_winograd_forward_images(
            forward->kernels,
            &(struct sqz_conv_task){.conv = &conv,
                                    .x = tensors[layer->input],
                                    .ldx = conv.in_c,
                                    .packed = forward->packed[index],
                                    .bias = forward->bias[index],
                                    .relu = layer->relu,
                                    .y = tensors[layer->output] + layer->channel,
                                    .ldy = net->tensors[layer->output].c},
            tile, images, scratch);
        return;
    }
    const bool sees_borders = conv.kernel > 1 || conv.pad > 0 || conv.stride > 1;
    // Whether zeros are skipped is each image's own affair.
    if (layer->kind == SQZ_LAYER_CONV && !sees_borders && !sqz_nonzeros_fit(&conv)) {
        tall_conv(forward, index, images, tensors, scratch);
        return;
    }
    const struct sqz_work_item whole = sqz_work_item_whole(net, index);
    const size_t n_out = sqz_tensor_size(net, layer->output);
    for (int i = 0; i < images; i++) {
        const float *x = tensors[layer->input] + i * sqz_tensor_size(net, layer->input);
        const float *addend = NULL;
        if (layer->addend >= 0)
            addend = tensors[layer->addend] + i * sqz_tensor_size(net, layer->addend);
        forward_between(forward, &whole, x, addend, tensors[layer->output] + i * n_out,
                        positions ? positions + i * n_out : NULL, scratch);
    }
}

// --- Packed weights ---

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
