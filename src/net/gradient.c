// Loss and gradient of one batch: workers take leaves, go forward and back with a few samples of
// them at a time, and add the leaves up by reduce.c's tree.
#include "net/gradient.h"

#include "base/memory.h"
#include "base/random.h"
#include "net/backward.h"
#include "net/gradient_plan.h"
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
    struct sqz_gradient_step *step; // the one that runs
    int leaf, first;                // its samples per leaf, and the first of this rank's
};

// --- Making one ---

static void free_worker(struct worker *worker)
{
    sqz_free(worker->tensors);
    sqz_free(worker->grads);
    sqz_free(worker->indices);
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
            const struct sqz_block *block = &plan->tensors[t];
            char *sample = arena + s * (block->size / pass);
            worker->tensors[s * tensors + t] = (float *)(sample + block->offset);
            worker->grads[s * tensors + t] = (float *)(sample + plan->grads[t].offset);
        }
        for (size_t i = 0; i < layers; i++) {
            const struct sqz_block *block = &plan->indices[i];
            worker->indices[s * layers + i] =
                (uint8_t *)arena + block->offset + s * (block->size / pass);
        }
    }
    return true;
}

static bool take_memory(struct sqz_gradient *gradient)
{
    const struct sqz_gradient_plan *plan = &gradient->plan;
    size_t layers = (size_t)gradient->net->n_layers, workers = plan->memory.workers;
    gradient->packed = sqz_new_aligned(plan->packing.size, sizeof(float));
    gradient->forward_packed = sqz_new_array(layers, sizeof *gradient->forward_packed);
    gradient->backward_packed = sqz_new_array(layers, sizeof *gradient->backward_packed);
    gradient->bias = sqz_new_array(layers, sizeof *gradient->bias);
    gradient->arenas = sqz_new_aligned(workers, plan->arena);
    gradient->scratch = sqz_new_aligned(workers, plan->scratch);
    gradient->workers = sqz_new_array(workers, sizeof *gradient->workers);
    if (!gradient->packed || !gradient->forward_packed || !gradient->backward_packed ||
        !gradient->bias || !gradient->arenas || !gradient->scratch || !gradient->workers)
        return false;
    for (int w = 0; w < (int)workers; w++) {
        if (!make_worker(gradient, w))
            return false;
    }
    for (size_t i = 0; i < layers; i++) {
        if (plan->packing.forward[i] != SIZE_MAX)
            gradient->forward_packed[i] = gradient->packed + plan->packing.forward[i];
        if (plan->packing.backward[i] != SIZE_MAX)
            gradient->backward_packed[i] = gradient->packed + plan->packing.backward[i];
    }
    return true;
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
                                             plan->packing.forward_tile};
    gradient->backward = (struct sqz_backward){net,
                                               kernels,
                                               gradient->backward_packed,
                                               plan->packing.backward_tile,
                                               plan->packing.weights_tile,
                                               plan->add_input,
                                               plan->add_addend};
    *out = gradient;
    return SQZ_OK;
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
    sqz_packing_fill(&gradient->plan.packing, net, gradient->kernels, index, weights,
                     gradient->packed);
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

static void pass_forward(struct pass *pass)
{
    const struct sqz_gradient *gradient = pass->gradient;
    const struct sqz_net *net = gradient->net;
    struct worker *worker = pass->worker;
    const struct sqz_tensor *in = &net->tensors[0];
    for (int s = 0; s < pass->n; s++) // no layer writes tensor 0, so the image may be const
        worker->tensors[s * net->n_tensors] =
            (float *)gradient->step->images +
            (size_t)(pass->first - gradient->first + s) * in->h * in->w * in->c;
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        const struct sqz_tensor *out = &net->tensors[layer->output];
        struct sqz_piece whole = sqz_piece_whole(net, i);
        for (int s = 0; s < pass->n; s++) {
            float **tensors = worker->tensors + s * net->n_tensors;
            sqz_piece_forward(&gradient->forward, &whole, tensors,
                              worker->indices[s * net->n_layers + i], worker->scratch);
            if (layer->kind == SQZ_LAYER_DROPOUT)
                dropout(pass, s, tensors[layer->output], (size_t)out->h * out->w * out->c);
            if (pass->count_zeros && layer->kind == SQZ_LAYER_CONV && layer->relu)
                count_zeros(pass, layer, tensors[layer->output]);
        }
    }
}

// What the backward pass leaves behind at a layer: whole buckets, and time for messages.
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

static void pass_backward(struct pass *pass)
{
    const struct sqz_gradient *gradient = pass->gradient;
    const struct sqz_net *net = gradient->net;
    struct worker *worker = pass->worker;
    for (int i = net->n_layers - 1; i >= 0; i--) {
        const struct sqz_layer *layer = &net->layers[i];
        const struct sqz_tensor *out = &net->tensors[layer->output];
        for (int s = 0; s < pass->n; s++) {
            struct sqz_backward_image image = {
                worker->tensors + s * net->n_tensors, worker->grads + s * net->n_tensors,
                worker->indices + s * net->n_layers, pass->params, worker->scratch};
            if (layer->kind == SQZ_LAYER_DROPOUT)
                dropout(pass, s, image.grads[layer->output], (size_t)out->h * out->w * out->c);
            else
                sqz_layer_backward(&gradient->backward, i, &image);
        }
        leave_layer(pass, i);
    }
}

// The samples of a pass lie one behind the other in each tensor, so the first one's logits begin
// the array that the loss wants.
static void run_pass(struct pass *pass)
{
    const struct sqz_gradient_step *step = pass->gradient->step;
    int logits = pass->gradient->net->n_tensors - 1;
    pass_forward(pass);
    pass->loss += step->loss(step->loss_arg, pass->first, pass->n, pass->worker->tensors[logits],
                             pass->worker->grads[logits]);
    pass_backward(pass);
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
    int end = (leaf.index + 1) * gradient->leaf;
    if (end > step->n)
        end = step->n;
    for (pass.first = leaf.index * gradient->leaf; pass.first < end; pass.first += pass.n) {
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
    int leaf = sqz_gradient_net_leaf(net, n), leaves = (n + leaf - 1) / leaf;
    sqz_tree_share(leaves, rank, ranks, first, end);
    *first *= leaf;
    *end = *end == leaves ? n : *end * leaf;
}

struct sqz_reduce *sqz_gradient_reduce(struct sqz_gradient *gradient, int n, int *leaves)
{
    int leaf = sqz_gradient_net_leaf(gradient->net, n);
    *leaves = (n + leaf - 1) / leaf;
    return gradient->reduce;
}

void sqz_gradient_run(struct sqz_gradient *gradient, struct sqz_gradient_step *step)
{
    gradient->step = step;
    gradient->leaf = sqz_gradient_net_leaf(gradient->net, step->n);
    int leaves = (step->n + gradient->leaf - 1) / gradient->leaf, first = 0, end = leaves;
    if (step->ranks > 1)
        sqz_tree_share(leaves, step->rank, step->ranks, &first, &end);
    gradient->first = first * gradient->leaf;
    sqz_pool_run(gradient->pool, gradient->net->n_layers, pack_layer, gradient);
    sqz_reduce_begin(gradient->reduce, leaves, first, end, step->ranks > 1 ? NULL : step->gradient);
    sqz_pool_run(gradient->pool, end - first, run_leaf, gradient);
    step->loss_value = sqz_reduce_loss(gradient->reduce);
}
