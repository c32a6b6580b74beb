// .sqz as a format: nothing is lost, everything is checked.
#include "sqz_files.h"

static const struct sqz_format *format, *safetensors;

static void expect_same(const struct sqz_archive *a, const struct sqz_archive *b)
{
    assert_int_equal(a->n_arrays, b->n_arrays);
    for (size_t i = 0; i < a->n_arrays; i++)
        assert_same_array(&a->arrays[i], &b->arrays[i]);
    assert_int_equal(a->n_metadata, b->n_metadata);
    for (size_t i = 0; i < a->n_metadata; i++)
        assert_string_equal(sqz_archive_get(b, a->metadata[i].key), a->metadata[i].value);
}

static void test_round_trip(void **state)
{
    struct sqz_archive archive = {0}, back, third;
    (void)state;
    make_small_archive(&archive);
    for (int coder = 0; coder < 2; coder++) {
        struct sqz_bytes file = {0}, again;
        assert_int_equal(sqz_archive_to_sqz(&archive, (enum sqz_coder)coder, &file, NULL), SQZ_OK);
        assert_true(format->probe("x", file.data, file.size));
        assert_int_equal(read_exact(format, file.data, file.size, &back, NULL), SQZ_OK);
        expect_same(&archive, &back);
        // Through safetensors and back: the same model, and with one coder the same bytes.
        struct sqz_bytes plain = write_bytes(safetensors, &back);
        assert_int_equal(read_exact(safetensors, plain.data, plain.size, &third, NULL), SQZ_OK);
        expect_same(&archive, &third);
        again = write_bytes(format, &back);
        assert_memory_equal(again.data + 32, file.data + 32, 32); // the identity
        if (coder == SQZ_CODER_RANGE) {
            assert_int_equal(again.size, file.size);
            assert_memory_equal(again.data, file.data, file.size);
        }
        sqz_bytes_release(&again);
        sqz_bytes_release(&plain);
        sqz_bytes_release(&file);
        sqz_archive_release(&back);
        sqz_archive_release(&third);
    }
    sqz_archive_release(&archive);
}

static void test_identity(void **state)
{
    struct sqz_archive archive = {0};
    (void)state;
    make_small_archive(&archive);
    struct sqz_bytes file = write_bytes(format, &archive);
    ((float *)archive.arrays[1].data)[2] += 1;
    struct sqz_bytes other = write_bytes(format, &archive);
    assert_memory_not_equal(file.data + 32, other.data + 32, 32);
    sqz_bytes_release(&file);
    sqz_bytes_release(&other);
    sqz_archive_release(&archive);
}

static void test_sentences(void **state)
{
    struct sqz_archive archive = {0};
    (void)state;
    make_small_archive(&archive);
    struct sqz_bytes file = write_bytes(format, &archive);
    expect_failure(format, file.data, 40, "truncated");
    expect_failure(format, file.data, file.size - 1, "damaged at byte 8");
    file.data[200] ^= 4;
    expect_failure(format, file.data, file.size, "SHA-256");
    file.data[200] ^= 4;
    file.data[8] = 2;
    expect_failure(format, file.data, file.size, "version 2");
    file.data[8] = 1;
    file.data[20]++;
    sign_again(file.data, file.size);
    expect_failure(format, file.data, file.size, "directory");
    file.data[20]--;
    file.data[file.size - 40] ^= 1;
    sign_again(file.data, file.size);
    expect_failure(format, file.data, file.size, "classifier.1.weight");
    sqz_bytes_release(&file);
    sqz_archive_release(&archive);
}

static void test_what_does_not_fit(void **state)
{
    struct sqz_archive archive = {0};
    struct sqz_bytes file = {0};
    struct sqz_error err = {0};
    (void)state;
    make_varied(&archive);
    assert_int_equal(format->write(&archive, &file, &err), SQZ_E_DATA);
    assert_non_null(strstr(err.text, "float32"));
    sqz_archive_release(&archive);
}

// The published file: smaller than its own coding by a fifth, and not a bit of it lost.
static void test_published(void **state)
{
    const char *path = test_data("weights/compressed_SqueezeNet.net");
    struct sqz_archive archive = {0}, back;
    (void)state;
    if (!path)
        skip();
    assert_int_equal(sqz_archive_read(path, &archive, NULL, NULL), SQZ_OK);
    struct sqz_bytes file = write_bytes(format, &archive);
    assert_true(file.size <= 535000);
    assert_int_equal(read_exact(format, file.data, file.size, &back, NULL), SQZ_OK);
    expect_same(&archive, &back);
    sqz_bytes_release(&file);
    sqz_archive_release(&archive);
    sqz_archive_release(&back);
}

// A few bytes of zeros that claim to be a network of 2^26 weights.
static void test_claims_too_much(void **state)
{
    (void)state;
    struct sqz_archive archive = {0};
    assert_non_null(sqz_archive_add(&archive, "features.0.weight", SQZ_F32, 2,
                                    (const size_t[]){4096, 4096}, NULL));
    struct sqz_bytes bytes = write_bytes(sqz_format_find("sqz"), &archive);
    assert_in_range(bytes.size, 100, 100000);
    expect_failure(sqz_format_find("sqz"), bytes.data, bytes.size, "claims 16777216");
    sqz_bytes_release(&bytes);
    sqz_archive_release(&archive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_identity),
        cmocka_unit_test(test_sentences),  cmocka_unit_test(test_what_does_not_fit),
        cmocka_unit_test(test_published),  cmocka_unit_test(test_claims_too_much),
    };
    format = sqz_format_find("sqz");
    safetensors = sqz_format_find("safetensors");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
