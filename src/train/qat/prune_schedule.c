// The cubic curve of gradual pruning (Zhu and Gupta, 2017): fast while much can go, then slowly.
#include "train/qat/prune_schedule.h"

enum { PRUNINGS = 40 }; // of a run, at most

struct sqz_prune_schedule sqz_prune_schedule(double density, int64_t steps)
{
    return (struct sqz_prune_schedule){
        .density = density, .steps = steps, .interval = steps > PRUNINGS ? steps / PRUNINGS : 1};
}

bool sqz_prune_is_due(const struct sqz_prune_schedule *schedule, int64_t step)
{
    return step <= schedule->steps && (step % schedule->interval == 0 || step == schedule->steps);
}

double sqz_prune_density(const struct sqz_prune_schedule *schedule, int64_t step)
{
    if (step >= schedule->steps)
        return schedule->density;
    double left = 1 - (double)step / (double)schedule->steps;
    return schedule->density + (1 - schedule->density) * left * left * left;
}
