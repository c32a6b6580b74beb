// Tells a run that cannot learn any more from one that merely has not begun to.
#ifndef SQZ_TRAIN_RUN_WATCHDOG_H
#define SQZ_TRAIN_RUN_WATCHDOG_H

#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

// A dead start is declared when the loss is that of closed logits and the activations are dead,
// counted over this many steps: a healthy SqueezeNet may sit at ln(classes) for hundreds of steps.
// The last layer's ReLU is what usually dies: all logits close while half of the other activations
// still live, and no gradient reaches any weight. Measured on drawn shapes: a run that crept on
// kept 9 % of its logits open; dead ones none in most batches, 1 to 3 % in some, more in a few, and
// nothing came of it. So a step counts when nearly all are closed, takes some of the count back
// when many are open, and clears it when the loss moves.
#define SQZ_WATCHDOG_WINDOW      150
#define SQZ_WATCHDOG_LOSS_MARGIN 0.01  // distance from that loss, as a share of what can be won
#define SQZ_WATCHDOG_ZEROS       0.95  // share of zeros among all activations, or
#define SQZ_WATCHDOG_ZERO_LOGITS 0.995 // among the logits
#define SQZ_WATCHDOG_ALIVE       0.97  // with fewer zeros among the logits a step takes back
#define SQZ_WATCHDOG_TAKEN_BACK  4     // so many
// No gradient in all these steps, and every logit of every sample zero: nothing but momentum and
// weight decay moves such weights. That is told sooner, also to runs on a few images, which the
// window above is longer than. A run of 57 such steps (adam, rate 0.1, 24 images) never came back.
#define SQZ_WATCHDOG_STILL 30

// No progress is declared when nearly all of the learning rate that the schedule has to give was
// spent without the loss falling a little below that of equal logits: the rest cannot do what the
// many times larger part could not. The clock is the sum of the rates, because a cosine's late
// steps move little. Measured with bench/recipe_seeds' 80 runs and the watch off: the two that
// learned had won 1 % of that loss (smoothed as here) when 85 and 89 % of the rate were spent; of
// those that did not the earliest when 96 % were (top-1 18 % in the end), five at 99 to 100 %, the
// others never. The count restarts whenever more is won, so that fine-tuning, a pruning's
// setback and a state of earlier versions, which has no count, begin with all of the patience.
#define SQZ_WATCHDOG_GAIN       0.01 // as a share of what can be won
#define SQZ_WATCHDOG_RATE_SHARE 0.95
#define SQZ_WATCHDOG_PATIENCE   300 // steps: about shorter runs nothing is said
#define SQZ_WATCHDOG_SMOOTH     100 // steps of the exponential mean
#define SQZ_WATCHDOG_LOST       0.1 // a wild batch counts as a loss so much above chance at most

struct sqz_watchdog {   // part of the training state; zero-initialised before the first step
    int64_t suspicious; // closed steps
    int64_t still;      // steps without any gradient, one after the other
    int64_t idle;       // steps since the loss was below chance, or since the start
    double idle_rate;   // the sum of their learning rates
    double gain;        // (chance - loss) / reducible, smoothed
};
struct sqz_watched_step {
    double loss, zero_fraction, zero_logits, gradient_norm; // as in sqz_step_result
    double chance, reducible; // sqz_loss_at_zero (NAN: nothing is said), sqz_loss_reducible
    double rate;              // learning rate
    double whole_rate;        // the sum of all the schedule's
};
// Takes one step's numbers; SQZ_E_DIVERGED with the cause and what to change.
enum sqz_status sqz_watchdog_step(struct sqz_watchdog *watchdog,
                                  const struct sqz_watched_step *step, struct sqz_error *err);

struct sqz_nonfinite_report { // for the sentence
    int epoch;
    int64_t step;
    double loss, gradient_norm, rate;
    bool clipped, warmed_up;
};
enum sqz_status sqz_watchdog_not_finite(const struct sqz_nonfinite_report *what, const char *kept,
                                        struct sqz_error *err);

#endif
