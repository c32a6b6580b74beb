// Text that leaves the program: what may not reach a terminal, a log, a table, JSON.
#include "base/escape.h"
#include "base/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect(enum sqz_text_target target, const char *text, const char *wanted)
{
    char out[256];
    struct sqz_text grown = {0};
    assert_int_equal(sqz_text_escape(target, text, out, sizeof out), strlen(wanted));
    assert_string_equal(out, wanted);
    sqz_text_add_escaped(&grown, target, text);
    assert_string_equal(sqz_text_get(&grown), wanted);
    sqz_text_release(&grown);
}

static void lines_hold_no_controls(void **state)
{
    (void)state;
    expect(SQZ_TEXT_LINE, "plain \xC3\xA4 \xE6\x97\xA5 \xF0\x9F\x90\x88",
           "plain \xC3\xA4 \xE6\x97\xA5 \xF0\x9F\x90\x88");
    expect(SQZ_TEXT_LINE, "a\033[31mb\nc\td\x7F", "a?[31mb?c?d?");
    expect(SQZ_TEXT_LINE,
           "x\xC2\x9B"
           "31m",
           "x?31m"); // C1 as UTF-8
    expect(SQZ_TEXT_LINE,
           "x\x9B"
           "31m\xFF\xC3",
           "x?31m??"); // C1 as a byte, no UTF-8
    expect(SQZ_TEXT_LINE,
           "\xE2\x80\xAE"
           "gpj.exe\xE2\x81\xA6",
           "?gpj.exe?"); // bidi
    expect(SQZ_TEXT_LINE, "\xE2\x80\xA8\xEF\xBB\xBF\xD8\x9C", "???");
    expect(SQZ_TEXT_LINE, "\xC0\x80\xED\xA0\x80\xF4\x90\x80\x80",
           "?????????"); // overlong, surrogate, too large
    expect(SQZ_TEXT_PARAGRAPH, "one\nwarning: two\r", "one\n    warning: two?");
}

static void cells_are_quoted_and_no_formulas(void **state)
{
    (void)state;
    expect(SQZ_TEXT_CSV, "cats", "cats");
    expect(SQZ_TEXT_CSV, "a,b", "\"a,b\"");
    expect(SQZ_TEXT_CSV, "a\"b", "\"a\"\"b\"");
    expect(SQZ_TEXT_CSV, "=cmd|x", "'=cmd|x");
    expect(SQZ_TEXT_CSV, "@a,\"b", "\"'@a,\"\"b\"");
    expect(SQZ_TEXT_CSV, "\t=1", "?=1");
    expect(SQZ_TEXT_CSV, "-", "'-");
}

static void json_is_utf8(void **state)
{
    (void)state;
    expect(SQZ_TEXT_JSON, "a\"\\\n\t\x01\x7F", "a\\\"\\\\\\n\\t\\u0001\\u007f");
    expect(SQZ_TEXT_JSON, "\xC2\x9B\xE2\x80\xAE\xC3\xA4", "\\u009b\\u202e\xC3\xA4");
    expect(SQZ_TEXT_JSON, "n\xFF.png", "n\xEF\xBF\xBD.png");
    expect(SQZ_TEXT_PERCENT, "n\xFF \xC3\xA4%.png", "n%FF%20%C3%A4%25.png");
    assert_true(sqz_text_is_utf8("n\xC3\xA4"));
    assert_false(sqz_text_is_utf8("n\xFF"));
    assert_false(sqz_text_is_utf8("n\xC3"));
}

static void cuts_between_characters(void **state)
{
    char out[8];
    (void)state;
    memset(out, 'x', sizeof out);
    assert_int_equal(sqz_text_escape(SQZ_TEXT_LINE, "abcde\xC3\xA4z", out, 7), 8);
    assert_string_equal(out, "abcde");
    assert_int_equal(out[7], 'x');
    assert_int_equal(sqz_text_escape(SQZ_TEXT_JSON, "a\n", NULL, 0), 3);
}

static void measures_words(void **state)
{
    (void)state;
    assert_int_equal(sqz_edit_distance("lr", "lr"), 0);
    assert_int_equal(sqz_edit_distance("", "abc"), 3);
    assert_int_equal(sqz_edit_distance("modle", "model"), 1);
    assert_int_equal(sqz_edit_distance("kitten", "sitting"), 3);
    assert_true(sqz_edit_distance(
                    "a", "0123456789012345678901234567890123456789012345678901234567890123") > 100);
    assert_true(sqz_has_suffix("m.sqz", ".sqz"));
    assert_false(sqz_has_suffix(".sqz", ".sqz"));
    assert_false(sqz_has_suffix("m.sqzp", ".sqz"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_hold_no_controls),
        cmocka_unit_test(cells_are_quoted_and_no_formulas),
        cmocka_unit_test(json_is_utf8),
        cmocka_unit_test(cuts_between_characters),
        cmocka_unit_test(measures_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
