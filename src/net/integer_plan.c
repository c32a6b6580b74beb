// Lays an integer network's tensors out in one arena, and packs its weights. A tensor that a padded
// convolution reads lies in a frame of what it sees outside, so that a window is always rows of
// consecutive bytes.
#include "net/integer_plan.h"

#include "base/memory.h"
#include "net/plan.h"

#include <math.h>
#include <string.h>

// Bytes past a tensor's last row that a kernel may read; Winograd's windows read a further row.
enum { SLACK = 64 };

// --- Tensors ---

static int frame_of(const struct sqz_net *net, int tensor)
{
    for (int i = 0; i < net->n_layers; i++)
        if (net->layers[i].input == tensor && net->layers[i].kernel > 1 && net->layers[i].pad > 0)
            return net->layers[i].pad;
    return 0;
}

static size_t framed_size(const struct sqz_net *net, int tensor, int frame)
{
    const struct sqz_tensor *t = &net->tensors[tensor];
    return (size_t)(t->h + 2 * frame + (frame > 0)) * (size_t)(t->w + 2 * frame) * (size_t)t->c +
           SLACK;
}

static bool by_winograd(const struct sqz_integer_plan *p, const struct sqz_layer *layer)
{
    return p->kernels->pair && layer->kind == SQZ_LAYER_CONV && layer->kernel == 3 &&
           layer->stride == 1 && p->integer->net->tensors[layer->input].c % 16 == 0 &&
           layer->channels % SQZ_INTEGER_PANEL == 0;
}

// Bytes that a task of the layer needs beside the tensors.
static size_t work_size(const struct sqz_integer_plan *p, const struct sqz_layer *layer)
{
    const struct sqz_tensor *in = &p->integer->net->tensors[layer->input];
    if (layer->kind == SQZ_LAYER_MAXPOOL)
        return (size_t)in->w * (size_t)in->c;
    return by_winograd(p, layer) ? sqz_integer_winograd_scratch(in->c) : 0;
}

static enum sqz_status plan_tensors(struct sqz_integer_plan *p, struct sqz_error *err)
{
    const struct sqz_net *net = p->integer->net;
    struct sqz_block blocks[SQZ_INTEGER_TENSORS] = {0};
    p->places = sqz_new_array((size_t)net->n_tensors, sizeof *p->places);
    if (!p->places)
        return sqz_fail_memory(err, "an integer network's plan", sizeof *p->places);
    for (int t = 0; t < net->n_tensors; t++) {
        struct sqz_integer_place *place = &p->places[t];
        place->frame = frame_of(net, t);
        place->pixel = net->tensors[t].c;
        place->row = (net->tensors[t].w + 2 * place->frame) * place->pixel;
        blocks[t] = (struct sqz_block){framed_size(net, t, place->frame), net->n_layers, -1, 0};
    }
    blocks[0].first = 0;
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        const int used[] = {layer->input, layer->output, layer->addend};
        for (int k = 0; k < 3; k++) {
            if (used[k] < 0)
                continue;
            struct sqz_block *block = &blocks[used[k]];
            block->first = i < block->first ? i : block->first;
            block->last = i;
        }
        size_t work = work_size(p, layer);
        p->work = work > p->work ? work : p->work;
    }
    // The maps of the classes and their means never exist: sums are kept instead.
    blocks[sqz_net_maps(net)].size = blocks[net->n_tensors - 1].size = 0;
    p->arena = sqz_plan_blocks(blocks, net->n_tensors);
    p->arena = (p->arena + SQZ_ALIGNMENT - 1) / SQZ_ALIGNMENT * SQZ_ALIGNMENT;
    p->work = (p->work + SQZ_ALIGNMENT - 1) / SQZ_ALIGNMENT * SQZ_ALIGNMENT;
    for (int t = 0; t < net->n_tensors; t++)
        p->places[t].offset = blocks[t].offset;
    return SQZ_OK;
}

// --- Weights ---

// Whether neighbours of one sign stay within 128 together, in the order in which they are packed.
static bool keeps_pair_rule(const struct sqz_integer_net *integer, int index)
{
    const struct sqz_integer_conv *conv = &integer->convs[index];
    const struct sqz_layer *layer = &integer->net->layers[conv->layer];
    const int run = layer->kernel * integer->net->tensors[layer->input].c;
    const int rows = layer->channels * layer->kernel;
    for (int r = 0; r < rows; r++)
        for (int i = 0; i + 1 < run; i += 2) {
            int pair = conv->weights[r * run + i] + conv->weights[r * run + i + 1];
            if (pair > 128 || pair < -128)
                return false;
        }
    return true;
}

// Where each convolution's packed numbers will lie.
static enum sqz_status plan_weights(struct sqz_integer_plan *p, struct sqz_error *err)
{
    const struct sqz_net *net = p->integer->net;
    p->convs = sqz_new_array((size_t)p->integer->n_convs, sizeof *p->convs);
    if (!p->convs)
        return sqz_fail_memory(err, "an integer network's plan", sizeof *p->convs);
    for (int i = 0; i < p->integer->n_convs; i++) {
        const struct sqz_layer *layer = &net->layers[p->integer->convs[i].layer];
        const int in = net->tensors[layer->input].c;
        const bool winograd = by_winograd(p, layer);
        size_t size = winograd ? sqz_integer_winograd_size(layer->channels, in) * sizeof(int16_t)
                               : sqz_integer_packed_size(layer->channels, in, layer->kernel);
        p->convs[i] = (struct sqz_integer_packed){p->weight_bytes, p->channels, winograd};
        p->weight_bytes += (size + SQZ_ALIGNMENT - 1) / SQZ_ALIGNMENT * SQZ_ALIGNMENT;
        p->channels += (size_t)(layer->channels + SQZ_INTEGER_PANEL - 1) / SQZ_INTEGER_PANEL *
                       SQZ_INTEGER_PANEL;
    }
    return SQZ_OK;
}

enum sqz_status sqz_integer_plan_pack(struct sqz_integer_plan *p, struct sqz_error *err)
{
    const struct sqz_net *net = p->integer->net;
    p->weights = sqz_new_aligned(p->weight_bytes, 1);
    p->bias = sqz_new_aligned(p->channels, sizeof *p->bias);
    p->scales = sqz_new_aligned(p->channels, sizeof *p->scales);
    if (!p->weights || !p->bias || !p->scales)
        return sqz_fail_memory(err, "packed weights", p->weight_bytes);
    memset(p->bias, 0, p->channels * sizeof *p->bias);
    memset(p->scales, 0, p->channels * sizeof *p->scales);
    for (int i = 0; i < p->integer->n_convs; i++) {
        const struct sqz_integer_conv *conv = &p->integer->convs[i];
        const struct sqz_layer *layer = &net->layers[conv->layer];
        int8_t *to = p->weights + p->convs[i].weights;
        const int in = net->tensors[layer->input].c;
        if (p->convs[i].winograd)
            sqz_integer_pack_winograd(conv->weights, layer->channels, in, (int16_t *)to);
        else
            sqz_integer_pack(conv->weights, layer->channels, in, layer->kernel, to);
        for (int o = 0; o < layer->channels; o++) {
            p->bias[p->convs[i].channels + (size_t)o] = conv->bias[o];
            p->scales[p->convs[i].channels + (size_t)o] =
                (float)ldexp(conv->multipliers[o], -conv->shift);
        }
    }
    return SQZ_OK;
}

// --- Life ---

enum sqz_status sqz_integer_plan_new(const struct sqz_integer_net *integer, enum sqz_cpu_level most,
                                     struct sqz_integer_plan **out, struct sqz_error *err)
{
    struct sqz_integer_plan *p = sqz_new_array(1, sizeof *p);
    if (!p)
        return sqz_fail_memory(err, "an integer network's plan", sizeof *p);
    p->integer = integer;
    p->most = most;
    atomic_init(&p->holders, 1);
    p->kernels = sqz_integer_kernels_get(most);
    for (int i = 0; i < integer->n_convs && p->kernels->pair_rule; i++)
        if (!keeps_pair_rule(integer, i))
            p->kernels = sqz_integer_kernels_get(SQZ_CPU_REF);
    enum sqz_status status = plan_tensors(p, err);
    if (!status)
        status = plan_weights(p, err);
    if (status) {
        sqz_integer_plan_release(p);
        return status;
    }
    *out = p;
    return SQZ_OK;
}

size_t sqz_integer_plan_weight_bytes(const struct sqz_integer_plan *p)
{
    return p->weight_bytes + p->channels * (sizeof *p->bias + sizeof *p->scales);
}

struct sqz_integer_plan *sqz_integer_plan_hold(struct sqz_integer_plan *p)
{
    atomic_fetch_add(&p->holders, 1);
    return p;
}

void sqz_integer_plan_release(struct sqz_integer_plan *p)
{
    if (!p || atomic_fetch_sub(&p->holders, 1) > 1)
        return;
    sqz_free(p->places);
    sqz_free(p->convs);
    sqz_free(p->weights);
    sqz_free(p->bias);
    sqz_free(p->scales);
    sqz_free(p);
}
