// Groups of equal weights are found again for every update, so that a checkpoint need not hold
// them.
#include "compress/weight_sharing.h"

#include "base/memory.h"

#include <string.h>

enum { SLOT_BITS = 10 }; // of a hash table that is at most a quarter full

void sqz_weight_sharing_release(struct sqz_weight_sharing *sharing)
{
    sqz_free(sharing->groups);
    sqz_free(sharing->counts);
    *sharing = (struct sqz_weight_sharing){0};
}

enum sqz_status sqz_weight_sharing_new(const struct sqz_net *net, struct sqz_weight_sharing *out,
                                       struct sqz_error *err)
{
    *out = (struct sqz_weight_sharing){
        .net = net,
        .groups = sqz_new_array(net->n_weights, sizeof *out->groups),
        .counts = sqz_new_array((size_t)net->n_params, sizeof *out->counts)};
    if (out->groups && out->counts)
        return SQZ_OK;
    sqz_weight_sharing_release(out);
    return sqz_fail_memory(err, "shared weights", net->n_weights * sizeof *out->groups);
}

// Numbers the distinct values in the order of their first appearance; how many there are, or 0 for
// more than SQZ_SHARED_VALUES.
static uint16_t find_groups(const float *weights, size_t n, uint16_t *groups)
{
    uint32_t keys[1 << SLOT_BITS];
    uint16_t numbers[1 << SLOT_BITS] = {0}; // of the group, from 1
    uint16_t count = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits, slot;
        memcpy(&bits, &weights[i], sizeof bits);
        slot = bits * 2654435761u >> (32 - SLOT_BITS);
        while (numbers[slot] && keys[slot] != bits)
            slot = (slot + 1) & ((1 << SLOT_BITS) - 1);
        if (!numbers[slot]) {
            if (count == SQZ_SHARED_VALUES)
                return 0;
            keys[slot] = bits;
            numbers[slot] = ++count;
        }
        groups[i] = (uint16_t)(numbers[slot] - 1);
    }
    return count;
}

struct job {
    const struct sqz_weight_sharing *sharing;
    const float *weights;
    float *values; // gradient, or weights
};

static void sum_param(void *arg, int task, int worker)
{
    const struct job *job = arg;
    const struct sqz_param *p = &job->sharing->net->params[task];
    uint16_t *groups = job->sharing->groups + p->offset, *count = &job->sharing->counts[task];
    double sums[SQZ_SHARED_VALUES] = {0};
    (void)worker;
    *count = 0;
    if (p->kind == SQZ_PARAM_WEIGHT)
        *count = find_groups(job->weights + p->offset, p->size, groups);
    for (size_t i = 0; *count && i < p->size; i++)
        sums[groups[i]] += (double)job->values[p->offset + i];
    for (size_t i = 0; *count && i < p->size; i++)
        if (job->weights[p->offset + i] != 0)
            job->values[p->offset + i] = (float)sums[groups[i]];
}

static void sync_param(void *arg, int task, int worker)
{
    const struct job *job = arg;
    const struct sqz_param *p = &job->sharing->net->params[task];
    const uint16_t *groups = job->sharing->groups + p->offset;
    float *values = job->values + p->offset, first[SQZ_SHARED_VALUES];
    int found = 0; // groups are numbered in the order of their first members
    (void)worker;
    for (size_t i = 0; job->sharing->counts[task] && i < p->size; i++) {
        if (groups[i] == found)
            first[found++] = values[i];
        values[i] = first[groups[i]];
    }
}

void sqz_weight_sharing_sum_gradients(struct sqz_weight_sharing *sharing, struct sqz_pool *pool,
                                      const float *weights, float *gradient)
{
    struct job job = {sharing, weights, gradient};
    sqz_pool_run(pool, sharing->net->n_params, sum_param, &job);
}

void sqz_weight_sharing_sync(const struct sqz_weight_sharing *sharing, struct sqz_pool *pool,
                             float *weights)
{
    struct job job = {sharing, NULL, weights};
    sqz_pool_run(pool, sharing->net->n_params, sync_param, &job);
}
