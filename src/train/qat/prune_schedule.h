// How the share of weights that are not 0 falls during gradual pruning.
#ifndef SQZ_TRAIN_QAT_PRUNE_SCHEDULE_H
#define SQZ_TRAIN_QAT_PRUNE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct sqz_prune_schedule {
    double density;   // share of the weights that stays in the end; 1: nothing is pruned
    int64_t steps;    // until the density is reached
    int64_t interval; // steps from pruning to pruning
};
// Prunes a limited number of times during the first `steps` steps.
struct sqz_prune_schedule sqz_prune_schedule(double density, int64_t steps);
// Whether weights are pruned before step `step`, and the density that they are pruned to.
bool sqz_prune_is_due(const struct sqz_prune_schedule *schedule, int64_t step);
double sqz_prune_density(const struct sqz_prune_schedule *schedule, int64_t step);

#endif
