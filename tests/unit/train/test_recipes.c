// The recipes that are shipped and built in.
#include "train/options/options.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
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

static void test_builtin_recipes(void **state)
{
    static const char *const names[] = {"photos", "finetune", "small_images"};

    (void)state;
    assert_null(sqz_builtin_recipe("unknown"));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        static char text[16384];
        char path[4096];
        FILE *file;
        size_t n;
        snprintf(path, sizeof path, "%s/configs/%s.yaml", SQZ_TEST_SOURCE, names[i]);
        file = fopen(path, "rb");
        assert_non_null(file);
        n = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        text[n] = '\0';
        assert_string_equal(text, sqz_builtin_recipe(names[i]));
    }
}

static void test_use_builtin(void **state)
{
    struct sqz_options *options = fresh();
    struct sqz_error err = {0};
    const char *name = NULL;

    (void)state;
    assert_int_equal(sqz_options_use_builtin(options, &name, NULL, &err), SQZ_OK);
    assert_string_equal(name, "photos");
    assert_int_equal(sqz_options_check(options, NULL, &err), SQZ_OK);
    assert_int_equal(options->warmup_epochs + options->decay_epochs, options->epoch_size);
    assert_true(options->warmup_epochs > 0);
    assert_int_equal(options->origins[sqz_option_find("lr")], SQZ_FROM_BUILTIN_RECIPE);
    sqz_options_free(options);

    options = fresh();
    put(options, "ckpt_path", "weights.safetensors");
    put(options, "epoch_size", "2");
    name = NULL;
    assert_int_equal(sqz_options_use_builtin(options, &name, NULL, &err), SQZ_OK);
    assert_string_equal(name, "finetune");
    assert_int_equal(options->epoch_size, 2);
    assert_int_equal(options->warmup_epochs, 1);
    assert_int_equal(options->decay_epochs, 1);
    sqz_options_free(options);

    options = fresh();
    put(options, "decay_epochs", "7");
    put(options, "warmup_epochs", "9");
    put(options, "epoch_size", "10");
    name = "small_images";
    assert_int_equal(sqz_options_use_builtin(options, &name, NULL, &err), SQZ_OK);
    assert_string_equal(name, "small_images");
    assert_int_equal(options->image_resize, 64);
    assert_int_equal(options->warmup_epochs, 9);
    assert_int_equal(options->decay_epochs, 7);
    name = "unknown";
    assert_int_equal(sqz_options_use_builtin(options, &name, NULL, &err), SQZ_E_INTERNAL);
    sqz_options_free(options);
}

// What the user asks for outweighs a built-in recipe's value that cannot be combined with it; a
// value of the user's own does not give way.
static void test_builtin_gives_way(void **state)
{
    static const struct {
        const char *asked, *value, *name, *given, *kept; // `kept`: refused with this value
    } cases[] = {{"prune", "0.5", "norm", "none", "batch"},
                 {"distill_maps", "1", "norm", "none", "batch"},
                 {"loss_scale_type", "auto", "clip_grad", "false", "true"},
                 {"norm_group", "48", "batch_size", "48", "32"},
                 {"norm_group", "12", "batch_size", "36", "32"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int of_user = 0; of_user < 2; of_user++) {
            struct sqz_options *options = fresh();
            struct sqz_text notes = {0}, value = {0};
            struct sqz_error err = {0};
            const char *name = "photos";
            put(options, cases[i].asked, cases[i].value);
            if (strcmp(cases[i].asked, "distill_maps") == 0)
                put(options, "teacher", "teacher.safetensors");
            if (of_user)
                put(options, cases[i].name, cases[i].kept);
            assert_int_equal(sqz_options_use_builtin(options, &name, &notes, &err), SQZ_OK);
            sqz_option_value_text(options, sqz_option_find(cases[i].name), &value);
            assert_string_equal(sqz_text_get(&value), of_user ? cases[i].kept : cases[i].given);
            if (sqz_options_check(options, NULL, &err) != (of_user ? SQZ_E_CONFIG : SQZ_OK))
                fail_msg("%s, %d: %s", cases[i].asked, of_user, err.text);
            if (of_user)
                assert_int_equal(notes.length, 0);
            else
                assert_non_null(strstr(sqz_text_get(&notes), cases[i].name));
            sqz_text_release(&value);
            sqz_text_release(&notes);
            sqz_options_free(options);
        }
    }
}

// All files of configs/ are read and pass the check; MindCV's four hold its values.
static void test_shipped_recipes(void **state)
{
    char path[4096];
    struct dirent *entry;
    int n = 0, of_mindcv = 0;
    DIR *dir;

    (void)state;
    snprintf(path, sizeof path, "%s/configs", SQZ_TEST_SOURCE);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        struct sqz_options *options;
        struct sqz_error err = {0};
        bool v10 = strstr(entry->d_name, "squeezenet_1.0"),
             ascend = strstr(entry->d_name, "ascend");
        if (!strstr(entry->d_name, ".yaml"))
            continue;
        options = fresh();
        snprintf(path, sizeof path, "%s/configs/%s", SQZ_TEST_SOURCE, entry->d_name);
        if (sqz_options_read_yaml(options, path, SQZ_FROM_YAML, &err) != SQZ_OK ||
            sqz_options_check(options, NULL, &err) != SQZ_OK)
            fail_msg("%s: %s", path, err.text);
        n++;
        if (strncmp(entry->d_name, "squeezenet_", 11) == 0) {
            of_mindcv++;
            assert_string_equal(options->model, v10 ? "squeezenet1_0" : "squeezenet1_1");
            assert_true(options->val_while_train == ascend);
            assert_int_equal(options->color_jitter.n, ascend ? 1 : 3);
            assert_true(options->re_prob == (ascend ? 0.25 : 0.5));
            assert_string_equal(options->amp_level, !v10 && ascend ? "O2" : "O0");
            assert_string_equal(options->scheduler,
                                ascend ? "warmup_cosine_decay" : "cosine_decay");
            assert_true(options->lr == (ascend ? 0.1 : 0.01) && options->min_lr == 0);
            assert_int_equal(options->warmup_epochs, v10 && ascend ? 5 : 0);
            assert_true(options->weight_decay == (!ascend ? 0.00007 : v10 ? 0.0001 : 0.0002));
            assert_string_equal(options->opt, "momentum");
            assert_true(options->loss_scale == 1024 && options->label_smoothing == 0.1);
            assert_true(options->batch_size == 32 && options->epoch_size == 200 &&
                        options->distribute);
            assert_true(options->decay_epochs == 200 && options->num_classes == 1000);
        }
        sqz_options_free(options);
    }
    closedir(dir);
    assert_int_equal(of_mindcv, 4);
    assert_true(n >= 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builtin_recipes), cmocka_unit_test(test_use_builtin),
        cmocka_unit_test(test_builtin_gives_way), cmocka_unit_test(test_shipped_recipes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
