// Options, training, validation and ranks through the public functions; stops that come early.
#include "support.h"

static struct sqz_context *context;
static int events, notes;

static void count_event(void *arg, const struct sqz_event *event)
{
    ++*(int *)arg;
    notes += event->kind == SQZ_EVENT_EPOCH;
}

static int set_up(void **state)
{
    struct sqz_error err;
    if (make_root(state) || sqz_context_new(2, &context, &err) ||
        sqz_synthesize_data(in_root("data"), 6, 2, 32, 5, &err))
        return -1;
    sqz_context_on_event(context, count_event, &events);
    return 0;
}

static int tear_down(void **state)
{
    sqz_context_free(context);
    return remove_root(state);
}

static struct sqz_options *make_options(const char *run_dir)
{
    static const char *const pairs[][2] = {{"model", "squeezenet1_1"},
                                           {"batch_size", "20"},
                                           {"epoch_size", "1"},
                                           {"image_resize", "32"},
                                           {"num_parallel_workers", "1"}};
    struct sqz_options *options = NULL;
    OK(sqz_options_new(&options, err));
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        OK(sqz_options_put(options, pairs[i][0], pairs[i][1], err));
    OK(sqz_options_put(options, "data_dir", in_root("data"), err));
    OK(sqz_options_put(options, "run_dir", in_root(run_dir), err));
    return options;
}

static void options_as_text(void **state)
{
    struct sqz_options *options = NULL;
    struct sqz_option_info info = SQZ_INIT(sqz_option_info);
    char value[64], little[3];
    int n = 0;
    (void)state;
    OK(sqz_options_new(&options, err));
    OK(sqz_options_put(options, "batch_size", "17", err));
    FAILS(SQZ_E_USAGE, "batch_size", sqz_options_put(options, "batch_sise", "17", err));
    FAILS(SQZ_E_USAGE, "batch_size", sqz_options_put(options, "batch_size", "many", err));
    write_bytes(in_root("recipe.yaml"), "batch_size: 5\nepoch_size: 3\n", 28);
    write_bytes(in_root("bad.yaml"), "batch_size: [\n", 14);
    OK(sqz_options_load(options, in_root("recipe.yaml"), err));
    FAILS(SQZ_E_CONFIG, "bad.yaml", sqz_options_load(options, in_root("bad.yaml"), err));
    FAILS(SQZ_E_NOINPUT, "none.yaml", sqz_options_load(options, in_root("none.yaml"), err));
    assert_true(sqz_options_get(options, "batch_size", value, sizeof value));
    assert_string_equal(value, "17");
    assert_true(sqz_options_get(options, "epoch_size", value, sizeof value));
    assert_string_equal(value, "3");
    assert_true(sqz_options_get(options, "model", little, sizeof little));
    assert_string_equal(little, "sq");
    assert_false(sqz_options_get(options, "nonsense", value, sizeof value));
    while (sqz_option_info(n, &info))
        n++;
    assert_true(n > 80);
    assert_true(info.name && info.type && info.help);
    assert_false(sqz_option_info(-1, &info));
    assert_string_equal(sqz_option_synonym("num_epochs", 0), "epoch_size");
    assert_string_equal(sqz_option_synonym("num_epochs", 1), "epochs");
    assert_null(sqz_option_synonym("num_epochs", 2));
    assert_null(sqz_option_synonym("num_epochs", -1));
    assert_null(sqz_option_synonym("nonsense", 0));
    info.struct_size = 0;
    assert_false(sqz_option_info(0, &info));
    sqz_options_free(options);
}

static void train_validate_compare(void **state)
{
    struct sqz_options *options = make_options("run");
    struct sqz_train_result run = SQZ_INIT(sqz_train_result);
    struct sqz_model *model = NULL, *fresh = NULL, *other = NULL;
    char *text = NULL;
    (void)state;
    OK(sqz_options_put(options, "run_dir", in_root("dry"), err));
    OK(sqz_train_dry_run(context, options, &text, err));
    assert_non_null(strstr(text, "batch_size"));
    sqz_text_free(text);
    OK(sqz_options_put(options, "run_dir", in_root("run"), err));
    OK(sqz_train(context, options, &run, err));
    assert_int_equal(run.epochs, 1);
    assert_int_equal(run.ranks, 1);
    assert_true(events > 0 && notes == 1);
    FAILS(SQZ_E_CANTWRITE, "run", sqz_train(context, options, &run, err)); // it is there now
    run.struct_size = 0;
    FAILS(SQZ_E_USAGE, "sqz_train_result", sqz_train(context, options, &run, err));

    struct sqz_validate_result result = SQZ_INIT(sqz_validate_result);
    OK(sqz_model_open(run.best_checkpoint, NULL, &model, err));
    OK(sqz_validate(context, model, options, false, &result, err));
    assert_float_equal(result.nll, result.loss, 1e-5 * result.loss); // plain cross-entropy
    assert_true(result.ece >= 0 && result.ece <= 1 && result.brier >= 0 && result.brier <= 2);
    double low, high;
    sqz_accuracy_interval(70, 80, &low, &high); // by hand: 78.50 % to 93.07 %
    assert_float_equal(low, 0.7850, 5e-5);
    assert_float_equal(high, 0.9307, 5e-5);
    sqz_accuracy_interval(0, 0, &low, &high);
    assert_float_equal(high - low, 1, 0);
    assert_int_equal(result.samples, 20);
    assert_int_equal(result.classes, 10);
    assert_true(result.top1 == run.best_top1);

    struct sqz_calibrate_options how = SQZ_INIT(sqz_calibrate_options);
    struct sqz_calibrate_result calibrated = SQZ_INIT(sqz_calibrate_result);
    struct sqz_model *made = NULL;
    how.options = options;
    how.coverage = 0.5;
    OK(sqz_calibrate(context, model, &how, &made, &calibrated, err));
    assert_int_equal(calibrated.fitted + calibrated.held, 20);
    assert_int_equal(calibrated.top1_changed, 0);
    assert_string_equal(calibrated.score, "softmax");
    struct sqz_model_info info = SQZ_INIT(sqz_model_info);
    OK(sqz_model_describe(made, &info, err));
    assert_string_equal(info.unknown_score, "softmax");
    assert_true(info.unknown_threshold == calibrated.threshold);
    assert_true(info.temperature == calibrated.temperature);
    sqz_model_free(made);
    how.precision = 0.5;
    FAILS(SQZ_E_USAGE, "not both", sqz_calibrate(context, model, &how, &made, &calibrated, err));
    how.precision = 0;
    how.coverage = 2;
    FAILS(SQZ_E_USAGE, "shares", sqz_calibrate(context, model, &how, &made, &calibrated, err));

    struct sqz_compare_result difference = SQZ_INIT(sqz_compare_result);
    struct sqz_validate_result first = SQZ_INIT(sqz_validate_result);
    OK(sqz_compare(context, model, model, options, &first, NULL, &difference, err));
    assert_true(difference.kl == 0 && difference.agreement == 1);
    assert_true(first.top1 == result.top1);
    OK(sqz_model_new("squeezenet1_1", NULL, 9, 3, 32, 1, &other, err));
    FAILS(SQZ_E_USAGE, "classes",
          sqz_compare(context, model, other, options, NULL, &first, &difference, err));
    difference.struct_size = 7;
    FAILS(SQZ_E_USAGE, "sqz_compare_result",
          sqz_compare(context, model, model, options, NULL, NULL, &difference, err));

    // A stop from before the call is seen by the next one, and by no further one.
    sqz_context_stop(context);
    struct sqz_error why;
    assert_int_equal(sqz_validate(context, model, options, false, &result, &why), SQZ_E_STOPPED);
    OK(sqz_validate(context, model, options, false, &result, err));
    OK(sqz_options_put(options, "run_dir", in_root("stopped"), err));
    run.struct_size = sizeof run;
    sqz_context_stop(context);
    assert_int_equal(sqz_train(context, options, &run, &why), SQZ_E_STOPPED);
    assert_non_null(strstr(why.text, "stopped"));
    OK(sqz_options_put(options, "resume", in_root("stopped"), err));
    OK(sqz_train(context, options, &run, err));
    assert_int_equal(run.epochs, 1);

    OK(sqz_options_put(options, "data_dir", in_root("nowhere"), err));
    FAILS(SQZ_E_NOINPUT, "nowhere", sqz_validate(context, model, options, false, &result, err));
    FAILS(SQZ_E_NOINPUT, "nowhere",
          sqz_compare(context, model, model, options, NULL, NULL,
                      &(struct sqz_compare_result)SQZ_INIT(sqz_compare_result), err));
    struct sqz_options *empty = make_options("none");
    OK(sqz_options_put(empty, "data_dir", in_root("nowhere"), err));
    FAILS(SQZ_E_NOINPUT, "nowhere", sqz_train_dry_run(context, empty, &text, err));
    sqz_options_free(empty);
    sqz_model_free(other);
    sqz_model_free(fresh);
    sqz_model_free(model);
    sqz_options_free(options);
}

static void alone_is_rank_0_of_1(void **state)
{
    int ranks = 0;
    (void)state;
    assert_false(sqz_is_rank());
    assert_false(sqz_has_mpi("nonsense"));
    OK(sqz_context_join(context, NULL, err));
    assert_int_equal(sqz_context_rank(context, &ranks), 0);
    assert_int_equal(ranks, 1);
    assert_null(sqz_context_rank_info(context, 0));
    assert_true(sqz_context_is_reporter(context));
}

// Without a program of that MPI nothing starts.
static void ranks_need_an_mpi(void **state)
{
    const char *slot = NULL, *arguments[] = {"train", NULL};
    struct sqz_options *options = make_options("ranks");
    (void)state;
    OK(sqz_options_put(options, "worker_num", "2", err));
    char *path = strdup(getenv("PATH"));
    setenv("PATH", root, 1);
    struct sqz_error why = {0};
    assert_int_not_equal(sqz_launch_ranks(context, options, arguments, &slot, arguments, &why),
                         SQZ_OK);
    assert_true(why.text[0]);
    assert_int_not_equal(sqz_launch_ranks(context, options, arguments, &slot, arguments, NULL),
                         SQZ_OK);
    setenv("PATH", path, 1);
    free(path);
    sqz_options_free(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_as_text),
        cmocka_unit_test(train_validate_compare),
        cmocka_unit_test(alone_is_rank_0_of_1),
        cmocka_unit_test(ranks_need_an_mpi),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
