// A convolution and its only reader, strip by strip.
#include "net/fused.h"

#include "kernels/sparse.h"

#include <string.h>

enum {
    DIRECT_ROWS = 4,     // of a direct convolution that are computed at once
    MEAN_CHANNELS = 128, // likewise; whole panels, whose weights stay in the second-level cache
};

int sqz_fused_conv(const struct sqz_net *net, int index)
{
    const struct sqz_layer *layer = &net->layers[index];
    if (index == 0 || (layer->kind != SQZ_LAYER_MAXPOOL && layer->kind != SQZ_LAYER_MEAN))
        return -1;
    int writer = -1;
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *other = &net->layers[i];
        if (i != index && (other->input == layer->input || other->addend == layer->input))
            return -1;
        if (other->output == layer->input && other->kind == SQZ_LAYER_CONV)
            writer = i;
    }
    if (writer < 0 || net->layers[writer].channels != net->tensors[layer->input].c)
        return -1; // one of the two halves of a Fire
    return layer->kind == SQZ_LAYER_MEAN || net->layers[writer].input == 0 ? writer : -1;
}

static int granule(const int *tiles, int conv)
{
    return tiles[conv] > 0 ? tiles[conv] : DIRECT_ROWS;
}

// For a mean: the map of a strip of channels, followed by what is not zero in each image.
static size_t map_floats(const struct sqz_conv *conv)
{
    return (size_t)conv->out_h * conv->out_w * MEAN_CHANNELS;
}

size_t sqz_fused_strip(const struct sqz_net *net, const struct sqz_weight_layout *layout, int index,
                       int images)
{
    const struct sqz_layer *layer = &net->layers[index];
    const int conv = sqz_fused_conv(net, index);
    if (conv < 0)
        return 0;
    const struct sqz_tensor *in = &net->tensors[layer->input];
    if (layer->kind == SQZ_LAYER_MEAN) {
        const struct sqz_conv geometry = sqz_layer_conv(net, conv);
        return map_floats(&geometry) +
               (size_t)images * sqz_nonzeros_size(&geometry) / sizeof(float);
    }
    size_t rows = (size_t)(2 * granule(layout->forward_tile, conv) + layer->kernel);
    return rows * in->w * in->c;
}

// Where row 0 of a tensor would lie whose row `row` is at `strip`. Never looked at: only rows that
// the strip holds are. By integers, since such a pointer may lie outside of every array.
static float *rebase(float *strip, int row, ptrdiff_t row_floats)
{
    return (float *)((uintptr_t)strip - (uintptr_t)(row * row_floats) * sizeof *strip);
}

// The convolution's rows, a granule at a time from a multiple of it; after each, as many rows of
// the pooling as are complete. Rows that the next ones need again move to the strip's front.
static void conv_and_pool(const struct sqz_forward *forward, const struct sqz_work_item *item,
                          float *const *tensors, float *strip, void *scratch)
{
    const struct sqz_net *net = forward->net;
    const int conv = sqz_fused_conv(net, item->layer);
    const struct sqz_layer *pool = &net->layers[item->layer];
    const struct sqz_tensor *in = &net->tensors[pool->input];
    const ptrdiff_t row_floats = (ptrdiff_t)in->w * in->c;
    const int step = granule(forward->tile, conv);
    int have0 = item->begin * pool->stride / step * step, have1 = have0;
    struct sqz_work_item rows = sqz_work_item_whole(net, conv), pooled = *item;
    for (pooled.end = item->begin; pooled.end < item->end;) {
        pooled.begin = pooled.end;
        int first = pooled.begin * pool->stride;
        if (first > have0) {
            int kept = have1 > first ? have1 - first : 0;
            memmove(strip, strip + (have1 - kept - have0) * row_floats,
                    (size_t)(kept * row_floats) * sizeof *strip);
            have0 = have1 - kept;
        }
        int end = have1 + step < in->h ? have1 + step : in->h;
        float *map = rebase(strip, have0, row_floats);
        rows.begin = have1 * in->w;
        rows.end = end * in->w;
        sqz_work_item_conv(forward, &rows, tensors[0], map, scratch);
        have1 = end;
        while (pooled.end < item->end &&
               (pooled.end * pool->stride + pool->kernel <= have1 || have1 == in->h))
            pooled.end++;
        sqz_work_item_maxpool(forward, &pooled, map, tensors[pool->output], NULL);
    }
}

// Some channels as a convolution of their own, whose panels, weights and sums are the whole one's.
// Images whose input is mostly zero are computed without the zeros.
static void conv_and_mean(const struct sqz_forward *forward, const struct sqz_work_item *item,
                          int images, float *const *tensors, float *strip, void *scratch)
{
    const struct sqz_net *net = forward->net;
    const struct sqz_kernels *k = forward->kernels;
    const int index = sqz_fused_conv(net, item->layer);
    const struct sqz_layer *layer = &net->layers[index];
    const float *packed = forward->packed[index];
    struct sqz_conv conv = sqz_layer_conv(net, index);
    const int pixels = conv.out_h * conv.out_w, depth = conv.kernel * conv.kernel * conv.in_c;
    const size_t n_in = sqz_tensor_size(net, layer->input);
    const float *x = tensors[layer->input];
    struct sqz_nonzeros nonzeros[SQZ_FUSED_IMAGES];
    bool sparse[SQZ_FUSED_IMAGES] = {false};
    char *lists = (char *)(strip + map_floats(&conv));
    for (int i = 0; i < images && sqz_nonzeros_fit(&conv); i++, lists += sqz_nonzeros_size(&conv))
        sparse[i] = sqz_nonzeros_find(k, &conv, x + i * n_in, conv.in_c, lists, &nonzeros[i]);
    for (int c = item->channel0; c < item->channel1; c += conv.out_c) {
        conv.out_c = item->channel1 - c < MEAN_CHANNELS ? item->channel1 - c : MEAN_CHANNELS;
        for (int i = 0; i < images; i++) { // while the weights are near
            const float *w = packed + (ptrdiff_t)depth * c, *bias = forward->bias[index] + c;
            float *mean = tensors[net->layers[item->layer].output] + i * net->spec.classes;
            if (sparse[i])
                sqz_nonzeros_forward(k, &conv, &nonzeros[i], w, bias, layer->relu, strip,
                                     conv.out_c);
            else
                sqz_conv_forward(k,
                                 &(struct sqz_conv_task){.conv = &conv,
                                                         .x = x + i * n_in,
                                                         .ldx = conv.in_c,
                                                         .packed = w,
                                                         .bias = bias,
                                                         .relu = layer->relu,
                                                         .y = strip,
                                                         .ldy = conv.out_c,
                                                         .pixel1 = pixels,
                                                         .channel1 = conv.out_c},
                                 scratch);
            k->channel_mean(strip, conv.out_c, pixels, conv.out_c, mean + c);
        }
    }
}

void sqz_fused_forward(const struct sqz_forward *forward, const struct sqz_work_item *item,
                       float *const *tensors, float *strip, void *scratch)
{
    if (forward->net->layers[item->layer].kind == SQZ_LAYER_MEAN)
        conv_and_mean(forward, item, 1, tensors, strip, scratch);
    else
        conv_and_pool(forward, item, tensors, strip, scratch);
}

void sqz_fused_mean(const struct sqz_forward *forward, int layer, int images, float *const *tensors,
                    float *strip, void *scratch)
{
    const struct sqz_work_item whole = sqz_work_item_whole(forward->net, layer);
    conv_and_mean(forward, &whole, images, tensors, strip, scratch);
}
