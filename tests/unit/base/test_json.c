// JSON against jansson: the same texts are taken, with the same values, and the same bytes written.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/random.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void assert_same(const struct sqz_json *ours, const json_t *theirs)
{
    const char *key;
    json_t *value;
    size_t i;
    double real;
    int64_t integer;
    switch (json_typeof(theirs)) {
    case JSON_OBJECT:
        assert_int_equal(ours->kind, SQZ_JSON_OBJECT);
        assert_int_equal(ours->n, json_object_size(theirs));
        const struct sqz_json *member = ours + 1;
        json_object_foreach((json_t *)theirs, key, value)
        {
            assert_string_equal(sqz_json_string(member), key);
            assert_ptr_equal(sqz_json_get(ours, key), sqz_json_next(member));
            assert_same(sqz_json_next(member), value);
            member = sqz_json_next(sqz_json_next(member));
        }
        assert_ptr_equal(member, sqz_json_next(ours));
        break;
    case JSON_ARRAY:
        assert_int_equal(ours->kind, SQZ_JSON_ARRAY);
        assert_int_equal(ours->n, json_array_size(theirs));
        json_array_foreach(theirs, i, value) assert_same(sqz_json_at(ours, i), value);
        assert_null(sqz_json_at(ours, i));
        break;
    case JSON_STRING:
        assert_string_equal(sqz_json_string(ours), json_string_value(theirs));
        break;
    case JSON_INTEGER:
        assert_true(sqz_json_to_int64(ours, &integer));
        assert_true(integer == json_integer_value(theirs));
        break;
    case JSON_REAL:
        assert_false(sqz_json_to_int64(ours, &integer));
        assert_true(sqz_json_to_double(ours, &real) && real == json_real_value(theirs));
        break;
    default:
        assert_int_equal(ours->kind, json_is_null(theirs)   ? SQZ_JSON_NULL
                                     : json_is_true(theirs) ? SQZ_JSON_TRUE
                                                            : SQZ_JSON_FALSE);
    }
}

// Returns whether it was taken.
static bool compare(const char *text, size_t size)
{
    struct sqz_json_document ours;
    struct sqz_json_problem problem = {0};
    json_error_t error;
    char *copy = malloc(size + 1); // so that ASan sees a step beyond
    assert_non_null(copy);
    memcpy(copy, text, size);
    json_t *theirs = json_loadb(copy, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    bool large = !theirs && json_error_code(&error) == json_error_numeric_overflow;
    enum sqz_status status = sqz_json_parse(copy, size, 100000, &ours, &problem);
    if (!large && (status == SQZ_OK) != (theirs != NULL))
        fail_msg("\"%.*s\": ours %d (%s at %zu), jansson: %s", (int)size, text, (int)status,
                 problem.what ? problem.what : "", problem.at, theirs ? "fine" : error.text);
    if (status) {
        assert_int_equal(status, SQZ_E_DATA);
        assert_non_null(problem.what);
        assert_true(problem.at <= size);
    } else if (theirs) {
        assert_same(ours.values, theirs);
    }
    sqz_json_release(&ours);
    json_decref(theirs);
    free(copy);
    return status == SQZ_OK;
}

static const char *const good[] = {
    "{}",
    " [ ] ",
    "null",
    "\"\\u00e9\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "{\"a\":[1,-0,2.5e3,1E-2,{\"b\":[[],{}]}],\"\":true,\"c\":false}",
    "[9223372036854775807,-9223372036854775808,0.1,1e308]",
    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"",
    ("{\"t.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
     "\"__metadata__\":{\"k\":\"[\\\"a\\\",\\\"b\\\"]\"}}"),
};

static void test_good_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(compare(good[i], strlen(good[i])));
}

static void test_bad_texts(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "[1 2]",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "-",
        "\"\\x\"",
        "\"\\u00g0\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\u0000\"",
        "\"\n\"",
        "\"",
        "tru",
        "nul",
        "NaN",
        "{\"a\" 1}",
        "{1:2}",
        "[] []",
        "\"\xff\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xe2\x82\"",
        "{\"a\":1,\"\\u0061\":2}",
        "[1}",
        "{\"a\":}",
        "\"\\ud83d\\u0041\"",
        "[\"a\",]",
        "{,}",
        "//",
        "'a'",
        "\\",
        "{\"a\":1,\"b\":{\"c\":1,\"c\":2}}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(compare(bad[i], strlen(bad[i])));
    assert_false(compare("[1]\0", 4));
}

// Bytes changed, taken out, doubled: whatever comes, both agree.
static void test_mutations(void **state)
{
    (void)state;
    static const char bytes[] = "\"\\{}[],:0123456789.eE+-u \n\t\xc3\xa9\xff\x01tfnabd";
    struct sqz_random random;
    int taken = 0;
    sqz_random_init(&random, 3, 0, 0, SQZ_RANDOM_TEST);
    for (int round = 0; round < 60000; round++) {
        char text[512];
        const char *from = good[sqz_random_u64(&random) % (sizeof good / sizeof *good)];
        size_t size = strlen(from);
        memcpy(text, from, size);
        for (int k = (int)(sqz_random_u64(&random) % 3); k >= 0 && size; k--) {
            size_t at = sqz_random_u64(&random) % size;
            char byte = bytes[sqz_random_u64(&random) % (sizeof bytes - 1)];
            switch (sqz_random_u64(&random) % 3) {
            case 0:
                text[at] = byte;
                break;
            case 1:
                memmove(text + at, text + at + 1, --size - at);
                break;
            default:
                memmove(text + at + 1, text + at, size++ - at);
                text[at] = byte;
            }
        }
        taken += compare(text, size);
    }
    assert_in_range(taken, 3000, 57000); // both kinds are met
}

static void test_bounds(void **state)
{
    (void)state;
    struct sqz_json_document document;
    struct sqz_json_problem problem;
    char text[4 * SQZ_JSON_DEPTH];
    for (int depth = SQZ_JSON_DEPTH; depth <= SQZ_JSON_DEPTH + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        enum sqz_status status = sqz_json_parse(text, 2 * (size_t)depth, 1000, &document, &problem);
        assert_int_equal(status, depth > SQZ_JSON_DEPTH ? SQZ_E_DATA : SQZ_OK);
        sqz_json_release(&document);
    }
    assert_string_equal(problem.what, "is nested too deeply");
    assert_int_equal(sqz_json_parse("[1,2]", 5, 2, &document, &problem), SQZ_E_DATA);
    assert_string_equal(problem.what, "has too many parts");
    assert_int_equal(sqz_json_parse("[1,2]", 5, 3, &document, &problem), SQZ_OK);
    sqz_json_release(&document);
    assert_int_equal(sqz_json_parse("{\"a\":1,\"a\":2}", 13, 9, &document, &problem), SQZ_E_DATA);
    assert_string_equal(problem.what, "has the same key twice");
    assert_int_equal(problem.at, 7);
}

static void test_writing(void **state)
{
    (void)state;
    struct sqz_random random;
    sqz_random_init(&random, 4, 0, 0, SQZ_RANDOM_TEST);
    for (int round = 0; round < 20000; round++) {
        char text[16];
        size_t n = sqz_random_u64(&random) % sizeof text;
        for (size_t i = 0; i < n; i++)
            text[i] = (char)(1 + sqz_random_u64(&random) % (round % 2 ? 127 : 255));
        text[n] = 0;
        int digits = round % 3 ? 17 : 9;
        uint64_t bits = sqz_random_u64(&random);
        double real;
        memcpy(&real, &bits, sizeof real);
        if (round % 4 == 0)
            real = (double)(int64_t)(bits % 2000) - 1000;
        struct sqz_text ours = {0};
        json_t *string = json_string(text), *number = json_real(real);
        assert_int_equal(sqz_json_add_string(&ours, text), string != NULL);
        char *theirs = string ? json_dumps(string, JSON_ENCODE_ANY) : strdup("");
        assert_string_equal(sqz_text_get(&ours), theirs);
        free(theirs);
        if (number) { // finite
            ours.length = 0;
            sqz_json_add_real(&ours, real, digits);
            theirs = json_dumps(number, JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
            assert_string_equal(sqz_text_get(&ours), theirs);
            free(theirs);
        }
        sqz_text_release(&ours);
        json_decref(string);
        json_decref(number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_texts), cmocka_unit_test(test_bad_texts),
        cmocka_unit_test(test_mutations),  cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
