// Deep Compression: the published file's check values, and made-up ones.
#include "support.h"

static const struct sqz_format *format;

static uint32_t weights_crc(const struct sqz_archive *archive, const char *name, size_t *nonzero)
{
    const struct sqz_array *array = sqz_archive_find(archive, name);
    assert_non_null(array);
    *nonzero = 0;
    for (size_t i = 0; i < array->size / 4; i++)
        *nonzero += ((const float *)array->data)[i] != 0;
    return sqz_crc32(array->data, array->size);
}

static void test_real(void **state)
{
    (void)state;
    const char *path = test_data("weights/compressed_SqueezeNet.net");
    struct sqz_archive archive;
    struct sqz_error err = {0};
    size_t nonzero, total = 0;
    if (!path)
        skip();
    struct sqz_bytes bytes = read_bytes(path);
    assert_int_equal(bytes.size, 675763);
    assert_true(format->probe(path, bytes.data, 512));
    if (read_exact(format, bytes.data, bytes.size, &archive, &err))
        fail_msg("%s", err.text);
    static const float first[] = {.14152136f,      .098679259f,  .051031139f,
                                  -3.7558435e-05f, -.025652679f, -.041499954f};
    const struct sqz_array *conv1 = sqz_archive_find(&archive, "features.0.weight");
    assert_memory_equal(conv1->data, first, sizeof first);
    assert_true(((float *)sqz_archive_find(&archive, "features.0.bias")->data)[0] == .49634811f);
    assert_int_equal(weights_crc(&archive, "features.0.weight", &nonzero), 0x4da4685a);
    assert_int_equal(weights_crc(&archive, "features.3.expand3x3.weight", &nonzero), 0xf0dd6f43);
    assert_int_equal(nonzero, 3039);
    assert_int_equal(weights_crc(&archive, "classifier.1.weight", &nonzero), 0x672092b1);
    assert_int_equal(nonzero, 102323);
    for (size_t i = 0; i < archive.n_arrays; i++)
        if (archive.arrays[i].rank == 4) {
            weights_crc(&archive, archive.arrays[i].name, &nonzero);
            total += nonzero;
        }
    assert_int_equal(total, 415921);
    sqz_archive_release(&archive);
    sqz_bytes_release(&bytes);
}

static const size_t outs[26] = {96, 16,  64,  64, 16,  64,  64, 32,  128, 128, 32,  128, 128,
                                48, 192, 192, 48, 192, 192, 64, 256, 256, 64,  256, 256, 1000};

// Three entries a layer: code 1 at the first weight, after `run` zeros code 2, then a filler.
static struct sqz_bytes make_small(uint8_t run)
{
    struct sqz_bytes file = {calloc(1, 200000), 0};
    assert_non_null(file.data);
    for (int i = 0; i < 26; i++, file.size += 4)
        file.data[file.size] = 3;
    for (int i = 0; i < 26; i++) {
        memcpy(file.data + file.size + 4, ((const float[]){0.5f, -1.5f}), 8);
        file.size += 1024;
        memcpy(file.data + file.size, &(float){(float)i}, 4);
        file.size += 4 * outs[i];
        memcpy(file.data + file.size, ((const uint8_t[]){1, 2, 0, (uint8_t)(run << 4), 15}), 5);
        file.size += 5;
    }
    return file;
}

static void test_small(void **state)
{
    (void)state;
    struct sqz_bytes file = make_small(9);
    struct sqz_archive archive;
    struct sqz_error err = {0};
    assert_true(format->probe("x", file.data, 512));
    if (read_exact(format, file.data, file.size, &archive, &err))
        fail_msg("%s", err.text);
    assert_int_equal(archive.n_arrays, 52);
    for (size_t i = 0; i < 52; i += 2) {
        const float *weights = archive.arrays[i].data, *bias = archive.arrays[i + 1].data;
        for (size_t k = 0; k < archive.arrays[i].size / 4; k++)
            assert_true(weights[k] == (k == 0 ? 0.5f : k == 10 ? -1.5f : 0.0f));
        assert_true(bias[0] == (float)(i / 2) && archive.arrays[i + 1].shape[0] == outs[i / 2]);
    }
    sqz_archive_release(&archive);
    expect_failure(format, file.data, file.size - 1, "truncated inside convolution 26");
    expect_failure(format, file.data, 103, "header");
    expect_failure(format, file.data, file.size + 1, "1 unused bytes");
    memcpy(file.data, &(uint32_t){14113}, 4);
    assert_false(format->probe("x", file.data, 512));
    expect_failure(format, file.data, file.size, "more entries than weights");
    free(file.data);
}

// 16 runs of 15 step by 256 entries; 6 layers' worth of them leave fire2's squeeze (1536 weights).
static void test_run_leaves_layer(void **state)
{
    (void)state;
    struct sqz_bytes file = make_small(0);
    size_t layer0 = 104 + 1024 + 4 * 96 + 5, codes = layer0 + 1024 + 4 * 16;
    size_t extra = 97 - 3, extra_runs = 49 - 2;
    memmove(file.data + codes + 3 + extra, file.data + codes + 3, file.size - codes - 3);
    memset(file.data + codes, 1, 97);
    memmove(file.data + codes + 97 + 2 + extra_runs, file.data + codes + 97 + 2,
            file.size - codes - 5);
    memset(file.data + codes + 97, 0xff, 49);
    file.data[4] = 97;
    expect_failure(format, file.data, file.size + extra + extra_runs,
                   "runs of convolution 2 of 26 leave");
    free(file.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real),
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_run_leaves_layer),
    };
    format = sqz_format_find("net");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
