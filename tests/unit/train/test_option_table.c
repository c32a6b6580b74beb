// The table of options has every option of MindCV, with MindCV's default, and is well formed.
#include "train/options/option_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

// Both texts parsed by the option's own rules print the same: 0.0 and 0 are one default.
static void same_default(const struct sqz_option *option, const char *mindcv)
{
    struct sqz_options *options = NULL;
    struct sqz_error err = {0};
    struct sqz_text ours = {0}, theirs = {0};
    assert_int_equal(sqz_options_new(&options, NULL), SQZ_OK);
    sqz_option_value_text(options, sqz_option_find(option->name), &ours);
    if (sqz_options_set(options, option->name, mindcv, SQZ_FROM_COMMAND_LINE, &err))
        fail_msg("%s", err.text);
    sqz_option_value_text(options, sqz_option_find(option->name), &theirs);
    if (strcmp(sqz_text_get(&ours), sqz_text_get(&theirs)) != 0)
        fail_msg("%s is %s by default, but %s in MindCV", option->name, sqz_text_get(&ours),
                 sqz_text_get(&theirs));
    sqz_text_release(&ours);
    sqz_text_release(&theirs);
    sqz_options_free(options);
}

static void test_every_mindcv_option(void **state)
{
    FILE *file = fopen(SQZ_TEST_SOURCE "/tests/fixtures/options/mindcv.txt", "r");
    char line[256];
    int n = 0;
    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        if (*line == '#')
            continue;
        line[strcspn(line, "\n")] = '\0';
        char *tab = strchr(line, '\t');
        assert_non_null(tab);
        *tab = '\0';
        int index = sqz_option_find(line);
        if (index < 0)
            fail_msg("there is no option %s", line);
        same_default(sqz_option_at(index), tab + 1);
        n++;
    }
    fclose(file);
    assert_int_equal(n, 86);
}

static void test_rows(void **state)
{
    (void)state;
    const char *group = "";
    for (int i = 0; i < sqz_option_count(); i++) {
        const struct sqz_option *option = sqz_option_at(i);
        assert_int_equal(sqz_option_find(option->name), i); // no name twice
        assert_true(strlen(option->help) > 0 && strchr(option->help, '|') == NULL);
        // A group is one run of rows, or the help would show it twice.
        for (int k = 0; k < i && strcmp(option->group, group) != 0; k++)
            if (strcmp(sqz_option_at(k)->group, option->group) == 0)
                fail_msg("%s stands outside its group", option->name);
        group = option->group;
    }
}

// The enum of a choice follows the words that the option takes, in any case.
static void test_choices(void **state)
{
    struct sqz_options *options = NULL;
    (void)state;
    assert_int_equal(sqz_options_new(&options, NULL), SQZ_OK);
    assert_int_equal(sqz_choice_ckpt_save_policy(options), SQZ_SAVE_LATEST_K);
    assert_int_equal(sqz_options_set(options, "ckpt_save_policy", "none", SQZ_FROM_YAML, NULL),
                     SQZ_OK);
    assert_string_equal(options->ckpt_save_policy, "");
    assert_int_equal(sqz_choice_ckpt_save_policy(options), SQZ_SAVE_ALL);
    assert_int_equal(sqz_choice_reduction(options), SQZ_REDUCTION_MEAN);
    assert_int_equal(sqz_options_set(options, "reduction", "NONE", SQZ_FROM_YAML, NULL), SQZ_OK);
    assert_int_equal(sqz_choice_reduction(options), SQZ_REDUCTION_NONE);
    assert_int_equal(sqz_choice_opt(options), SQZ_OPT_ADAM);
    assert_int_equal(sqz_options_set(options, "opt", "adan", SQZ_FROM_YAML, NULL), SQZ_OK);
    assert_int_equal(sqz_choice_opt(options), SQZ_OPT_ADAN);
    assert_int_equal(sqz_choice_norm(options), SQZ_NORM_NONE);
    assert_int_equal(sqz_options_set(options, "norm", "batch", SQZ_FROM_YAML, NULL), SQZ_OK);
    assert_int_equal(sqz_choice_norm(options), SQZ_NORM_BATCH);
    sqz_options_free(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_mindcv_option),
                                       cmocka_unit_test(test_rows), cmocka_unit_test(test_choices)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
