// One task of a group: some of its samples go through one stage, forwards or backwards, a few
// at a time.
#include "net/bn_pass.h"

#include "base/memory.h"
#include "base/random.h"
#include "net/bn_statistics.h"

#include <string.h>

// A few samples of a task on their way through a stage; contiguous in each tensor.
struct pass {
    struct sqz_bn_group *group;
    const struct sqz_bn_stage *stage;
    int task, first, n;       // samples of the group
    float **tensors, **grads; // [sample of the pass][tensor]
    uint8_t **indices;        // [sample of the pass][layer]
    char *scratch, *window;
    size_t used; // of the window
};

static float *window_take(struct pass *pass, int tensor)
{
    float *at = (float *)(pass->window + pass->used);
    pass->used += sqz_bn_window(pass->group->plan, pass->group->stage, tensor);
    return at;
}

static float *sample_of(const struct sqz_bn_group *group, const struct sqz_block *block, int tensor,
                        int sample)
{
    return (float *)(group->arena + block->offset) +
           (size_t)sample * sqz_tensor_size(group->net, tensor);
}

static void point(struct pass *pass)
{
    const struct sqz_bn_group *group = pass->group;
    const struct sqz_bn_plan *plan = group->plan;
    const struct sqz_net *net = group->net;
    size_t image = sqz_tensor_size(net, 0);
    for (int s = 0; s < pass->n; s++) {
        int sample = pass->first + s;
        for (int t = 1; t < net->n_tensors; t++) {
            pass->tensors[s * net->n_tensors + t] = sample_of(group, &plan->kept[t], t, sample);
            pass->grads[s * net->n_tensors + t] = sample_of(group, &plan->grads[t], t, sample);
        }
        // No layer writes tensor 0, so the image may be const.
        pass->tensors[s * net->n_tensors] =
            (float *)group->step->images + (size_t)(group->first - group->share + sample) * image;
        for (int i = 0; i < net->n_layers; i++)
            pass->indices[s * net->n_layers + i] =
                (uint8_t *)group->arena + plan->indices[i].offset +
                (size_t)sample * sqz_tensor_size(net, net->layers[i].output);
    }
    pass->used = 0;
}

static struct sqz_bn bn_of(const struct sqz_bn_group *group, int tensor, const float *x)
{
    const struct sqz_bn_tensor *what = &group->plan->tensors[tensor];
    const struct sqz_tensor *shape = &group->net->tensors[tensor];
    return (struct sqz_bn){.x = x,
                           .scale = sqz_bn_numbers(group, SQZ_BN_SCALE, tensor),
                           .shift = sqz_bn_numbers(group, SQZ_BN_SHIFT, tensor),
                           .n = shape->h * shape->w,
                           .channels = shape->c,
                           .relu = what->relu};
}

static void count_zeros(struct sqz_bn_group *group, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        group->zeros += y[i] == 0;
    group->outputs += n;
}

static void dropout(const struct pass *pass, int sample, int tensor, float *x)
{
    const struct sqz_bn_group *group = pass->group;
    struct sqz_random random;
    sqz_random_init(&random, group->step->seed, group->step->micro_step,
                    (uint64_t)(group->first + pass->first + sample), SQZ_RANDOM_DROPOUT);
    sqz_dropout(group->net, random.key, x, sqz_tensor_size(group->net, tensor));
}

// y of the normalised tensors that the stage reads goes into the window, where its layers see it.
static void make_inputs(struct pass *pass, bool backward)
{
    struct sqz_bn_group *group = pass->group;
    const struct sqz_net *net = group->net;
    int stage = group->stage;
    for (int t = 1; t < net->n_tensors; t++) {
        if (!sqz_bn_needs(group->plan, stage, backward, t))
            continue;
        size_t size = sqz_tensor_size(net, t);
        float *y = window_take(pass, t);
        for (int s = 0; s < pass->n; s++, y += size) {
            float **at = &pass->tensors[s * net->n_tensors + t];
            struct sqz_bn norm = bn_of(group, t, *at);
            group->kernels->bn_forward(&norm, y);
            *at = y;
            if (!backward && group->count_zeros && pass->task == 0 && norm.relu &&
                group->plan->tensors[t].reader == stage)
                count_zeros(group, y, size);
        }
    }
}

// The maxima of y, before y is known.
static void pool_layer(struct pass *pass, int index)
{
    const struct sqz_bn_group *group = pass->group;
    const struct sqz_net *net = group->net;
    const struct sqz_layer *layer = &net->layers[index];
    struct sqz_pool2d pool = sqz_layer_pool(net, index);
    pool.signs = sqz_bn_numbers(group, SQZ_BN_SIGN, layer->output);
    for (int s = 0; s < pass->n; s++) {
        float *const *tensors = pass->tensors + s * net->n_tensors;
        group->kernels->maxpool(&pool, tensors[layer->input], pool.channels, tensors[layer->output],
                                pool.channels, pass->indices[s * net->n_layers + index]);
    }
}

static void forward_layer(struct pass *pass, int index)
{
    struct sqz_bn_group *group = pass->group;
    const struct sqz_net *net = group->net;
    const struct sqz_layer *layer = &net->layers[index];
    if (layer->kind == SQZ_LAYER_MAXPOOL && group->plan->tensors[layer->output].normalised) {
        pool_layer(pass, index);
        return;
    }
    sqz_images_forward(group->forward, index, pass->n, pass->tensors, pass->indices[index],
                       pass->scratch);
    for (int s = 0; s < pass->n; s++) {
        float *out = pass->tensors[s * net->n_tensors + layer->output];
        if (layer->kind == SQZ_LAYER_DROPOUT)
            dropout(pass, s, layer->output, out);
        if (group->count_zeros && pass->task == 0 && layer->relu && layer->gamma < 0)
            count_zeros(group, out, sqz_tensor_size(net, layer->output));
    }
}

static double *sums_of(const struct sqz_bn_group *group, int task, int which, int tensor)
{
    const struct sqz_bn_plan *plan = group->plan;
    return group->sums + (size_t)(task * 2 + which) * plan->n_channels +
           plan->tensors[tensor].channel;
}

static void forward_sums(struct pass *pass)
{
    const struct sqz_bn_group *group = pass->group;
    const struct sqz_net *net = group->net;
    for (int t = 1; t < net->n_tensors; t++) {
        const struct sqz_bn_tensor *tensor = &group->plan->tensors[t];
        const struct sqz_tensor *shape = &net->tensors[tensor->written];
        for (int s = 0; tensor->normalised && tensor->writer == group->stage && s < pass->n; s++)
            group->kernels->bn_sums(pass->tensors[s * net->n_tensors + tensor->written],
                                    shape->h * shape->w, shape->c, sums_of(group, pass->task, 0, t),
                                    sums_of(group, pass->task, 1, t));
    }
}

static void clear_sums(const struct sqz_bn_group *group, int task, bool backward)
{
    for (int t = 1; t < group->net->n_tensors; t++) {
        const struct sqz_bn_tensor *tensor = &group->plan->tensors[t];
        size_t bytes = (size_t)group->net->tensors[t].c * sizeof(double);
        if (!tensor->normalised || (backward ? tensor->reader : tensor->writer) != group->stage)
            continue;
        memset(sums_of(group, task, 0, t), 0, bytes);
        memset(sums_of(group, task, 1, t), 0, bytes);
    }
}

static int task_size(const struct sqz_bn_group *group)
{
    return (group->n + SQZ_BN_TASKS - 1) / SQZ_BN_TASKS;
}

int sqz_bn_tasks(const struct sqz_bn_group *group)
{
    return (group->n + task_size(group) - 1) / task_size(group);
}

static struct pass begin_task(struct sqz_bn_group *group, int task, int worker)
{
    const struct sqz_bn_plan *plan = group->plan;
    size_t tensors = (size_t)plan->pass * (size_t)group->net->n_tensors;
    size_t layers = (size_t)plan->pass * (size_t)group->net->n_layers;
    float **pointers = group->pointers + (size_t)worker * 2 * tensors;
    return (struct pass){.group = group,
                         .stage = &plan->stages[group->stage],
                         .task = task,
                         .first = task * task_size(group),
                         .tensors = pointers,
                         .grads = pointers + tensors,
                         .indices = group->indices + (size_t)worker * layers,
                         .scratch = group->scratch + (size_t)worker * group->scratch_size,
                         .window = group->windows + (size_t)worker * plan->window};
}

// Takes the next samples of the task; false when there are none.
static bool next_pass(struct pass *pass)
{
    const struct sqz_bn_group *group = pass->group;
    int end = (pass->task + 1) * task_size(group);
    end = end < group->n ? end : group->n;
    pass->first += pass->n;
    pass->n = end - pass->first < pass->stage->pass ? end - pass->first : pass->stage->pass;
    if (pass->n <= 0)
        return false;
    point(pass);
    return true;
}

// The samples are contiguous, so the first one's logits begin the array that the loss
// wants.
static double pass_loss(const struct pass *pass)
{
    const struct sqz_gradient_step *step = pass->group->step;
    int logits = pass->group->net->n_tensors - 1;
    return step->loss(step->loss_arg, pass->group->first + pass->first, pass->n,
                      pass->tensors[logits], pass->grads[logits]);
}

void sqz_bn_forward_task(void *arg, int task, int worker)
{
    struct sqz_bn_group *group = arg;
    struct pass pass = begin_task(group, task, worker);
    bool last = group->stage == group->plan->n_stages - 1;
    clear_sums(group, task, false);
    group->losses[task] = 0;
    while (next_pass(&pass)) {
        make_inputs(&pass, false);
        for (int i = pass.stage->first; i < pass.stage->end; i++)
            forward_layer(&pass, i);
        forward_sums(&pass);
        if (last && group->step->loss)
            group->losses[task] += pass_loss(&pass);
    }
}

// From the gradient dy of y, the normalised tensor, to that of what its convolutions wrote.
static void bn_backward(const struct pass *pass, int sample, int tensor, float *dy, float *dx)
{
    const struct sqz_bn_group *group = pass->group;
    const struct sqz_bn_tensor *what = &group->plan->tensors[tensor];
    float *const *tensors = pass->tensors + sample * group->net->n_tensors;
    const struct sqz_bn norm = bn_of(group, tensor, tensors[tensor]);
    const float *a = sqz_bn_numbers(group, SQZ_BN_A, tensor);
    const float *b = sqz_bn_numbers(group, SQZ_BN_B, tensor);
    const float *c = sqz_bn_numbers(group, SQZ_BN_C, tensor);
    if (what->pool < 0) {
        group->kernels->bn_backward(&norm, dy, a, b, c, dx);
        return;
    }
    const struct sqz_pool2d pool = sqz_layer_pool(group->net, what->pool);
    const struct sqz_bn everywhere = {.x = tensors[what->written],
                                      .scale = b,
                                      .shift = c,
                                      .n = pool.in_h * pool.in_w,
                                      .channels = pool.channels};
    group->kernels->bn_forward(&everywhere, dx);
    group->kernels->bn_backward(&norm, dy, a, NULL, NULL, dy);
    group->kernels->maxpool_backward(&pool, dy, pool.channels,
                                     pass->indices[sample * group->net->n_layers + what->pool], dx,
                                     pool.channels);
}

// The gradients of what the stage's convolutions wrote go into the window.
static void make_gradients(struct pass *pass)
{
    const struct sqz_net *net = pass->group->net;
    for (int t = 1; t < net->n_tensors; t++) {
        const struct sqz_bn_tensor *tensor = &pass->group->plan->tensors[t];
        if (!tensor->normalised || tensor->writer != pass->group->stage)
            continue;
        float *dx = window_take(pass, tensor->written);
        for (int s = 0; s < pass->n; s++, dx += sqz_tensor_size(net, tensor->written)) {
            float **grads = pass->grads + s * net->n_tensors;
            bn_backward(pass, s, t, grads[t], dx);
            grads[tensor->written] = dx;
        }
    }
}

static void backward_layer(struct pass *pass, int index)
{
    const struct sqz_bn_group *group = pass->group;
    const struct sqz_net *net = group->net;
    const struct sqz_layer *layer = &net->layers[index];
    const struct sqz_backward_images images = {
        .tensors = pass->tensors,
        .grads = pass->grads,
        .indices = pass->indices,
        .params = group->task_gradients + (size_t)pass->task * group->plan->task_floats,
        .scratch = pass->scratch,
        .n = pass->n};
    if (layer->kind == SQZ_LAYER_MAXPOOL && group->plan->tensors[layer->output].normalised)
        return; // bn_backward has been there
    if (layer->kind != SQZ_LAYER_DROPOUT)
        sqz_layer_backward(group->backward, index, &images);
    for (int s = 0; layer->kind == SQZ_LAYER_DROPOUT && s < pass->n; s++)
        dropout(pass, s, layer->output, pass->grads[s * net->n_tensors + layer->output]);
}

// The gradients of the tensors that no earlier stage reads are complete.
static void backward_sums(struct pass *pass)
{
    const struct sqz_bn_group *group = pass->group;
    const struct sqz_net *net = group->net;
    for (int t = 1; t < net->n_tensors; t++) {
        const struct sqz_bn_tensor *tensor = &group->plan->tensors[t];
        for (int s = 0; tensor->normalised && tensor->reader == group->stage && s < pass->n; s++) {
            struct sqz_bn norm =
                bn_of(group, t, sample_of(group, &group->plan->kept[t], t, pass->first + s));
            group->kernels->bn_backward_sums(&norm, pass->grads[s * net->n_tensors + t],
                                             sums_of(group, pass->task, 0, t),
                                             sums_of(group, pass->task, 1, t));
        }
    }
}

// y was recomputed, and dropout works on it in place.
static void drop_inputs(struct pass *pass)
{
    const struct sqz_net *net = pass->group->net;
    for (int i = pass->stage->first; i < pass->stage->end; i++) {
        int t = net->layers[i].output;
        bool again =
            net->layers[i].kind == SQZ_LAYER_DROPOUT && pass->group->plan->tensors[t].normalised;
        for (int s = 0; again && s < pass->n; s++)
            dropout(pass, s, t, pass->tensors[s * net->n_tensors + t]);
    }
}

void sqz_bn_backward_task(void *arg, int task, int worker)
{
    struct sqz_bn_group *group = arg;
    struct pass pass = begin_task(group, task, worker);
    memset(group->task_gradients + (size_t)task * group->plan->task_floats, 0,
           pass.stage->task_floats * sizeof(float));
    clear_sums(group, task, true);
    while (next_pass(&pass)) {
        make_inputs(&pass, true);
        drop_inputs(&pass);
        make_gradients(&pass);
        for (int i = pass.stage->end - 1; i >= pass.stage->first; i--)
            backward_layer(&pass, i);
        backward_sums(&pass);
    }
}
