// The watch over dead starts and runs without progress: made-up traces, and a whole run.
#include "run_support.h"

#include "train/run/watchdog.h"
#include <math.h>

enum { STEPS = 1240 }; // of the made-up schedules
static const double pi = 3.14159265358979323846, chance = 2.302585092994046;

static double cosine(int i)
{
    return 0.5 * (1 + cos(pi * i / STEPS));
}

static struct sqz_watched_step step_at(double loss, double zero_fraction, double zero_logits)
{
    return (struct sqz_watched_step){.loss = loss,
                                     .zero_fraction = zero_fraction,
                                     .zero_logits = zero_logits,
                                     .gradient_norm = 1,
                                     .chance = chance,
                                     .reducible = chance};
}

static enum sqz_status watch(struct sqz_watchdog *dog, double loss, double zero_fraction,
                             double zero_logits)
{
    struct sqz_watched_step step = step_at(loss, zero_fraction, zero_logits);
    return sqz_watchdog_step(dog, &step, NULL);
}

static void test_dead_start(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    struct sqz_watchdog dog = {0};
    // A healthy start sits at ln(10) as long as it likes; so may one with dead layers that learns.
    for (int i = 0; i < 2000; i++)
        assert_int_equal(watch(&dog, chance, 0.6, 0.9), SQZ_OK);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(watch(&dog, 0.9 * chance, 0.99, 1), SQZ_OK);
    // A few logits that open for a step do not count, but clear nothing; more take some back.
    int open_steps = 0, steps = 0;
    for (enum sqz_status status = SQZ_OK; !status; steps++) {
        double zero_logits = steps % 20 == 19 ? 0.96 : steps % 2 ? 0.98 : 0.996;
        open_steps += zero_logits < 0.97;
        status = watch(&dog, chance, 0.5, zero_logits);
    }
    assert_int_equal((steps + 1) / 2, SQZ_WATCHDOG_WINDOW + SQZ_WATCHDOG_TAKEN_BACK * open_steps);
    // One step with another loss restarts the count.
    dog.suspicious = SQZ_WATCHDOG_WINDOW - 1;
    assert_int_equal(watch(&dog, 0.9 * chance, 0.5, 1), SQZ_OK);
    for (int i = 0; i < SQZ_WATCHDOG_WINDOW - 1; i++)
        assert_int_equal(watch(&dog, chance, 0.5, 1), SQZ_OK);
    // So does one that lives, in the end.
    for (int i = 0; i < SQZ_WATCHDOG_WINDOW; i++)
        assert_int_equal(watch(&dog, chance, 0.5, 0.5), SQZ_OK);
    assert_int_equal(dog.suspicious, 0);
    for (int i = 0; i < SQZ_WATCHDOG_WINDOW - 1; i++)
        assert_int_equal(watch(&dog, 1.005 * chance, 0.97, 0.5), SQZ_OK);
    struct sqz_watched_step last = step_at(chance, 0.97, 0.5);
    assert_int_equal(sqz_watchdog_step(&dog, &last, &err), SQZ_E_DIVERGED);
    assert_non_null(strstr(err.text, "lower --lr"));
}

static void test_still(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    struct sqz_watchdog dog = {0};
    struct sqz_watched_step step = step_at(NAN, 0.5, 1);
    step.chance = NAN; // whatever the loss is
    step.gradient_norm = 0;
    for (int i = 0; i < 3; i++) { // a gradient, or a logit that opens, clears the count
        for (int k = 0; k < SQZ_WATCHDOG_STILL - 1; k++)
            assert_int_equal(sqz_watchdog_step(&dog, &step, NULL), SQZ_OK);
        struct sqz_watched_step alive = step;
        alive.gradient_norm = i % 2 ? 1e-30 : 0;
        alive.zero_logits = i % 2 ? 1 : 0.999;
        assert_int_equal(sqz_watchdog_step(&dog, &alive, NULL), SQZ_OK);
    }
    for (int k = 0; k < SQZ_WATCHDOG_STILL - 1; k++)
        assert_int_equal(sqz_watchdog_step(&dog, &step, NULL), SQZ_OK);
    assert_int_equal(sqz_watchdog_step(&dog, &step, &err), SQZ_E_DIVERGED);
    assert_non_null(strstr(err.text, "no gradient"));
}

// All logits but the true class's are closed when bce has learned a thousand classes; then its loss
// is a thousandth below that of closed logits.
static void test_sure_is_not_dead(void **state)
{
    (void)state;
    struct sqz_watchdog dog = {0};
    for (int i = 0; i < 10 * SQZ_WATCHDOG_WINDOW; i++) {
        struct sqz_watched_step step = step_at(log(2) * (1 - 0.0009), 0.9, 0.999);
        step.chance = log(2);
        step.reducible = log(2) / 1000;
        assert_int_equal(sqz_watchdog_step(&dog, &step, NULL), SQZ_OK);
    }
}

// A loss as far below chance as `gain_at(i)` says, with the rates of `rate_at`, all logits alive.
// Returns the step in which the run was stopped; 0: none.
static int stopped_in(struct sqz_watchdog *dog, int first, int steps, double (*rate_at)(int),
                      double (*gain_at)(int), struct sqz_error *err)
{
    double whole = 0;
    for (int i = 0; i < steps; i++)
        whole += rate_at(i);
    for (int i = first; i < steps; i++) {
        struct sqz_watched_step step = step_at(chance * (1 - gain_at(i)), 0.6, 0.9);
        step.rate = rate_at(i);
        step.whole_rate = whole;
        if (sqz_watchdog_step(dog, &step, err))
            return i + 1;
    }
    return 0;
}

static double spent(int i)
{
    return (double)i / STEPS + sin(pi * i / STEPS) / pi;
}
static double constant(int i)
{
    (void)i;
    return 1e-3;
}
static double creeping(int i) // to 0.9 %, with a batch's noise
{
    return 0.009 * spent(i) + 0.02 * cos(2.0 * i);
}
static double late(int i) // the latest of the runs that learn: 1 % when 89 % are spent
{
    return fmax(0.003 + 0.1 * (spent(i) - 0.8), 0);
}
static double too_late(int i)
{
    return fmax(0.003 + 0.1 * (spent(i) - 0.93), 0);
}
static double wild(int i) // one batch in 50
{
    return i % 50 == 49 ? -1e30 : 0.02;
}
static double forgotten(int i)
{
    return i < STEPS / 4 ? 0.1 : 0;
}
static double hopeless(int i) // far above chance
{
    (void)i;
    return -3;
}

static void test_progress(void **state)
{
    (void)state;
    static double (*const learn[])(int) = {late, wild, forgotten};
    static double (*const do_not[])(int) = {creeping, too_late, hopeless};
    struct sqz_error err = {0};
    for (int k = 0; k < 3; k++) {
        struct sqz_watchdog a = {0}, b = {0};
        assert_int_equal(stopped_in(&a, 0, STEPS, cosine, learn[k], &err), 0);
        // Not before the rate is spent.
        int step = stopped_in(&b, 0, STEPS, cosine, do_not[k], &err);
        assert_true(step > 0 && spent(step - 1) <= SQZ_WATCHDOG_RATE_SHARE + 1e-9 &&
                    spent(step) > SQZ_WATCHDOG_RATE_SHARE - 1e-9);
        assert_non_null(strstr(err.text, "No progress"));
    }
    // Little can be said of a few steps, or where the loss of equal logits is not known.
    struct sqz_watchdog few = {0}, enough = {0}, blind = {0};
    assert_int_equal(stopped_in(&few, 0, SQZ_WATCHDOG_PATIENCE - 1, constant, hopeless, &err), 0);
    assert_true(stopped_in(&enough, 0, SQZ_WATCHDOG_PATIENCE, constant, hopeless, &err) > 0);
    struct sqz_watched_step step = {
        .loss = 1, .chance = NAN, .reducible = 1, .rate = 1, .zero_logits = 1, .gradient_norm = 1};
    for (int i = 0; i < STEPS; i++)
        assert_int_equal(sqz_watchdog_step(&blind, &step, &err), SQZ_OK);
}

// An earlier version's checkpoint has none of this: what went before it counts for nothing.
static void test_taken_over(void **state)
{
    (void)state;
    struct sqz_watchdog dog = {.suspicious = 5};
    assert_int_equal(stopped_in(&dog, STEPS / 10, STEPS, cosine, hopeless, NULL), 0);
}

// At this rate nothing is learned in 400 steps; the watch says so, and lets itself be switched off.
static void test_run(void **state)
{
    (void)state;
    static const char *const common[] = {
        "lr=1e-12",        "scheduler=constant",    "epoch_size=40",
        "warmup_epochs=0", "val_while_train=false", NULL};
    const char *whole[8] = {run_dir("whole")}, *parts[8] = {run_dir("parts"), "max_steps=205"};
    struct sqz_error err = {0};
    for (int i = 0; common[i]; i++) {
        whole[i + 1] = common[i];
        parts[i + 2] = common[i];
    }
    assert_int_equal(run_with(options_of(whole), 2, NULL, NULL, &err), SQZ_E_DIVERGED);
    if (!strstr(err.text, "No progress: for 380 steps, in which 95 %"))
        fail_msg("%s", err.text);
    // The count goes through a file.
    run_well(parts, 2, NULL, NULL);
    struct sqz_options *options = NULL;
    sqz_options_new(&options, NULL);
    put(options, "resume", in_root("parts"));
    struct sqz_error again = {0};
    assert_int_equal(run_with(options, 2, NULL, NULL, &again), SQZ_E_DIVERGED);
    assert_string_equal(again.text, err.text);
    same_file("whole", "parts", "last.safetensors");
    // The last epoch's state is there, and goes on without a watch.
    struct sqz_train_result result;
    sqz_options_new(&options, NULL);
    put(options, "resume", in_root("whole"));
    put(options, "stop_dead_start", "false");
    if (run_with(options, 2, NULL, &result, &err))
        fail_msg("%s", err.text);
    assert_int_equal(result.steps, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dead_start),       cmocka_unit_test(test_still),
        cmocka_unit_test(test_sure_is_not_dead), cmocka_unit_test(test_progress),
        cmocka_unit_test(test_taken_over),       cmocka_unit_test(test_run),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
