// The public functions for text that is shown; tests/unit/base has the tables.
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <squeezenet.h>
#include <string.h>

static void escapes_for_its_target(void **state)
{
    static const struct {
        enum sqz_text_target target;
        const char *wanted;
    } cases[] = {{SQZ_TEXT_LINE, "a?b?"},
                 {SQZ_TEXT_PARAGRAPH, "a\n    b?"},
                 {SQZ_TEXT_CSV, "a?b?"},
                 {SQZ_TEXT_JSON, "a\\nb\xEF\xBF\xBD"},
                 {SQZ_TEXT_PERCENT, "a%0Ab%FF"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[32], cut[3];
        size_t length = sqz_text_escape(cases[i].target, "a\nb\xFF", out, sizeof out);
        assert_string_equal(out, cases[i].wanted);
        assert_int_equal(length, strlen(cases[i].wanted));
        assert_int_equal(sqz_text_escape(cases[i].target, "a\nb\xFF", cut, sizeof cut), length);
        assert_true(strlen(cut) < sizeof cut && strncmp(cut, cases[i].wanted, strlen(cut)) == 0);
    }
}

static void knows_utf8(void **state)
{
    (void)state;
    assert_true(sqz_text_is_utf8(""));
    assert_true(sqz_text_is_utf8("\xE6\x97\xA5"));
    assert_false(sqz_text_is_utf8("\xE6\x97"));
}

static void knows_near_words(void **state)
{
    (void)state;
    assert_int_equal(sqz_edit_distance("model", "model"), 0);
    assert_int_equal(sqz_edit_distance("modle", "model"), 1);
    assert_int_equal(sqz_edit_distance("", "lr"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_for_its_target),
        cmocka_unit_test(knows_utf8),
        cmocka_unit_test(knows_near_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
