// Takes a group of samples through a network with BN, stage by stage (bn_plan.h): within a stage
// workers take tasks of the group (bn_pass.c), between two stages the tasks' sums over channels
// are added (bn_statistics.c) by a tree that depends on the group's size only.
#include "net/bn_group.h"

#include "base/memory.h"
#include "net/bn_pass.h"
#include "net/bn_statistics.h"

#include <string.h>

// --- Buffers ---

static size_t pointer_bytes(const struct sqz_bn_plan *plan)
{
    return (size_t)plan->pass * 2 * (size_t)plan->linear.n_tensors * sizeof(float *);
}

static size_t sums_count(const struct sqz_bn_plan *plan)
{
    return (size_t)SQZ_BN_TASKS * 2 * plan->n_channels;
}

size_t sqz_bn_group_bytes(const struct sqz_bn_plan *plan, int threads)
{
    size_t tasks = (size_t)SQZ_BN_TASKS * plan->task_floats * sizeof(float);
    return plan->arena + tasks + (size_t)threads * plan->window +
           (sums_count(plan) + 2 * plan->n_channels) * sizeof(double) +
           SQZ_BN_NUMBERS * plan->n_channels * sizeof(float);
}

enum sqz_status sqz_bn_group_init(struct sqz_bn_group *group, struct sqz_error *err)
{
    const struct sqz_bn_plan *plan = group->plan;
    size_t threads = (size_t)sqz_pool_size(group->pool);
    size_t indices = (size_t)plan->pass * (size_t)plan->linear.n_layers;
    group->arena = sqz_new_aligned(plan->arena, 1);
    group->windows = sqz_new_aligned(threads, plan->window);
    group->task_gradients = sqz_new_aligned(SQZ_BN_TASKS * plan->task_floats, sizeof(float));
    group->sums = sqz_new_aligned(sums_count(plan), sizeof(double));
    group->moments = sqz_new_aligned(2 * plan->n_channels, sizeof(double));
    group->channels = sqz_new_aligned(SQZ_BN_NUMBERS * plan->n_channels, sizeof(float));
    group->pointers = sqz_new_array(threads, pointer_bytes(plan));
    group->indices = sqz_new_array(threads * indices, sizeof *group->indices);
    if (group->arena && group->windows && group->task_gradients && group->sums && group->moments &&
        group->channels && group->pointers && group->indices)
        return SQZ_OK;
    return sqz_fail_memory(err, "training", sqz_bn_group_bytes(plan, (int)threads));
}

void sqz_bn_group_release(struct sqz_bn_group *group)
{
    sqz_free(group->arena);
    sqz_free(group->windows);
    sqz_free(group->task_gradients);
    sqz_free(group->sums);
    sqz_free(group->moments);
    sqz_free(group->channels);
    sqz_free(group->pointers);
    sqz_free(group->indices);
    *group = (struct sqz_bn_group){0};
}

// --- The whole group ---

// Adds a chunk of the tasks' gradients up: (0+1), (2+3), then pairs of those.
static void add_chunk(void *arg, int task, int worker)
{
    (void)worker;
    struct sqz_bn_group *group = arg;
    const struct sqz_bn_stage *stage = &group->plan->stages[group->stage];
    const struct sqz_bn_chunk *chunk = &group->plan->chunks[stage->chunk + task];
    float *first = group->task_gradients + chunk->from;
    size_t stride = group->plan->task_floats;
    int tasks = sqz_bn_tasks(group);
    for (int step = 1; step < tasks; step *= 2)
        for (int i = 0; i + step < tasks; i += 2 * step)
            group->kernels->add(first + (size_t)i * stride, first + (size_t)(i + step) * stride,
                                first + (size_t)i * stride, chunk->n);
    memcpy(group->gradient + chunk->to, first, chunk->n * sizeof *first);
}

static double add_losses(struct sqz_bn_group *group)
{
    int tasks = sqz_bn_tasks(group);
    for (int step = 1; step < tasks; step *= 2)
        for (int i = 0; i + step < tasks; i += 2 * step)
            group->losses[i] += group->losses[i + step];
    return group->losses[0];
}

double sqz_bn_group_run(struct sqz_bn_group *group, const struct sqz_gradient_step *step, int first,
                        int n, float *gradient)
{
    const struct sqz_bn_plan *plan = group->plan;
    group->step = step;
    group->first = first;
    group->n = n;
    group->gradient = gradient;
    group->zeros = group->outputs = 0;
    group->count_zeros = first == 0 && step->zero_fraction;
    int tasks = sqz_bn_tasks(group);
    sqz_bn_begin(group);
    for (group->stage = 0; group->stage < plan->n_stages; group->stage++) {
        sqz_pool_run(group->pool, tasks, sqz_bn_forward_task, group);
        sqz_bn_finish_forward(group, tasks);
    }
    if (group->count_zeros)
        *step->zero_fraction = (double)group->zeros / (double)group->outputs;
    if (!step->loss)
        return 0;
    for (group->stage = plan->n_stages - 1; group->stage >= 0; group->stage--) {
        const struct sqz_bn_stage *stage = &plan->stages[group->stage];
        sqz_bn_finish_backward(group, tasks);
        sqz_pool_run(group->pool, tasks, sqz_bn_backward_task, group);
        sqz_pool_run(group->pool, stage->chunk_end - stage->chunk, add_chunk, group);
    }
    return add_losses(group);
}
