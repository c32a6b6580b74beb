// Forward and backward pass of a group: the samples of a BN ghost batch, which share statistics.
#ifndef SQZ_NET_BN_GROUP_H
#define SQZ_NET_BN_GROUP_H

#include "net/backward.h"
#include "net/forward.h"
#include "net/gradient.h"
#include "net/bn_plan.h"

// Buffers of the group, and what both passes share. Everything but the buffers is borrowed.
struct sqz_bn_group {
    const struct sqz_net *net;
    const struct sqz_kernels *kernels;
    struct sqz_pool *pool;
    const struct sqz_bn_plan *plan;
    const struct sqz_forward *forward; // of plan->linear
    const struct sqz_backward *backward;
    char *scratch; // of the convolutions, one area per worker
    size_t scratch_size;

    char *arena, *windows;
    float *task_gradients; // gradients of a stage, one per task
    double *sums;          // [task][2][channel]; then task 0 holds all tasks' sum
    double *moments;       // mean and 1 / standard deviation of each channel
    float *channels;       // what sqz_bn_numbers gives of each channel (bn_statistics.h)
    float **pointers;      // of a worker's pass: [sample][tensor] values, then gradients
    uint8_t **indices;

    // of the current group:
    const struct sqz_gradient_step *step;
    int first, n;    // samples of the batch
    int share;       // the one that the step's images begin with
    float *gradient; // the group's
    double losses[SQZ_BN_TASKS];
    uint64_t zeros, outputs; // of the first task's ReLUs
    bool count_zeros;
    int stage;
};

size_t sqz_bn_group_bytes(const struct sqz_bn_plan *plan, int threads);
// Takes the buffers; to be released whether or not it succeeds.
enum sqz_status sqz_bn_group_init(struct sqz_bn_group *group, struct sqz_error *err);
void sqz_bn_group_release(struct sqz_bn_group *group);

// Samples [first, first + n) of the step's batch: adds to `gradient` (zeros so far) and returns
// their share of the loss. The group's share of the batch's statistics goes to their places.
double sqz_bn_group_run(struct sqz_bn_group *group, const struct sqz_gradient_step *step, int first,
                        int n, float *gradient);

#endif
