// Dead starts, runs without progress and non-finite numbers, put into sentences.
#include "train/run/watchdog.h"

#include <math.h>

static enum sqz_status check_dead(struct sqz_watchdog *watchdog,
                                  const struct sqz_watched_step *step, struct sqz_error *err)
{
    bool at_chance = fabs(step->loss - step->chance) <= SQZ_WATCHDOG_LOSS_MARGIN * step->reducible;
    bool closed =
        step->zero_fraction >= SQZ_WATCHDOG_ZEROS || step->zero_logits >= SQZ_WATCHDOG_ZERO_LOGITS;
    if (closed)
        watchdog->suspicious++;
    else if (step->zero_logits < SQZ_WATCHDOG_ALIVE)
        watchdog->suspicious -= SQZ_WATCHDOG_TAKEN_BACK;
    if (!at_chance || watchdog->suspicious < 0)
        watchdog->suspicious = 0;
    if (watchdog->suspicious < SQZ_WATCHDOG_WINDOW)
        return SQZ_OK;
    return sqz_fail(
        err, SQZ_E_DIVERGED,
        "Dead start: for %d steps the loss has stayed at %.4f, what closed logits give, with %.0f "
        "%% of the activations and %.1f %% of the logits at zero, so no gradient flows any more; "
        "lower --lr, lengthen --warmup_epochs, add --clip_grad true --clip_value 5, or try "
        "another --seed (--stop_dead_start false: to go on all the same).",
        SQZ_WATCHDOG_WINDOW, step->chance, 100 * step->zero_fraction, 100 * step->zero_logits);
}

static enum sqz_status check_still(struct sqz_watchdog *watchdog,
                                   const struct sqz_watched_step *step, struct sqz_error *err)
{
    const bool still = step->zero_logits >= 1 && step->gradient_norm == 0;
    watchdog->still = still ? watchdog->still + 1 : 0;
    if (watchdog->still < SQZ_WATCHDOG_STILL)
        return SQZ_OK;
    return sqz_fail(err, SQZ_E_DIVERGED,
                    "Dead: for %d steps every logit has been zero and no gradient has reached any "
                    "weight, so nothing can be learned any more; lower --lr, lengthen "
                    "--warmup_epochs, add --clip_grad true --clip_value 5 or --norm batch "
                    "(--stop_dead_start false: to go on all the same).",
                    SQZ_WATCHDOG_STILL);
}

static enum sqz_status check_progress(struct sqz_watchdog *watchdog,
                                      const struct sqz_watched_step *step, struct sqz_error *err)
{
    double gain = fmax((step->chance - step->loss) / step->reducible, -SQZ_WATCHDOG_LOST);
    watchdog->gain += (gain - watchdog->gain) / SQZ_WATCHDOG_SMOOTH;
    watchdog->idle++;
    watchdog->idle_rate += step->rate;
    if (!(watchdog->gain <= SQZ_WATCHDOG_GAIN)) {
        watchdog->idle = 0;
        watchdog->idle_rate = 0;
    }
    if (watchdog->idle < SQZ_WATCHDOG_PATIENCE ||
        !(watchdog->idle_rate > SQZ_WATCHDOG_RATE_SHARE * step->whole_rate))
        return SQZ_OK;
    return sqz_fail(
        err, SQZ_E_DIVERGED,
        "No progress: for %lld steps, in which %.0f %% of the whole schedule's learning rate was "
        "spent, the loss has not fallen %.0f %% below %.4f, what equal logits give, and what "
        "is left of the schedule will not change that; add --norm batch or --classifier_bias 1, "
        "try another --lr or --seed, or train for more epochs (--stop_dead_start false: to go on "
        "all the same).",
        (long long)watchdog->idle, 100 * watchdog->idle_rate / step->whole_rate,
        100 * SQZ_WATCHDOG_GAIN, step->chance);
}

enum sqz_status sqz_watchdog_step(struct sqz_watchdog *watchdog,
                                  const struct sqz_watched_step *step, struct sqz_error *err)
{
    enum sqz_status status = check_still(watchdog, step, err);
    if (status || isnan(step->chance))
        return status;
    status = check_dead(watchdog, step, err);
    return status ? status : check_progress(watchdog, step, err);
}

enum sqz_status sqz_watchdog_not_finite(const struct sqz_nonfinite_report *what, const char *kept,
                                        struct sqz_error *err)
{
    const char *cause = !isfinite(what->loss)            ? "the loss is not finite"
                        : !isfinite(what->gradient_norm) ? "the gradient is not finite"
                                                         : "the update made weights infinite";
    return sqz_fail(err, SQZ_E_DIVERGED,
                    "Training diverged in epoch %d at step %lld: %s (loss %g, gradient norm %g, "
                    "learning rate %g); lower --lr%s%s. %s",
                    what->epoch, (long long)what->step, cause, what->loss, what->gradient_norm,
                    what->rate, what->warmed_up ? "" : ", add --warmup_epochs",
                    what->clipped ? ", lower --clip_value" : ", add --clip_grad true", kept);
}
