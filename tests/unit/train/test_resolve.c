// What data, weights and built-in recipes fill in where the user left options open, and the
// configuration that is made of the result.
#include "train/options/resolve.h"

#include "train/options/recipe_write.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct sqz_options *options_of(const char *const *pairs)
{
    struct sqz_options *options = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_options_new(&options, NULL), SQZ_OK);
    for (; *pairs; pairs += 2)
        if (sqz_options_set(options, pairs[0], pairs[1], SQZ_FROM_COMMAND_LINE, &err))
            fail_msg("%s", err.text);
    return options;
}

static const char *const nothing[] = {NULL};
static const struct sqz_dataset_layout dirs = {.kind = "imagenet"};
static const struct sqz_dataset_layout splits = {
    .kind = "imagenet", .has_splits = true, .train = "training", .val = ""};

static void test_data(void **state)
{
    static const char *const chosen[] = {"train_split", "mine", NULL};
    (void)state;
    struct sqz_options *options = options_of(nothing);
    assert_int_equal(sqz_options_resolve_data(options, &splits, NULL), SQZ_OK);
    assert_string_equal(options->train_split, "training");
    assert_string_equal(options->val_split, "val"); // there is none: the default stays
    sqz_options_free(options);
    options = options_of(chosen);
    assert_int_equal(sqz_options_resolve_data(options, &splits, NULL), SQZ_OK);
    assert_string_equal(options->train_split, "mine");
    sqz_options_free(options);
}

// Which recipe is merged follows from the images' size and from what training starts from.
static void test_recipes(void **state)
{
    static const char *const from_file[] = {"ckpt_path", "weights.safetensors", NULL};
    static const struct {
        const char *const *pairs;
        int side;
        const char *recipe;
    } cases[] = {{nothing, 64, "small_images"},
                 {nothing, 65, "photos"},
                 {nothing, 0, "photos"},
                 {from_file, 32, "finetune"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sqz_options *options = options_of(cases[i].pairs);
        struct sqz_run_facts facts = {
            .layout = &dirs, .typical_side = cases[i].side, .n_classes = 7, .ranks = 1};
        struct sqz_text notes = {0};
        const char *recipe = NULL;
        assert_int_equal(sqz_options_resolve(options, &facts, &recipe, &notes, NULL), SQZ_OK);
        assert_string_equal(recipe, cases[i].recipe);
        assert_int_equal(options->num_classes, 7);
        assert_false(options->val_while_train); // nothing to validate on
        assert_string_equal(options->dialect, "mindcv");
        sqz_text_release(&notes);
        sqz_options_free(options);
    }
}

static void test_file(void **state)
{
    static const char *const pairs[] = {"ckpt_path", "w", "num_classes", "9", NULL};
    static const char *const other[] = {"ckpt_path", "w", "model", "squeezenet1_1", NULL};
    (void)state;
    const struct sqz_dialect *dialect = sqz_dialect_find("torchvision");
    const struct sqz_net_spec spec = {.variant = sqz_variant_find("squeezenet1_0"),
                                      .dialect = dialect,
                                      .classes = 5,
                                      .channels = 3};
    const struct sqz_run_facts facts = {.layout = &dirs,
                                        .n_classes = 7,
                                        .validates = true,
                                        .ranks = 1,
                                        .spec = &spec,
                                        .preprocess = &dialect->preprocess};
    struct sqz_text notes = {0};
    struct sqz_error err = {0};
    const char *recipe = NULL;
    struct sqz_options *options = options_of(pairs);
    assert_int_equal(sqz_options_resolve(options, &facts, &recipe, &notes, NULL), SQZ_OK);
    assert_string_equal(options->model, "squeezenet1_0");
    assert_string_equal(options->dialect, "torchvision");
    assert_int_equal(options->num_classes, 9);
    assert_true(options->val_while_train);
    assert_int_equal(sqz_options_origin(options, "image_resize"), SQZ_FROM_MODEL);
    sqz_options_free(options);
    options = options_of(other);
    recipe = NULL;
    assert_int_equal(sqz_options_resolve(options, &facts, &recipe, &notes, &err), SQZ_E_CONFIG);
    assert_non_null(strstr(err.text, "holds a squeezenet1_0"));
    sqz_options_free(options);
    sqz_text_release(&notes);
}

// batch_size is that of a rank where it is given, that of all of them when it is resolved.
static void test_ranks(void **state)
{
    static const char *const pairs[] = {"batch_size", "16", NULL};
    (void)state;
    const struct sqz_run_facts facts = {.layout = &dirs, .n_classes = 2, .ranks = 4};
    struct sqz_options *options = options_of(pairs);
    struct sqz_text notes = {0};
    const char *recipe = NULL;
    assert_int_equal(sqz_options_resolve(options, &facts, &recipe, &notes, NULL), SQZ_OK);
    assert_int_equal(options->batch_size, 64);
    assert_int_equal(options->recipe_devices, 1);
    assert_non_null(strstr(sqz_text_get(&notes), "16 images on each of 4 ranks: 64 in all"));
    sqz_text_release(&notes);
    sqz_options_free(options);
}

static void test_config(void **state)
{
    static const char *const pairs[] = {"opt",
                                        "nadam",
                                        "loss",
                                        "BCE",
                                        "norm",
                                        "batch",
                                        "memory",
                                        "2GiB",
                                        "size",
                                        "60kB",
                                        "compress",
                                        "true",
                                        "re_value",
                                        "1,2,3",
                                        "lr",
                                        "0.25",
                                        "batch_size",
                                        "24",
                                        "early_stopping",
                                        "3",
                                        "class_weights",
                                        "balanced",
                                        NULL};
    (void)state;
    struct sqz_options *options = options_of(pairs);
    struct sqz_train_config config = sqz_train_config_of(options);
    assert_int_equal(config.opt, SQZ_OPT_NADAM);
    assert_string_equal(config.opt_word, "nadam");
    assert_int_equal(config.loss, SQZ_LOSS_BCE);
    assert_int_equal(config.norm, SQZ_NORM_BATCH);
    assert_int_equal(config.scheduler, SQZ_SCHEDULE_COSINE);
    assert_true(config.memory_bytes == (size_t)2 << 30);
    assert_int_equal(config.size_bytes, 60000);
    assert_int_equal(config.update_budget_bytes, 0);
    assert_true(config.compresses && !config.prunes && !config.teaches && config.balances_loss);
    assert_true(config.erase_value[0] == 1 && config.erase_value[2] == 3);
    assert_false(config.erases_randomly);
    assert_true(config.lr == 0.25 && config.drop_rate == 0.5 && isnan(config.prune));
    assert_int_equal(config.batch_size, 24);
    assert_int_equal(config.early_stopping, 3);
    sqz_options_free(options);
}

// The recipes say what the run does: batches as the memory plan cut them, the limit that was
// planned, and no orders.
static void test_writing(void **state)
{
    static const char *const pairs[] = {"batch_size", "64", "force",    "true", "memory", "1GiB",
                                        "threads",    "3",  "data_dir", ".",    NULL};
    (void)state;
    struct sqz_options *options = options_of(pairs);
    struct sqz_train_config config = sqz_train_config_of(options);
    struct sqz_text run = {0}, portable = {0}, annotated = {0};
    config.batch_size = 16;
    config.gradient_accumulation_steps = 4;
    assert_int_equal(sqz_recipe_of_run(options, &config, 77, &run, NULL), SQZ_OK);
    assert_non_null(strstr(sqz_text_get(&run), "batch_size: 16\n"));
    assert_non_null(strstr(sqz_text_get(&run), "gradient_accumulation_steps: 4\n"));
    assert_non_null(strstr(sqz_text_get(&run), "max_steps: 77\n"));
    assert_non_null(strstr(sqz_text_get(&run), "force: false\n"));
    assert_non_null(strstr(sqz_text_get(&run), "memory: null\n"));
    assert_non_null(strstr(sqz_text_get(&run), "data_dir: /"));
    assert_int_equal(sqz_recipe_portable(options, &config, &portable, NULL), SQZ_OK);
    assert_non_null(strstr(sqz_text_get(&portable), "batch_size: 16\n"));
    assert_null(strstr(sqz_text_get(&portable), "threads"));
    assert_null(strstr(sqz_text_get(&portable), "data_dir"));
    assert_null(strstr(sqz_text_get(&portable), "#"));
    assert_int_equal(sqz_recipe_annotated(options, &config, &annotated, NULL), SQZ_OK);
    const char *line = strstr(sqz_text_get(&annotated), "batch_size: 16 ");
    assert_non_null(line);
    assert_non_null(strstr(line, "# from the command line"));
    assert_int_equal(options->batch_size, 64); // only read
    sqz_text_release(&run);
    sqz_text_release(&portable);
    sqz_text_release(&annotated);
    sqz_options_free(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data),   cmocka_unit_test(test_recipes),
        cmocka_unit_test(test_file),   cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_config), cmocka_unit_test(test_writing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
