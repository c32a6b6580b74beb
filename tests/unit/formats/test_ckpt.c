// MindSpore checkpoints: its own files byte for byte, and entries made by hand.
#include "support.h"

#include <jansson.h>

static const struct sqz_format *format;

// A whole file, byte by byte: a.bias = [1, 2].
static const char example[] = "\x0a\x1f\x0a\x06"
                              "a.bias\x12\x15\x08\x02\x12\x07"
                              "Float32\x1a\x08\0\0\x80\x3f\0\0\0\x40";
static const char trailer[] = "crc_num\0\0\0\0\0\0\xe5\xcc\xbc\x85";
enum { EXAMPLE = sizeof example - 1, TRAILER = sizeof trailer - 1 };

static void test_example(void **state)
{
    (void)state;
    char file[EXAMPLE + TRAILER];
    memcpy(file, example, EXAMPLE);
    memcpy(file + EXAMPLE, trailer, TRAILER);
    for (int with = 0; with < 2; with++) {
        struct sqz_archive archive;
        struct sqz_error err = {0};
        size_t size = EXAMPLE + (with ? TRAILER : 0);
        assert_true(format->probe("x", (const uint8_t *)file, size));
        assert_int_equal(read_exact(format, file, size, &archive, &err), SQZ_OK);
        assert_int_equal(archive.n_arrays, 1);
        assert_string_equal(archive.arrays[0].name, "a.bias");
        assert_int_equal(archive.arrays[0].shape[0], 2);
        assert_memory_equal(archive.arrays[0].data, ((const float[]){1, 2}), 8);
        struct sqz_bytes bytes = write_bytes(format, &archive);
        assert_int_equal(bytes.size, EXAMPLE);
        assert_memory_equal(bytes.data, example, EXAMPLE);
        sqz_bytes_release(&bytes);
        sqz_archive_release(&archive);
    }
    file[EXAMPLE - 1] ^= 1;
    expect_failure(format, file, sizeof file, "checksum");
}

// One entry: tag, dims (n of them), type, content.
struct entry {
    const char *tag;
    int n;
    uint8_t dims[4];
    const char *type, *content;
    uint8_t size;
};

static size_t put_entry(uint8_t *out, const struct entry *entry)
{
    uint8_t tensor[256], *at = tensor;
    for (int i = 0; i < entry->n; i++) {
        *at++ = 0x08;
        *at++ = entry->dims[i];
    }
    *at++ = 0x12;
    *at++ = (uint8_t)strlen(entry->type);
    at = (uint8_t *)memcpy(at, entry->type, strlen(entry->type)) + strlen(entry->type);
    *at++ = 0x1a;
    *at++ = entry->size;
    if (entry->size)
        memcpy(at, entry->content, entry->size);
    size_t tensor_size = (size_t)(at - tensor) + entry->size, tag_size = strlen(entry->tag);
    assert_true(tensor_size < 100 && tag_size < 27);
    out[0] = 0x0a;
    out[1] = (uint8_t)(4 + tag_size + tensor_size);
    out[2] = 0x0a;
    out[3] = (uint8_t)tag_size;
    memcpy(out + 4, entry->tag, tag_size);
    out[4 + tag_size] = 0x12;
    out[5 + tag_size] = (uint8_t)tensor_size;
    memcpy(out + 6 + tag_size, tensor, tensor_size);
    return 6 + tag_size + tensor_size;
}

static size_t put_entries(uint8_t *out, const struct entry *entries, size_t n)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        size += put_entry(out + size, &entries[i]);
    return size;
}

static void test_entries(void **state)
{
    (void)state;
    static const struct entry entries[] = {
        {"optimizer.features.0", 1, {2}, "Float32", "\0\0\x80\x3f\0\0\0\x40", 8},
        {"sliced", 1, {2}, "Float32", "\0\0\x80\x3f", 4},
        {"sliced", 1, {2}, "Float32", "\0\0\0\x40", 4},
        {"final_conv.bias", 1, {1}, "Float32", "\0\0\0\x40", 4},
        {"scalar", 0, {0}, "Int32", "\7\0\0\0", 4},
        {"old scalar", 1, {0}, "Int32", "\7\0\0\0", 4},
        {"empty", 2, {0, 3}, "Int32", "", 0},
        {"text", 0, {0}, "str", "a\0\0\0", 4},
        {"flag", 1, {1}, "Bool", "\1", 1},
    };
    uint8_t file[1024];
    struct sqz_archive archive;
    struct sqz_error err = {0};
    size_t size = put_entries(file, entries, sizeof entries / sizeof entries[0]);
    // A Value without a tensor, as hash tables have.
    memcpy(file + size, "\x0a\x06\x0a\x04hash", 8);
    if (read_exact(format, file, size + 8, &archive, &err))
        fail_msg("%s", err.text);
    assert_int_equal(archive.n_arrays, 7);
    const struct sqz_array *array = sqz_archive_find(&archive, "features.0");
    assert_non_null(array);
    array = sqz_archive_find(&archive, "sliced");
    assert_true(array && array->size == 8);
    assert_memory_equal(array->data, ((const float[]){1, 2}), 8);
    assert_non_null(sqz_archive_find(&archive, "classifier.1.bias"));
    assert_int_equal(sqz_archive_find(&archive, "scalar")->rank, 0);
    assert_int_equal(sqz_archive_find(&archive, "old scalar")->rank, 0);
    assert_int_equal(sqz_archive_find(&archive, "empty")->rank, 2);
    assert_null(sqz_archive_find(&archive, "text"));
    assert_int_equal(sqz_archive_find(&archive, "flag")->dtype, SQZ_BOOL);
    sqz_archive_release(&archive);
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        struct entry entries[2];
        const char *words;
    } cases[] = {
        {{{"a", 1, {2}, "Float32", "1234", 4}, {"b", 1, {1}, "Float32", "1234", 4}},
         "entry a of test-file holds less"},
        {{{"a", 1, {2}, "Float32", "1234", 4}, {"a", 1, {2}, "Float32", "12345", 5}}, "more data"},
        {{{"a", 1, {1}, "Float32", "1234", 4}, {"a", 1, {1}, "Float32", "1234", 4}}, "two arrays"},
        {{{"b", 1, {1}, "Float32", "1234", 4}, {"a", 1, {2}, "Float32", "1234", 4}}, "truncated"},
        {{{"b", 1, {1}, "Float32", "1234", 4}, {"a", 1, {2}, "Float32", "", 0}}, "holds less"},
        {{{"b", 1, {1}, "Float32", "1234", 4}, {"a", 1, {127}, "Float64", "", 0}}, "larger than"},
        {{{"b", 1, {1}, "Float32", "1234", 4}, {"a", 1, {1}, "Float31", "1234", 4}},
         "element type"},
        {{{"b", 1, {1}, "Float32", "1234", 4}, {"", 1, {1}, "Float32", "1234", 4}}, "name that is"},
        {{{"b", 1, {1}, "Float32", "1234", 4}, {"\x1b[", 1, {1}, "Float32", "1234", 4}}, "control"},
        {{{"b", 1, {1}, "Float32", "1234", 4}, {"squeezenet_metadata", 1, {2}, "UInt8", "[]", 2}},
         "not a JSON object"},
        {{{"b", 1, {1}, "Float32", "1234", 4},
          {"squeezenet_metadata", 1, {7}, "UInt8", "{\"a\":1}", 7}},
         "something else than texts"},
    };
    uint8_t file[512];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_failure(format, file, put_entries(file, cases[i].entries, 2), cases[i].words);
    expect_failure(format, example, EXAMPLE - 1, "truncated");
    expect_failure(format, "\xd8\x5e\x3a\x7f....", 8, "encrypted");
    expect_failure(format, "\xd9\x5e\x3a\x7f....", 8, "encrypted");
    expect_failure(format, "\x10\x01", 2, "no whole entry at byte 0");
    expect_failure(format, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "no whole entry");
    expect_failure(format, "\x0a\x02\x0a\x09", 4, "not a MindSpore checkpoint entry");
}

static void test_round_trip(void **state)
{
    (void)state;
    struct sqz_archive archive = {0}, back = {0};
    struct sqz_error err = {0};
    make_varied(&archive);
    struct sqz_bytes bytes = write_bytes(format, &archive);
    assert_int_equal(read_exact(format, bytes.data, bytes.size, &back, &err), SQZ_OK);
    assert_int_equal(back.n_arrays, archive.n_arrays);
    for (size_t i = 0; i < archive.n_arrays; i++)
        assert_same_array(&archive.arrays[i], &back.arrays[i]);
    assert_int_equal(back.n_metadata, 2);
    for (size_t i = 0; i < 2; i++)
        assert_string_equal(sqz_archive_get(&back, archive.metadata[i].key),
                            archive.metadata[i].value);
    sqz_bytes_release(&bytes);
    sqz_archive_release(&archive);
    sqz_archive_release(&back);
}

// MindSpore's files, read and written again: the same bytes.
static void test_golden_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t trailer;
    } files[] = {
        {"mindcv-golden/small.ckpt", 0},
        {"mindcv-golden/small-crc.ckpt", 17},
        {"mindcv-golden/squeezenet1_0-c10.ckpt", 0},
        {"mindcv-golden/squeezenet1_1-c10.ckpt", 0},
        {"mindcv-golden/squeezenet1_1-c10-after6.ckpt", 0},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *path = test_data(files[i].name);
        struct sqz_archive archive;
        struct sqz_error err = {0};
        if (!path)
            skip();
        struct sqz_bytes bytes = read_bytes(path);
        assert_true(format->probe(path, bytes.data, bytes.size));
        if (read_exact(format, bytes.data, bytes.size, &archive, &err))
            fail_msg("%s: %s", path, err.text);
        struct sqz_bytes again = write_bytes(format, &archive);
        assert_int_equal(again.size, bytes.size - files[i].trailer);
        assert_memory_equal(again.data, bytes.data, again.size);
        sqz_bytes_release(&again);
        sqz_bytes_release(&bytes);
        sqz_archive_release(&archive);
    }
}

// checkpoints.json lists what MindSpore put in: names, types and shapes in order.
static void check_listing(const json_t *listing, const char *variant)
{
    char name[64];
    static const char *const types[] = {[SQZ_F32] = "Float32"};
    snprintf(name, sizeof name, "mindcv-golden/%s-c10.ckpt", variant);
    struct sqz_archive archive;
    struct sqz_error err = {0};
    struct sqz_bytes bytes = read_bytes(test_data(name));
    if (read_exact(format, bytes.data, bytes.size, &archive, &err))
        fail_msg("%s", err.text);
    const json_t *parameters = json_object_get(json_object_get(listing, variant), "parameters");
    assert_int_equal(json_array_size(parameters), 52);
    assert_int_equal(archive.n_arrays, 52);
    for (size_t i = 0; i < 52; i++) {
        const json_t *wanted = json_array_get(parameters, i);
        const json_t *shape = json_array_get(wanted, 2);
        const struct sqz_array *array = &archive.arrays[i];
        assert_string_equal(array->name, json_string_value(json_array_get(wanted, 0)));
        assert_int_equal(array->dtype, SQZ_F32);
        assert_string_equal(types[array->dtype], json_string_value(json_array_get(wanted, 1)));
        assert_int_equal(array->rank, json_array_size(shape));
        for (int d = 0; d < array->rank; d++)
            assert_int_equal(array->shape[d], json_integer_value(json_array_get(shape, (size_t)d)));
    }
    sqz_archive_release(&archive);
    sqz_bytes_release(&bytes);
}

static void test_golden_listing(void **state)
{
    (void)state;
    const char *path = test_data("mindcv-golden/checkpoints.json");
    if (!path)
        skip();
    json_t *listing = json_load_file(path, 0, NULL);
    assert_non_null(listing);
    check_listing(listing, "squeezenet1_0");
    check_listing(listing, "squeezenet1_1");
    json_decref(listing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),      cmocka_unit_test(test_entries),
        cmocka_unit_test(test_refuses),      cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_golden_bytes), cmocka_unit_test(test_golden_listing),
    };
    format = sqz_format_find("ckpt");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
