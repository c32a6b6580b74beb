// Counting hits: ties, NaN, few classes; validation of models and of subsets of their classes.
#include "run_support.h"

#include "train/eval/validate.h"
#include <math.h>

static struct sqz_pool *pool;
static struct sqz_environment environment;

static int set_up(void **state)
{
    struct sqz_error err = {0};
    if (make_root(state) || sqz_pool_new(2, &pool, &err))
        return -1;
    environment.kernels = sqz_kernels_get(sqz_cpu_level(NULL));
    environment.pool = pool;
    return 0;
}

static int tear_down(void **state)
{
    sqz_pool_free(pool);
    return remove_root(state);
}

// A network whose logits are what its last bias says, for every image.
static struct sqz_model *constant_model(int classes, const float *logits)
{
    struct sqz_error err = {0};
    struct sqz_model *model = NULL;
    struct sqz_net_spec spec = {.variant = sqz_variant_find("squeezenet1_1"),
                                .dialect = sqz_dialect_find("mindcv"),
                                .classes = classes,
                                .channels = 3,
                                .image_h = 32,
                                .image_w = 32};
    if (sqz_model_create(&spec, &model, &err))
        fail_msg("%s", err.text);
    memset(model->weights, 0, model->net->n_weights * sizeof(float));
    const struct sqz_param *bias =
        &model->net->params[sqz_net_find_param(model->net, "classifier.1.bias")];
    memcpy(model->weights + bias->offset, logits, (size_t)classes * sizeof(float));
    model->preprocess.image_size = model->preprocess.resize = 32;
    return model;
}

static struct sqz_validate_result validate(const struct sqz_model *model, const char *dir)
{
    struct sqz_error err = {0};
    struct sqz_options *options = NULL;
    struct sqz_validate_result result;
    if (sqz_options_new(&options, &err))
        fail_msg("%s", err.text);
    put(options, "data_dir", in_root(dir));
    if (sqz_evaluate_model(&environment, model, options, false, &result, &err))
        fail_msg("%s", err.text);
    sqz_options_free(options);
    return result;
}

// All logits equal: the order of the classes decides, so class 0 is hit by top-1, classes 0..4 by
// top-5, and the loss is ln(10).
static void test_ties(void **state)
{
    (void)state;
    const float logits[10] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    struct sqz_model *model = constant_model(10, logits);
    struct sqz_validate_result result = validate(model, "data");
    assert_int_equal(result.samples, 30);
    assert_int_equal(result.classes, 10);
    assert_true(result.top1 == 0.1 && result.top5 == 0.5);
    assert_true(fabs(result.loss - log(10)) < 1e-7);
    sqz_model_free(model);
}

static void test_order(void **state)
{
    (void)state;
    const float logits[10] = {0, 0, 0, 3, 0, 2, 2.5, 1, 0, 0.5f};
    struct sqz_model *model = constant_model(10, logits);
    struct sqz_validate_result result = validate(model, "data");
    double sum = 0, own = 0;
    for (int i = 0; i < 10; i++) {
        sum += exp(logits[i]);
        own += logits[i];
    }
    assert_true(result.top1 == 0.1 && result.top5 == 0.5); // classes 3; 3 6 5 7 9
    assert_true(fabs(result.loss - (log(sum) - own / 10)) < 1e-6);
    sqz_model_free(model);
}

// A label whose logit is not finite is never a hit, and neither is one beside NaN.
static void test_not_a_number(void **state)
{
    (void)state;
    const float all[10] = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    const float some[10] = {NAN, NAN, NAN, NAN, NAN, 1, 1, 1, 1, 1};
    const float *const cases[] = {all, some};
    for (int i = 0; i < 2; i++) {
        struct sqz_model *model = constant_model(10, cases[i]);
        struct sqz_validate_result result = validate(model, "data");
        // ReLU may turn NaN into 0 before it gets here; then it is a tie like any other.
        assert_true(isnan(result.loss) ? result.top1 == 0 && result.top5 == 0 : result.top1 <= 0.1);
        sqz_model_free(model);
    }
}

// Directories are found among the model's classes by name, in whatever order the model has them.
static void test_subset(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    struct sqz_dir dirs = {0};
    const char *names[12];
    float logits[12] = {0};
    if (sqz_dir_read(in_root("data/val"), &dirs, &err))
        fail_msg("%s", err.text);
    assert_int_equal(dirs.count, 10);
    for (int i = 0; i < 10; i++)
        names[11 - i] = dirs.entries[i].name; // reversed, after two that no directory has
    names[0] = "unicorn";
    names[1] = "yeti";
    logits[11] = 9; // the first directory
    struct sqz_model *model = constant_model(12, logits);
    if (sqz_model_set_classes(model, names, NULL, &err))
        fail_msg("%s", err.text);
    struct sqz_validate_result result = validate(model, "data");
    assert_int_equal(result.classes, 12);
    assert_true(result.top1 == 0.1);
    // Then by index: 0 and 1 have no images, 2 and 3 are the last two directories.
    assert_true(result.top5 == 0.3);
    names[11] = "griffin";
    if (sqz_model_set_classes(model, names, NULL, &err))
        fail_msg("%s", err.text);
    struct sqz_options *options = NULL;
    if (sqz_options_new(&options, &err))
        fail_msg("%s", err.text);
    put(options, "data_dir", in_root("data"));
    assert_int_equal(sqz_evaluate_model(&environment, model, options, false, &result, &err),
                     SQZ_E_DATA);
    assert_non_null(strstr(err.text, dirs.entries[0].name));
    sqz_options_free(options);
    sqz_dir_release(&dirs);
    sqz_model_free(model);
}

// The class with the model's outputs but no names must have as many directories.
static void test_unnamed(void **state)
{
    (void)state;
    const float logits[7] = {0};
    struct sqz_error err = {0};
    struct sqz_options *options = NULL;
    struct sqz_validate_result result;
    struct sqz_model *model = constant_model(7, logits);
    if (sqz_options_new(&options, &err))
        fail_msg("%s", err.text);
    put(options, "data_dir", in_root("data"));
    assert_int_equal(sqz_evaluate_model(&environment, model, options, false, &result, &err),
                     SQZ_E_DATA);
    assert_non_null(strstr(err.text, "--classes"));
    sqz_options_free(options);
    sqz_model_free(model);
}

// What training reported for its best model is what validating the file gives.
static void test_agrees_with_training(void **state)
{
    (void)state;
    char dir[192];
    snprintf(dir, sizeof dir, "run_dir=%s/run", root);
    const char *const pairs[] = {dir, NULL};
    struct sqz_train_result trained;
    struct sqz_model *model = NULL;
    struct sqz_error err = {0};
    run_well(pairs, 1, NULL, &trained);
    if (sqz_model_read(trained.best_checkpoint, NULL, 0, &model, &err))
        fail_msg("%s", err.text);
    struct sqz_validate_result result = validate(model, "data");
    assert_true(result.top1 == trained.best_top1 && result.top5 == trained.best_top5);
    sqz_model_free(model);
}

static void test_stop(void **state)
{
    (void)state;
    const float logits[10] = {0};
    int stop = 1;
    struct sqz_error err = {0};
    struct sqz_options *options = NULL;
    struct sqz_validate_result result;
    struct sqz_model *model = constant_model(10, logits);
    struct sqz_environment stopping = environment;
    stopping.stop = &stop;
    if (sqz_options_new(&options, &err))
        fail_msg("%s", err.text);
    put(options, "data_dir", in_root("data"));
    assert_int_equal(sqz_evaluate_model(&stopping, model, options, false, &result, &err),
                     SQZ_E_STOPPED);
    sqz_options_free(options);
    sqz_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ties),         cmocka_unit_test(test_order),
        cmocka_unit_test(test_not_a_number), cmocka_unit_test(test_subset),
        cmocka_unit_test(test_unnamed),      cmocka_unit_test(test_agrees_with_training),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
