// The table of options: defaults, limits, origins, suggestions, refusals.
#include "train/options/options.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct sqz_options *fresh(void)
{
    struct sqz_options *options = NULL;

    assert_int_equal(sqz_options_new(&options, NULL), SQZ_OK);
    return options;
}

static void put(struct sqz_options *options, const char *name, const char *value)
{
    struct sqz_error err = {0};

    if (sqz_options_set(options, name, value, SQZ_FROM_COMMAND_LINE, &err) != SQZ_OK)
        fail_msg("%s", err.text);
}

static void test_defaults(void **state)
{
    struct sqz_options *options = fresh();

    (void)state;
    assert_int_equal(options->batch_size, 128);
    assert_int_equal(options->seed, 42);
    assert_true(options->num_classes == SQZ_NONE_INT);
    assert_true(isnan(options->drop_rate));
    assert_true(options->shuffle && !options->distribute && options->drop_remainder);
    assert_string_equal(options->dataset, "imagenet");
    assert_string_equal(options->auto_augment, "");
    assert_string_equal(options->ckpt_path, "");
    assert_string_equal(options->reduction, "mean");
    assert_int_equal(options->scale.n, 2);
    assert_true(options->scale.v[0] == 0.08 && options->scale.v[1] == 1);
    assert_int_equal(options->color_jitter.n, 1);
    assert_int_equal(options->std.n, 3);
    assert_true(options->std.v[2] == 57.375 && options->weight_decay == 1e-6);
    for (int i = 0; i < sqz_option_count(); i++) {
        const struct sqz_option *option = sqz_option_at(i);
        assert_int_equal(options->origins[i], SQZ_FROM_DEFAULT);
        assert_int_equal(sqz_option_find(option->name), i);
        assert_true(strlen(option->help) > 5 && strlen(option->name) <= 40);
        // No default may be one of the values that are refused.
        assert_true(strcmp(option->support, "") == 0 || strcmp(option->support, "ignored") == 0 ||
                    strncmp(option->support, "later: ", 7) == 0);
    }
    assert_null(sqz_option_at(-1));
    assert_null(sqz_option_at(sqz_option_count()));
    assert_int_equal(sqz_options_check(options, NULL, NULL), SQZ_OK);
    sqz_options_free(options);
}

// Every option of MindCV's config.py exists here.
static void test_names(void **state)
{
    static const char all[] =
        "mode distribute val_while_train val_interval log_interval seed device_target "
        "dataset data_dir train_split val_split dataset_download num_parallel_workers "
        "shuffle num_samples batch_size drop_remainder image_resize scale ratio hflip "
        "vflip color_jitter interpolation auto_augment aug_splits re_prob re_scale "
        "re_ratio re_value re_max_attempts mean std crop_pct mixup cutmix cutmix_prob "
        "aug_repeats model num_classes in_channels drop_rate drop_path_rate pretrained "
        "ckpt_path resume_opt keep_checkpoint_max ckpt_save_dir ckpt_save_interval "
        "ckpt_save_policy epoch_size dataset_sink_mode ema ema_decay clip_grad "
        "clip_value layer_decay gradient_accumulation_steps opt momentum weight_decay "
        "use_nesterov weight_decay_filter eps scheduler lr min_lr warmup_epochs "
        "warmup_factor decay_epochs decay_rate multi_step_decay_milestones "
        "lr_epoch_stair num_cycles cycle_decay loss label_smoothing aux_factor "
        "reduction amp_level val_amp_level amp_cast_list loss_scale_type loss_scale "
        "drop_overflow_update eval_shuffle";
    char names[sizeof all], *name, *rest = names;

    (void)state;
    memcpy(names, all, sizeof all);
    while ((name = strsep(&rest, " ")))
        if (sqz_option_find(name) < 0)
            fail_msg("no option %s", name);
}

static void test_values(void **state)
{
    static const char *const good[][3] = {// option, typed, printed
                                          {"shuffle", "No", "false"},
                                          {"shuffle", "1", "true"},
                                          {"batch_size", "1", "1"},
                                          {"num_samples", "none", "none"},
                                          {"num_samples", "-1", "-1"},
                                          {"lr", "1e-4", "0.0001"},
                                          {"lr", ".5", "0.5"},
                                          {"lr", "0.1234567890123456789", "0.12345678901234568"},
                                          {"drop_rate", "0", "0"},
                                          {"drop_rate", "none", "none"},
                                          {"scale", "[0.5, 1]", "0.5,1"},
                                          {"scale", "(0.5,1.5)", "0.5,1.5"},
                                          {"scale", " 0.5 , 1 ", "0.5,1"},
                                          {"color_jitter", "none", "none"},
                                          {"color_jitter", "0.4,0.3,0.2,0.1", "0.4,0.3,0.2,0.1"},
                                          {"multi_step_decay_milestones", "100,200", "100,200"},
                                          {"loss", "ce", "CE"},
                                          {"dataset", "CIFAR10", "cifar10"},
                                          {"dataset", "", ""},
                                          {"ckpt_save_policy", "none", ""},
                                          {"reduction", "none", "none"},
                                          {"auto_augment", "none", "none"},
                                          {"amp_level", "o2", "O2"},
                                          {"data_dir", "none", "none"},
                                          {"re_value", "random", "random"},
                                          {"seed", "9223372036854775807", "9223372036854775807"},
                                          {"min_lr", "1e+2", "100"}};
    static const char *const bad[][2] = {
        {"shuffle", "maybe"},
        {"shuffle", ""},
        {"shuffle", "on"},
        {"batch_size", "0"},
        {"batch_size", "abc"},
        {"batch_size", "32.0"},
        {"batch_size", "none"},
        {"batch_size", " 4"},
        {"batch_size", "0x10"},
        {"batch_size", "010"},
        {"seed", "9223372036854775808"},
        {"seed", "-1"},
        {"seed", "+"},
        {"lr", "nan"},
        {"lr", "inf"},
        {"lr", "0x1p3"},
        {"lr", "1,5"},
        {"lr", ""},
        {"lr", "1e999"},
        {"lr", "-1"},
        {"hflip", "1.5"},
        {"drop_rate", "1"},
        {"scale", "0.5"},
        {"scale", "0.5,x"},
        {"scale", "0.5,1,2"},
        {"scale", ""},
        {"scale", "0,1,"},
        {"color_jitter", "1,2"},
        {"std", "1,0,1"},
        {"loss", "mse"},
        {"interpolation", "lanczos"},
        {"dataset_download", "true"},
        {"opt", ""},
        {"ckpt_save_policy", "all"},
        {"multi_step_decay_milestones", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"}};
    struct sqz_options *options = fresh();

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct sqz_text text = {0};
        put(options, good[i][0], good[i][1]);
        sqz_option_value_text(options, sqz_option_find(good[i][0]), &text);
        assert_string_equal(sqz_text_get(&text), good[i][2]);
        sqz_text_release(&text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sqz_text before = {0}, after = {0};
        struct sqz_error err = {0};
        int index = sqz_option_find(bad[i][0]);
        sqz_option_value_text(options, index, &before);
        if (sqz_options_set(options, bad[i][0], bad[i][1], SQZ_FROM_COMMAND_LINE, &err) !=
            SQZ_E_USAGE)
            fail_msg("%s took \"%s\"", bad[i][0], bad[i][1]);
        assert_non_null(strstr(err.text, bad[i][0]));
        assert_int_equal(err.text[strlen(err.text) - 1], '.');
        sqz_option_value_text(options, index, &after);
        assert_string_equal(sqz_text_get(&before), sqz_text_get(&after));
        sqz_text_release(&before);
        sqz_text_release(&after);
    }
    sqz_options_free(options);
}

static void test_messages(void **state)
{
    static const struct {
        const char *name, *value, *text;
    } cases[] = {
        {"batch_size", "abc",
         "Option batch_size is \"abc\", but it must be a whole number of at least 1 "
         "and at most 1048576."},
        {"drop_rate", "x",
         "Option drop_rate is \"x\", but it must be none or a number of at least 0 and "
         "below 1."},
        {"crop_pct", "0",
         "Option crop_pct is \"0\", but it must be a number greater than 0 and at most 4."},
        {"loss_scale_type", "no",
         "Option loss_scale_type is \"no\", but it must be fixed, dynamic or auto."},
        {"mean", "1,2",
         "Option mean is \"1,2\", but it must be 1 or 3 comma-separated numbers, each finite."},
        {"shuffle", "y", "Option shuffle is \"y\", but it must be true or false."},
        {"batchsize", "1", "There is no option batchsize; did you mean batch_size?"},
        {"batch-size", "1", "There is no option batch-size; did you mean batch_size?"},
        {"epochs", "1", "There is no option epochs; did you mean epoch_size?"},
        {"modle", "1", "There is no option modle; did you mean model?"},
        {"zzzzzzzz", "1",
         "There is no option zzzzzzzz; \"squeezenet train --help\" lists them all."}};
    struct sqz_options *options = fresh();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sqz_error err = {0};
        assert_int_equal(
            sqz_options_set(options, cases[i].name, cases[i].value, SQZ_FROM_COMMAND_LINE, &err),
            SQZ_E_USAGE);
        assert_int_equal(err.status, SQZ_E_USAGE);
        assert_string_equal(err.text, cases[i].text);
    }
    assert_null(
        sqz_option_nearest("a_name_that_is_much_longer_than_any_option_of_this_program_could_be"));
    sqz_options_free(options);
}

static void test_origins(void **state)
{
    struct sqz_options *options = fresh(), *copy = NULL;
    struct sqz_error err = {0};
    int lr = sqz_option_find("lr"), model = sqz_option_find("model");

    (void)state;
    put(options, "lr", "0.5");
    assert_int_equal(sqz_options_set(options, "lr", "0.1", SQZ_FROM_YAML, &err), SQZ_OK);
    assert_true(options->lr == 0.5);
    assert_int_equal(options->origins[lr], SQZ_FROM_COMMAND_LINE);
    assert_int_equal(sqz_options_set(options, "lr", "x", SQZ_FROM_YAML, &err), SQZ_E_CONFIG);
    assert_int_equal(sqz_options_set(options, "model", "squeezenet1_0", SQZ_FROM_MODEL, &err),
                     SQZ_OK);
    assert_int_equal(
        sqz_options_set(options, "model", "squeezenet1_1", SQZ_FROM_BUILTIN_RECIPE, &err), SQZ_OK);
    assert_string_equal(options->model, "squeezenet1_0");
    assert_int_equal(options->origins[model], SQZ_FROM_MODEL);
    assert_int_equal(sqz_options_copy(options, &copy, NULL), SQZ_OK);
    put(options, "model", "squeezenet1_1");
    assert_string_equal(copy->model, "squeezenet1_0");
    assert_int_equal(copy->origins[model], SQZ_FROM_MODEL);
    assert_true(copy->lr == 0.5);
    sqz_options_free(copy);
    sqz_options_free(options);
}

// One setting each; the refusal must name the option.
static void test_refusals(void **state)
{
    static const char *const refused[][2] = {{"auto_augment", "randaugment-m7"},
                                             {"aug_splits", "3"},
                                             {"loss", "jsd"},
                                             {"loss_scale_type", "dynamic"},
                                             {"drop_path_rate", "0.1"},
                                             {"scale", "1,0.5"},
                                             {"re_ratio", "3,1"},
                                             {"color_jitter", "0,0,0,0.6"},
                                             {"mean", "1"},
                                             {"model", "mobilenet_v2_035_224"},
                                             {"dialect", "keras"},
                                             {"in_channels", "2"},
                                             {"ckpt_save_policy", "top_k"},
                                             {"re_value", "256"},
                                             {"re_value", "1,2"},
                                             {"re_value", "-1"},
                                             {"re_value", "0.5"},
                                             {"re_value", "1,2,3,4"},
                                             {"data_dir", ""}};

    (void)state;
    struct sqz_error both = {0};
    struct sqz_options *pair = fresh();
    put(pair, "num_samples", "5");
    put(pair, "aug_repeats", "3");
    assert_int_equal(sqz_options_check(pair, NULL, &both), SQZ_E_CONFIG);
    assert_non_null(strstr(both.text, "exclude each other"));
    sqz_options_free(pair);
    struct sqz_options *nothing = fresh(); // recipes of other models ask for no paths to drop
    put(nothing, "drop_path_rate", "0.0");
    assert_int_equal(sqz_options_check(nothing, NULL, &both), SQZ_OK);
    sqz_options_free(nothing);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct sqz_options *options = fresh();
        struct sqz_error err = {0};
        put(options, refused[i][0], refused[i][1]);
        if (sqz_options_check(options, NULL, &err) != SQZ_E_CONFIG)
            fail_msg("%s: %s was not refused", refused[i][0], refused[i][1]);
        assert_non_null(strstr(err.text, refused[i][0]));
        sqz_options_free(options);
    }
}

static void test_accepted(void **state)
{
    static const char *const accepted[][2] = {
        {"opt", "adan"},           {"scheduler", "cyclic"},
        {"mixup", "0.2"},          {"auto_augment", "randaug-m7-mstd0.5-inc1"},
        {"cutmix", "1"},           {"aug_repeats", "3"},
        {"color_jitter", "none"},  {"re_value", "1,2,3"},
        {"re_value", "[1, 2, 3]"}, {"re_value", "random"},
        {"distribute", "true"},    {"model", "squeezenet1_0_complex"},
        {"dialect", "caffe"},      {"num_samples", "0"}};
    struct sqz_text notes = {0};
    struct sqz_options *options;

    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        struct sqz_error err = {0};
        options = fresh();
        put(options, accepted[i][0], accepted[i][1]);
        if (sqz_options_check(options, &notes, &err) != SQZ_OK)
            fail_msg("%s", err.text);
        assert_int_equal(notes.length, 0);
        sqz_options_free(options);
    }
    options = fresh();
    put(options, "mode", "1");
    put(options, "dataset_sink_mode", "false");
    put(options, "amp_level", "O2");
    assert_int_equal(sqz_options_check(options, &notes, NULL), SQZ_OK);
    assert_string_equal(sqz_text_get(&notes),
                        "Accepted, but without a meaning here: mode, dataset_sink_mode.\n"
                        "amp_level O2: computed in float32, as O0.\n");
    sqz_text_release(&notes);
    sqz_options_free(options);
}

static void test_defaults_in_a_recipe_are_no_wish(void **state)
{
    struct sqz_options *options = fresh();
    struct sqz_text notes = {0};

    (void)state;
    for (int i = 0; i < sqz_option_count(); i++) {
        struct sqz_text value = {0};
        sqz_option_value_text(options, i, &value);
        assert_int_equal(sqz_options_set(options, sqz_option_at(i)->name, sqz_text_get(&value),
                                         SQZ_FROM_YAML, NULL),
                         SQZ_OK);
        sqz_text_release(&value);
    }
    assert_int_equal(sqz_options_check(options, &notes, NULL), SQZ_OK);
    assert_int_equal(notes.length, 0);
    sqz_text_release(&notes);
    sqz_options_free(options);
}

static void test_erase_value(void **state)
{
    struct sqz_options *options = fresh();
    float value[3];
    bool random = true;

    (void)state;
    put(options, "re_value", "7");
    assert_int_equal(sqz_options_erase_value(options, value, &random, NULL), SQZ_OK);
    assert_true(!random && value[0] == 7 && value[1] == 7 && value[2] == 7);
    put(options, "re_value", "1, 2, 255");
    assert_int_equal(sqz_options_erase_value(options, value, &random, NULL), SQZ_OK);
    assert_true(value[0] == 1 && value[1] == 2 && value[2] == 255);
    put(options, "re_value", "random");
    assert_int_equal(sqz_options_erase_value(options, value, &random, NULL), SQZ_OK);
    assert_true(random);
    sqz_options_free(options);
}

// A recipe may come from a stranger: what overwrites files or starts programs is for the command
// line alone.
static void test_orders_in_a_recipe(void **state)
{
    (void)state;
    static const char yaml[] = "force: true\nworker_num: 2\nhostfile: hosts\nmpi: openmpi\n"
                               "confusion: /etc/passwd\nper_class: p.csv\nresume: other\n"
                               "dry_run: false\nbatch_size: 4\ndistribute: true\n";
    struct sqz_options *options = fresh();
    put(options, "per_class", "mine.csv");
    assert_int_equal(
        sqz_options_parse_yaml(options, yaml, strlen(yaml), "test", SQZ_FROM_YAML, NULL), SQZ_OK);
    assert_true(options->force && options->worker_num == 2);
    assert_int_equal(sqz_options_drop_orders(options, NULL), SQZ_OK);
    assert_false(options->force);
    assert_int_equal(options->worker_num, 0);
    assert_string_equal(options->hostfile, "");
    assert_string_equal(options->confusion, "");
    assert_string_equal(options->resume, "");
    assert_string_equal(options->per_class, "mine.csv");
    assert_true(options->distribute && options->batch_size == 4);
    static const char *const named[] = {"force", "worker_num", "hostfile", "confusion", "resume"};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        assert_non_null(strstr(options->ignored, named[i]));
    assert_null(strstr(options->ignored, "dry_run")); // a default asks for nothing
    assert_null(strstr(options->ignored, "per_class"));
    struct sqz_text notes = {0};
    assert_int_equal(sqz_options_check(options, &notes, NULL), SQZ_OK);
    assert_non_null(strstr(sqz_text_get(&notes), "only the command line can give these"));
    sqz_text_release(&notes);
    sqz_options_free(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),    cmocka_unit_test(test_names),
        cmocka_unit_test(test_values),      cmocka_unit_test(test_messages),
        cmocka_unit_test(test_origins),     cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_accepted),    cmocka_unit_test(test_defaults_in_a_recipe_are_no_wish),
        cmocka_unit_test(test_erase_value), cmocka_unit_test(test_orders_in_a_recipe)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
