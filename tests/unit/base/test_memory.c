// Allocation, sizes, errors and the growable text.
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <string.h>

static void sizes(void **state)
{
    (void)state;
    size_t out = 5;
    assert_true(sqz_size_mul(3, 4, &out));
    assert_int_equal(out, 12);
    assert_true(sqz_size_add(SIZE_MAX - 1, 1, &out));
    assert_true(out == SIZE_MAX);
    assert_false(sqz_size_mul(SIZE_MAX / 2 + 1, 2, &out));
    assert_false(sqz_size_add(SIZE_MAX, 1, &out));
}

static void arrays(void **state)
{
    (void)state;
    int *values = sqz_new_array(10, sizeof *values);
    assert_non_null(values);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(values[i], 0);
        values[i] = i;
    }
    values = sqz_grow_array(values, 10, 1000, sizeof *values);
    assert_non_null(values);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(values[i], i < 10 ? i : 0);
    assert_null(sqz_grow_array(values, 1000, SIZE_MAX / 2, sizeof *values));
    assert_int_equal(values[9], 9); // a refused growth leaves the array
    sqz_free(values);

    void *empty = sqz_new_array(0, 8);
    assert_non_null(empty);
    sqz_free(empty);
    // volatile: the compiler would otherwise warn of the sizes that are the point here
    volatile size_t huge = SIZE_MAX / 2 + 2;
    assert_null(sqz_new_array(huge, 2));
    assert_null(sqz_new_array(huge, 1));
    assert_null(sqz_new_aligned(huge, 2));
    assert_null(sqz_new_aligned(huge - 3, 1));
    sqz_free(NULL);
}

static void aligned(void **state)
{
    (void)state;
    for (size_t n = 0; n < 200; n++) {
        char *data = sqz_new_aligned(n, 1);
        assert_non_null(data);
        assert_int_equal((uintptr_t)data % SQZ_ALIGNMENT, 0);
        for (size_t i = 0; i < n + SQZ_ALIGNMENT; i++) // the pad may be read: ASan watches
            assert_int_equal(data[i], 0);
        memset(data, 1, n);
        sqz_free(data);
    }
}

static void strings(void **state)
{
    (void)state;
    assert_null(sqz_copy_string(NULL));
    char *copy = sqz_copy_string("fire2");
    assert_string_equal(copy, "fire2");
    sqz_free(copy);
    copy = sqz_copy_string_n("fire2/squeeze1x1", 5);
    assert_string_equal(copy, "fire2");
    sqz_free(copy);
}

static void growing_text(void **state)
{
    (void)state;
    struct sqz_text text = {0};
    assert_string_equal(sqz_text_get(&text), "");
    for (int i = 0; i < 1000; i++)
        sqz_text_add(&text, "%d,", i);
    assert_false(text.failed);
    assert_int_equal(text.length, 10 * 2 + 90 * 3 + 900 * 4);
    assert_int_equal(strlen(text.data), text.length);
    assert_memory_equal(text.data, "0,1,2,", 6);
    assert_string_equal(text.data + text.length - 8, "998,999,");
    sqz_text_add_bytes(&text, "a\0b", 3);
    assert_int_equal(text.data[text.length - 1], 'b');
    assert_int_equal(text.data[text.length], 0);
    sqz_text_add_le(&text, 0x10203, 2);
    assert_memory_equal(text.data + text.length - 3, "b\3\2", 4);

    size_t length = text.length;
    sqz_text_add_bytes(&text, "x", SIZE_MAX - 2);
    assert_true(text.failed);
    assert_int_equal(text.length, length);
    sqz_text_release(&text);
    assert_null(text.data);
    assert_false(text.failed);
}

static void sentences(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    assert_int_equal(sqz_fail(&err, SQZ_E_DATA, "byte %d of %s", 7, "a.bin"), SQZ_E_DATA);
    assert_int_equal(err.status, SQZ_E_DATA);
    assert_string_equal(err.text, "byte 7 of a.bin");
    // An error may be built from itself.
    sqz_fail(&err, SQZ_E_CONFIG, "recipe.yaml: %s", err.text);
    assert_string_equal(err.text, "recipe.yaml: byte 7 of a.bin");
    assert_int_equal(sqz_fail(NULL, SQZ_E_IO, "nobody listens"), SQZ_E_IO);

    assert_int_equal(sqz_fail_errno(&err, SQZ_E_IO, ENOENT, "Cannot open %s", "x"), SQZ_E_NOINPUT);
    assert_string_equal(err.text, "Cannot open x: No such file or directory.");
    assert_int_equal(sqz_fail_errno(&err, SQZ_E_IO, ENOTDIR, "Cannot open x"), SQZ_E_NOINPUT);
    assert_int_equal(sqz_fail_errno(&err, SQZ_E_IO, ENOMEM, "Cannot open x"), SQZ_E_NOMEM);
    assert_int_equal(sqz_fail_errno(&err, SQZ_E_CANTWRITE, EACCES, "x"), SQZ_E_CANTWRITE);
    assert_int_equal(sqz_fail_memory(&err, "activations", 123456789), SQZ_E_NOMEM);
    assert_non_null(strstr(err.text, "123456789 bytes"));
    assert_non_null(strstr(err.text, "activations"));
}

static void long_sentences_are_cut(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    char path[3000];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    sqz_fail(&err, SQZ_E_IO, "%s", path);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_string_equal(err.text + sizeof err.text - 5, "p...");
    path[1020] = '\0'; // the reason is what does not fit
    sqz_fail_errno(&err, SQZ_E_IO, EIO, "%s", path);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_string_equal(err.text + sizeof err.text - 5, "p...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(arrays),
        cmocka_unit_test(aligned),
        cmocka_unit_test(strings),
        cmocka_unit_test(growing_text),
        cmocka_unit_test(sentences),
        cmocka_unit_test(long_sentences_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
