// Damaged safetensors files.
#include "mutate.h"

static void test_mutations(void **state)
{
    (void)state;
    struct sqz_archive archive = {0};
    const struct sqz_format *format = sqz_format_find("safetensors");
    make_varied(&archive);
    struct sqz_bytes bytes = write_bytes(format, &archive);
    size_t header = 8 + (bytes.data[8 - 8] | (size_t)bytes.data[1] << 8);
    const size_t borders[] = {8, header}, words[] = {0, 4};
    struct mutation m = {.data = bytes.data,
                         .size = bytes.size,
                         .borders = borders,
                         .n_borders = 2,
                         .words = words,
                         .n_words = 2,
                         .payload = header,
                         .decode = decode_format,
                         .arg = (void *)format};
    mutate(&m);
    sqz_bytes_release(&bytes);
    sqz_archive_release(&archive);
}

// The header's numbers are text: each of them replaced by edge values.
static void test_numbers(void **state)
{
    (void)state;
    static const char header[] =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
        "\"b\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[24,32]}}";
    static const char *const values[] = {"0",
                                         "1",
                                         "-1",
                                         "2147483647",
                                         "2147483648",
                                         "4294967295",
                                         "4294967296",
                                         "4611686018427387904",
                                         "9223372036854775807",
                                         "9223372036854775808",
                                         "1e3",
                                         "1.5",
                                         "null",
                                         "[]",
                                         "\"\"",
                                         "{}",
                                         "true",
                                         "32",
                                         "33"};
    const struct sqz_format *format = sqz_format_find("safetensors");
    size_t tried = 0;
    for (size_t at = 0; at < sizeof header - 1; at++) {
        if (strchr("[,", header[at]) == NULL || header[at + 1] < '0' || header[at + 1] > '9')
            continue;
        size_t end = at + 1 + strspn(header + at + 1, "0123456789");
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            uint8_t file[512] = {0};
            int length = snprintf((char *)file + 8, sizeof file - 8, "%.*s%s%s", (int)at + 1,
                                  header, values[i], header + end);
            file[0] = (uint8_t)length;
            memset(file + 8 + length, 0, 32);
            decode_format(file, 8 + (size_t)length + 32, (void *)format);
            tried++;
        }
    }
    assert_int_equal(tried, 7 * sizeof values / sizeof values[0]);
}

// Nesting that a recursive parser might follow to the end of its stack.
static void test_depth(void **state)
{
    (void)state;
    size_t length = (size_t)1 << 20;
    uint8_t *file = malloc(8 + length);
    assert_non_null(file);
    memset(file, 0, 8);
    file[2] = (uint8_t)(length >> 16);
    memcpy(file + 8, "{\"a\":", 5);
    memset(file + 13, '[', length - 5);
    expect_failure(sqz_format_find("safetensors"), file, 8 + length, "too many parts");
    memset(file, 0, 8);
    file[2] = 1;
    expect_failure(sqz_format_find("safetensors"), file, 8 + 65536, "nested too deeply");
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
