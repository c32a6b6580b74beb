// The integer engine: layer by layer through a plan's arena, in bands of rows.
#include "net/integer_engine.h"

#include "base/memory.h"
#include "kernels/requantize.h"

#include <string.h>

struct sqz_integer_engine {
    struct sqz_integer_plan *plan; // held
    struct sqz_pool *pool;
    uint8_t *arenas;       // one a worker: its tensors, then the room where a task works
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

// --- Life ---

enum sqz_status sqz_integer_engine_new(const struct sqz_integer_net *integer,
                                       enum sqz_cpu_level most, struct sqz_pool *pool,
                                       struct sqz_integer_engine **out, struct sqz_error *err)
{
    struct sqz_integer_plan *plan = NULL;
    enum sqz_status status = sqz_integer_plan_new(integer, most, &plan, err);
    if (!status)
        status = sqz_integer_plan_pack(plan, err);
    if (!status)
        status = sqz_integer_engine_share(plan, pool, out, err);
    sqz_integer_plan_release(plan);
    return status;
}

enum sqz_status sqz_integer_engine_share(struct sqz_integer_plan *plan, struct sqz_pool *pool,
                                         struct sqz_integer_engine **out, struct sqz_error *err)
{
    const size_t workers = (size_t)sqz_pool_size(pool), bytes = plan->arena + plan->work;
    struct sqz_integer_engine *e = sqz_new_array(1, sizeof *e);
    if (!e)
        return sqz_fail_memory(err, "an integer engine", sizeof *e);
    e->plan = sqz_integer_plan_hold(plan);
    e->pool = pool;
    e->arenas = sqz_new_aligned(workers, bytes);
    if (!e->arenas) {
        sqz_integer_engine_free(e);
        return sqz_fail_memory(err, "activations", workers * bytes);
    }
    *out = e;
    return SQZ_OK;
}

void sqz_integer_engine_free(struct sqz_integer_engine *e)
{
    if (!e)
        return;
    sqz_integer_plan_release(e->plan);
    sqz_free(e->arenas);
    sqz_free(e);
}

struct sqz_integer_plan *sqz_integer_engine_plan(const struct sqz_integer_engine *e)
{
    return e->plan;
}

// --- Layers ---

// The first byte of pixel (y, x), which may lie in the frame.
static uint8_t *pixel_at(const struct step *s, int tensor, int y, int x)
{
    const struct sqz_integer_place *p = &s->engine->plan->places[tensor];
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
    const struct sqz_tensor *t = &s->engine->plan->integer->net->tensors[tensor];
    const int f = s->engine->plan->places[tensor].frame;
    for (int y = -f; y < t->h + f && f > 0; y++) {
        bool whole = y < 0 || y >= t->h;
        fill_pixels(pixel_at(s, tensor, y, -f), whole ? t->w + 2 * f : f, t->c, outside);
        if (!whole)
            fill_pixels(pixel_at(s, tensor, y, t->w), f, t->c, outside);
    }
}

static void copy_image(const struct step *s, const uint8_t *pixels)
{
    const struct sqz_tensor *t = &s->engine->plan->integer->net->tensors[0];
    const size_t row = (size_t)t->w * (size_t)t->c;
    for (int y = 0; y < t->h; y++)
        memcpy(pixel_at(s, 0, y, 0), pixels + (size_t)y * row, row);
    fill_frame(s, 0, s->engine->plan->integer->pad_pixel);
}

// The rows of task `task`.
static void band_of(const struct step *s, int rows, int task, int *first, int *end)
{
    *first = (int)((int64_t)rows * task / s->tasks);
    *end = (int)((int64_t)rows * (task + 1) / s->tasks);
}

static struct sqz_integer_line line_of(const struct step *s, int panel)
{
    const struct sqz_integer_plan *plan = s->engine->plan;
    const struct sqz_conv c = sqz_layer_conv(plan->integer->net, s->layer);
    const struct sqz_integer_place *in = &plan->places[plan->integer->net->layers[s->layer].input];
    const int groups = (c.kernel * c.in_c + 3) / 4;
    const size_t at = plan->convs[s->conv].channels + (size_t)panel * SQZ_INTEGER_PANEL;
    return (struct sqz_integer_line){.pixel = c.stride * in->pixel,
                                     .row = in->row,
                                     .rows = c.kernel,
                                     .groups = groups,
                                     .weights = plan->weights + plan->convs[s->conv].weights +
                                                (size_t)(panel * c.kernel * groups) *
                                                    SQZ_INTEGER_PANEL * 4,
                                     .bias = plan->bias + at,
                                     .scales = plan->scales + at};
}

// Pairs of rows, so a band is of pairs.
static void winograd_band(const struct step *s, int task, void *scratch)
{
    const struct sqz_integer_plan *plan = s->engine->plan;
    const struct sqz_layer *layer = &plan->integer->net->layers[s->layer];
    const struct sqz_conv c = sqz_layer_conv(plan->integer->net, s->layer);
    const struct sqz_integer_packed *packed = &plan->convs[s->conv];
    const struct sqz_integer_place *in = &plan->places[layer->input],
                                   *out = &plan->places[layer->output];
    struct sqz_integer_pair pair = {.pixel = in->pixel,
                                    .row = in->row,
                                    .channels = c.in_c,
                                    .panels = c.out_c / SQZ_INTEGER_PANEL,
                                    .columns = c.out_w,
                                    .weights = (const int16_t *)(plan->weights + packed->weights),
                                    .bias = plan->bias + packed->channels,
                                    .scales = plan->scales + packed->channels,
                                    .ldy = out->pixel,
                                    .row_y = out->row,
                                    .scratch = scratch};
    int first, end;
    band_of(s, (c.out_h + 1) / 2, task, &first, &end);
    for (int y = 2 * first; y < 2 * end; y += 2) {
        pair.rows = y + 1 < c.out_h ? 2 : 1;
        pair.x = pixel_at(s, layer->input, y - c.pad, -c.pad);
        pair.y = pixel_at(s, layer->output, y, 0) + layer->channel;
        plan->kernels->pair(&pair);
    }
}

static void conv_band(const struct step *s, int task)
{
    const struct sqz_integer_plan *plan = s->engine->plan;
    const struct sqz_layer *layer = &plan->integer->net->layers[s->layer];
    const struct sqz_conv c = sqz_layer_conv(plan->integer->net, s->layer);
    int first, end;
    band_of(s, c.out_h, task, &first, &end);
    struct sqz_integer_line line = line_of(s, 0);
    line.x = pixel_at(s, layer->input, first * c.stride - c.pad, -c.pad);
    line.y = pixel_at(s, layer->output, first, 0) + layer->channel;
    line.ldy = plan->places[layer->output].pixel;
    line.n = c.out_w;
    line.lines = end - first;
    line.next_x = c.stride * plan->places[layer->input].row;
    line.next_y = plan->places[layer->output].row;
    plan->kernels->line(&line, c.out_c / SQZ_INTEGER_PANEL);
}

// Classes task * CLASS_PANELS * 16 and on.
static void class_panels(const struct step *s, int task)
{
    enum { CHANNELS = SQZ_INTEGER_CLASS_PANELS * SQZ_INTEGER_PANEL };
    const struct sqz_integer_plan *plan = s->engine->plan;
    const struct sqz_layer *layer = &plan->integer->net->layers[s->layer];
    const struct sqz_integer_conv *conv = &plan->integer->convs[s->conv];
    const struct sqz_conv c = sqz_layer_conv(plan->integer->net, s->layer);
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
        plan->kernels->classes(&line, (n + SQZ_INTEGER_PANEL - 1) / SQZ_INTEGER_PANEL, sums);
    }
    for (int i = 0; i < n; i++)
        s->logits[first + i] = sqz_integer_logit(conv, first + i, sums[i]);
}

static void pool_band(const struct step *s, int task, uint8_t *row)
{
    const struct sqz_integer_plan *plan = s->engine->plan;
    const struct sqz_layer *layer = &plan->integer->net->layers[s->layer];
    const struct sqz_pool2d p = sqz_layer_pool(plan->integer->net, s->layer);
    const size_t bytes = (size_t)p.in_w * (size_t)p.channels, c = (size_t)p.channels;
    int first, end;
    band_of(s, p.out_h, task, &first, &end);
    for (int y = first; y < end; y++) {
        const int top = y * p.stride;
        const uint8_t *from = pixel_at(s, layer->input, top, 0);
        for (int k = 1; k < p.kernel && top + k < p.in_h; k++) {
            plan->kernels->maximum(from, pixel_at(s, layer->input, top + k, 0), bytes, row);
            from = row;
        }
        for (int x = 0; x < p.out_w; x++) {
            uint8_t *to = pixel_at(s, layer->output, y, x);
            const uint8_t *most = from + (size_t)(x * p.stride) * c;
            for (int k = 1; k < p.kernel && x * p.stride + k < p.in_w; k++) {
                plan->kernels->maximum(most, from + (size_t)(x * p.stride + k) * c, c, to);
                most = to;
            }
            if (most != to)
                memcpy(to, most, c);
        }
    }
}

static void add_band(const struct step *s, int task)
{
    const struct sqz_net *net = s->engine->plan->integer->net;
    const struct sqz_layer *layer = &net->layers[s->layer];
    const struct sqz_integer_add *add = &s->engine->plan->integer->adds[s->add];
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
    const struct sqz_integer_plan *plan = s->engine->plan;
    void *work = s->engine->arenas + (size_t)worker * (plan->arena + plan->work) + plan->arena;
    switch (plan->integer->net->layers[s->layer].kind) {
    case SQZ_LAYER_CONV:
        if (s->conv == plan->integer->n_convs - 1)
            class_panels(s, task);
        else if (plan->convs[s->conv].winograd)
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
    const struct sqz_integer_plan *plan = s->engine->plan;
    const struct sqz_layer *layer = &plan->integer->net->layers[s->layer];
    const int rows = plan->integer->net->tensors[layer->output].h;
    if (layer->kind == SQZ_LAYER_CONV && s->conv == plan->integer->n_convs - 1)
        return (layer->channels + SQZ_INTEGER_CLASS_PANELS * SQZ_INTEGER_PANEL - 1) /
               (SQZ_INTEGER_CLASS_PANELS * SQZ_INTEGER_PANEL);
    const int threads = s->engine->alone ? sqz_pool_size(s->engine->pool) : 1;
    const int wanted = threads > 1 ? 4 * threads : 1;
    return wanted < rows ? wanted : rows;
}

static void run_image(const struct sqz_integer_engine *e, int image, int worker)
{
    const struct sqz_integer_plan *plan = e->plan;
    const struct sqz_net *net = plan->integer->net;
    struct step s = {.engine = e,
                     .arena = e->arenas + (size_t)worker * (plan->arena + plan->work),
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
