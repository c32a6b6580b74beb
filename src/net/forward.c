// Images through one layer, or a work item of it.
#include "net/forward.h"

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

// The whole of a layer's convolution between the beginnings of two tensors.
static struct sqz_conv_task task_of(const struct sqz_forward *forward, int index,
                                    const struct sqz_conv *conv, const float *x, float *y)
{
    const struct sqz_net *net = forward->net;
    const struct sqz_layer *layer = &net->layers[index];
    return (struct sqz_conv_task){.conv = conv,
                                  .x = x,
                                  .ldx = net->tensors[layer->input].c,
                                  .packed = forward->packed[index],
                                  .bias = forward->bias[index],
                                  .relu = layer->relu,
                                  .y = y + layer->channel,
                                  .ldy = net->tensors[layer->output].c,
                                  .pixel1 = conv->out_h * conv->out_w,
                                  .channel1 = conv->out_c};
}

void sqz_work_item_conv(const struct sqz_forward *forward, const struct sqz_work_item *item,
                        const float *x, float *y, void *scratch)
{
    const struct sqz_conv conv = sqz_layer_conv(forward->net, item->layer);
    const int tile = forward->tile[item->layer];
    struct sqz_conv_task task = task_of(forward, item->layer, &conv, x, y);
    task.pixel0 = item->begin;
    task.pixel1 = item->end;
    task.channel0 = item->channel0;
    task.channel1 = item->channel1;
    if (tile > 0)
        sqz_winograd_forward(forward->kernels, &task, tile,
                             sqz_winograd_tile_at(&conv, tile, item->begin),
                             sqz_winograd_tile_at(&conv, tile, item->end), scratch);
    else
        sqz_conv_forward(forward->kernels, &task, scratch);
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
    const struct sqz_layer *layer = &forward->net->layers[index];
    struct sqz_conv conv = sqz_layer_conv(forward->net, index);
    conv.in_h *= images;
    conv.out_h *= images;
    const struct sqz_conv_task task =
        task_of(forward, index, &conv, tensors[layer->input], tensors[layer->output]);
    sqz_conv_forward(forward->kernels, &task, scratch);
}

void sqz_images_forward(const struct sqz_forward *forward, int index, int images,
                        float *const *tensors, uint8_t *positions, void *scratch)
{
    const struct sqz_net *net = forward->net;
    const struct sqz_layer *layer = &net->layers[index];
    const struct sqz_conv conv = sqz_layer_conv(net, index);
    const int tile = forward->tile[index];
    if (layer->kind == SQZ_LAYER_CONV && tile > 0 && conv.stride == 1) {
        const struct sqz_conv_task task =
            task_of(forward, index, &conv, tensors[layer->input], tensors[layer->output]);
        sqz_winograd_forward_images(forward->kernels, &task, tile, images, scratch);
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
