// A training step's leaves, buffers and memory.
#include "net/gradient_plan.h"

#include "base/memory.h"
#include "net/backward.h"
#include "net/bn_group.h"
#include "net/reduce.h"

#include <string.h>

#define MOST_PASS   8
#define LATE_PIXELS (16 * 16) // maps up to here are late
// Winograd's: the largest window whose errors are near those of the direct sums.
#define SIDE_MOST 6
// Groups up to this size run one a thread, so that threads wait for each other once a batch instead
// of at each normalisation; of larger ones a second one's memory is too dear.
#define CREW_BYTES ((size_t)64 << 20)

static void plan_pass(const struct sqz_net *net, int max_batch, struct sqz_gradient_plan *plan)
{
    int leaf = sqz_gradient_net_leaf(net, max_batch);
    plan->pass = leaf < MOST_PASS ? leaf : MOST_PASS;
    if (plan->pass == 1)
        return; // nothing to share
    for (plan->late = net->n_layers; plan->late > 0; plan->late--) {
        const struct sqz_tensor *out = &net->tensors[net->layers[plan->late - 1].output];
        if (out->h * out->w > LATE_PIXELS)
            break;
    }
}

int sqz_gradient_leaf(int image_size, int batch)
{
    int64_t pixels = (int64_t)image_size * image_size;
    int64_t leaf = 4 * 224 * 224 / (pixels > 0 ? pixels : 1);
    if (leaf > (batch + 7) / 8)
        leaf = (batch + 7) / 8;
    return leaf < 1 ? 1 : (int)leaf;
}

int sqz_gradient_net_leaf(const struct sqz_net *net, int batch)
{
    int h = net->spec.image_h, w = net->spec.image_w;
    return sqz_gradient_leaf(h > w ? h : w, batch);
}

int sqz_gradient_leaves(const struct sqz_net *net, int batch)
{
    if (net->spec.norm_group > 0)
        return sqz_bn_groups(net, batch);
    const int leaf = sqz_gradient_net_leaf(net, batch);
    return (batch + leaf - 1) / leaf;
}

int sqz_gradient_leaf_start(const struct sqz_net *net, int batch, int leaf)
{
    const int leaves = sqz_gradient_leaves(net, batch);
    if (net->spec.norm_group > 0)
        return (int)((int64_t)batch * leaf / leaves);
    return leaf == leaves ? batch : leaf * sqz_gradient_net_leaf(net, batch);
}

// A short batch can have more leaves than a full one.
static int most_leaves(const struct sqz_net *net, int max_batch)
{
    int most = 1;
    for (int batch = 1; batch <= max_batch; batch++) {
        int leaves = sqz_gradient_leaves(net, batch);
        if (leaves > most)
            most = leaves;
    }
    return most;
}

static void live(struct sqz_block *block, int position)
{
    if (position < block->first)
        block->first = position;
    if (position > block->last)
        block->last = position;
}

// Layer l works at position l forwards and at 2L - 1 - l backwards. Activations live until the
// backward pass has used them for the last time: as a convolution's input (weight gradient) or as
// the output of a ReLU or of the pool after it (the mask). A tensor's gradient lives from its last
// reader to its first writer.
static void plan_lifetimes(const struct sqz_net *net, struct sqz_gradient_plan *plan)
{
    int positions = 2 * net->n_layers;
    for (int i = 0; i < plan->n_blocks; i++)
        plan->blocks[i] = (struct sqz_block){.first = positions, .last = -1};
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        int back = positions - 1 - i;
        bool conv = layer->kind == SQZ_LAYER_CONV;
        live(&plan->tensors[layer->input], conv ? back : i);
        live(&plan->tensors[layer->output], i);
        if (conv && layer->relu && !plan->pool_masks[layer->output])
            live(&plan->tensors[layer->output], back);
        live(&plan->grads[layer->input], back);
        live(&plan->grads[layer->output], back);
        if (layer->addend >= 0) {
            live(&plan->tensors[layer->addend], i);
            live(&plan->grads[layer->addend], back);
        }
        if (layer->kind == SQZ_LAYER_MAXPOOL) {
            live(&plan->indices[i], i);
            live(&plan->indices[i], back);
            if (plan->pool_masks[layer->input])
                live(&plan->tensors[layer->output], back);
        }
    }
    // The loss reads the logits and writes their gradient between the two passes.
    live(&plan->tensors[net->n_tensors - 1], net->n_layers);
    live(&plan->grads[net->n_tensors - 1], net->n_layers - 1);
}

// All samples have a place of their own in a block that outlives one sample's way through the early
// layers, and then it is alive on every sample's way.
static void plan_samples(const struct sqz_net *net, struct sqz_gradient_plan *plan)
{
    const int end = 2 * net->n_layers, back = end - plan->late; // early layers' way back
    for (int i = 0; i < plan->n_blocks; i++) {
        struct sqz_block *block = &plan->blocks[i];
        if (block->last < plan->late || block->first >= back)
            continue;
        block->size *= (size_t)plan->pass;
        if (block->first < plan->late)
            block->first = 0;
        if (block->last >= back)
            block->last = end - 1;
    }
}

size_t sqz_gradient_stride(const struct sqz_block *block, size_t sample)
{
    return block->size > sample ? sample : 0;
}

// The image (tensor 0) is the caller's, and has no gradient.
static void plan_arena(const struct sqz_net *net, struct sqz_gradient_plan *plan)
{
    plan_lifetimes(net, plan);
    for (int t = 1; t < net->n_tensors; t++)
        plan->tensors[t].size = plan->grads[t].size = sqz_tensor_size(net, t) * sizeof(float);
    for (int i = 0; i < net->n_layers; i++) {
        if (net->layers[i].kind == SQZ_LAYER_MAXPOOL)
            plan->indices[i].size = sqz_tensor_size(net, net->layers[i].output);
    }
    plan_samples(net, plan);
    plan->arena = sqz_plan_blocks(plan->blocks, plan->n_blocks);
}

// Nobody idles: the threads share a rank's full batch evenly.
static int plan_crews(const struct sqz_net *net, const struct sqz_bn_plan *norm, int threads,
                      int max_batch, int ranks)
{
    const int groups = sqz_bn_groups(net, max_batch) / (ranks > 1 ? ranks : 1);
    return groups > 0 && groups % threads == 0 && norm->arena <= CREW_BYTES ? threads : 1;
}

static enum sqz_status plan_memory(const struct sqz_net *net, int threads,
                                   struct sqz_gradient_plan *plan, struct sqz_error *err)
{
    struct sqz_gradient_memory *memory = &plan->memory;
    size_t workers, gradients, n = (size_t)threads;
    memory->activations = plan->arena;
    memory->workers = n;
    if (net->spec.norm_group > 0)
        memory->shared =
            (size_t)plan->crews * sqz_bn_group_bytes(&plan->norm, threads / plan->crews);
    memory->packed_weights = plan->layout.size * sizeof(float);
    if (!sqz_size_mul(plan->arena + plan->scratch, n, &workers) ||
        !sqz_size_mul(sqz_reduce_buffer_size(net->n_weights), (size_t)plan->buffers, &gradients) ||
        !sqz_size_add(workers, gradients, &memory->total) ||
        !sqz_size_add(memory->total, memory->shared, &memory->total) ||
        !sqz_size_add(memory->total, memory->packed_weights, &memory->total))
        return sqz_fail_memory(err, "training", SIZE_MAX);
    memory->gradients = gradients;
    memory->scratch = plan->scratch * n;
    return SQZ_OK;
}

enum sqz_status sqz_gradient_plan_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                      int threads, int max_batch, int ranks,
                                      struct sqz_gradient_plan *plan, struct sqz_error *err)
{
    size_t layers = (size_t)net->n_layers, tensors = (size_t)net->n_tensors;
    memset(plan, 0, sizeof *plan);
    plan_pass(net, max_batch, plan);
    plan->n_blocks = 2 * net->n_tensors + net->n_layers;
    plan->blocks = sqz_new_array((size_t)plan->n_blocks, sizeof *plan->blocks);
    plan->add_input = sqz_new_array(layers, sizeof *plan->add_input);
    plan->add_addend = sqz_new_array(layers, sizeof *plan->add_addend);
    plan->pool_masks = sqz_new_array(tensors, sizeof *plan->pool_masks);
    enum sqz_status status = SQZ_OK;
    if (!plan->blocks || !plan->add_input || !plan->add_addend || !plan->pool_masks)
        status = sqz_fail_memory(err, "the plan of training",
                                 (size_t)plan->n_blocks * sizeof *plan->blocks);
    if (!status)
        status = sqz_weight_layout_new(net, kernels, true, SIDE_MOST, &plan->layout, err);
    if (!status && net->spec.norm_group > 0)
        status = sqz_bn_plan_new(net, max_batch, &plan->norm, err);
    if (!status) {
        plan->tensors = plan->blocks;
        plan->grads = plan->blocks + tensors;
        plan->indices = plan->grads + tensors;
        plan->max_leaves = most_leaves(net, max_batch);
        plan->crews = threads;
        if (net->spec.norm_group > 0)
            plan->crews = plan_crews(net, &plan->norm, threads, max_batch, ranks);
        plan->buffers = sqz_reduce_buffers(plan->crews, plan->max_leaves, ranks > 1);
        plan->scratch = plan->layout.scratch;
        sqz_backward_order(net, plan->add_input, plan->add_addend, plan->pool_masks);
        if (net->spec.norm_group == 0)
            plan_arena(net, plan);
        status = plan_memory(net, threads, plan, err);
    }
    if (status)
        sqz_gradient_plan_release(plan);
    return status;
}

void sqz_gradient_plan_release(struct sqz_gradient_plan *plan)
{
    sqz_free(plan->blocks);
    sqz_free(plan->add_input);
    sqz_free(plan->add_addend);
    sqz_free(plan->pool_masks);
    sqz_weight_layout_release(&plan->layout);
    sqz_bn_plan_release(&plan->norm);
    memset(plan, 0, sizeof *plan);
}

enum sqz_status sqz_gradient_memory(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                    int threads, int max_batch, int ranks,
                                    struct sqz_gradient_memory *out, struct sqz_error *err)
{
    struct sqz_gradient_plan plan;
    enum sqz_status status =
        sqz_gradient_plan_new(net, kernels, threads, max_batch, ranks, &plan, err);
    if (status)
        return status;
    *out = plan.memory;
    sqz_gradient_plan_release(&plan);
    return SQZ_OK;
}
