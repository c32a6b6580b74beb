// Dead starts and non-finite numbers, put into sentences.
#include "train/watchdog.h"

#include <math.h>

enum sqz_status sqz_watchdog_step(struct sqz_watchdog *watchdog, double loss, double zero_fraction,
                                  double zero_logits, struct sqz_error *err)
{
    double chance = watchdog->chance;
    bool at_chance = fabs(loss - chance) <= SQZ_WATCHDOG_LOSS_MARGIN * chance;
    bool closed = zero_fraction >= SQZ_WATCHDOG_ZEROS || zero_logits >= SQZ_WATCHDOG_ZERO_LOGITS;
    if (closed)
        watchdog->suspicious++;
    else if (zero_logits < SQZ_WATCHDOG_ALIVE)
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
        "another --seed.",
        SQZ_WATCHDOG_WINDOW, chance, 100 * zero_fraction, 100 * zero_logits);
}

enum sqz_status sqz_watchdog_not_finite(const struct sqz_divergence *what, const char *kept,
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
