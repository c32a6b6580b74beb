// The integer engine: a plan of byte tensors in one arena, then layer by layer in bands of rows. A
// tensor that a padded convolution reads lies in a frame of what it sees outside, so that a window
// is always rows of consecutive bytes.
#include "net/integer_engine.h"

#include "base/memory.h"
#include "kernels/requantize.h"
#include "net/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Bytes past a tensor's last row that a kernel may read; Winograd's windows read a further row.
enum { SLACK = 64 };

struct place { // of a tensor in the arena
    size_t offset;
    int frame;            // pixels on each side
    ptrdiff_t pixel, row; // bytes
};
struct packed_conv {
    size_t weights;  // offset in engine->weights, bytes
    size_t channels; // offset in engine->bias and engine->scales, which are filled up to panels
    bool winograd;
};
struct sqz_integer_engine {
    const struct sqz_integer_net *integer;
    const struct sqz_integer_kernels *kernels;
    struct sqz_pool *pool;
    struct packed_conv *convs;
    size_t weight_bytes, channels; // of all convolutions, channels filled up to panels
    int8_t *weights;
    int32_t *bias;
    float *scales;
    struct place *places;  // one a tensor
    uint8_t *arenas;       // one a worker
    size_t arena, work;    // bytes of an arena; of its last part, where a task works
    const uint8_t *pixels; // of the call
    int32_t *logits;
    bool alone; // one image, which all workers share
};

// A layer of one image, cut into tasks.
struct step {
    const struct sqz_integer_engine *engine;
    uint8_t *arena;
    int layer, conv, add; // conv, add: the number among their kind
    int tasks;
    int32_t *logits;
};

// --- Plan ---

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

static bool by_winograd(const struct sqz_integer_engine *e, const struct sqz_layer *layer)
{
    return e->kernels->pair && layer->kind == SQZ_LAYER_CONV && layer->kernel == 3 &&
           layer->stride == 1 && e->integer->net->tensors[layer->input].c % 16 == 0 &&
           layer->channels % SQZ_INTEGER_PANEL == 0;
}

// Bytes that a task of the layer needs beside the tensors.
static size_t work_size(const struct sqz_integer_engine *e, const struct sqz_layer *layer)
{
    const struct sqz_tensor *in = &e->integer->net->tensors[layer->input];
    if (layer->kind == SQZ_LAYER_MAXPOOL)
        return (size_t)in->w * (size_t)in->c;
    return by_winograd(e, layer) ? sqz_integer_winograd_scratch(in->c) : 0;
}

static enum sqz_status plan_tensors(struct sqz_integer_engine *e, struct sqz_error *err)
{
    const struct sqz_net *net = e->integer->net;
    struct sqz_block blocks[SQZ_INTEGER_TENSORS] = {0};
    e->places = sqz_new_array((size_t)net->n_tensors, sizeof *e->places);
    if (!e->places)
        return sqz_fail_memory(err, "an integer network's plan", sizeof *e->places);
    for (int t = 0; t < net->n_tensors; t++) {
        struct place *place = &e->places[t];
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
        size_t work = work_size(e, layer);
        e->work = work > e->work ? work : e->work;
    }
    // The maps of the classes and their means never exist: sums are kept instead.
    blocks[sqz_net_maps(net)].size = blocks[net->n_tensors - 1].size = 0;
    e->arena = sqz_plan_blocks(blocks, net->n_tensors);
    e->arena = (e->arena + SQZ_ALIGNMENT - 1) / SQZ_ALIGNMENT * SQZ_ALIGNMENT;
    e->work = (e->work + SQZ_ALIGNMENT - 1) / SQZ_ALIGNMENT * SQZ_ALIGNMENT;
    for (int t = 0; t < net->n_tensors; t++)
        e->places[t].offset = blocks[t].offset;
    return SQZ_OK;
}

static enum sqz_status take_arenas(struct sqz_integer_engine *e, struct sqz_error *err)
{
    size_t workers = (size_t)sqz_pool_size(e->pool);
    e->arenas = sqz_new_aligned(workers, e->arena + e->work);
    return e->arenas ? SQZ_OK : sqz_fail_memory(err, "activations", workers * (e->arena + e->work));
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
static enum sqz_status plan_weights(struct sqz_integer_engine *e, struct sqz_error *err)
{
    const struct sqz_net *net = e->integer->net;
    e->convs = sqz_new_array((size_t)e->integer->n_convs, sizeof *e->convs);
    if (!e->convs)
        return sqz_fail_memory(err, "an integer network's plan", sizeof *e->convs);
    for (int i = 0; i < e->integer->n_convs; i++) {
        const struct sqz_layer *layer = &net->layers[e->integer->convs[i].layer];
        const int in = net->tensors[layer->input].c;
        const bool winograd = by_winograd(e, layer);
        size_t size = winograd ? sqz_integer_winograd_size(layer->channels, in) * sizeof(int16_t)
                               : sqz_integer_packed_size(layer->channels, in, layer->kernel);
        e->convs[i] = (struct packed_conv){e->weight_bytes, e->channels, winograd};
        e->weight_bytes += (size + SQZ_ALIGNMENT - 1) / SQZ_ALIGNMENT * SQZ_ALIGNMENT;
        e->channels += (size_t)(layer->channels + SQZ_INTEGER_PANEL - 1) / SQZ_INTEGER_PANEL *
                       SQZ_INTEGER_PANEL;
    }
    return SQZ_OK;
}

static enum sqz_status pack(struct sqz_integer_engine *e, struct sqz_error *err)
{
    const struct sqz_net *net = e->integer->net;
    e->weights = sqz_new_aligned(e->weight_bytes, 1);
    e->bias = sqz_new_aligned(e->channels, sizeof *e->bias);
    e->scales = sqz_new_aligned(e->channels, sizeof *e->scales);
    if (!e->weights || !e->bias || !e->scales)
        return sqz_fail_memory(err, "packed weights", e->weight_bytes);
    memset(e->bias, 0, e->channels * sizeof *e->bias);
    memset(e->scales, 0, e->channels * sizeof *e->scales);
    for (int i = 0; i < e->integer->n_convs; i++) {
        const struct sqz_integer_conv *conv = &e->integer->convs[i];
        const struct sqz_layer *layer = &net->layers[conv->layer];
        int8_t *to = e->weights + e->convs[i].weights;
        const int in = net->tensors[layer->input].c;
        if (e->convs[i].winograd)
            sqz_integer_pack_winograd(conv->weights, layer->channels, in, (int16_t *)to);
        else
            sqz_integer_pack(conv->weights, layer->channels, in, layer->kernel, to);
        for (int o = 0; o < layer->channels; o++) {
            e->bias[e->convs[i].channels + (size_t)o] = conv->bias[o];
            e->scales[e->convs[i].channels + (size_t)o] =
                (float)ldexp(conv->multipliers[o], -conv->shift);
        }
    }
    return SQZ_OK;
}

// All but memory for weights and activations.
static enum sqz_status plan(struct sqz_integer_engine *e, enum sqz_cpu_level most,
                            struct sqz_error *err)
{
    for (int i = 0; i < e->integer->n_convs; i++)
        if (!keeps_pair_rule(e->integer, i))
            most = SQZ_CPU_REF;
    e->kernels = sqz_integer_kernels_get(most);
    enum sqz_status status = plan_tensors(e, err);
    return status ? status : plan_weights(e, err);
}

enum sqz_status sqz_integer_engine_memory(const struct sqz_integer_net *integer,
                                          enum sqz_cpu_level most, size_t *activations,
                                          size_t *weights, struct sqz_error *err)
{
    struct sqz_integer_engine e = {.integer = integer};
    enum sqz_status status = plan(&e, most, err);
    *activations = e.arena + e.work;
    *weights = e.weight_bytes + e.channels * (sizeof *e.bias + sizeof *e.scales);
    sqz_free(e.convs);
    sqz_free(e.places);
    return status;
}

enum sqz_status sqz_integer_engine_new(const struct sqz_integer_net *integer,
                                       enum sqz_cpu_level most, struct sqz_pool *pool,
                                       struct sqz_integer_engine **out, struct sqz_error *err)
{
    struct sqz_integer_engine *e = sqz_new_array(1, sizeof *e);
    if (!e)
        return sqz_fail_memory(err, "an integer engine", sizeof *e);
    e->integer = integer;
    e->pool = pool;
    enum sqz_status status = plan(e, most, err);
    if (!status)
        status = take_arenas(e, err);
    if (!status)
        status = pack(e, err);
    if (status) {
        sqz_integer_engine_free(e);
        return status;
    }
    *out = e;
    return SQZ_OK;
}

void sqz_integer_engine_free(struct sqz_integer_engine *e)
{
    if (!e)
        return;
    sqz_free(e->convs);
    sqz_free(e->weights);
    sqz_free(e->bias);
    sqz_free(e->scales);
    sqz_free(e->places);
    sqz_free(e->arenas);
    sqz_free(e);
}

// --- Layers ---

// The first byte of pixel (y, x), which may lie in the frame.
static uint8_t *pixel_at(const struct step *s, int tensor, int y, int x)
{
    const struct place *p = &s->engine->places[tensor];
    return s->arena + p->offset + (y + p->frame) * p->row + (x + p->frame) * p->pixel;
}

static void fill_pixels(uint8_t *to, int n, int channels, const uint8_t *pixel)
{
    for (int i = 0; i < n; i++, to += channels)
        for (int c = 0; c < channels; c++)
            to[c] = pixel ? pixel[c] : 0;
}

// Writes what a convolution sees around a tensor.
static void fill_frame(const struct step *s, int tensor, const uint8_t *outside)
{
    const struct sqz_tensor *t = &s->engine->integer->net->tensors[tensor];
    const int f = s->engine->places[tensor].frame;
    for (int y = -f; y < t->h + f && f > 0; y++) {
        bool whole = y < 0 || y >= t->h;
        fill_pixels(pixel_at(s, tensor, y, -f), whole ? t->w + 2 * f : f, t->c, outside);
        if (!whole)
            fill_pixels(pixel_at(s, tensor, y, t->w), f, t->c, outside);
    }
}

static void copy_image(const struct step *s, const uint8_t *pixels)
{
    const struct sqz_tensor *t = &s->engine->integer->net->tensors[0];
    const size_t row = (size_t)t->w * (size_t)t->c;
    for (int y = 0; y < t->h; y++)
        memcpy(pixel_at(s, 0, y, 0), pixels + (size_t)y * row, row);
    fill_frame(s, 0, s->engine->integer->pad_pixel);
}

// The rows of task `task`.
static void band_of(const struct step *s, int rows, int task, int *first, int *end)
{
    *first = (int)((int64_t)rows * task / s->tasks);
    *end = (int)((int64_t)rows * (task + 1) / s->tasks);
}

static struct sqz_integer_line line_of(const struct step *s, int panel)
{
    const struct sqz_integer_engine *e = s->engine;
    const struct sqz_conv c = sqz_layer_conv(e->integer->net, s->layer);
    const struct place *in = &e->places[e->integer->net->layers[s->layer].input];
    const int groups = (c.kernel * c.in_c + 3) / 4;
    const size_t at = e->convs[s->conv].channels + (size_t)panel * SQZ_INTEGER_PANEL;
    return (struct sqz_integer_line){.pixel = c.stride * in->pixel,
                                     .row = in->row,
                                     .rows = c.kernel,
                                     .groups = groups,
                                     .weights = e->weights + e->convs[s->conv].weights +
                                                (size_t)(panel * c.kernel * groups) *
                                                    SQZ_INTEGER_PANEL * 4,
                                     .bias = e->bias + at,
                                     .scales = e->scales + at};
}

// Pairs of rows, so a band is of pairs.
static void winograd_band(const struct step *s, int task, void *scratch)
{
    const struct sqz_integer_engine *e = s->engine;
    const struct sqz_layer *layer = &e->integer->net->layers[s->layer];
    const struct sqz_conv c = sqz_layer_conv(e->integer->net, s->layer);
    const struct packed_conv *packed = &e->convs[s->conv];
    const struct place *in = &e->places[layer->input], *out = &e->places[layer->output];
    struct sqz_integer_pair pair = {.pixel = in->pixel,
                                    .row = in->row,
                                    .channels = c.in_c,
                                    .panels = c.out_c / SQZ_INTEGER_PANEL,
                                    .columns = c.out_w,
                                    .weights = (const int16_t *)(e->weights + packed->weights),
                                    .bias = e->bias + packed->channels,
                                    .scales = e->scales + packed->channels,
                                    .ldy = out->pixel,
                                    .row_y = out->row,
                                    .scratch = scratch};
    int first, end;
    band_of(s, (c.out_h + 1) / 2, task, &first, &end);
    for (int y = 2 * first; y < 2 * end; y += 2) {
        pair.rows = y + 1 < c.out_h ? 2 : 1;
        pair.x = pixel_at(s, layer->input, y - c.pad, -c.pad);
        pair.y = pixel_at(s, layer->output, y, 0) + layer->channel;
        e->kernels->pair(&pair);
    }
}

static void conv_band(const struct step *s, int task)
{
    const struct sqz_integer_engine *e = s->engine;
    const struct sqz_layer *layer = &e->integer->net->layers[s->layer];
    const struct sqz_conv c = sqz_layer_conv(e->integer->net, s->layer);
    int first, end;
    band_of(s, c.out_h, task, &first, &end);
    for (int panel = 0; panel < c.out_c / SQZ_INTEGER_PANEL; panel++) {
        struct sqz_integer_line line = line_of(s, panel);
        line.ldy = e->places[layer->output].pixel;
        line.n = c.out_w;
        for (int y = first; y < end; y++) {
            line.x = pixel_at(s, layer->input, y * c.stride - c.pad, -c.pad);
            line.y = pixel_at(s, layer->output, y, 0) + layer->channel + panel * SQZ_INTEGER_PANEL;
            e->kernels->line(&line);
        }
    }
}

// Classes task * CLASS_PANELS * 16 and on.
static void class_panels(const struct step *s, int task)
{
    enum { CHANNELS = SQZ_INTEGER_CLASS_PANELS * SQZ_INTEGER_PANEL };
    const struct sqz_integer_engine *e = s->engine;
    const struct sqz_layer *layer = &e->integer->net->layers[s->layer];
    const struct sqz_integer_conv *conv = &e->integer->convs[s->conv];
    const struct sqz_conv c = sqz_layer_conv(e->integer->net, s->layer);
    const int first = task * CHANNELS, left = c.out_c - first;
    const int n = left < CHANNELS ? left : CHANNELS;
    struct sqz_integer_line line = line_of(s, task * SQZ_INTEGER_CLASS_PANELS);
    // Around a padded classifier only the bias counts.
    const int32_t border = c.out_h * c.out_w - c.in_h * c.in_w;
    int32_t sums[CHANNELS] = {0};
    for (int i = 0; i < n; i++)
        sums[i] = line.bias[i] > 0 ? border * line.bias[i] : 0;
    line.n = c.in_w;
    for (int y = 0; y < c.in_h; y++) {
        line.x = pixel_at(s, layer->input, y, 0);
        e->kernels->classes(&line, (n + SQZ_INTEGER_PANEL - 1) / SQZ_INTEGER_PANEL, sums);
    }
    for (int i = 0; i < n; i++)
        s->logits[first + i] = sqz_integer_logit(conv, first + i, sums[i]);
}

static void pool_band(const struct step *s, int task, uint8_t *row)
{
    const struct sqz_integer_engine *e = s->engine;
    const struct sqz_layer *layer = &e->integer->net->layers[s->layer];
    const struct sqz_pool2d p = sqz_layer_pool(e->integer->net, s->layer);
    const size_t bytes = (size_t)p.in_w * (size_t)p.channels, c = (size_t)p.channels;
    int first, end;
    band_of(s, p.out_h, task, &first, &end);
    for (int y = first; y < end; y++) {
        const int top = y * p.stride;
        const uint8_t *from = pixel_at(s, layer->input, top, 0);
        for (int k = 1; k < p.kernel && top + k < p.in_h; k++) {
            e->kernels->maximum(from, pixel_at(s, layer->input, top + k, 0), bytes, row);
            from = row;
        }
        for (int x = 0; x < p.out_w; x++) {
            uint8_t *to = pixel_at(s, layer->output, y, x);
            const uint8_t *most = from + (size_t)(x * p.stride) * c;
            for (int k = 1; k < p.kernel && x * p.stride + k < p.in_w; k++) {
                e->kernels->maximum(most, from + (size_t)(x * p.stride + k) * c, c, to);
                most = to;
            }
            if (most != to)
                memcpy(to, most, c);
        }
    }
}

static void add_band(const struct step *s, int task)
{
    const struct sqz_net *net = s->engine->integer->net;
    const struct sqz_layer *layer = &net->layers[s->layer];
    const struct sqz_integer_add *add = &s->engine->integer->adds[s->add];
    const struct sqz_tensor *t = &net->tensors[layer->output];
    int first, end;
    band_of(s, t->h, task, &first, &end);
    for (int y = first; y < end; y++) {
        const uint8_t *a = pixel_at(s, layer->input, y, 0);
        const uint8_t *b = pixel_at(s, layer->addend, y, 0);
        uint8_t *to = pixel_at(s, layer->output, y, 0);
        for (int i = 0; i < t->w * t->c; i++)
            to[i] = sqz_requantize_add(a[i], add->input_multiplier, b[i], add->addend_multiplier);
    }
}

static void run_task(void *arg, int task, int worker)
{
    const struct step *s = arg;
    const struct sqz_integer_engine *e = s->engine;
    void *work = e->arenas + (size_t)worker * (e->arena + e->work) + e->arena;
    switch (e->integer->net->layers[s->layer].kind) {
    case SQZ_LAYER_CONV:
        if (s->conv == e->integer->n_convs - 1)
            class_panels(s, task);
        else if (e->convs[s->conv].winograd)
            winograd_band(s, task, work);
        else
            conv_band(s, task);
        break;
    case SQZ_LAYER_MAXPOOL:
        pool_band(s, task, work);
        break;
    case SQZ_LAYER_ADD:
        add_band(s, task);
        break;
    case SQZ_LAYER_DROPOUT: // only in training
    case SQZ_LAYER_MEAN:
        break; // in the classes' sums
    }
}

static int tasks_of(const struct step *s)
{
    const struct sqz_integer_engine *e = s->engine;
    const struct sqz_layer *layer = &e->integer->net->layers[s->layer];
    const int rows = e->integer->net->tensors[layer->output].h;
    if (layer->kind == SQZ_LAYER_CONV && s->conv == e->integer->n_convs - 1)
        return (layer->channels + SQZ_INTEGER_CLASS_PANELS * SQZ_INTEGER_PANEL - 1) /
               (SQZ_INTEGER_CLASS_PANELS * SQZ_INTEGER_PANEL);
    const int threads = e->alone ? sqz_pool_size(e->pool) : 1;
    const int wanted = threads > 1 ? 4 * threads : 1;
    return wanted < rows ? wanted : rows;
}

static void run_image(const struct sqz_integer_engine *e, int image, int worker)
{
    const struct sqz_net *net = e->integer->net;
    struct step s = {.engine = e,
                     .arena = e->arenas + (size_t)worker * (e->arena + e->work),
                     .conv = -1,
                     .add = -1,
                     .logits = e->logits + (size_t)image * (size_t)net->spec.classes};
    copy_image(&s, e->pixels + (size_t)image * sqz_tensor_size(net, 0));
    for (int i = 0; i < net->n_layers; i++) {
        s.layer = i;
        s.conv += net->layers[i].kind == SQZ_LAYER_CONV;
        s.add += net->layers[i].kind == SQZ_LAYER_ADD;
        s.tasks = tasks_of(&s);
        if (net->layers[i].channel == 0 && net->layers[i].kind != SQZ_LAYER_DROPOUT)
            fill_frame(&s, net->layers[i].output, NULL);
        if (e->alone)
            sqz_pool_run(e->pool, s.tasks, run_task, &s);
        for (int task = 0; task < s.tasks && !e->alone; task++)
            run_task(&s, task, worker);
    }
}

static void run_whole(void *arg, int task, int worker)
{
    run_image(arg, task, worker);
}

void sqz_integer_engine_run(struct sqz_integer_engine *e, const uint8_t *pixels, int n,
                            int32_t *logits)
{
    e->pixels = pixels;
    e->logits = logits;
    e->alone = n < sqz_pool_size(e->pool);
    if (e->alone)
        for (int i = 0; i < n; i++)
            run_image(e, i, 0);
    else
        sqz_pool_run(e->pool, n, run_whole, e);
}
