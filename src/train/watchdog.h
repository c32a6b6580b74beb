// Tells a run that cannot learn any more from one that merely has not begun to.
#ifndef SQZ_TRAIN_WATCHDOG_H
#define SQZ_TRAIN_WATCHDOG_H

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
#define SQZ_WATCHDOG_LOSS_MARGIN 0.01  // relative distance from that loss
#define SQZ_WATCHDOG_ZEROS       0.95  // share of zeros among all activations, or
#define SQZ_WATCHDOG_ZERO_LOGITS 0.995 // among the logits
#define SQZ_WATCHDOG_ALIVE       0.97  // with fewer zeros among the logits a step takes back
#define SQZ_WATCHDOG_TAKEN_BACK  4     // so many

struct sqz_watchdog {
    double chance;      // the loss of logits that are all zero: ln(classes) for cross-entropy
    int64_t suspicious; // the count; part of the training state
};
// Takes one step's numbers; SQZ_E_DIVERGED with the cause and what to change.
enum sqz_status sqz_watchdog_step(struct sqz_watchdog *watchdog, double loss, double zero_fraction,
                                  double zero_logits, struct sqz_error *err);

struct sqz_divergence { // for the sentence
    int epoch;
    int64_t step;
    double loss, gradient_norm, rate;
    bool clipped, warmed_up;
};
enum sqz_status sqz_watchdog_not_finite(const struct sqz_divergence *what, const char *kept,
                                        struct sqz_error *err);

#endif
