// safetensors: round trips, the writer's bytes, and everything that the format forbids.
#include "support.h"

static const struct sqz_format *format;

static void test_round_trip(void **state)
{
    (void)state;
    struct sqz_archive archive = {0}, back = {0};
    struct sqz_error err = {0};
    make_varied(&archive);
    struct sqz_bytes bytes = write_bytes(format, &archive), again;
    assert_true(format->probe("x", bytes.data, bytes.size));
    assert_int_equal(read_exact(format, bytes.data, bytes.size, &back, &err), SQZ_OK);
    assert_int_equal(back.n_arrays, archive.n_arrays);
    for (size_t i = 0; i < archive.n_arrays; i++) {
        const struct sqz_array *other = sqz_archive_find(&back, archive.arrays[i].name);
        assert_non_null(other);
        assert_same_array(&archive.arrays[i], other);
    }
    assert_int_equal(back.n_metadata, 2);
    for (size_t i = 0; i < 2; i++)
        assert_string_equal(sqz_archive_get(&back, archive.metadata[i].key),
                            archive.metadata[i].value);
    again = write_bytes(format, &archive);
    assert_int_equal(again.size, bytes.size);
    assert_memory_equal(again.data, bytes.data, bytes.size);
    sqz_bytes_release(&bytes);
    sqz_bytes_release(&again);
    sqz_archive_release(&archive);
    sqz_archive_release(&back);
}

// Known bytes: wider elements first, header padded with spaces to a multiple of 8.
static void test_bytes(void **state)
{
    (void)state;
    struct sqz_archive archive = {0};
    const uint8_t byte = 7;
    const float one = 1.0f;
    const size_t shape = 1;
    sqz_archive_add(&archive, "b", SQZ_U8, 0, NULL, &byte);
    sqz_archive_add(&archive, "a", SQZ_F32, 1, &shape, &one);
    struct sqz_bytes bytes = write_bytes(format, &archive);
    static const char header[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                                 "\"b\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[4,5]}}";
    size_t padded = (sizeof header - 1 + 7) / 8 * 8;
    assert_int_equal(bytes.size, 8 + padded + 5);
    assert_int_equal(bytes.data[0], padded);
    assert_memory_equal(bytes.data + 8, header, sizeof header - 1);
    for (size_t i = 8 + sizeof header - 1; i < 8 + padded; i++)
        assert_int_equal(bytes.data[i], ' ');
    assert_memory_equal(bytes.data + 8 + padded, "\0\0\x80\x3f\x07", 5);
    sqz_bytes_release(&bytes);
    sqz_archive_release(&archive);
}

// A file from a header's text and `size` bytes of zeros.
static size_t build(const char *header, size_t size, uint8_t *out)
{
    size_t length = strlen(header);
    memset(out, 0, 8);
    out[0] = (uint8_t)length;
    out[1] = (uint8_t)(length >> 8);
    memcpy(out + 8, header, length);
    memset(out + 8 + length, 0, size);
    return 8 + length + size;
}

#define ENTRY(name, type, shape, begin, end) \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end \
    "]}"

static void test_accepts(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t size, arrays;
    } cases[] = {
        {"{}", 0, 0},
        {"{}      ", 0, 0},
        {"{" ENTRY("b", "F32", "[1]", 4, 8) "," ENTRY("a", "F32", "[]", 0, 4) "}", 8, 2},
        {"{" ENTRY("a", "F32", "[0,9]", 4, 4) "," ENTRY("b", "F32", "[1]", 0, 4) "}", 4, 2},
        {"{\"__metadata__\":{\"format\":\"pt\"}}", 0, 0},
    };
    uint8_t file[512];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sqz_archive archive = {0};
        struct sqz_error err = {0};
        size_t size = build(cases[i].header, cases[i].size, file);
        if (read_exact(format, file, size, &archive, &err))
            fail_msg("%s: %s", cases[i].header, err.text);
        assert_int_equal(archive.n_arrays, cases[i].arrays);
        sqz_archive_release(&archive);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t size;
        const char *words;
    } cases[] = {
        {"[]", 0, "does not begin with {"},
        {"{", 0, "not valid JSON"},
        {"{} x", 0, "not valid JSON"},
        {"{" ENTRY("a", "F32", "[1]", 0, 4) "," ENTRY("a", "F32", "[1]", 4, 8) "}", 8, "twice"},
        {"{" ENTRY("a", "F32", "[1]", 0, 4) "," ENTRY("b", "F32", "[1]", 8, 12) "}", 12, "unused"},
        {"{" ENTRY("a", "F32", "[1]", 4, 8) "}", 8, "unused bytes before"},
        {"{" ENTRY("a", "F32", "[2]", 0, 8) "," ENTRY("b", "F32", "[2]", 4, 12) "}", 12, "overlap"},
        {"{" ENTRY("a", "F32", "[1]", 0, 4) "}", 5, "1 unused bytes after"},
        {"{" ENTRY("a", "F32", "[2]", 0, 8) "}", 4, "outside the file"},
        {"{" ENTRY("a", "F32", "[1]", 4, 0) "}", 4, "outside the file"},
        {"{" ENTRY("a", "F32", "[1]", -4, 0) "}", 4, "outside the file"},
        {"{" ENTRY("a", "F32", "[2]", 0, 4) "}", 4, "does not fit"},
        {"{" ENTRY("a", "F32", "[4294967296,4294967296]", 0, 0) "}", 0, "does not fit"},
        {"{" ENTRY("a", "F32", "[-1]", 0, 4) "}", 4, "no list of sizes"},
        {"{" ENTRY("a", "F32", "[1.0]", 0, 4) "}", 4, "no list of sizes"},
        {"{" ENTRY("a", "F32", "[1,1,1,1,1]", 0, 4) "}", 4, "more than 4 dimensions"},
        {"{" ENTRY("a", "F4", "[1]", 0, 4) "}", 4, "element type"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "no usable dtype"},
        {"{\"a\":7}", 0, "no usable dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", 4, "no usable"},
        {"{\"__metadata__\":[]}", 0, "not a JSON object"},
        {"{\"__metadata__\":{\"k\":1}}", 0, "is no text"},
        {"{\"\":{}}", 0, "a name that is empty"},
        {"{\"\\u001b[2J\":{}}", 0, "control characters"},
        {"{\"a\":99999999999999999999}", 0, "no usable dtype"},
    };
    uint8_t file[512];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t size = build(cases[i].header, cases[i].size, file);
        expect_failure(format, file, size, cases[i].words);
    }
    expect_failure(format, "\2\0\0\0\0\0\0", 7, "truncated");
    expect_failure(format, "\3\0\0\0\0\0\0\0{}", 10, "truncated");
    expect_failure(format, "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, "truncated");
}

static void test_header_limit(void **state)
{
    (void)state;
    size_t length = 100000008;
    uint8_t *file = malloc(8 + length);
    assert_non_null(file);
    memset(file + 8, ' ', length);
    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)((uint64_t)length >> (8 * i));
    memcpy(file + 8, "{}", 2);
    expect_failure(format, file, 8 + length, "at most");
    free(file);
}

// A long run's history makes a long header; it must not be written and then refused.
static void test_long_text(void **state)
{
    (void)state;
    struct sqz_archive archive = {0}, back = {0};
    struct sqz_error err = {0};
    size_t length = (size_t)20 << 20;
    char *text = malloc(length + 1);
    assert_non_null(text);
    for (size_t i = 0; i < length; i++)
        text[i] = "1,0.5,[\n"[i % 8];
    text[length] = 0;
    sqz_archive_set(&archive, "train.step_rows", text);
    struct sqz_bytes bytes = write_bytes(format, &archive);
    if (read_exact(format, bytes.data, bytes.size, &back, &err))
        fail_msg("%s", err.text);
    assert_string_equal(sqz_archive_get(&back, "train.step_rows"), text);
    sqz_bytes_release(&bytes);
    sqz_archive_release(&archive);
    sqz_archive_release(&back);
    free(text);
}

static void test_not_utf8(void **state)
{
    (void)state;
    struct sqz_archive archive = {0};
    struct sqz_bytes bytes = {0};
    struct sqz_error err = {0};
    sqz_archive_set(&archive, "classes", "caf\xe9");
    assert_int_equal(format->write(&archive, &bytes, &err), SQZ_E_DATA);
    assert_non_null(strstr(err.text, "UTF-8"));
    sqz_bytes_release(&bytes);
    sqz_archive_release(&archive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_accepts),      cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_header_limit), cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_not_utf8),
    };
    format = sqz_format_find("safetensors");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
