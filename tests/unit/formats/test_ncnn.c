// ncnn pairs: every coding of the weights, the mapping by graph, what is refused, the real file.
#include "ncnn_pair.h"

static void check_toy(const struct sqz_archive *archive, int version)
{
    // File order of the convolutions within a fire module: squeeze, expand3x3, expand1x1.
    for (int conv = 0; conv < SQZ_N_CONVS; conv++) {
        static const int swap[] = {0, 1, -1};
        int in_file = conv == 0 || conv == 25 ? conv : conv + swap[(conv - 1) % 3];
        char layer[48], name[64];
        sqz_conv_name(SQZ_NAMING_MINDCV, version, conv, layer);
        snprintf(name, sizeof name, "%s.weight", layer);
        const struct sqz_array *weight = sqz_archive_find(archive, name);
        snprintf(name, sizeof name, "%s.bias", layer);
        const struct sqz_array *bias = sqz_archive_find(archive, name);
        assert_true(weight && bias && weight->rank == 4 && bias->rank == 1);
        for (size_t i = 0; i < weight->size / 4; i++)
            assert_true(((const float *)weight->data)[i] == toy_weight(in_file, (int)i));
        assert_true(((const float *)bias->data)[0] == (float)(100 * in_file));
        if (conv > 0 && (conv - 1) % 3 == 2 && conv < 25)
            assert_int_equal(weight->shape[2], 3);
    }
}

static void test_codings(void **state)
{
    (void)state;
    static const uint32_t flags[] = {0, 0x0002c056, 0x01306b47, 0x000d4b38, TOY_TABLE};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        for (int version = 0; version < 2; version++) {
            struct ncnn_pair pair = make_pair(version, flags[i]);
            struct sqz_archive archive;
            struct sqz_error err = {0};
            if (decode_pair(pair.param.data, pair.param.length, pair.bin, pair.size, &archive,
                            &err))
                fail_msg("%s", err.text);
            assert_int_equal(archive.n_arrays, 52);
            check_toy(&archive, version);
            sqz_archive_release(&archive);
            release_pair(&pair);
        }
}

// Replaces the first occurrence of `from` in the .param and expects the failure.
static void expect_edited_failure(const char *from, const char *to, const char *words)
{
    struct ncnn_pair pair = make_pair(1, 0);
    struct sqz_archive archive;
    struct sqz_error err = {0};
    struct sqz_text text = {0};
    const char *at = strstr(pair.param.data, from);
    assert_non_null(at);
    sqz_text_add_bytes(&text, pair.param.data, (size_t)(at - pair.param.data));
    sqz_text_add(&text, "%s%s", to, at + strlen(from));
    enum sqz_status status =
        decode_pair(text.data, text.length, pair.bin, pair.size, &archive, &err);
    sqz_archive_release(&archive);
    if (status != SQZ_E_DATA || !strstr(err.text, words))
        fail_msg("%s -> %s: expected \"%s\", got %d \"%s\"", from, to, words, (int)status,
                 err.text);
    sqz_text_release(&text);
    release_pair(&pair);
}

static void test_refuses(void **state)
{
    (void)state;
    expect_edited_failure("7767517", "7767518", "does not begin with");
    expect_edited_failure("Input data", "InnerProduct data", "of a type");
    expect_edited_failure("data 0 1", "data x 1", "not a layer");
    expect_edited_failure("\nInput", "\n\nInput data 0 1 b999\nInput", "more layers");
    expect_edited_failure("Input data 0 1 b0\n", "", "fewer layers");
    expect_edited_failure("c99 1 1", "c99 9 1", "not a layer");
    expect_edited_failure("c99 1 1", "c99 1 -1", "not a layer");
    expect_edited_failure("0=1 1=3", "0=1 1:3", "malformed");
    expect_edited_failure("0=1 1=3", "77=1 1=3", "malformed");
    expect_edited_failure("0=1 1=3", "0=0 1=3", "none of a SqueezeNet");
    expect_edited_failure("0=1 1=3", "0=1e0 1=3", "none of a SqueezeNet");
    expect_edited_failure("6=27", "6=28", "none of a SqueezeNet");
    expect_edited_failure("6=27", "6=999999999", "truncated");
    expect_edited_failure("5=1", "5=0", "none of a SqueezeNet");
    expect_edited_failure("9=1", "9=3", "none of a SqueezeNet");
    expect_edited_failure("Convolution  c99", "Pooling      c99", "has 25 convolutions");
    // The concatenation in the other order, and a fire module that reads the wrong blob.
    expect_edited_failure("b8 b7 b9", "b7 b8 b9", "fire module 2");
    expect_edited_failure("1 1 b9 b10", "1 1 b8 b10", "fire module 3");
    struct ncnn_pair pair = make_pair(1, 0x01306b47);
    struct sqz_archive archive;
    struct sqz_error err = {0};
    assert_int_equal(
        decode_pair(pair.param.data, pair.param.length, pair.bin, pair.size - 1, &archive, &err),
        SQZ_E_DATA);
    assert_non_null(strstr(err.text, "truncated"));
    sqz_archive_release(&archive);
    pair_bytes(&pair, "more", 4);
    assert_int_equal(
        decode_pair(pair.param.data, pair.param.length, pair.bin, pair.size, &archive, &err),
        SQZ_E_DATA);
    assert_non_null(strstr(err.text, "4 bytes more"));
    sqz_archive_release(&archive);
    release_pair(&pair);
}

static void test_files(void **state)
{
    (void)state;
    struct ncnn_pair pair = make_pair(1, 0x01306b47);
    struct sqz_archive archive;
    const struct sqz_format *format;
    struct sqz_error err = {0};
    write_scratch("toy.param", pair.param.data, pair.param.length);
    write_scratch("lonely.param", pair.param.data, pair.param.length);
    write_scratch("toy.txt", pair.param.data, pair.param.length);
    write_scratch("toy.bin", pair.bin, pair.size);
    write_scratch("stray.bin", pair.bin, pair.size);
    write_scratch("binary.param", "\xdd\x85\x76\0....", 8);
    static const char *const good[] = {"toy.param", "toy.bin"};
    for (int i = 0; i < 2; i++) {
        if (sqz_archive_read(scratch(good[i]), &archive, &format, &err))
            fail_msg("%s", err.text);
        assert_string_equal(format->name, "ncnn");
        check_toy(&archive, 1);
        sqz_archive_release(&archive);
    }
    static const struct {
        const char *name;
        enum sqz_status status;
        const char *words;
    } bad[] = {
        {"lonely.param", SQZ_E_NOINPUT, "lonely.bin"},
        {"stray.bin", SQZ_E_DATA, "not a weight file of a known format"},
        {"toy.txt", SQZ_E_DATA, "without the suffix .param or .bin"},
        {"binary.param", SQZ_E_DATA, "binary form"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(sqz_archive_read(scratch(bad[i].name), &archive, &format, &err),
                         bad[i].status);
        if (!strstr(err.text, bad[i].words))
            fail_msg("%s: %s", bad[i].name, err.text);
    }
    release_pair(&pair);
    remove_scratch();
}

// The published pair: pnnx's squeezenet1_1, fp16.
static void test_real(void **state)
{
    (void)state;
    const char *path = test_data("weights/squeezenet_v1.1.ncnn.bin");
    struct sqz_model *model = NULL;
    struct sqz_error err = {0};
    if (!path)
        skip();
    if (sqz_model_read(path, NULL, 0, &model, &err))
        fail_msg("%s", err.text);
    assert_string_equal(model->net->spec.variant->name, "squeezenet1_1");
    assert_string_equal(model->net->spec.dialect->name, "torchvision");
    assert_int_equal(model->net->spec.classes, 1000);
    assert_int_equal(model->net->n_weights, 1235496);
    assert_non_null(strstr(model->made_by, "converted from ncnn"));
    // fp16 weights come back as halves exactly: 13 low bits are zero unless subnormal; biases not.
    size_t odd = 0;
    for (size_t i = 0; i < 64 * 27; i++) {
        uint32_t bits;
        memcpy(&bits, &model->weights[i], 4);
        odd += (bits & 0x1fff) != 0;
    }
    assert_int_equal(odd, 0);
    sqz_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codings),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_real),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
