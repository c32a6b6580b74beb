// Archives, element types and names.
#include "support.h"

#include <math.h>

static void test_add_find_set(void **state)
{
    (void)state;
    struct sqz_archive archive = {0};
    char name[32], text[32];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "array %d", i);
        snprintf(text, sizeof text, "text %d", i);
        add_ramp(&archive, name, 1, (const size_t[]){3}, (float)i);
        assert_int_equal(sqz_archive_set(&archive, name, text), SQZ_OK);
    }
    assert_int_equal(sqz_archive_set(&archive, "array 7", "another"), SQZ_OK);
    assert_int_equal(archive.n_arrays, 100);
    assert_int_equal(archive.n_metadata, 100);
    assert_string_equal(sqz_archive_get(&archive, "array 7"), "another");
    assert_string_equal(sqz_archive_get(&archive, "array 99"), "text 99");
    assert_null(sqz_archive_get(&archive, "array 100"));
    const struct sqz_array *found = sqz_archive_find(&archive, "array 42");
    assert_non_null(found);
    assert_float_equal(((const float *)found->data)[2], 42.5f, 0);
    assert_null(sqz_archive_find(&archive, "array"));
    sqz_archive_release(&archive);
    assert_int_equal(archive.n_arrays, 0);
}

static void test_refuses_nonsense(void **state)
{
    (void)state;
    struct sqz_archive archive = {0};
    struct sqz_error err = {0};
    const size_t huge[4] = {SIZE_MAX / 2, 3, 1, 1}, one[4] = {1, 1, 1, 1};
    char long_name[300];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    assert_null(sqz_archive_add(&archive, "a", SQZ_F32, 2, huge, NULL));
    assert_null(sqz_archive_add(&archive, "a", SQZ_F32, 5, one, NULL));
    assert_int_equal(sqz_archive_put(&archive, "f", "a", SQZ_F64, 2, huge, NULL, NULL, &err),
                     SQZ_E_DATA);
    assert_int_equal(sqz_archive_put(&archive, "f", "a", SQZ_F64, 1, one, NULL, NULL, &err),
                     SQZ_OK);
    assert_int_equal(sqz_archive_put(&archive, "f", "a", SQZ_F64, 1, one, NULL, NULL, &err),
                     SQZ_E_DATA);
    assert_string_equal(err.text, "f holds two arrays named a.");
    assert_int_equal(sqz_archive_put(&archive, "f", "", SQZ_F64, 1, one, NULL, NULL, &err),
                     SQZ_E_DATA);
    assert_int_equal(sqz_archive_put(&archive, "f", "\033[2J", SQZ_F64, 1, one, NULL, NULL, &err),
                     SQZ_E_DATA);
    assert_int_equal(sqz_archive_put(&archive, "f", long_name, SQZ_F64, 1, one, NULL, NULL, &err),
                     SQZ_E_DATA);
    assert_int_equal(archive.n_arrays, 1);
    sqz_archive_release(&archive);
}

// Every half is a float exactly; ldexp gives it from the fields, independently.
static void test_half(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 0x10000; bits++) {
        float value = sqz_float_from_half((uint16_t)bits);
        int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
        double sign = bits & 0x8000 ? -1 : 1;
        if (exponent == 31 && fraction) {
            assert_true(isnan(value));
            continue;
        }
        double wanted = exponent == 31  ? sign * (double)INFINITY
                        : exponent == 0 ? sign * ldexp(fraction, -24)
                                        : sign * ldexp(1024 + fraction, exponent - 25);
        assert_true((double)value == wanted && !signbit(value) == !signbit(wanted));
    }
}

static void test_floats(void **state)
{
    (void)state;
    struct sqz_archive archive = {0};
    const uint16_t half[2] = {0x3c00, 0xc100}, brain[2] = {0x3f80, 0xc020};
    const double wide[2] = {1.0, -2.5};
    const size_t two = 2;
    sqz_archive_add(&archive, "half", SQZ_F16, 1, &two, half);
    sqz_archive_add(&archive, "brain", SQZ_BF16, 1, &two, brain);
    sqz_archive_add(&archive, "wide", SQZ_F64, 1, &two, wide);
    sqz_archive_add(&archive, "integers", SQZ_I32, 1, &two, NULL);
    for (int i = 0; i < 3; i++) {
        float values[2] = {0, 0};
        assert_true(sqz_array_to_floats(&archive.arrays[i], values));
        assert_true(values[0] == 1.0f && values[1] == -2.5f);
    }
    assert_false(sqz_array_to_floats(&archive.arrays[3], (float[2]){0, 0}));
    sqz_archive_release(&archive);
}

static void test_crc(void **state)
{
    (void)state;
    assert_int_equal(sqz_crc32("123456789", 9), 0xcbf43926);
    assert_int_equal(sqz_crc32("", 0), 0);
}

static void test_conv_names(void **state)
{
    (void)state;
    static const struct {
        enum sqz_naming naming;
        int version, conv;
        const char *name;
    } cases[] = {
        {SQZ_NAMING_MINDCV, 0, 0, "features.0"},
        {SQZ_NAMING_MINDCV, 0, 1, "features.3.squeeze"},
        {SQZ_NAMING_MINDCV, 0, 12, "features.7.expand3x3"},
        {SQZ_NAMING_MINDCV, 1, 12, "features.7.expand3x3"},
        {SQZ_NAMING_MINDCV, 1, 14, "features.9.expand1x1"},
        {SQZ_NAMING_MINDCV, 0, 14, "features.8.expand1x1"},
        {SQZ_NAMING_MINDCV, 1, 25, "classifier.1"},
        {SQZ_NAMING_CAFFE, 0, 1, "fire2/squeeze1x1"},
        {SQZ_NAMING_CAFFE, 0, 24, "fire9/expand3x3"},
        {SQZ_NAMING_CAFFE, 0, 25, "conv10"},
        {SQZ_NAMING_DEEP_COMPRESSION, 0, 0, "conv1"},
        {SQZ_NAMING_DEEP_COMPRESSION, 0, 6, "fire3/conv3x3_2"},
        {SQZ_NAMING_DEEP_COMPRESSION, 0, 25, "conv_final"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[48];
        sqz_conv_name(cases[i].naming, cases[i].version, cases[i].conv, name);
        assert_string_equal(name, cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add_find_set), cmocka_unit_test(test_refuses_nonsense),
        cmocka_unit_test(test_half),         cmocka_unit_test(test_floats),
        cmocka_unit_test(test_crc),          cmocka_unit_test(test_conv_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
