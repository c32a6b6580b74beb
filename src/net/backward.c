// One image backwards through one layer, and dropout both ways.
#include "net/backward.h"

#include "base/random.h"
#include "kernels/winograd.h"

#include <string.h>

void sqz_backward_order(const struct sqz_net *net, bool *add_input, bool *add_addend)
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
}

static void conv_backward(const struct sqz_backward *backward, int index,
                          const struct sqz_backward_image *image)
{
    const struct sqz_net *net = backward->net;
    const struct sqz_kernels *k = backward->kernels;
    const struct sqz_layer *layer = &net->layers[index];
    struct sqz_conv conv = sqz_layer_conv(net, index);
    int ldx = net->tensors[layer->input].c, ldy = net->tensors[layer->output].c;
    float *dy = image->grads[layer->output] + layer->channel;
    if (layer->relu)
        k->relu_backward(image->tensors[layer->output] + layer->channel, ldy, dy, ldy,
                         conv.out_h * conv.out_w, layer->channels);
    const float *x = image->tensors[layer->input];
    float *dw = image->params + net->params[layer->weight].offset;
    float *db = image->params + net->params[layer->bias].offset;
    int tile = backward->weights_tile[index];
    if (tile > 0)
        sqz_winograd_backward_weights(k, &conv, tile, x, ldx, dy, ldy, dw, db, image->scratch);
    else
        sqz_conv_backward_weights(k, &conv, x, ldx, dy, ldy, dw, db, image->scratch);
    if (layer->input == 0)
        return;
    float *dx = image->grads[layer->input];
    tile = backward->tile[index];
    if (tile > 0)
        sqz_winograd_backward_data(k, &conv, tile, dy, ldy, backward->packed[index],
                                   backward->add_input[index], dx, ldx, image->scratch);
    else
        sqz_conv_backward_data(k, &conv, dy, ldy, backward->packed[index],
                               backward->add_input[index], dx, ldx, image->scratch);
}

static void maxpool_backward(const struct sqz_backward *backward, int index,
                             const struct sqz_backward_image *image)
{
    const struct sqz_layer *layer = &backward->net->layers[index];
    const struct sqz_tensor *in = &backward->net->tensors[layer->input];
    const struct sqz_tensor *out = &backward->net->tensors[layer->output];
    struct sqz_pool2d pool = {in->h, in->w, out->h, out->w, in->c, layer->kernel, layer->stride};
    float *dx = image->grads[layer->input];
    if (!backward->add_input[index])
        memset(dx, 0, sqz_tensor_size(backward->net, layer->input) * sizeof *dx);
    backward->kernels->maxpool_backward(&pool, image->grads[layer->output], out->c,
                                        image->indices[index], dx, in->c);
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
                        const struct sqz_backward_image *image)
{
    const struct sqz_layer *layer = &backward->net->layers[index];
    const struct sqz_tensor *in = &backward->net->tensors[layer->input];
    const float *dy = image->grads[layer->output];
    const size_t size = sqz_tensor_size(backward->net, layer->input);
    switch (layer->kind) {
    case SQZ_LAYER_CONV:
        conv_backward(backward, index, image);
        break;
    case SQZ_LAYER_MAXPOOL:
        maxpool_backward(backward, index, image);
        break;
    case SQZ_LAYER_ADD:
        pass_on(backward->kernels, dy, backward->add_input[index], image->grads[layer->input],
                size);
        pass_on(backward->kernels, dy, backward->add_addend[index], image->grads[layer->addend],
                size);
        break;
    case SQZ_LAYER_MEAN:
        mean_backward(in, dy, image->grads[layer->input]);
        break;
    case SQZ_LAYER_DROPOUT:
        break; // the caller's, who knows the mask's key
    }
}

// 16 bits decide one value: the rate is rounded to 1/65536, and the scale is that of the rounded
// rate, so that the expectation stays exact.
void sqz_dropout(const struct sqz_net *net, uint64_t key, float *x, size_t n)
{
    int threshold = (int)(net->spec.drop_rate * 65536 + 0.5);
    if (threshold > 65535)
        threshold = 65535;
    if (threshold == 0)
        return;
    float scale = 65536.0f / (float)(65536 - threshold);
    for (size_t i = 0; i < n; i += 4) {
        uint64_t bits = sqz_random_hash(key, i / 4);
        for (size_t j = i; j < n && j < i + 4; j++, bits >>= 16) {
            float scaled = x[j] * scale;
            uint32_t kept = (int)(bits & 0xffff) < threshold ? 0 : UINT32_MAX, word;
            memcpy(&word, &scaled, sizeof word);
            word &= kept; // no branch: half of them would be mispredicted
            memcpy(&x[j], &word, sizeof word);
        }
    }
}
