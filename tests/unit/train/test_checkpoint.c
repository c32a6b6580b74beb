// The training state through a file and back; damaged, foreign and older files.
#include "config_support.h"
#include "run_support.h"

#include "base/random.h"
#include <math.h>

enum { BATCH = 4, SIDE = 32 };

struct fixture {
    struct sqz_pool *pool;
    struct sqz_model *model;
    struct sqz_options *options;
    struct sqz_optimizer *optimizer;
    struct sqz_stepper stepper;
};

static void open_fixture(struct fixture *fixture, const char *opt, int accumulate)
{
    struct sqz_error err = {0};
    struct sqz_net_spec spec = {.variant = sqz_variant_find("squeezenet1_1_bypass"),
                                .dialect = sqz_dialect_find("mindcv"),
                                .classes = 3,
                                .channels = 3,
                                .image_h = SIDE,
                                .image_w = SIDE,
                                .drop_rate = 0.5};
    *fixture = (struct fixture){0};
    if (sqz_pool_new(2, &fixture->pool, &err) || sqz_model_create(&spec, &fixture->model, &err) ||
        sqz_options_new(&fixture->options, &err))
        fail_msg("%s", err.text);
    sqz_net_initialize(fixture->model->net, 3, fixture->model->weights);
    put(fixture->options, "opt", opt);
    if (sqz_optimizer_new(CONFIG(fixture->options), fixture->model->net, &fixture->optimizer, &err))
        fail_msg("%s", err.text);
    struct sqz_stepper_config config = {.net = fixture->model->net,
                                        .kernels = sqz_kernels_get(sqz_cpu_level(NULL)),
                                        .pool = fixture->pool,
                                        .max_batch = BATCH,
                                        .loss = {.classes = 3},
                                        .accumulate = accumulate,
                                        .ema_decay = 0.99,
                                        .seed = 11};
    struct sqz_loss_scale scale = {.scale = 1024, .dynamic = true};
    if (sqz_stepper_init(&fixture->stepper, &config, &scale, fixture->optimizer,
                         fixture->model->weights, &err))
        fail_msg("%s", err.text);
}

static void close_fixture(struct fixture *fixture)
{
    sqz_stepper_release(&fixture->stepper);
    sqz_optimizer_free(fixture->optimizer);
    sqz_options_free(fixture->options);
    sqz_model_free(fixture->model);
    sqz_pool_free(fixture->pool);
}

static void steps(struct fixture *fixture, int n)
{
    static float images[BATCH * SIDE * SIDE * 3];
    const int labels[BATCH] = {0, 1, 2, 1};
    struct sqz_random random;
    struct sqz_step_batch batch = {.images = images, .labels = labels, .n = BATCH};
    struct sqz_step_result result;
    for (int i = 0; i < n; i++) {
        sqz_random_init(&random, 2, fixture->stepper.micro_steps, 0, SQZ_RANDOM_TEST);
        for (size_t k = 0; k < sizeof images / sizeof *images; k++)
            images[k] = (float)sqz_random_uniform(&random, -1, 1);
        sqz_stepper_run(&fixture->stepper, &batch, 1e-3, &result);
        assert_true(result.finite);
    }
}

static struct sqz_train_state some_state(void)
{
    struct sqz_train_state state = {.epoch = 2,
                                    .batch = 5,
                                    .steps = 25,
                                    .watch = {3, 5, 4, 1.0 / 7, -1.0 / 9},
                                    .loss_sum = 1.0 / 3,
                                    .loss_samples = 20,
                                    .final_loss = NAN,
                                    .best_epoch = 1,
                                    .best_top1 = 2.0 / 3,
                                    .best_loss = 0.75,
                                    .best_top5 = 1,
                                    .train_images = 80,
                                    .val_images = 30,
                                    .train_fingerprint = UINT64_C(0xfedcba9876543210),
                                    .val_fingerprint = 7,
                                    .simd = "avx2"};
    sqz_text_add(&state.history, "1,10,0.1,2.5,,,\n");
    sqz_text_add(&state.step_rows, "1,1,0,2.3,1,0.5,0.5\n");
    sqz_text_add(&state.recipe, "lr: 0.1\nmodel: \"squeezenet1_1\"\n");
    return state;
}

// In the middle of an accumulation group: the loaded run goes on to the same bits.
static void round_trip(const char *opt)
{
    struct fixture a, b;
    struct sqz_error err = {0};
    struct sqz_archive archive;
    struct sqz_model *model = NULL;
    struct sqz_train_state state = some_state(), back;
    const char *path = in_root("state.safetensors");
    open_fixture(&a, opt, 3);
    steps(&a, 5);
    assert_int_equal(a.stepper.counters.group, 2);
    state.steps = 5;
    if (sqz_checkpoint_write(path, &state, &a.stepper, a.model, &err) ||
        sqz_checkpoint_read(path, &archive, &model, &back, &err))
        fail_msg("%s", err.text);
    open_fixture(&b, opt, 3);
    memcpy(b.model->weights, model->weights, model->net->n_weights * sizeof(float));
    if (sqz_checkpoint_restore(path, &archive, &back, &b.stepper, &err))
        fail_msg("%s", err.text);
    assert_int_equal(back.epoch, 2);
    assert_true(back.loss_sum == state.loss_sum && back.best_top1 == state.best_top1 &&
                back.best_loss == state.best_loss);
    assert_true(isnan(back.final_loss));
    assert_memory_equal(&back.watch, &state.watch, sizeof back.watch);
    assert_true(back.train_fingerprint == state.train_fingerprint);
    assert_string_equal(sqz_text_get(&back.history), sqz_text_get(&state.history));
    assert_string_equal(sqz_text_get(&back.recipe), sqz_text_get(&state.recipe));
    assert_string_equal(back.simd, "avx2");
    steps(&a, 4);
    steps(&b, 4);
    assert_int_equal(a.optimizer->updates, 3);
    assert_int_equal(b.optimizer->updates, 3);
    assert_memory_equal(a.model->weights, b.model->weights, model->net->n_weights * sizeof(float));
    assert_memory_equal(a.stepper.ema, b.stepper.ema, model->net->n_weights * sizeof(float));
    assert_true(a.stepper.ema[0] != a.model->weights[0]);
    assert_memory_equal(&a.stepper.counters, &b.stepper.counters, sizeof a.stepper.counters);
    for (int i = 0; i < a.optimizer->rule->n_states; i++)
        assert_memory_equal(a.optimizer->state[i], b.optimizer->state[i],
                            model->net->n_weights * sizeof(float));
    sqz_archive_release(&archive);
    sqz_train_state_release(&state);
    sqz_train_state_release(&back);
    sqz_model_free(model);
    close_fixture(&a);
    close_fixture(&b);
}

static void test_round_trip(void **state)
{
    (void)state;
    round_trip("momentum");
    round_trip("adamw");
}

static void test_previous_best(void **state)
{
    (void)state;
    struct fixture a;
    struct sqz_error err = {0};
    struct sqz_archive archive;
    struct sqz_model *model = NULL;
    struct sqz_train_state before = some_state(), back;
    const char *path = in_root("previous.safetensors");
    open_fixture(&a, "momentum", 1);
    size_t n = a.model->net->n_weights;
    before.previous_best = sqz_new_aligned(n, sizeof(float));
    for (size_t i = 0; i < n; i++)
        before.previous_best[i] = (float)i;
    float *previous = NULL;
    if (sqz_checkpoint_write(path, &before, &a.stepper, a.model, &err) ||
        sqz_checkpoint_read(path, &archive, &model, &back, &err) ||
        sqz_checkpoint_previous_best(path, &archive, a.model->net, &previous, &err))
        fail_msg("%s", err.text);
    assert_non_null(previous);
    assert_memory_equal(previous, before.previous_best, n * sizeof(float));
    // The model in the file is the present one.
    assert_memory_equal(model->weights, a.model->weights, n * sizeof(float));
    sqz_free(previous);
    sqz_archive_release(&archive);
    sqz_train_state_release(&before);
    sqz_train_state_release(&back);
    sqz_model_free(model);
    close_fixture(&a);
}

static void refuse(const char *path, const char *words)
{
    struct sqz_error err = {0};
    struct sqz_archive archive;
    struct sqz_model *model = NULL;
    struct sqz_train_state back;
    assert_int_equal(sqz_checkpoint_read(path, &archive, &model, &back, &err), SQZ_E_DATA);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
    assert_null(model);
}

// Every text of the state replaced by nonsense, and arrays taken away.
static void test_damage(void **state)
{
    (void)state;
    struct fixture a;
    struct sqz_error err = {0};
    struct sqz_archive archive = {0};
    struct sqz_train_state before = some_state();
    const char *path = in_root("whole.safetensors"), *bad = in_root("damaged.safetensors");
    open_fixture(&a, "momentum", 3);
    steps(&a, 2);
    if (sqz_model_write(a.model, bad, SQZ_REPLACE_EXISTING, &err))
        fail_msg("%s", err.text);
    refuse(bad, "no training state");
    if (sqz_checkpoint_write(path, &before, &a.stepper, a.model, &err) ||
        sqz_archive_read(path, &archive, NULL, &err))
        fail_msg("%s", err.text);
    static const char *const keys[] = {"train.epoch", "train.steps", "train.loss_sum",
                                       "train.train_fingerprint"};
    static const char *const values[] = {"-1", "99999999999999999999", "three", "zz"};
    for (int i = 0; i < 4; i++) {
        char *old = sqz_copy_string(sqz_archive_get(&archive, keys[i]));
        sqz_archive_set(&archive, keys[i], values[i]);
        assert_int_equal(sqz_archive_write(bad, sqz_format_find("safetensors"), &archive,
                                           SQZ_REPLACE_EXISTING, &err),
                         SQZ_OK);
        refuse(bad, keys[i]);
        sqz_archive_set(&archive, keys[i], old);
        sqz_free(old);
    }
    sqz_archive_set(&archive, "train.group", "3"); // groups of 3 are never left at 3
    assert_int_equal(sqz_checkpoint_restore(path, &archive, &before, &a.stepper, &err), SQZ_E_DATA);
    sqz_archive_set(&archive, "train.group", "2");
    for (size_t i = 0; i < archive.n_arrays; i++)
        if (strncmp(archive.arrays[i].name, "moments.", 8) == 0)
            archive.arrays[i].name[0] = 'n';
    assert_int_equal(sqz_checkpoint_restore(path, &archive, &before, &a.stepper, &err), SQZ_E_DATA);
    assert_non_null(strstr(err.text, "moments.features.0.weight"));
    sqz_archive_release(&archive);
    sqz_train_state_release(&before);
    close_fixture(&a);
}

// Checkpoints of earlier versions have one of the watch's numbers only.
static void test_earlier(void **state)
{
    (void)state;
    static const char *const keys[] = {"train.still\"", "train.idle\"", "train.idle_rate\"",
                                       "train.gain\""};
    struct fixture a;
    struct sqz_error err = {0};
    struct sqz_archive archive;
    struct sqz_model *model = NULL;
    struct sqz_train_state before = some_state(), back;
    struct sqz_bytes bytes;
    const char *path = in_root("earlier.safetensors");
    open_fixture(&a, "momentum", 3);
    steps(&a, 2);
    if (sqz_checkpoint_write(path, &before, &a.stepper, a.model, &err))
        fail_msg("%s", err.text);
    bytes = slurp("", "earlier.safetensors");
    for (int i = 0; i < 4; i++) {
        char *key = memmem(bytes.data, bytes.size, keys[i], strlen(keys[i]));
        assert_non_null(key);
        *key = 'x';
    }
    if (sqz_file_write(path, bytes.data, bytes.size, SQZ_REPLACE_EXISTING, &err) ||
        sqz_checkpoint_read(path, &archive, &model, &back, &err))
        fail_msg("%s", err.text);
    assert_memory_equal(&back.watch, &((struct sqz_watchdog){.suspicious = 3}), sizeof back.watch);
    sqz_bytes_release(&bytes);
    sqz_archive_release(&archive);
    sqz_model_free(model);
    sqz_train_state_release(&before);
    sqz_train_state_release(&back);
    close_fixture(&a);
}

// Nothing is updated from a gradient that is not finite, and the step says so.
static void test_not_finite(void **state)
{
    (void)state;
    struct fixture a;
    float images[BATCH * SIDE * SIDE * 3];
    const int labels[BATCH] = {0, 1, 2, 0};
    struct sqz_step_batch batch = {.images = images, .labels = labels, .n = BATCH};
    struct sqz_step_result result;
    open_fixture(&a, "momentum", 1);
    size_t bytes = a.model->net->n_weights * sizeof(float);
    float *before = sqz_new_array(bytes, 1);
    memcpy(before, a.model->weights, bytes);
    for (size_t i = 0; i < sizeof images / sizeof *images; i++)
        images[i] = 3e38f;
    sqz_stepper_run(&a.stepper, &batch, 0.1, &result);
    assert_false(result.finite || result.updated);
    assert_memory_equal(before, a.model->weights, bytes);
    assert_int_equal(a.optimizer->updates, 0);
    // An update that overflows is seen, too.
    for (size_t i = 0; i < sizeof images / sizeof *images; i++)
        images[i] = (float)(i % 7) - 3;
    sqz_stepper_run(&a.stepper, &batch, 1e300, &result);
    assert_true(result.updated);
    assert_false(result.finite);
    sqz_free(before);
    close_fixture(&a);
}

// A scale that is a power of two changes no bit; an overflow is skipped where the scale says so, is
// not counted, and ends the run when it does not stop.
static void test_loss_scale(void **state)
{
    (void)state;
    struct fixture a, b;
    float images[BATCH * SIDE * SIDE * 3];
    const int labels[BATCH] = {0, 1, 2, 0};
    struct sqz_step_batch batch = {.images = images, .labels = labels, .n = BATCH};
    struct sqz_step_result result;
    open_fixture(&a, "momentum", 2);
    open_fixture(&b, "momentum", 2);
    a.stepper.counters.scale = (struct sqz_loss_scale){.scale = 1};
    b.stepper.counters.scale =
        (struct sqz_loss_scale){.scale = 4096, .drops = true, .dynamic = true};
    steps(&a, 3);
    steps(&b, 3);
    size_t bytes = a.model->net->n_weights * sizeof(float);
    assert_memory_equal(a.model->weights, b.model->weights, bytes);
    for (size_t i = 0; i < sizeof images / sizeof *images; i++)
        images[i] = 3e38f;
    sqz_stepper_run(&b.stepper, &batch, 0.1, &result);
    assert_true(result.finite && result.skipped && !result.updated);
    assert_int_equal(b.stepper.counters.counted, 3);
    assert_int_equal(b.stepper.counters.group, 1);
    assert_int_equal(b.stepper.counters.ema_updates, 3);
    assert_true(b.stepper.counters.scale.scale == 2048 && b.stepper.micro_steps == 4);
    // The group goes on where it was: the skipped batch never was in it.
    a.stepper.micro_steps = 4;
    steps(&a, 1);
    steps(&b, 1);
    assert_memory_equal(a.model->weights, b.model->weights, bytes);
    assert_memory_equal(a.stepper.ema, b.stepper.ema, bytes);
    int skipped = 0;
    do
        sqz_stepper_run(&b.stepper, &batch, 0.1, &result);
    while (result.finite && ++skipped < 1000);
    assert_int_equal(skipped, 100);
    assert_true(b.stepper.counters.scale.scale == 1);
    close_fixture(&a);
    close_fixture(&b);
}

// The jsd loss couples rows of different leaves: its gradient is the slope of its loss, dropout
// included, and changes with the copies.
static void test_jsd_step(void **state)
{
    (void)state;
    enum { ROWS = 2 * SQZ_JSD_SPLITS };
    static float images[ROWS * SIDE * SIDE * 3];
    const int labels[ROWS] = {0, 2, 0, 2, 0, 2};
    struct sqz_step_batch batch = {.images = images, .labels = labels, .n = ROWS};
    struct sqz_step_result first, second;
    struct sqz_error err = {0};
    struct fixture a;
    open_fixture(&a, "sgd", 1);
    a.options->weight_decay = 0;
    struct sqz_stepper_config config = a.stepper.config;
    config.max_batch = ROWS;
    config.loss = (struct sqz_loss){.kind = SQZ_LOSS_JSD, .classes = 3, .smoothing = 0.1};
    config.ema_decay = 0;
    sqz_stepper_release(&a.stepper);
    sqz_optimizer_free(a.optimizer);
    if (sqz_optimizer_new(CONFIG(a.options), a.model->net, &a.optimizer, &err) ||
        sqz_stepper_init(&a.stepper, &config, &(struct sqz_loss_scale){.scale = 8}, a.optimizer,
                         a.model->weights, &err))
        fail_msg("%s", err.text);
    struct sqz_random random;
    sqz_random_init(&random, 4, 0, 0, SQZ_RANDOM_TEST);
    for (size_t k = 0; k < sizeof images / sizeof *images; k++)
        images[k] = (float)sqz_random_uniform(&random, -1, 1);
    for (size_t k = 0; k < a.model->net->params[a.model->net->n_params - 1].size; k++)
        a.model->weights[a.model->net->n_weights - 1 - k] = 1; // keeps the last ReLU open
    sqz_stepper_run(&a.stepper, &batch, 1e-6, &first);
    a.stepper.micro_steps = 0; // the same dropout masks
    sqz_stepper_run(&a.stepper, &batch, 0, &second);
    double predicted = 1e-6 * first.gradient_norm * first.gradient_norm;
    assert_true(first.updated && first.loss > 0);
    if (!(fabs(first.loss - second.loss - predicted) < 0.02 * predicted))
        fail_msg("the loss fell by %.9g, not by %.9g", first.loss - second.loss, predicted);
    close_fixture(&a);
}

// MindSpore's manager: the first step has number 1, and the window is counted from 0.
static void test_dynamic_scale(void **state)
{
    (void)state;
    struct sqz_loss_scale scale = {.scale = 8, .dynamic = true};
    for (int i = 1; i <= 1999; i++)
        sqz_loss_scale_step(&scale, false);
    assert_true(scale.scale == 8);
    sqz_loss_scale_step(&scale, false); // step 2000
    assert_true(scale.scale == 16);
    for (int i = 1; i <= 1999; i++)
        sqz_loss_scale_step(&scale, false);
    sqz_loss_scale_step(&scale, true); // step 4000: overflow goes before doubling
    assert_true(scale.scale == 8);
    for (int i = 0; i < 9; i++)
        sqz_loss_scale_step(&scale, true);
    assert_true(scale.scale == 1);
    for (int i = 1; i <= 2000; i++)
        sqz_loss_scale_step(&scale, false);
    assert_true(scale.scale == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_previous_best),
        cmocka_unit_test(test_damage),        cmocka_unit_test(test_earlier),
        cmocka_unit_test(test_not_finite),    cmocka_unit_test(test_loss_scale),
        cmocka_unit_test(test_dynamic_scale), cmocka_unit_test(test_jsd_step),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
