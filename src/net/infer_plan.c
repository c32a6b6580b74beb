// Inference's stages, the places of its tensors, and the bytes of it all.
#include "net/infer_plan.h"

#include "base/memory.h"
#include "kernels/winograd/winograd.h"
#include "net/fused.h"

#include <string.h>

static void plan_fused(const struct sqz_net *net, struct sqz_infer_plan *plan)
{
    size_t most = 0;
    for (int i = 0; i < net->n_layers; i++) {
        if (net->layers[i].kind == SQZ_LAYER_MAXPOOL)
            plan->late = i + 1;
        plan->strip[i] = sqz_fused_strip(net, &plan->layout, i, plan->task_images);
        if (plan->strip[i])
            plan->taken[sqz_fused_conv(net, i)] = true;
        most = plan->strip[i] > most ? plan->strip[i] : most;
    }
    plan->scratch = plan->layout.scratch + most * sizeof(float);
}

static bool reads(const struct sqz_infer_plan *plan, const struct sqz_layer *layer, int writer,
                  int tensor)
{
    return !plan->taken[writer] && (layer->input == tensor || layer->addend == tensor);
}

static void plan_stages(const struct sqz_net *net, struct sqz_infer_plan *plan)
{
    int first = 0, stage = 0;
    for (int i = 0; i < net->n_layers; i++) {
        for (int j = first; j < i; j++) {
            if (reads(plan, &net->layers[i], j, net->layers[j].output)) {
                first = i;
                stage++;
                break;
            }
        }
        plan->stage[i] = stage;
    }
    plan->n_stages = stage + 1;
}

// Lifetimes in stages, not layers: the layers of one stage run at the same time.
static void plan_tensors(const struct sqz_net *net, bool halved, struct sqz_infer_plan *plan)
{
    const int meeting = net->layers[plan->late - 1].output; // tensors are numbered in order
    for (int t = 0; t < net->n_tensors; t++) {
        plan->blocks[t] = (struct sqz_block){.first = plan->n_stages, .last = -1};
        if (t > 0 && t < net->n_tensors - 1)
            plan->blocks[t].size = sqz_tensor_size(net, t) * sizeof(float) *
                                   (size_t)(t >= meeting ? plan->task_images : 1);
    }
    for (int i = 0; i < net->n_layers; i++)
        if (plan->taken[i])
            plan->blocks[net->layers[i].output].size = 0;
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        int used[] = {layer->input, layer->output, layer->addend};
        for (int u = 0; u < 3; u++) {
            if (used[u] < 0)
                continue;
            struct sqz_block *block = &plan->blocks[used[u]];
            if (plan->stage[i] < block->first)
                block->first = plan->stage[i];
            if (plan->stage[i] > block->last)
                block->last = plan->stage[i];
        }
    }
    // The images of a task run through the early layers one by one, and together from then on.
    plan->blocks[meeting].first = 0;
    plan->arena = halved ? sqz_plan_split_blocks(plan->blocks, net->n_tensors)
                         : sqz_plan_blocks(plan->blocks, net->n_tensors);
}

static enum sqz_status plan_memory(const struct sqz_net *net, int threads,
                                   struct sqz_infer_plan *plan, struct sqz_error *err)
{
    for (int p = 0; p < net->n_params; p++) {
        if (net->params[p].kind == SQZ_PARAM_BIAS)
            plan->n_bias += net->params[p].size;
    }
    struct sqz_infer_memory *memory = &plan->memory;
    memory->activations = plan->arena;
    memory->workers = (size_t)threads;
    memory->packed_weights = (plan->layout.size + plan->n_bias) * sizeof(float);
    size_t all;
    if (!sqz_size_mul(plan->arena + plan->scratch, (size_t)threads, &all) ||
        !sqz_size_add(all, memory->packed_weights, &memory->total))
        return sqz_fail_memory(err, "inference", SIZE_MAX);
    memory->scratch = plan->scratch * (size_t)threads;
    return SQZ_OK;
}

enum sqz_status sqz_infer_plan_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                   int threads, bool low_memory, struct sqz_infer_plan *plan,
                                   struct sqz_error *err)
{
    memset(plan, 0, sizeof *plan);
    plan->task_images = low_memory ? 1 : SQZ_INFER_TASK_IMAGES;
    plan->stage = sqz_new_array((size_t)net->n_layers, sizeof *plan->stage);
    plan->taken = sqz_new_array((size_t)net->n_layers, sizeof *plan->taken);
    plan->strip = sqz_new_array((size_t)net->n_layers, sizeof *plan->strip);
    plan->blocks = sqz_new_array((size_t)net->n_tensors, sizeof *plan->blocks);
    enum sqz_status status = SQZ_OK;
    if (!plan->stage || !plan->taken || !plan->strip || !plan->blocks)
        status = sqz_fail_memory(err, "the plan of inference",
                                 (size_t)net->n_tensors * sizeof *plan->blocks);
    if (!status)
        status = sqz_weight_layout_new(net, kernels, false, low_memory ? 0 : SQZ_WINOGRAD_SIDE_MOST,
                                       &plan->layout, err);
    if (!status) {
        plan_fused(net, plan);
        plan_stages(net, plan);
        plan_tensors(net, threads > 1 && !low_memory, plan);
        status = plan_memory(net, threads, plan, err);
    }
    if (status)
        sqz_infer_plan_release(plan);
    return status;
}

void sqz_infer_plan_release(struct sqz_infer_plan *plan)
{
    sqz_free(plan->stage);
    sqz_free(plan->taken);
    sqz_free(plan->strip);
    sqz_free(plan->blocks);
    sqz_weight_layout_release(&plan->layout);
    memset(plan, 0, sizeof *plan);
}

enum sqz_status sqz_infer_memory(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                 int threads, bool low_memory, struct sqz_infer_memory *out,
                                 struct sqz_error *err)
{
    struct sqz_infer_plan plan;
    enum sqz_status status = sqz_infer_plan_new(net, kernels, threads, low_memory, &plan, err);
    if (status)
        return status;
    *out = plan.memory;
    sqz_infer_plan_release(&plan);
    return SQZ_OK;
}
