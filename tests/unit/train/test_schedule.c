// Learning-rate tables against the 57 configurations of the real MindCV, and against values that
// were computed from the formulas in double.
#include "config_support.h"
#include "golden.h"
#include "train/step/schedule.h"

#include <math.h>
#include <string.h>

static struct sqz_options *options_of(const json_t *args)
{
    struct sqz_options *options = NULL;
    const json_t *milestones = json_object_get(args, "milestones");
    const char *key;
    json_t *value;

    assert_int_equal(sqz_options_new(&options, NULL), SQZ_OK);
    options->lr = 0.01; // create_scheduler's own defaults, where they differ from the options'
    options->decay_epochs = 10;
    options->epoch_size = 200;
    options->multi_step_decay_milestones.n = 0;
    json_object_foreach((json_t *)args, key, value)
    {
        char text[64];
        const char *name = strcmp(key, "num_epochs") == 0 ? "epoch_size" : key;
        if (!strcmp(key, "steps_per_epoch") || !strcmp(key, "milestones"))
            continue;
        if (json_is_string(value))
            snprintf(text, sizeof text, "%s", json_string_value(value));
        else if (json_is_boolean(value))
            snprintf(text, sizeof text, "%s", json_is_true(value) ? "true" : "false");
        else if (json_is_integer(value))
            snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
        else
            snprintf(text, sizeof text, "%.17g", json_real_value(value));
        if (!strcmp(text, "unknown_name")) { // refused when set; the table must refuse it, too
            sqz_free(options->scheduler);
            options->scheduler = sqz_copy_string(text);
            continue;
        }
        assert_int_equal(sqz_options_set(options, name, text, SQZ_FROM_COMMAND_LINE, NULL), SQZ_OK);
    }
    if (json_is_array(milestones)) {
        options->multi_step_decay_milestones.n = (int)json_array_size(milestones);
        for (int i = 0; i < options->multi_step_decay_milestones.n; i++)
            options->multi_step_decay_milestones.v[i] =
                json_number_value(json_array_get(milestones, (size_t)i));
    }
    return options;
}

static void compare(const json_t *run, size_t index)
{
    const json_t *values = json_object_get(run, "values"), *args = json_object_get(run, "args");
    struct sqz_options *options = options_of(args);
    struct sqz_text notes = {0};
    struct sqz_error err = {0};
    double *rates = NULL;
    size_t count = 0, warnings = 0;
    enum sqz_status status = sqz_schedule_new(
        CONFIG(options), (size_t)json_integer_value(json_object_get(args, "steps_per_epoch")),
        &rates, &count, &notes, &err);

    // MindCV divides by zero for one_cycle with min_lr 0; the table has no reason to.
    if (json_object_get(run, "error") && strcmp(options->scheduler, "one_cycle") == 0 &&
        options->warmup_epochs == 0 && !options->lr_epoch_stair) {
        assert_int_equal(status, SQZ_OK);
        assert_true(fabs(rates[count - 1]) < 1e-15);
    } else if (json_object_get(run, "error")) {
        assert_int_equal(status, SQZ_E_CONFIG);
        assert_true(strlen(err.text) > 20);
    } else {
        if (status != SQZ_OK)
            fail_msg("configuration %zu: %s", index, err.text);
        assert_int_equal(count,
                         (size_t)json_integer_value(json_object_get(args, "steps_per_epoch")) *
                             (size_t)options->epoch_size);
        // A warm-up longer than the run makes MindCV's table longer than the run.
        assert_true(json_array_size(values) >= count);
        for (size_t i = 0; i < count; i++) {
            double expected = json_number_value(json_array_get(values, i));
            if (fabs(rates[i] - expected) > 1e-12)
                fail_msg("configuration %zu (%s), entry %zu: %.17g, not %.17g", index,
                         options->scheduler, i, rates[i], expected);
        }
        for (const char *p = sqz_text_get(&notes); *p; p++)
            warnings += *p == '\n';
        assert_int_equal(warnings, json_array_size(json_object_get(run, "warnings")));
    }
    sqz_free(rates);
    sqz_text_release(&notes);
    sqz_options_free(options);
}

static void test_golden(void **state)
{
    json_t *root = golden_load("schedules.json");
    const json_t *run;
    size_t i;

    (void)state;
    if (!root)
        skip();
    assert_int_equal(json_array_size(json_object_get(root, "schedules")), 57);
    json_array_foreach(json_object_get(root, "schedules"), i, run) compare(run, i);
    json_decref(root);
}

static double *rates_of(const char *const *pairs, size_t steps, size_t *count)
{
    struct sqz_options *options = NULL;
    double *rates = NULL;

    assert_int_equal(sqz_options_new(&options, NULL), SQZ_OK);
    for (; *pairs; pairs += 2)
        assert_int_equal(sqz_options_set(options, pairs[0], pairs[1], SQZ_FROM_YAML, NULL), SQZ_OK);
    assert_int_equal(sqz_schedule_new(CONFIG(options), steps, &rates, count, NULL, NULL), SQZ_OK);
    sqz_options_free(options);
    return rates;
}

// The recipe for Ascend over its whole run of a million steps.
static void test_imagenet_recipe(void **state)
{
    static const char *const pairs[] = {
        "scheduler", "warmup_cosine_decay", "lr",  "0.1",        "min_lr", "0", "warmup_epochs",
        "5",         "decay_epochs",        "200", "epoch_size", "200",    NULL};
    size_t count;
    double *rates = rates_of(pairs, 5004, &count);

    (void)state;
    assert_int_equal(count, 1000800);
    assert_true(rates[0] == 0);
    assert_true(fabs(rates[5004] - 0.02) < 1e-12);
    assert_true(fabs(rates[25020] - 0.1) < 1e-12);
    assert_true(fabs(rates[500400] - 0.05392295) < 1e-8);
    assert_true(fabs(rates[count - 1] - 0.00015414563) < 1e-10);
    sqz_free(rates);
}

static void test_examples(void **state)
{
    static const char *const one_cycle[] = {
        "scheduler",     "one_cycle", "lr",         "0.1", "min_lr", "1e-4",
        "warmup_epochs", "0",         "epoch_size", "2",   NULL};
    static const double one_cycle_values[] = {.004,       .052,       .1,         .095053395,
                                              .081193316, .061164921, .038935079, .018906684,
                                              .005046605, .0001};
    static const char *const polynomial[] = {
        "scheduler", "polynomial_decay", "lr", "0.1", "decay_rate", "0.9", "warmup_epochs",
        "0",         "epoch_size",       "2",  NULL};
    static const double polynomial_values[] = {.1,         .088676235, .077188951, .065507649,
                                               .053588673, .041364534, .028717459, .015389305};
    size_t count;
    double *rates = rates_of(one_cycle, 5, &count);

    (void)state;
    assert_int_equal(count, 10);
    for (int i = 0; i < 10; i++)
        assert_true(fabs(rates[i] - one_cycle_values[i]) < 1e-9);
    sqz_free(rates);
    rates = rates_of(polynomial, 4, &count);
    assert_int_equal(count, 8);
    for (int i = 0; i < 8; i++)
        assert_true(fabs(rates[i] - polynomial_values[i]) < 1e-9);
    sqz_free(rates);
}

static void test_refusals(void **state)
{
    struct sqz_options *options = NULL;
    struct sqz_error err = {0};
    double *rates = NULL;
    size_t count;

    (void)state;
    assert_int_equal(sqz_options_new(&options, NULL), SQZ_OK);
    options->decay_epochs = 0;
    assert_int_equal(sqz_schedule_new(CONFIG(options), 4, &rates, &count, NULL, &err),
                     SQZ_E_CONFIG);
    assert_non_null(strstr(err.text, "decay_epochs"));
    options->decay_epochs = 10;
    assert_int_equal(sqz_schedule_new(CONFIG(options), 0, &rates, &count, NULL, &err),
                     SQZ_E_CONFIG);
    assert_int_equal(sqz_schedule_new(CONFIG(options), SIZE_MAX / 2, &rates, &count, NULL, &err),
                     SQZ_E_CONFIG);
    assert_null(rates);
    sqz_options_free(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden), cmocka_unit_test(test_imagenet_recipe),
        cmocka_unit_test(test_examples), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
