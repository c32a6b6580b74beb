// Inference: weights packed once, and two ways to run. As many images as threads or more: every
// thread takes a few whole images at a time, in its own arena. Fewer: image by image, each stage
// cut into work items for all threads.
#include "net/infer.h"

#include "base/memory.h"
#include "net/fused.h"
#include "net/infer_plan.h"

#include <string.h>

struct sqz_infer {
    const struct sqz_net *net;
    const struct sqz_kernels *kernels;
    struct sqz_pool *pool;
    struct sqz_infer_plan plan;
    struct sqz_work_items items;
    struct sqz_forward forward;
    float *weights;       // packed weights, then biases
    const float **packed; // per layer, into `weights`
    const float **bias;
    char *arenas, *scratch; // one per worker
    char *begun;            // per work item of one image
    float **tensors;        // [worker][tensor]
};

struct pack {
    struct sqz_infer *infer;
    const float *weights;
};

// One layer; the last layers are the largest, and the pool hands out ascending numbers.
static void pack_layer(void *arg, int task, int worker)
{
    (void)worker;
    const struct pack *pack = arg;
    struct sqz_infer *infer = pack->infer;
    int layer = infer->net->n_layers - 1 - task;
    sqz_weight_layout_pack(&infer->plan.layout, infer->net, infer->kernels, layer, pack->weights,
                           infer->weights);
}

static void load_weights(struct sqz_infer *infer, const float *weights)
{
    const struct sqz_net *net = infer->net;
    float *bias = infer->weights + infer->plan.layout.size;
    for (int i = 0; i < net->n_layers; i++) {
        if (net->layers[i].kind != SQZ_LAYER_CONV)
            continue;
        const struct sqz_param *param = &net->params[net->layers[i].bias];
        memcpy(bias, weights + param->offset, param->size * sizeof *bias);
        infer->packed[i] = infer->weights + infer->plan.layout.forward[i];
        infer->bias[i] = bias;
        bias += param->size;
    }
    struct pack pack = {infer, weights};
    sqz_pool_run(infer->pool, net->n_layers, pack_layer, &pack);
}

static enum sqz_status take_memory(struct sqz_infer *infer, struct sqz_error *err)
{
    const struct sqz_infer_plan *plan = &infer->plan;
    size_t layers = (size_t)infer->net->n_layers, tensors = (size_t)infer->net->n_tensors;
    size_t workers = plan->memory.workers;
    infer->packed = sqz_new_array(layers, sizeof *infer->packed);
    infer->bias = sqz_new_array(layers, sizeof *infer->bias);
    infer->tensors = sqz_new_array(workers * tensors, sizeof *infer->tensors);
    infer->weights = sqz_new_aligned(plan->layout.size + plan->n_bias, sizeof(float));
    infer->arenas = sqz_new_aligned(workers, plan->arena);
    infer->scratch = sqz_new_aligned(workers, plan->scratch);
    infer->begun = sqz_new_array((size_t)infer->items.first[plan->n_stages], 1);
    if (!infer->begun || !infer->packed || !infer->bias || !infer->tensors || !infer->weights ||
        !infer->arenas || !infer->scratch)
        return sqz_fail_memory(err, "inference", plan->memory.total);
    for (size_t w = 0; w < workers; w++) {
        for (size_t t = 0; t < tensors; t++)
            infer->tensors[w * tensors + t] =
                (float *)(infer->arenas + w * plan->arena + plan->blocks[t].offset);
    }
    return SQZ_OK;
}

enum sqz_status sqz_infer_new(const struct sqz_net *net, const float *weights,
                              const struct sqz_kernels *kernels, struct sqz_pool *pool,
                              bool low_memory, struct sqz_infer **out, struct sqz_error *err)
{
    struct sqz_infer *infer = sqz_new_array(1, sizeof *infer);
    if (!infer)
        return sqz_fail_memory(err, "inference", sizeof *infer);
    int threads = sqz_pool_size(pool);
    infer->net = net;
    infer->kernels = kernels;
    infer->pool = pool;
    enum sqz_status status =
        sqz_infer_plan_new(net, kernels, threads, low_memory, &infer->plan, err);
    if (!status)
        status = sqz_work_items_new(net, kernels, &infer->plan, threads, &infer->items, err);
    if (!status)
        status = take_memory(infer, err);
    if (status) {
        sqz_infer_free(infer);
        return status;
    }
    if (!low_memory) { // the system hands out memory when it is touched: here, not in the first run
        memset(infer->arenas, 0, infer->plan.arena);
        memset(infer->scratch, 0, infer->plan.scratch * (size_t)threads);
    }
    load_weights(infer, weights); // last: the threads are awake then
    infer->forward = (struct sqz_forward){net, kernels, infer->packed, infer->bias,
                                          infer->plan.layout.forward_tile};
    *out = infer;
    return SQZ_OK;
}

void sqz_infer_free(struct sqz_infer *infer)
{
    if (!infer)
        return;
    sqz_infer_plan_release(&infer->plan);
    sqz_work_items_release(&infer->items);
    sqz_free(infer->weights);
    sqz_free(infer->packed);
    sqz_free(infer->bias);
    sqz_free(infer->arenas);
    sqz_free(infer->scratch);
    sqz_free(infer->begun);
    sqz_free(infer->tensors);
    sqz_free(infer);
}

// --- Running ---

struct run {
    struct sqz_infer *infer;
    const float *images;
    float *logits;
    int n, task_images; // images: all, and of a task
    int stage;
};

// The tables of worker 0 serve all workers when they share one image. No layer writes tensor 0, so
// the image may be const.
static float **bind_image(const struct run *run, int image, int worker)
{
    const struct sqz_net *net = run->infer->net;
    float **tensors = run->infer->tensors + (size_t)worker * net->n_tensors;
    tensors[0] = (float *)run->images + (size_t)image * sqz_tensor_size(net, 0);
    tensors[net->n_tensors - 1] = run->logits + (size_t)image * net->spec.classes;
    return tensors;
}

static void run_item(const struct sqz_infer *infer, const struct sqz_work_item *item,
                     float *const *tensors, int worker)
{
    const struct sqz_infer_plan *plan = &infer->plan;
    char *scratch = infer->scratch + (size_t)worker * plan->scratch;
    if (plan->strip[item->layer])
        sqz_fused_forward(&infer->forward, item, tensors, (float *)(scratch + plan->layout.scratch),
                          scratch);
    else
        sqz_work_item_forward(&infer->forward, item, tensors, NULL, scratch);
}

static void run_images(void *arg, int task, int worker)
{
    struct run *run = arg;
    const struct sqz_infer *infer = run->infer;
    const struct sqz_infer_plan *plan = &infer->plan;
    const struct sqz_net *net = infer->net;
    const int first = task * run->task_images, meeting = net->layers[plan->late - 1].output;
    const int images = run->n - first < run->task_images ? run->n - first : run->task_images;
    char *scratch = infer->scratch + (size_t)worker * plan->scratch;
    float **tensors = NULL, *met = NULL;
    for (int image = 0; image < images; image++) {
        tensors = bind_image(run, first + image, worker);
        if (image == 0)
            met = tensors[meeting];
        tensors[meeting] = met + image * sqz_tensor_size(net, meeting);
        for (int i = 0; i < plan->late; i++) {
            struct sqz_work_item item = sqz_work_item_whole(net, i);
            if (!plan->taken[i])
                run_item(infer, &item, tensors, worker);
        }
    }
    tensors = bind_image(run, first, worker);
    tensors[meeting] = met;
    for (int i = plan->late; i < net->n_layers; i++)
        if (plan->strip[i])
            sqz_fused_mean(&infer->forward, i, images, tensors,
                           (float *)(scratch + plan->layout.scratch), scratch);
        else if (!plan->taken[i])
            sqz_images_forward(&infer->forward, i, images, tensors, NULL, scratch);
}

// The stage's next work item for this worker: if possible one whose input it wrote itself, which is
// in its cache. Between cores that share no cache maps travel slowly: in a virtual machine, two
// threads took 4.1 ms for 1.0 in some minutes and 5.6 in others, depending on the host's placement.
static int begin_item(const struct run *run, int worker)
{
    const struct sqz_work_items *items = &run->infer->items;
    const int first = items->first[run->stage], end = items->first[run->stage + 1];
    for (int anyone = 0; anyone < 2; anyone++)
        for (int p = first; p < end; p++)
            if ((anyone || items->items[p].owner_thread == worker) &&
                !__atomic_exchange_n(&run->infer->begun[p], 1, __ATOMIC_RELAXED))
                return p;
    return first; // never: there are as many tasks as work items
}

static void run_task(void *arg, int task, int worker)
{
    const struct run *run = arg;
    (void)task;
    run_item(run->infer, &run->infer->items.items[begin_item(run, worker)], run->infer->tensors,
             worker);
}

void sqz_infer_run(struct sqz_infer *infer, const float *images, int n, float *logits)
{
    struct run run = {.infer = infer, .images = images, .logits = logits, .n = n};
    const int threads = sqz_pool_size(infer->pool);
    if (n >= threads) {
        const int most = infer->plan.task_images;
        run.task_images = n / threads < most ? n / threads : most;
        sqz_pool_run(infer->pool, (n + run.task_images - 1) / run.task_images, run_images, &run);
        return;
    }
    const int *first = infer->items.first;
    for (int image = 0; image < n; image++) {
        bind_image(&run, image, 0);
        memset(infer->begun, 0, (size_t)first[infer->plan.n_stages]);
        for (run.stage = 0; run.stage < infer->plan.n_stages; run.stage++)
            sqz_pool_run(infer->pool, first[run.stage + 1] - first[run.stage], run_task, &run);
    }
}
