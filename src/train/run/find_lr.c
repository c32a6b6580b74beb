// A learning-rate range test: the rate rises from step to step until the loss gives up. All steps
// see the same batch with the same dropout, because over so few steps the differences between
// batches are larger than what is learned.
#include "train/run/run.h"

#include "train/run/plot.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { MOST_STEPS = 100, LEAST_STEPS = 20 };
static const double lowest = 1e-6, highest = 10;
static const double give_up = 2;    // times the first loss
static const double a_gain = 0.002; // of the first loss; less is none

struct sweep {
    double *rates, *losses; // losses[i]: after the steps before i
    int n;
};

static enum sqz_status run_sweep(struct sqz_run *run, int steps, struct sweep *sweep,
                                 struct sqz_error *err)
{
    struct sqz_batch batch;
    enum sqz_status status = sqz_loader_start(run->loader, 0, 0, err);
    if (!status)
        status = sqz_loader_next(run->loader, &batch, err);
    if (status)
        return status;
    struct sqz_step_batch rows = {
        .images = batch.images, .labels = batch.labels, .targets = batch.targets, .n = batch.n};
    for (int i = 0; i < steps; i++) {
        struct sqz_step_result result;
        double rate = lowest * pow(highest / lowest, (double)i / (steps - 1));
        if (sqz_stop_asked(run->environment->stop))
            return sqz_fail(err, SQZ_E_STOPPED, "The search for a learning rate was stopped.");
        run->stepper.micro_steps = 0;
        sqz_stepper_run(&run->stepper, &rows, rate, &result);
        if (!isfinite(result.loss))
            break;
        sweep->rates[sweep->n] = rate;
        sweep->losses[sweep->n++] = result.loss;
        if (!result.finite || result.loss > give_up * sweep->losses[0])
            break;
    }
    return SQZ_OK;
}

static int lowest_loss(const struct sweep *sweep)
{
    int best = 0;
    for (int i = 1; i < sweep->n; i++)
        best = sweep->losses[i] < sweep->losses[best] ? i : best;
    return best;
}

// Where, up to the smallest loss, it falls fastest over five steps; -1 when it hardly falls at all.
static int steepest(const struct sweep *sweep)
{
    enum { REACH = 5 };
    int best = -1, end = lowest_loss(sweep);
    double most = 0;
    if (sweep->losses[0] - sweep->losses[end] < a_gain * sweep->losses[0])
        return -1;
    for (int i = REACH; i <= end; i++) {
        double fall = sweep->losses[i - REACH] - sweep->losses[i];
        if (fall > most) {
            most = fall;
            best = i - REACH / 2;
        }
    }
    return best;
}

// One digit is all that such a test can tell.
static double round_rate(double rate)
{
    double power = pow(10, floor(log10(rate)));
    return round(rate / power) * power;
}

static void describe(const struct sqz_run *run, const struct sweep *sweep, struct sqz_text *out)
{
    int at = steepest(sweep), low = lowest_loss(sweep), shown = sweep->n;
    // Blocks are of use only where they do not show the explosion.
    while (shown > low + 1 && sweep->losses[shown - 1] > 1.2 * sweep->losses[0])
        shown--;
    sqz_text_add(out, "Rate  %.1g to %.2g in %d steps of %s on one batch of %" PRId64 "\n",
                 sweep->rates[0], sweep->rates[sweep->n - 1], sweep->n, run->setup.config->opt_word,
                 run->setup.config->batch_size);
    sqz_text_add(out, "Loss  ");
    sqz_sparkline(sweep->losses, (size_t)shown, 60, false, out);
    sqz_text_add(out, "  %.4f at first, smallest %.4f at %.2g, %.4f at the end\n", sweep->losses[0],
                 sweep->losses[low], sweep->rates[low], sweep->losses[sweep->n - 1]);
    if (at < 0) {
        sqz_text_add(out, "The loss hardly fell at any rate: a fresh network may need a "
                          "--classifier_bias above 0, or published weights to start from.\n");
        return;
    }
    sqz_text_add(out,
                 "It fell fastest at %.2g: try --lr %.2g, with warm-up; above %.2g it does not "
                 "learn.\n",
                 sweep->rates[at], round_rate(fmin(sweep->rates[at], sweep->rates[low] / 3)),
                 sweep->rates[low]);
}

enum sqz_status sqz_run_find_lr(struct sqz_run *run, struct sqz_text *out, struct sqz_error *err)
{
    const struct sqz_train_config *config = run->setup.config;
    int steps = config->max_steps > 0 && config->max_steps < MOST_STEPS ? (int)config->max_steps
                                                                        : MOST_STEPS;
    struct sweep sweep = {0};
    enum sqz_status status = SQZ_OK;
    // Every step has to move the weights.
    run->stepper.config.accumulate = 1;
    steps = steps < LEAST_STEPS ? LEAST_STEPS : steps;
    sweep.rates = sqz_new_array((size_t)steps, sizeof *sweep.rates);
    sweep.losses = sqz_new_array((size_t)steps, sizeof *sweep.losses);
    if (!sweep.rates || !sweep.losses)
        status = sqz_fail_memory(err, "the search", (size_t)steps * sizeof *sweep.rates);
    if (!status)
        status = run_sweep(run, steps, &sweep, err);
    if (!status && sweep.n < 2)
        status = sqz_fail(err, SQZ_E_DIVERGED,
                          "The loss is not finite at a learning rate of %g already.", lowest);
    if (!status)
        describe(run, &sweep, out);
    sqz_free(sweep.rates);
    sqz_free(sweep.losses);
    return status;
}
