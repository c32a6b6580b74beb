// Writes flat models. The stages of a network follow from its layers; the runtime plans the rest.
#include "formats/flat.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "formats/common.h"
#include "formats/integer.h"

#include <squeezenet_rt.h>

#include <string.h>

enum { ALIGNMENT = 16 }; // of sections

struct writer {
    const struct sqz_model *model;
    const struct sqz_integer_net *integer;
    int unit;
    uint8_t *data; // NULL while the size is found
    size_t size;
    struct sqz_flat *out;
};

static size_t section(struct writer *w, size_t bytes)
{
    const size_t at = (w->size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    w->size = at + bytes;
    return at;
}

static int units_of(const struct writer *w, const struct sqz_conv *c)
{
    return (c->kernel * c->in_c + w->unit - 1) / w->unit;
}

// Bytes of one output's packed weights.
static size_t packed_row(const struct writer *w, const struct sqz_conv *c)
{
    return (size_t)(c->kernel * units_of(w, c) * w->unit);
}

// [out / 2][kernel row][units][2][unit]. reversed: the runtime gets RGB where the network takes
// BGR.
static void pack(const struct writer *w, const struct sqz_conv *c, bool reversed,
                 const int8_t *weights, uint8_t *to)
{
    const int run = c->kernel * c->in_c;
    for (int o = 0; o < c->out_c; o++)
        for (int i = 0; i < run * c->kernel; i++, weights++) {
            const int row = i / run, channel = i % c->in_c;
            const int k = i % run + (reversed ? c->in_c - 1 - 2 * channel : 0);
            const int unit = row * units_of(w, c) + k / w->unit;
            to[(size_t)(o / 2) * 2 * packed_row(w, c) +
               (size_t)((unit * 2 + o % 2) * w->unit + k % w->unit)] = (uint8_t)*weights;
        }
}

static int32_t sum_of(const int8_t *weights, size_t n)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += weights[i];
    return sum;
}

// One convolution's record and sections.
static void put_conv(struct writer *w, int index, size_t record)
{
    const struct sqz_integer_conv *conv = &w->integer->convs[index];
    const struct sqz_conv c = sqz_layer_conv(w->model->net, conv->layer);
    const size_t outs = (size_t)(c.out_c + c.out_c % 2),
                 row = (size_t)(c.kernel * c.kernel * c.in_c);
    const bool last = index == w->integer->n_convs - 1;
    const size_t weights = section(w, outs * packed_row(w, &c));
    const size_t biases = section(w, 4 * outs), multipliers = section(w, 4 * outs);
    w->out->weights += outs * packed_row(w, &c);
    w->out->biases += 8 * outs;
    if (!w->data)
        return;
    uint8_t *to = w->data + record;
    sqz_put_le(to, (uint64_t)c.out_c, 2);
    sqz_put_le(to + 2, (uint64_t)c.in_c, 2);
    to[4] = (uint8_t)c.kernel;
    to[5] = (uint8_t)c.stride;
    to[6] = (uint8_t)(last ? 0 : c.pad); // the last one's is the header's
    to[7] = (uint8_t)conv->shift;
    sqz_put_le(to + 8, weights, 4);
    sqz_put_le(to + 12, biases, 4);
    sqz_put_le(to + 16, multipliers, 4);
    pack(w, &c, index == 0 && w->model->preprocess.bgr, conv->weights, w->data + weights);
    for (size_t o = 0; o < (size_t)c.out_c; o++) {
        // Bytes less 128 lack 128 times the weights.
        const int32_t flip =
            w->unit == SQZ_FLAT_UNIT_16 ? 128 * sum_of(conv->weights + o * row, row) : 0;
        sqz_put_le(w->data + biases + 4 * o, (uint32_t)(conv->bias[o] + flip), 4);
        sqz_put_le(w->data + multipliers + 4 * o, (uint32_t)conv->multipliers[o], 4);
    }
}

// Writes the stages' records and returns how many there are.
static int put_stages(struct writer *w)
{
    const struct sqz_net *net = w->model->net;
    int stages = 0, conv = 0, add = 0, fire_input = -1;
    uint8_t *last = NULL;
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        const struct sqz_tensor *t = &net->tensors[layer->output];
        int kind = 0;
        if (layer->kind == SQZ_LAYER_MAXPOOL) {
            kind = SQZ_RT_POOL;
        } else if (layer->kind == SQZ_LAYER_CONV) {
            const int inside = (conv - 1) % 3; // of a Fire: squeeze, then both expands
            kind = conv == 0                         ? SQZ_RT_FIRST
                   : conv == w->integer->n_convs - 1 ? SQZ_RT_CLASSIFY
                   : inside == 0                     ? SQZ_RT_FIRE
                                                     : 0;
            fire_input = kind == SQZ_RT_FIRE ? layer->input : fire_input;
            conv++;
        } else if (layer->kind == SQZ_LAYER_ADD) {
            const struct sqz_integer_add *a = &w->integer->adds[add++];
            const bool first = layer->input == fire_input;
            if (last) {
                last[1] = 1;
                sqz_put_le(last + 8, (uint64_t)(first ? a->addend_multiplier : a->input_multiplier),
                           2);
                sqz_put_le(last + 10,
                           (uint64_t)(first ? a->input_multiplier : a->addend_multiplier), 2);
            }
        }
        if (!kind)
            continue;
        if (w->data) {
            last = w->data + SQZ_RT_HEADER + stages * SQZ_RT_STAGE;
            last[0] = (uint8_t)kind;
            last[2] = (uint8_t)(layer->kind == SQZ_LAYER_CONV ? conv - 1 : 0);
            sqz_put_le(last + 4, (uint64_t)(kind == SQZ_RT_CLASSIFY ? 1 : t->h), 2);
            sqz_put_le(last + 6, (uint64_t)(kind == SQZ_RT_CLASSIFY ? 1 : t->w), 2);
        }
        stages++;
    }
    return stages;
}

static void put_names(struct writer *w)
{
    char *const *names = w->model->labels ? w->model->labels : w->model->classes;
    const int classes = w->model->net->spec.classes;
    size_t bytes = 0;
    for (int c = 0; names && c < classes; c++)
        bytes += strlen(names[c]) + 1;
    const size_t at = section(w, bytes);
    w->out->names = bytes;
    if (!w->data || !bytes)
        return;
    sqz_put_le(w->data + 32, at, 4);
    sqz_put_le(w->data + 36, bytes, 4);
    uint8_t *to = w->data + at;
    for (int c = 0; c < classes; to += strlen(names[c]) + 1, c++)
        memcpy(to, names[c], strlen(names[c]) + 1);
}

// Everything; with data NULL only the size is found.
static void put_all(struct writer *w)
{
    static const uint8_t magic[8] = {0x89, 0x53, 0x51, 0x38, 0x0d, 0x0a, 0x1a, 0x0a};
    const struct sqz_net *net = w->model->net;
    const int convs = w->integer->n_convs, stages = put_stages(w);
    w->size = (size_t)(SQZ_RT_HEADER + stages * SQZ_RT_STAGE + convs * SQZ_RT_CONV);
    w->out->weights = w->out->biases = 0;
    for (int i = 0; i < convs; i++)
        put_conv(w, i, (size_t)(SQZ_RT_HEADER + stages * SQZ_RT_STAGE + i * SQZ_RT_CONV));
    put_names(w);
    w->size = (w->size + 3) / 4 * 4;
    if (!w->data)
        return;
    uint8_t *to = w->data;
    memcpy(to, magic, sizeof magic);
    to[8] = 1;
    to[10] = (uint8_t)w->unit;
    to[11] = w->unit == SQZ_FLAT_UNIT_16 ? 128 : 0;
    sqz_put_le(to + 12, w->size, 4);
    sqz_put_le(to + 20, (uint64_t)net->tensors[0].h, 2);
    sqz_put_le(to + 22, (uint64_t)net->tensors[0].w, 2);
    to[24] = (uint8_t)net->spec.channels;
    to[25] = (uint8_t)stages;
    to[26] = (uint8_t)convs;
    to[27] = (uint8_t)net->layers[w->integer->convs[convs - 1].layer].pad;
    sqz_put_le(to + 28, (uint64_t)net->spec.classes, 4);
    for (int c = 0; c < net->spec.channels; c++)
        to[40 + c] = w->integer->pad_pixel[w->model->preprocess.bgr ? 2 - c : c];
    sqz_put_le(to + 16, sqz_crc32(to + 20, w->size - 20), 4);
}

static enum sqz_status make(const struct sqz_model *model, int unit, struct sqz_flat *out,
                            struct sqz_error *err)
{
    struct writer w = {.model = model, .integer = model->integer, .unit = unit, .out = out};
    put_all(&w);
    w.data = sqz_new_array(w.size, 1);
    if (!w.data)
        return sqz_fail_memory(err, "a flat model", w.size);
    put_all(&w);
    out->bytes = (struct sqz_bytes){w.data, w.size};
    return SQZ_OK;
}

enum sqz_status sqz_flat_make(const struct sqz_model *model, enum sqz_flat_unit unit,
                              struct sqz_flat *out, struct sqz_error *err)
{
    struct sqz_flat plain = {0};
    const struct sqz_integer_net *integer;
    enum sqz_status status = sqz_model_integers(model, SQZ_PRECISION_INT8, &integer, err);
    if (!status)
        status = make(model, SQZ_FLAT_UNIT_4, &plain, err);
    if (status)
        return status;
    // The runtime as it is compiled here takes units of 4; others need the same arena but for what
    // the last unit may read past a window.
    plain.arena = sqz_rt_arena(plain.bytes.data, plain.bytes.size);
    if (plain.arena == 0)
        status = sqz_fail(err, SQZ_E_USAGE,
                          "The network is none that the runtime for microcontrollers takes.");
    if (!status && unit == SQZ_FLAT_UNIT_4) {
        *out = plain;
        return SQZ_OK;
    }
    if (!status)
        status = make(model, (int)unit, out, err);
    if (!status)
        out->arena = plain.arena - SQZ_FLAT_UNIT_4 + (size_t)unit;
    sqz_bytes_release(&plain.bytes);
    return status;
}
