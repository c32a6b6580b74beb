// Stages, lifetimes and sizes of a group that shares statistics.
#include "net/bn_plan.h"

#include "base/memory.h"

#include <string.h>

enum {
    CHUNK_FLOATS = 16384,
    LATE_PIXELS = 16 * 16, // maps up to here are small
    LATE_PASS = 8,
};

int sqz_bn_groups(const struct sqz_net *net, int batch)
{
    return (batch + net->spec.norm_group - 1) / net->spec.norm_group;
}

bool sqz_bn_reads(const struct sqz_net *net, int layer, int tensor)
{
    return net->layers[layer].input == tensor || net->layers[layer].addend == tensor;
}

bool sqz_bn_needs(const struct sqz_bn_plan *plan, int stage, bool backward, int tensor)
{
    const struct sqz_net *net = &plan->linear;
    if (!plan->tensors[tensor].normalised)
        return false;
    for (int i = plan->stages[stage].first; i < plan->stages[stage].end; i++)
        if (sqz_bn_reads(net, i, tensor) && (!backward || net->layers[i].kind == SQZ_LAYER_CONV))
            return true;
    return false;
}

// --- Stages ---

static void find_normalised(const struct sqz_net *net, struct sqz_bn_plan *plan)
{
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        if (layer->gamma < 0)
            continue;
        const int pool = sqz_only_pool(net, layer->output);
        const int tensor = pool < 0 ? layer->output : net->layers[pool].output;
        plan->tensors[tensor] = (struct sqz_bn_tensor){
            .normalised = true, .relu = layer->relu, .written = layer->output, .pool = pool};
    }
    for (int t = 0; t < net->n_tensors; t++) {
        struct sqz_bn_tensor *tensor = &plan->tensors[t];
        if (!tensor->normalised)
            continue;
        tensor->channel = plan->tensors[tensor->written].channel = plan->n_channels;
        plan->n_channels += (size_t)net->tensors[t].c;
    }
}

// Dropout writes where it reads, in a stage that has y already.
static bool waits(const struct sqz_net *net, const struct sqz_bn_plan *plan,
                  const struct sqz_bn_stage *stage, int layer)
{
    for (int i = stage->first; i < layer; i++) {
        const struct sqz_layer *before = &net->layers[i];
        if (before->kind != SQZ_LAYER_DROPOUT && plan->tensors[before->output].normalised &&
            sqz_bn_reads(net, layer, before->output))
            return true;
    }
    return false;
}

static void cut_stages(const struct sqz_net *net, struct sqz_bn_plan *plan)
{
    struct sqz_bn_stage *stage = plan->stages;
    for (int i = 0; i < net->n_layers; i++) {
        if (waits(net, plan, stage, i))
            (++stage)->first = i;
        stage->end = i + 1;
    }
    plan->n_stages = (int)(stage - plan->stages) + 1;
}

static void find_readers(const struct sqz_net *net, struct sqz_bn_plan *plan)
{
    for (int t = 0; t < net->n_tensors; t++) {
        struct sqz_bn_tensor *tensor = &plan->tensors[t];
        tensor->writer = tensor->reader = -1;
        for (int s = 0; s < plan->n_stages; s++)
            for (int i = plan->stages[s].first; i < plan->stages[s].end; i++) {
                if (net->layers[i].output == t && tensor->writer < 0)
                    tensor->writer = s;
                if (sqz_bn_reads(net, i, t) && tensor->reader < 0)
                    tensor->reader = s;
            }
    }
}

// --- Gradients of parameters ---

// Gives one parameter its place in the task's gradient, and its chunks.
static void place_param(const struct sqz_net *net, struct sqz_bn_plan *plan,
                        struct sqz_bn_stage *stage, int p)
{
    const struct sqz_param *param = &net->params[p];
    plan->linear.params[p].offset = stage->task_floats;
    for (size_t at = 0; at < param->size; at += CHUNK_FLOATS) {
        size_t left = param->size - at;
        plan->chunks[stage->chunk_end++] = (struct sqz_bn_chunk){
            stage->task_floats + at, param->offset + at, left < CHUNK_FLOATS ? left : CHUNK_FLOATS};
    }
    stage->task_floats += param->size;
}

static void place_gradients(const struct sqz_net *net, struct sqz_bn_plan *plan)
{
    int chunks = 0;
    for (int s = 0; s < plan->n_stages; s++) {
        struct sqz_bn_stage *stage = &plan->stages[s];
        stage->chunk = stage->chunk_end = chunks;
        for (int i = stage->first; i < stage->end; i++) {
            const struct sqz_layer *layer = &net->layers[i];
            if (layer->kind != SQZ_LAYER_CONV)
                continue;
            place_param(net, plan, stage, layer->weight);
            if (layer->gamma < 0) // beta's gradient comes from the sums over the group
                place_param(net, plan, stage, layer->bias);
        }
        chunks = stage->chunk_end;
        if (stage->task_floats > plan->task_floats)
            plan->task_floats = stage->task_floats;
    }
}

// --- Memory ---

static void live(struct sqz_block *block, int position)
{
    if (position < block->first)
        block->first = position;
    if (position > block->last)
        block->last = position;
}

// Stage s works at position s forwards and at 2S - 1 - s backwards. What a normalised convolution
// wrote, and what was pooled of it, is needed until its own backward step. Other tensors are needed
// as inputs of convolutions (weight gradient), or as outputs of the one that is not normalised
// (ReLU's mask).
static void plan_lifetimes(const struct sqz_net *net, struct sqz_bn_plan *plan)
{
    const int positions = 2 * plan->n_stages;
    for (int i = 0; i < plan->n_blocks; i++)
        plan->kept[i] = (struct sqz_block){.first = positions, .last = -1};
    for (int s = 0; s < plan->n_stages; s++)
        for (int i = plan->stages[s].first; i < plan->stages[s].end; i++) {
            const struct sqz_layer *layer = &net->layers[i];
            const int back = positions - 1 - s;
            bool conv = layer->kind == SQZ_LAYER_CONV;
            live(&plan->kept[layer->input], conv ? back : s);
            live(&plan->kept[layer->output], s);
            if (conv || plan->tensors[layer->output].normalised)
                live(&plan->kept[layer->output], back);
            live(&plan->grads[layer->input], back);
            live(&plan->grads[layer->output], back);
            if (layer->addend >= 0) {
                live(&plan->kept[layer->addend], s);
                live(&plan->grads[layer->addend], back);
            }
            live(&plan->indices[i], s);
            live(&plan->indices[i], back);
        }
    // The loss writes the logits' gradient at the end of the forward pass.
    live(&plan->grads[net->n_tensors - 1], plan->n_stages - 1);
}

static size_t round_up(size_t bytes)
{
    return (bytes + SQZ_ALIGNMENT - 1) / SQZ_ALIGNMENT * SQZ_ALIGNMENT;
}

size_t sqz_bn_window(const struct sqz_bn_plan *plan, int stage, int tensor)
{
    return round_up((size_t)plan->stages[stage].pass * sqz_tensor_size(&plan->linear, tensor) *
                    sizeof(float));
}

static void plan_window(const struct sqz_net *net, struct sqz_bn_plan *plan)
{
    for (int s = 0; s < plan->n_stages; s++)
        for (int backward = 0; backward < 2; backward++) {
            size_t bytes = 0;
            for (int t = 1; t < net->n_tensors; t++) {
                const struct sqz_bn_tensor *tensor = &plan->tensors[t];
                if (sqz_bn_needs(plan, s, backward, t))
                    bytes += sqz_bn_window(plan, s, t);
                if (backward && tensor->normalised && tensor->writer == s)
                    bytes += sqz_bn_window(plan, s, tensor->written);
            }
            if (bytes > plan->window)
                plan->window = bytes;
        }
}

// The image (tensor 0) is the caller's, and has no gradient. The gradient of a pool's input exists
// in a window only, if it is the pool's output that is normalised.
static void plan_arena(const struct sqz_net *net, struct sqz_bn_plan *plan)
{
    plan_lifetimes(net, plan);
    for (int t = 1; t < net->n_tensors; t++)
        plan->kept[t].size = plan->grads[t].size =
            (size_t)plan->group * sqz_tensor_size(net, t) * sizeof(float);
    for (int t = 1; t < net->n_tensors; t++)
        if (plan->tensors[t].normalised && plan->tensors[t].pool >= 0)
            plan->grads[plan->tensors[t].written].size = 0;
    for (int i = 0; i < net->n_layers; i++)
        if (net->layers[i].kind == SQZ_LAYER_MAXPOOL)
            plan->indices[i].size =
                (size_t)plan->group * sqz_tensor_size(net, net->layers[i].output);
    plan->arena = sqz_plan_blocks(plan->kept, plan->n_blocks);
    plan_window(net, plan);
}

static bool take_memory(const struct sqz_net *net, struct sqz_bn_plan *plan)
{
    size_t layers = (size_t)net->n_layers, tensors = (size_t)net->n_tensors;
    size_t params = (size_t)net->n_params, chunks = params + net->n_weights / CHUNK_FLOATS;
    plan->n_blocks = 2 * net->n_tensors + net->n_layers;
    plan->stages = sqz_new_array(layers, sizeof *plan->stages);
    plan->chunks = sqz_new_array(chunks, sizeof *plan->chunks);
    plan->tensors = sqz_new_array(tensors, sizeof *plan->tensors);
    plan->kept = sqz_new_array((size_t)plan->n_blocks, sizeof *plan->kept);
    plan->linear = *net;
    plan->linear.layers = sqz_new_array(layers, sizeof *net->layers);
    plan->linear.params = sqz_new_array(params, sizeof *net->params);
    if (!plan->stages || !plan->chunks || !plan->tensors || !plan->kept || !plan->linear.layers ||
        !plan->linear.params)
        return false;
    plan->grads = plan->kept + tensors;
    plan->indices = plan->grads + tensors;
    memcpy(plan->linear.params, net->params, params * sizeof *net->params);
    for (size_t i = 0; i < layers; i++) {
        plan->linear.layers[i] = net->layers[i];
        plan->linear.layers[i].relu = net->layers[i].relu && net->layers[i].gamma < 0;
    }
    return true;
}

// Large images (beyond 64 pixels, 4 of them) go one by one, which keeps their maps in the
// cache, but through stages whose maps are small: there samples share the readings of weights.
static void plan_passes(const struct sqz_net *net, struct sqz_bn_plan *plan)
{
    const int task = (plan->group + SQZ_BN_TASKS - 1) / SQZ_BN_TASKS;
    const int early = 4 * 64 * 64 / (net->spec.image_h * net->spec.image_w);
    for (int s = 0; s < plan->n_stages; s++) {
        struct sqz_bn_stage *stage = &plan->stages[s];
        int pixels = 0;
        for (int i = stage->first; i < stage->end; i++) {
            const struct sqz_tensor *out = &net->tensors[net->layers[i].output];
            pixels = out->h * out->w > pixels ? out->h * out->w : pixels;
        }
        int pass = pixels <= LATE_PIXELS ? LATE_PASS : early < 1 ? 1 : early;
        stage->pass = pass < task ? pass : task;
        plan->pass = stage->pass > plan->pass ? stage->pass : plan->pass;
    }
}

enum sqz_status sqz_bn_plan_new(const struct sqz_net *net, int max_batch, struct sqz_bn_plan *out,
                                struct sqz_error *err)
{
    const int groups = sqz_bn_groups(net, max_batch), most = net->spec.norm_group;
    *out = (struct sqz_bn_plan){.group = groups > 1 ? most : max_batch};
    if (!take_memory(net, out)) {
        sqz_bn_plan_release(out);
        return sqz_fail_memory(err, "the plan of training",
                               (size_t)net->n_params * sizeof *net->params);
    }
    find_normalised(net, out);
    cut_stages(net, out);
    plan_passes(net, out);
    find_readers(net, out);
    place_gradients(net, out);
    plan_arena(net, out);
    return SQZ_OK;
}

void sqz_bn_plan_release(struct sqz_bn_plan *plan)
{
    sqz_free(plan->stages);
    sqz_free(plan->chunks);
    sqz_free(plan->tensors);
    sqz_free(plan->kept);
    sqz_free(plan->linear.layers);
    sqz_free(plan->linear.params);
    *plan = (struct sqz_bn_plan){0};
}
