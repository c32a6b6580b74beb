// The global batch of a recipe on fewer devices, strictness, and the warnings about recipes.
#include "config_support.h"
#include "train/options/recipe_tools.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct sqz_options *of_yaml(const char *yaml)
{
    struct sqz_options *options = NULL;
    struct sqz_error err = {0};
    if (sqz_options_new(&options, &err) ||
        sqz_options_parse_yaml(options, yaml, strlen(yaml), "test", SQZ_FROM_YAML, &err))
        fail_msg("%s", err.text);
    return options;
}

static struct sqz_options *of_file(const char *name)
{
    struct sqz_options *options = NULL;
    struct sqz_error err = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/configs/%s", SQZ_TEST_SOURCE, name);
    if (sqz_options_new(&options, &err) ||
        sqz_options_read_yaml(options, path, SQZ_FROM_YAML, &err))
        fail_msg("%s", err.text);
    return options;
}

static void put(struct sqz_options *options, const char *name, const char *value)
{
    struct sqz_error err = {0};
    if (sqz_options_set(options, name, value, SQZ_FROM_COMMAND_LINE, &err))
        fail_msg("%s", err.text);
}

// What fitting does to a recipe, as text.
static const char *fit(struct sqz_options *options, int ranks)
{
    static char text[4096];
    struct sqz_text notes = {0};
    struct sqz_error err = {0};
    if (sqz_recipe_fit_batch(options, ranks, &notes, &err))
        fail_msg("%s", err.text);
    snprintf(text, sizeof text, "%s", sqz_text_get(&notes));
    sqz_text_release(&notes);
    return text;
}

// The published recipes say distribute: true, and were run on 8 devices.
static void test_global_batch(void **state)
{
    (void)state;
    struct sqz_options *options = of_file("squeezenet_1.0_gpu.yaml");
    assert_non_null(strstr(fit(options, 1), "8 devices and a global batch of 256; here it is 32"));
    assert_true(options->lr == 0.01 && options->gradient_accumulation_steps == 1);
    put(options, "keep_global_batch", "true");
    assert_non_null(strstr(fit(options, 1), "Global batch 256 (32 x 8 devices of the recipe) is "
                                            "kept: an update every 8 batches"));
    assert_int_equal(options->gradient_accumulation_steps, 8);
    // What recipe.yaml will say is not fitted a second time.
    assert_string_equal(fit(options, 1), "");
    assert_int_equal(options->gradient_accumulation_steps, 8);
    assert_false(options->keep_global_batch);
    sqz_options_free(options);

    options = of_file("squeezenet_1.0_gpu.yaml");
    put(options, "scale_lr", "true");
    put(options, "min_lr", "0.0008");
    put(options, "recipe_devices", "4");
    assert_non_null(strstr(fit(options, 2), "Global batch 64 instead of the recipe's 128: the "
                                            "learning rate is scaled from 0.01 to 0.005"));
    assert_true(options->lr == 0.005 && options->min_lr == 0.0004);
    assert_string_equal(fit(options, 2), "");
    sqz_options_free(options);
}

// The recipe's own word counts, even if the command line runs it on one device.
static void test_distribute_off(void **state)
{
    (void)state;
    struct sqz_options *options = NULL;
    assert_int_equal(sqz_options_new(&options, NULL), SQZ_OK);
    put(options, "distribute", "false");
    assert_int_equal(
        sqz_options_parse_yaml(options, "distribute: true\n", 17, "test", SQZ_FROM_YAML, NULL),
        SQZ_OK);
    assert_false(options->distribute);
    assert_non_null(strstr(fit(options, 1), "made for 8 devices"));
    sqz_options_free(options);
    options = of_yaml("distribute: no\n");
    put(options, "distribute", "true");
    assert_string_equal(fit(options, 1), "");
    sqz_options_free(options);
}

static void test_both_ways(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    struct sqz_options *options = of_file("squeezenet_1.0_gpu.yaml");
    put(options, "keep_global_batch", "true");
    put(options, "scale_lr", "true");
    assert_int_equal(sqz_options_check(options, NULL, &err), SQZ_E_CONFIG);
    assert_non_null(strstr(err.text, "exclude each other"));
    sqz_options_free(options);
}

static void test_strict(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    struct sqz_text notes = {0};
    struct sqz_options *options =
        of_yaml("mode: 1\namp_level: O2\ndataset_sink_mode: false\nmodel: squeezenet1_0\n");
    assert_int_equal(sqz_options_check(options, &notes, &err), SQZ_OK);
    assert_non_null(strstr(sqz_text_get(&notes), "mode, dataset_sink_mode."));
    put(options, "strict_recipe", "true");
    assert_int_equal(sqz_options_check(options, NULL, &err), SQZ_E_CONFIG);
    assert_non_null(strstr(err.text, "mode, dataset_sink_mode, amp_level."));
    sqz_text_release(&notes);
    sqz_options_free(options);
}

static void test_lint(void **state)
{
    static const struct {
        const char *yaml, *part; // NULL: nothing to say
    } cases[] = {
        {"batch_size: 256\nopt: momentum\nlr: 0.1\nwarmup_epochs: 5\ndecay_epochs: 85\n", NULL},
        {"batch_size: 8\nopt: momentum\nlr: 0.1\nwarmup_epochs: 5\ndecay_epochs: 85\n",
         "out of proportion"},
        {"opt: adam\nlr: 0.1\nwarmup_epochs: 5\ndecay_epochs: 85\n", "is high for adam"},
        {"batch_size: 256\nopt: momentum\nlr: 0.1\nwarmup_epochs: 0\ndecay_epochs: 90\n",
         "There is no warm-up"},
        {"opt: adam\nwarmup_epochs: 5\ndecay_epochs: 80\n", "the last 5 epochs train at min_lr"},
        {"opt: adam\nwarmup_epochs: 5\ndecay_epochs: 80\nscheduler: constant\n", NULL},
        {"opt: adam\nwarmup_epochs: 95\n", "The whole run is warm-up"},
        {"opt: adam\nwarmup_epochs: 5\ndecay_epochs: 85\nbatch_size: 600\n",
         "leaves out 500 of 1100 images"},
        {"opt: adam\nwarmup_epochs: 5\ndecay_epochs: 85\nloss: asl_multi_label\n"
         "label_smoothing: 0.1\n",
         "label_smoothing has no effect"},
        {"opt: adam\nwarmup_epochs: 5\ndecay_epochs: 85\nckpt_save_policy: top_k\n",
         "--ckpt_format ckpt"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sqz_options *options = of_yaml(cases[i].yaml);
        struct sqz_text notes = {0};
        struct sqz_recipe_facts facts = {.train_images = 1100,
                                         .steps_per_epoch = 1100 / options->batch_size};
        sqz_recipe_lint(CONFIG(options), &facts, &notes);
        if (cases[i].part ? !strstr(sqz_text_get(&notes), cases[i].part) : notes.length > 0)
            fail_msg("case %zu: \"%s\"", i, sqz_text_get(&notes));
        sqz_text_release(&notes);
        sqz_options_free(options);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_global_batch), cmocka_unit_test(test_distribute_off),
        cmocka_unit_test(test_both_ways),    cmocka_unit_test(test_strict),
        cmocka_unit_test(test_lint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
