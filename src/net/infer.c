// Inference: weights packed once, and two ways to run. As many images as threads or more: every
// thread takes a few whole images at a time, in its own arena. Fewer: image by image, each stage
// cut into work items for all threads.
#include "net/infer.h"

#include "base/memory.h"
#include "net/fused.h"
#include "net/infer_plan.h"
#include "net/packed_weights.h"

#include <string.h>

struct sqz_infer {
    const struct sqz_net *net;
    struct sqz_pool *pool;
    struct sqz_packed_weights *weights;
    struct sqz_infer_plan plan;
    struct sqz_work_items items;
    struct sqz_forward forward;
    char *arenas, *scratch; // one per worker
    char *begun;            // per work item of one image
    float **tensors;        // [worker][tensor]
    float *kept;            // a feature's tensor of each worker, once one was asked for
    size_t kept_floats;
};

static enum sqz_status take_memory(struct sqz_infer *infer, struct sqz_error *err)
{
    const struct sqz_infer_plan *plan = &infer->plan;
    size_t tensors = (size_t)infer->net->n_tensors, workers = plan->memory.workers;
    infer->tensors = sqz_new_array(workers * tensors, sizeof *infer->tensors);
    infer->arenas = sqz_new_aligned(workers, plan->arena);
    infer->scratch = sqz_new_aligned(workers, plan->scratch);
    infer->begun = sqz_new_array((size_t)infer->items.first[plan->n_stages], 1);
    if (!infer->begun || !infer->tensors || !infer->arenas || !infer->scratch)
        return sqz_fail_memory(err, "inference", plan->memory.total);
    for (size_t w = 0; w < workers; w++) {
        for (size_t t = 0; t < tensors; t++)
            infer->tensors[w * tensors + t] =
                (float *)(infer->arenas + w * plan->arena + plan->blocks[t].offset);
    }
    return SQZ_OK;
}

// Everything but the values of the weights, which are those of `shared` if it is there. Leaves what
// was made in *out also after a failure.
static enum sqz_status make_infer(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                  bool low_memory, struct sqz_packed_weights *shared,
                                  struct sqz_pool *pool, struct sqz_infer **out,
                                  struct sqz_error *err)
{
    struct sqz_infer *infer = *out = sqz_new_array(1, sizeof *infer);
    if (!infer)
        return sqz_fail_memory(err, "inference", sizeof *infer);
    int threads = sqz_pool_size(pool);
    struct sqz_infer_plan *plan = &infer->plan;
    infer->net = net;
    infer->pool = pool;
    enum sqz_status status = sqz_infer_plan_new(net, kernels, threads, low_memory, plan, err);
    if (!status)
        status = sqz_work_items_new(net, kernels, plan, threads, &infer->items, err);
    if (!status && shared)
        infer->weights = sqz_packed_weights_hold(shared);
    else if (!status)
        status =
            sqz_packed_weights_new(net, kernels, &plan->layout, plan->n_bias, &infer->weights, err);
    if (!status)
        status = take_memory(infer, err);
    if (status)
        return status;
    if (!low_memory) { // the system hands out memory when it is touched: here, not in the first run
        memset(infer->arenas, 0, plan->arena);
        memset(infer->scratch, 0, plan->scratch * (size_t)threads);
    }
    infer->forward = (struct sqz_forward){net, kernels, infer->weights->packed,
                                          infer->weights->bias, plan->layout.forward_tile};
    return SQZ_OK;
}

enum sqz_status sqz_infer_new(const struct sqz_net *net, const float *weights,
                              const struct sqz_kernels *kernels, struct sqz_pool *pool,
                              bool low_memory, struct sqz_infer **out, struct sqz_error *err)
{
    struct sqz_infer *infer = NULL;
    enum sqz_status status = make_infer(net, kernels, low_memory, NULL, pool, &infer, err);
    if (status) {
        sqz_infer_free(infer);
        return status;
    }
    infer->weights->low_memory = low_memory;
    sqz_packed_weights_fill(infer->weights, &infer->plan.layout, weights,
                            pool); // last: the threads are awake then
    *out = infer;
    return SQZ_OK;
}

enum sqz_status sqz_infer_share(struct sqz_packed_weights *weights, struct sqz_pool *pool,
                                struct sqz_infer **out, struct sqz_error *err)
{
    struct sqz_infer *infer = NULL;
    enum sqz_status status =
        make_infer(weights->net, weights->kernels, weights->low_memory, weights, pool, &infer, err);
    if (status)
        sqz_infer_free(infer);
    else
        *out = infer;
    return status;
}

struct sqz_packed_weights *sqz_infer_weights(const struct sqz_infer *infer)
{
    return infer->weights;
}

void sqz_infer_free(struct sqz_infer *infer)
{
    if (!infer)
        return;
    sqz_infer_plan_release(&infer->plan);
    sqz_work_items_release(&infer->items);
    sqz_packed_weights_release(infer->weights);
    sqz_free(infer->arenas);
    sqz_free(infer->scratch);
    sqz_free(infer->begun);
    sqz_free(infer->tensors);
    sqz_free(infer->kept);
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

// --- Running, and keeping a feature ---

struct keep {
    struct run run;
    const struct sqz_feature *feature;
    float *features;
    int conv, reader; // layers: the fused two between which the feature's tensor is, or -1
    int n_parts;      // of the convolution's channels
};

// The tensor of a feature lies in a place of its own, where no later one overwrites it.
static float **bind_kept(const struct keep *keep, int image, int worker)
{
    const struct sqz_infer *infer = keep->run.infer;
    float **tensors = bind_image(&keep->run, image, worker);
    if (keep->feature->tensor < infer->net->n_tensors - 1)
        tensors[keep->feature->tensor] =
            infer->kept + (size_t)worker * sqz_tensor_size(infer->net, keep->feature->tensor);
    return tensors;
}

static void unbind_kept(const struct keep *keep, float **tensors, int image, float *place)
{
    const struct sqz_infer *infer = keep->run.infer;
    const int tensor = keep->feature->tensor;
    sqz_feature_extract(keep->feature, infer->net, infer->forward.kernels, tensors[tensor],
                        keep->features + (size_t)image * sqz_feature_size(keep->feature));
    tensors[tensor] = place;
}

// A layer, or a work item of it, of which nothing is fused.
static void run_plain(const struct sqz_infer *infer, const struct sqz_work_item *item,
                      float *const *tensors, int worker)
{
    sqz_work_item_forward(&infer->forward, item, tensors, NULL,
                          infer->scratch + (size_t)worker * infer->plan.scratch);
}

static void keep_image(void *arg, int image, int worker)
{
    const struct keep *keep = arg;
    const struct sqz_infer *infer = keep->run.infer;
    float *place = infer->tensors[(size_t)worker * infer->net->n_tensors + keep->feature->tensor];
    float **tensors = bind_kept(keep, image, worker);
    for (int i = 0; i < infer->net->n_layers; i++) {
        struct sqz_work_item whole = sqz_work_item_whole(infer->net, i);
        if (i == keep->conv || i == keep->reader)
            run_plain(infer, &whole, tensors, worker);
        else if (!infer->plan.taken[i])
            run_item(infer, &whole, tensors, worker);
    }
    unbind_kept(keep, tensors, image, place);
}

static void run_conv_part(void *arg, int part, int worker)
{
    const struct keep *keep = arg;
    const struct sqz_infer *infer = keep->run.infer;
    const int nr = infer->forward.kernels->nr;
    struct sqz_work_item item = sqz_work_item_whole(infer->net, keep->conv);
    const int channels = item.channel1, panels = (channels + nr - 1) / nr;
    item.channel0 = panels * part / keep->n_parts * nr;
    item.channel1 = panels * (part + 1) / keep->n_parts * nr;
    item.channel1 = item.channel1 < channels ? item.channel1 : channels;
    run_plain(infer, &item, infer->tensors, worker);
}

static void run_other_task(void *arg, int task, int worker)
{
    const struct keep *keep = arg;
    const struct sqz_infer *infer = keep->run.infer;
    const struct sqz_work_item *item = &infer->items.items[begin_item(&keep->run, worker)];
    (void)task;
    if (item->layer != keep->reader)
        run_item(infer, item, infer->tensors, worker);
}

// One image by all threads.
static void keep_stages(struct keep *keep, int image)
{
    struct sqz_infer *infer = keep->run.infer;
    const int *first = infer->items.first;
    float *place = infer->tensors[keep->feature->tensor];
    float **tensors = bind_kept(keep, image, 0);
    memset(infer->begun, 0, (size_t)first[infer->plan.n_stages]);
    for (int stage = 0; stage < infer->plan.n_stages; stage++) {
        keep->run.stage = stage;
        if (keep->conv >= 0 && infer->plan.stage[keep->reader] == stage) {
            struct sqz_work_item whole = sqz_work_item_whole(infer->net, keep->reader);
            sqz_pool_run(infer->pool, keep->n_parts, run_conv_part, keep);
            run_plain(infer, &whole, tensors, 0);
        }
        sqz_pool_run(infer->pool, first[stage + 1] - first[stage], run_other_task, keep);
    }
    unbind_kept(keep, tensors, image, place);
}

static enum sqz_status take_kept(struct sqz_infer *infer, int tensor, struct sqz_error *err)
{
    size_t floats = infer->plan.memory.workers * sqz_tensor_size(infer->net, tensor);
    if (floats <= infer->kept_floats)
        return SQZ_OK;
    sqz_free(infer->kept);
    infer->kept = sqz_new_aligned(floats, sizeof(float));
    infer->kept_floats = infer->kept ? floats : 0;
    return infer->kept ? SQZ_OK : sqz_fail_memory(err, "a feature map", floats * sizeof(float));
}

enum sqz_status sqz_infer_run_feature(struct sqz_infer *infer, const float *images, int n,
                                      float *logits, const struct sqz_feature *feature,
                                      float *features, struct sqz_error *err)
{
    struct keep keep = {.run = {.infer = infer, .images = images, .logits = logits, .n = n},
                        .feature = feature,
                        .features = features,
                        .conv = -1,
                        .reader = -1};
    const int threads = sqz_pool_size(infer->pool), nr = infer->forward.kernels->nr;
    enum sqz_status status = take_kept(infer, feature->tensor, err);
    for (int i = 0; i < infer->net->n_layers; i++) {
        if (infer->plan.strip[i] && infer->net->layers[i].input == feature->tensor) {
            keep.reader = i;
            keep.conv = sqz_fused_conv(infer->net, i);
            const int panels = (infer->net->layers[keep.conv].channels + nr - 1) / nr;
            keep.n_parts = panels < threads ? panels : threads;
        }
    }
    if (!status && n >= threads)
        sqz_pool_run(infer->pool, n, keep_image, &keep);
    for (int image = 0; !status && n < threads && image < n; image++)
        keep_stages(&keep, image);
    return status;
}
