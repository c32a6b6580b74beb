// Loss and gradient of one batch: workers take leaves, go forward and back with a few samples of
// them at a time, and add the leaves up by reduce.c's tree.
#include "net/gradient.h"

#include "base/memory.h"
#include "base/random.h"
#include "net/backward.h"
#include "net/gradient_plan.h"
#include "net/bn_group.h"
#include "net/reduce.h"

struct worker {
    float **tensors, **grads; // [sample of the pass][tensor]
    uint8_t **indices;        // [sample of the pass][layer]
    char *scratch;
};

struct sqz_gradient {
    const struct sqz_net *net;
    const struct sqz_kernels *kernels;
    struct sqz_pool *pool;
    struct sqz_gradient_plan plan;
    struct sqz_forward forward;
    struct sqz_backward backward;
    struct sqz_reduce *reduce;
    float *packed;                        // both passes' weights
    const float **forward_packed, **bias; // per layer
    const float **backward_packed;
    char *arenas, *scratch; // one part a worker
    struct worker *workers;
    struct sqz_bn_group *groups;    // networks with BN only: one per crew
    struct sqz_gradient_step *step; // the one that runs
    int first;                      // sample of this rank's share
};

// --- Making one ---

static void free_worker(struct worker *worker)
{
    sqz_free(worker->tensors);
    sqz_free(worker->grads);
    sqz_free(worker->indices);
}

static char *place(char *arena, const struct sqz_block *block, size_t bytes, size_t sample)
{
    return arena + block->offset + sample * sqz_gradient_stride(block, bytes);
}

static bool make_worker(struct sqz_gradient *gradient, int index)
{
    const struct sqz_gradient_plan *plan = &gradient->plan;
    struct worker *worker = &gradient->workers[index];
    size_t tensors = (size_t)gradient->net->n_tensors, layers = (size_t)gradient->net->n_layers;
    size_t pass = (size_t)plan->pass;
    worker->tensors = sqz_new_array(pass * tensors, sizeof *worker->tensors);
    worker->grads = sqz_new_array(pass * tensors, sizeof *worker->grads);
    worker->indices = sqz_new_array(pass * layers, sizeof *worker->indices);
    worker->scratch = gradient->scratch + (size_t)index * plan->scratch;
    if (!worker->tensors || !worker->grads || !worker->indices)
        return false;
    char *arena = gradient->arenas + (size_t)index * plan->arena;
    for (size_t s = 0; s < pass; s++) {
        for (size_t t = 0; t < tensors; t++) {
            const size_t bytes = sqz_tensor_size(gradient->net, (int)t) * sizeof(float);
            worker->tensors[s * tensors + t] = (float *)place(arena, &plan->tensors[t], bytes, s);
            worker->grads[s * tensors + t] = (float *)place(arena, &plan->grads[t], bytes, s);
        }
        for (size_t i = 0; i < layers; i++) {
            const size_t bytes = sqz_tensor_size(gradient->net, gradient->net->layers[i].output);
            worker->indices[s * layers + i] = (uint8_t *)place(arena, &plan->indices[i], bytes, s);
        }
    }
    return true;
}

static bool take_memory(struct sqz_gradient *gradient)
{
    const struct sqz_gradient_plan *plan = &gradient->plan;
    size_t layers = (size_t)gradient->net->n_layers, workers = plan->memory.workers;
    gradient->packed = sqz_new_aligned(plan->layout.size, sizeof(float));
    gradient->forward_packed = sqz_new_array(layers, sizeof *gradient->forward_packed);
    gradient->backward_packed = sqz_new_array(layers, sizeof *gradient->backward_packed);
    gradient->bias = sqz_new_array(layers, sizeof *gradient->bias);
    gradient->arenas = sqz_new_aligned(workers, plan->arena);
    gradient->scratch = sqz_new_aligned(workers, plan->scratch);
    gradient->workers = sqz_new_array(workers, sizeof *gradient->workers);
    if (!gradient->packed || !gradient->forward_packed || !gradient->backward_packed ||
        !gradient->bias || !gradient->arenas || !gradient->scratch || !gradient->workers)
        return false;
    for (int w = 0; plan->arena > 0 && w < (int)workers; w++) {
        if (!make_worker(gradient, w))
            return false;
    }
    for (size_t i = 0; i < layers; i++) {
        if (plan->layout.forward[i] != SIZE_MAX)
            gradient->forward_packed[i] = gradient->packed + plan->layout.forward[i];
        if (plan->layout.backward[i] != SIZE_MAX)
            gradient->backward_packed[i] = gradient->packed + plan->layout.backward[i];
    }
    return true;
}

// A crew of one has a pool of its own, which runs everything on the thread that calls it.
static enum sqz_status make_groups(struct sqz_gradient *gradient, struct sqz_error *err)
{
    const struct sqz_gradient_plan *plan = &gradient->plan;
    gradient->forward.net = gradient->backward.net = &plan->norm.linear;
    gradient->groups = sqz_new_array((size_t)plan->crews, sizeof *gradient->groups);
    if (!gradient->groups)
        return sqz_fail_memory(err, "training", (size_t)plan->crews * sizeof *gradient->groups);
    enum sqz_status status = SQZ_OK;
    for (int c = 0; !status && c < plan->crews; c++) {
        struct sqz_bn_group *group = &gradient->groups[c];
        *group = (struct sqz_bn_group){.net = gradient->net,
                                       .kernels = gradient->kernels,
                                       .pool = gradient->pool,
                                       .plan = &plan->norm,
                                       .forward = &gradient->forward,
                                       .backward = &gradient->backward,
                                       .scratch = gradient->scratch + (size_t)c * plan->scratch,
                                       .scratch_size = plan->scratch};
        if (plan->crews > 1)
            status = sqz_pool_new(1, &group->pool, err);
        if (!status)
            status = sqz_bn_group_init(group, err);
    }
    return status;
}

static void free_groups(struct sqz_gradient *gradient)
{
    for (int c = 0; gradient->groups && c < gradient->plan.crews; c++) {
        if (gradient->groups[c].pool != gradient->pool)
            sqz_pool_free(gradient->groups[c].pool);
        sqz_bn_group_release(&gradient->groups[c]);
    }
    sqz_free(gradient->groups);
}

enum sqz_status sqz_gradient_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                 struct sqz_pool *pool, int max_batch, int ranks,
                                 struct sqz_gradient **out, struct sqz_error *err)
{
    struct sqz_gradient *gradient = sqz_new_array(1, sizeof *gradient);
    if (!gradient)
        return sqz_fail_memory(err, "training", sizeof *gradient);
    gradient->net = net;
    gradient->kernels = kernels;
    gradient->pool = pool;
    struct sqz_gradient_plan *plan = &gradient->plan;
    struct sqz_bucket buckets[SQZ_BUCKETS];
    enum sqz_status status =
        sqz_gradient_plan_new(net, kernels, sqz_pool_size(pool), max_batch, ranks, plan, err);
    if (!status)
        status = sqz_reduce_new(kernels, buckets, sqz_net_buckets(net, buckets), plan->max_leaves,
                                plan->buffers, &gradient->reduce, err);
    if (!status && !take_memory(gradient))
        status = sqz_fail_memory(err, "training", plan->memory.total);
    if (status) {
        sqz_gradient_free(gradient);
        return status;
    }
    gradient->forward = (struct sqz_forward){net, kernels, gradient->forward_packed, gradient->bias,
                                             plan->layout.forward_tile};
    gradient->backward = (struct sqz_backward){net,
                                               kernels,
                                               gradient->backward_packed,
                                               plan->layout.backward_tile,
                                               plan->layout.weights_tile,
                                               plan->add_input,
                                               plan->add_addend,
                                               plan->pool_masks};
    if (net->spec.norm_group > 0)
        status = make_groups(gradient, err);
    if (status)
        sqz_gradient_free(gradient);
    else
        *out = gradient;
    return status;
}

void sqz_gradient_free(struct sqz_gradient *gradient)
{
    if (!gradient)
        return;
    for (size_t w = 0; gradient->workers && w < gradient->plan.memory.workers; w++)
        free_worker(&gradient->workers[w]);
    sqz_free(gradient->workers);
    sqz_free(gradient->packed);
    sqz_free(gradient->forward_packed);
    sqz_free(gradient->backward_packed);
    sqz_free(gradient->bias);
    sqz_free(gradient->arenas);
    sqz_free(gradient->scratch);
    sqz_reduce_free(gradient->reduce);
    free_groups(gradient);
    sqz_gradient_plan_release(&gradient->plan);
    sqz_free(gradient);
}

// --- One step ---

// The last layers are the largest, and the pool hands out ascending numbers.
static void pack_layer(void *arg, int task, int worker)
{
    (void)worker;
    struct sqz_gradient *gradient = arg;
    const struct sqz_net *net = gradient->net;
    int index = net->n_layers - 1 - task;
    const float *weights = gradient->step->weights;
    if (net->layers[index].kind != SQZ_LAYER_CONV)
        return;
    sqz_weight_layout_pack(&gradient->plan.layout, net, gradient->kernels, index, weights,
                           gradient->packed);
    // beta comes after the normalisation, whose kernels add it.
    if (net->layers[index].gamma < 0)
        gradient->bias[index] = weights + net->params[net->layers[index].bias].offset;
}

struct pass {
    struct sqz_gradient *gradient;
    struct worker *worker;
    int first, n;            // samples of the batch
    float *params;           // the leaf's gradient
    uint64_t zeros, outputs; // of the ReLUs, if count_zeros
    bool count_zeros;
    const struct sqz_leaf *leaf; // of the leaf's last pass, else NULL: its buckets become whole
    double loss;                 // of the leaf
    bool polls;                  // on the calling thread
};

static void dropout(const struct pass *pass, int sample, float *x, size_t n)
{
    const struct sqz_gradient_step *step = pass->gradient->step;
    struct sqz_random random;
    sqz_random_init(&random, step->seed, step->micro_step, (uint64_t)(pass->first + sample),
                    SQZ_RANDOM_DROPOUT);
    sqz_dropout(pass->gradient->net, random.key, x, n);
}

// Counts one ReLU's output; before dropout, which adds zeros of its own.
static void count_zeros(struct pass *pass, const struct sqz_layer *layer, const float *tensor)
{
    const struct sqz_tensor *out = &pass->gradient->net->tensors[layer->output];
    for (int p = 0; p < out->h * out->w; p++) {
        const float *y = tensor + (size_t)p * out->c + layer->channel;
        for (int c = 0; c < layer->channels; c++)
            pass->zeros += y[c] == 0;
    }
    pass->outputs += (uint64_t)out->h * out->w * layer->channels;
}

// Samples [sample, sample + n) of the pass through layers [first, end).
static void layers_forward(struct pass *pass, int first, int end, int sample, int n)
{
    const struct sqz_gradient *gradient = pass->gradient;
    const struct sqz_net *net = gradient->net;
    const struct worker *worker = pass->worker;
    float **tensors = worker->tensors + (size_t)sample * net->n_tensors;
    uint8_t **indices = worker->indices + (size_t)sample * net->n_layers;
    for (int i = first; i < end; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        const size_t size = sqz_tensor_size(net, layer->output);
        float *out = tensors[layer->output];
        sqz_images_forward(&gradient->forward, i, n, tensors, indices[i], worker->scratch);
        for (int s = 0; s < n; s++, out += size) {
            if (layer->kind == SQZ_LAYER_DROPOUT)
                dropout(pass, sample + s, out, size);
            if (pass->count_zeros && layer->kind == SQZ_LAYER_CONV && layer->relu)
                count_zeros(pass, layer, out);
        }
    }
}

// What the backward pass has finished at a layer: whole buckets, and time for messages.
static void leave_layer(const struct pass *pass, int layer)
{
    const struct sqz_gradient *gradient = pass->gradient;
    int n;
    const struct sqz_bucket *buckets = sqz_reduce_buckets(gradient->reduce, &n);
    for (int b = 0; pass->leaf && b < n; b++)
        if (buckets[b].layer == layer)
            sqz_reduce_put(gradient->reduce, pass->leaf, b, pass->loss);
    if (pass->polls)
        gradient->step->poll(gradient->step->poll_arg);
}

// Layers [first, end), from the last one on.
static void layers_backward(struct pass *pass, int first, int end, int sample, int n)
{
    const struct sqz_gradient *gradient = pass->gradient;
    const struct sqz_gradient_step *step = gradient->step;
    const struct sqz_net *net = gradient->net;
    const struct worker *worker = pass->worker;
    const struct sqz_backward_images images = {
        .tensors = worker->tensors + (size_t)sample * net->n_tensors,
        .grads = worker->grads + (size_t)sample * net->n_tensors,
        .indices = worker->indices + (size_t)sample * net->n_layers,
        .params = pass->params,
        .scratch = worker->scratch,
        .n = n};
    for (int i = end - 1; i >= first; i--) {
        const struct sqz_layer *layer = &net->layers[i];
        const size_t size = sqz_tensor_size(net, layer->output);
        if (layer->kind != SQZ_LAYER_DROPOUT)
            sqz_layer_backward(&gradient->backward, i, &images);
        for (int s = 0; layer->kind == SQZ_LAYER_DROPOUT && s < n; s++)
            dropout(pass, sample + s, images.grads[layer->output] + s * size, size);
        if (step->maps && layer->input == sqz_net_maps(net))
            pass->loss += step->maps(step->loss_arg, pass->first + sample, n,
                                     images.tensors[layer->input], images.grads[layer->input]);
        if (sample + n == pass->n)
            leave_layer(pass, i);
    }
}

// The samples of a pass are contiguous in each tensor, so the first one's logits begin
// the array that the loss wants.
static void run_pass(struct pass *pass)
{
    const struct sqz_gradient_step *step = pass->gradient->step;
    const struct sqz_net *net = pass->gradient->net;
    const int late = pass->gradient->plan.late, logits = net->n_tensors - 1;
    const struct worker *worker = pass->worker;
    for (int s = 0; s < pass->n; s++) { // no layer writes tensor 0, so the image may be const
        worker->tensors[s * net->n_tensors] =
            (float *)step->images +
            (size_t)(pass->first - pass->gradient->first + s) * sqz_tensor_size(net, 0);
        layers_forward(pass, 0, late, s, 1);
    }
    layers_forward(pass, late, net->n_layers, 0, pass->n);
    pass->loss += step->loss(step->loss_arg, pass->first, pass->n, worker->tensors[logits],
                             worker->grads[logits]);
    layers_backward(pass, late, net->n_layers, 0, pass->n);
    for (int s = 0; s < pass->n; s++)
        layers_backward(pass, 0, late, s, 1);
}

// The task's number does not matter: reduce.c hands out the leaves.
static void run_leaf(void *arg, int task, int worker)
{
    (void)task;
    struct sqz_gradient *gradient = arg;
    struct sqz_gradient_step *step = gradient->step;
    struct sqz_leaf leaf;
    sqz_reduce_take(gradient->reduce, &leaf);
    struct pass pass = {.gradient = gradient,
                        .worker = &gradient->workers[worker],
                        .params = leaf.gradient,
                        .count_zeros = leaf.index == 0 && step->zero_fraction,
                        .polls = worker == 0 && step->poll};
    const int end = sqz_gradient_leaf_start(gradient->net, step->n, leaf.index + 1);
    pass.first = sqz_gradient_leaf_start(gradient->net, step->n, leaf.index);
    for (; pass.first < end; pass.first += pass.n) {
        bool last = end - pass.first <= gradient->plan.pass;
        pass.n = last ? end - pass.first : gradient->plan.pass;
        pass.leaf = last ? &leaf : NULL;
        run_pass(&pass);
    }
    if (pass.count_zeros)
        *step->zero_fraction = (double)pass.zeros / (double)pass.outputs;
}

void sqz_gradient_share(const struct sqz_net *net, int n, int rank, int ranks, int *first, int *end)
{
    int leaf, last;
    sqz_tree_share(sqz_gradient_leaves(net, n), rank, ranks, &leaf, &last);
    *first = sqz_gradient_leaf_start(net, n, leaf);
    *end = sqz_gradient_leaf_start(net, n, last);
}

struct sqz_reduce *sqz_gradient_reduce(struct sqz_gradient *gradient, int n, int *leaves)
{
    *leaves = sqz_gradient_leaves(gradient->net, n);
    return gradient->reduce;
}

// A group is a leaf. As in run_leaf, reduce.c hands them out; the worker is the crew.
static void run_group(void *arg, int task, int worker)
{
    (void)task;
    struct sqz_gradient *gradient = arg;
    struct sqz_gradient_step *step = gradient->step;
    struct sqz_bn_group *group = &gradient->groups[worker];
    struct sqz_leaf leaf;
    int n_buckets;
    sqz_reduce_buckets(gradient->reduce, &n_buckets);
    sqz_reduce_take(gradient->reduce, &leaf);
    const int first = sqz_gradient_leaf_start(gradient->net, step->n, leaf.index);
    const int end = sqz_gradient_leaf_start(gradient->net, step->n, leaf.index + 1);
    group->share = gradient->first;
    double loss = sqz_bn_group_run(group, step, first, end - first, leaf.gradient);
    for (int b = 0; b < n_buckets; b++)
        sqz_reduce_put(gradient->reduce, &leaf, b, loss);
    if (worker == 0 && step->poll)
        step->poll(step->poll_arg);
}

static void run_groups(struct sqz_gradient *gradient, int groups)
{
    if (gradient->plan.crews > 1)
        sqz_pool_run(gradient->pool, groups, run_group, gradient);
    for (int g = 0; gradient->plan.crews == 1 && g < groups; g++)
        run_group(gradient, g, 0);
}

void sqz_gradient_run(struct sqz_gradient *gradient, struct sqz_gradient_step *step)
{
    const struct sqz_net *net = gradient->net;
    const int leaves = sqz_gradient_leaves(net, step->n);
    int first = 0, end = leaves;
    if (step->ranks > 1)
        sqz_tree_share(leaves, step->rank, step->ranks, &first, &end);
    gradient->step = step;
    gradient->first = sqz_gradient_leaf_start(net, step->n, first);
    sqz_pool_run(gradient->pool, net->n_layers, pack_layer, gradient);
    sqz_reduce_begin(gradient->reduce, leaves, first, end, step->ranks > 1 ? NULL : step->gradient);
    if (net->spec.norm_group > 0)
        run_groups(gradient, end - first);
    else
        sqz_pool_run(gradient->pool, end - first, run_leaf, gradient);
    step->loss_value = sqz_reduce_loss(gradient->reduce);
}
