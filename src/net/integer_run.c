// The reference engine of the integer network: obvious loops, one image, whole layers.
#include "kernels/requantize.h"
#include "net/integer.h"

#include <string.h>

size_t sqz_integer_scratch(const struct sqz_net *net)
{
    size_t bytes = 0;
    for (int t = 1; t < net->n_tensors; t++)
        bytes += sqz_tensor_size(net, t);
    return bytes;
}

// What a convolution reads: its input and what lies outside of it.
struct view {
    struct sqz_conv shape;
    const uint8_t *x;
    const uint8_t *outside; // NULL: nothing is added there
};

static int32_t sum_at(const struct view *view, const int8_t *weights, int32_t bias, int oy, int ox)
{
    const struct sqz_conv *s = &view->shape;
    int32_t sum = bias;
    for (int ky = 0; ky < s->kernel; ky++)
        for (int kx = 0; kx < s->kernel; kx++, weights += s->in_c) {
            int y = oy * s->stride - s->pad + ky, x = ox * s->stride - s->pad + kx;
            bool inside = y >= 0 && y < s->in_h && x >= 0 && x < s->in_w;
            const uint8_t *pixel =
                inside ? view->x + ((size_t)y * (size_t)s->in_w + (size_t)x) * (size_t)s->in_c
                       : view->outside;
            for (int c = 0; pixel && c < s->in_c; c++)
                sum += weights[c] * pixel[c];
        }
    return sum;
}

static void run_conv(const struct sqz_integer_conv *conv, const struct view *view, uint8_t *y,
                     int ldy)
{
    const struct sqz_conv *s = &view->shape;
    size_t columns = (size_t)(s->in_c * s->kernel * s->kernel);
    for (int oy = 0; oy < s->out_h; oy++)
        for (int ox = 0; ox < s->out_w; ox++, y += ldy)
            for (int o = 0; o < s->out_c; o++) {
                int32_t sum =
                    sum_at(view, conv->weights + (size_t)o * columns, conv->bias[o], oy, ox);
                y[o] = sqz_requantize(sum, conv->multipliers[o], conv->shift);
            }
}

static void run_classes(const struct sqz_integer_conv *conv, const struct view *view,
                        int32_t *logits, int32_t *sums)
{
    const struct sqz_conv *s = &view->shape;
    size_t columns = (size_t)(s->in_c * s->kernel * s->kernel);
    for (int o = 0; o < s->out_c; o++) {
        int32_t total = 0;
        for (int oy = 0; oy < s->out_h; oy++)
            for (int ox = 0; ox < s->out_w; ox++) {
                int32_t sum =
                    sum_at(view, conv->weights + (size_t)o * columns, conv->bias[o], oy, ox);
                total += sum > 0 ? sum : 0;
            }
        if (sums)
            sums[o] = total;
        logits[o] = sqz_integer_logit(conv, o, total);
    }
}

static void run_pool(const struct sqz_pool2d *p, const uint8_t *x, uint8_t *y)
{
    for (int oy = 0; oy < p->out_h; oy++)
        for (int ox = 0; ox < p->out_w; ox++, y += p->channels)
            for (int c = 0; c < p->channels; c++) {
                uint8_t most = 0;
                for (int ky = oy * p->stride; ky < oy * p->stride + p->kernel && ky < p->in_h; ky++)
                    for (int kx = ox * p->stride; kx < ox * p->stride + p->kernel && kx < p->in_w;
                         kx++) {
                        uint8_t value = x[(ky * p->in_w + kx) * p->channels + c];
                        most = value > most ? value : most;
                    }
                y[c] = most;
            }
}

static void run_add(const struct sqz_integer_add *add, const uint8_t *a, const uint8_t *b,
                    size_t size, uint8_t *y)
{
    for (size_t i = 0; i < size; i++)
        y[i] = sqz_requantize_add(a[i], add->input_multiplier, b[i], add->addend_multiplier);
}

void sqz_integer_run(const struct sqz_integer_net *integer, const uint8_t *pixels, void *scratch,
                     int32_t *logits, int32_t *sums)
{
    const struct sqz_net *net = integer->net;
    uint8_t *tensors[SQZ_INTEGER_TENSORS] = {(uint8_t *)pixels}; // no layer writes the image
    uint8_t *at = scratch;
    for (int t = 1; t < net->n_tensors; at += sqz_tensor_size(net, t), t++)
        tensors[t] = at;
    int conv = 0, add = 0;
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        const uint8_t *x = tensors[layer->input];
        uint8_t *y = tensors[layer->output] + layer->channel;
        if (layer->kind == SQZ_LAYER_CONV) {
            bool first = layer->input == 0, last = conv == integer->n_convs - 1;
            struct view view = {sqz_layer_conv(net, i), x, first ? integer->pad_pixel : NULL};
            if (last)
                run_classes(&integer->convs[conv], &view, logits, sums);
            else
                run_conv(&integer->convs[conv], &view, y, net->tensors[layer->output].c);
            conv++;
        } else if (layer->kind == SQZ_LAYER_MAXPOOL) {
            struct sqz_pool2d pool = sqz_layer_pool(net, i);
            run_pool(&pool, x, y);
        } else if (layer->kind == SQZ_LAYER_ADD) {
            run_add(&integer->adds[add++], x, tensors[layer->addend],
                    sqz_tensor_size(net, layer->output), y);
        }
    }
}
