// Models: to and from archives and files, deduction, dialects, and one clear sentence per failure.
#include "support.h"
#include "paths.h"

#include <math.h>

static void assert_same_preprocess(const struct sqz_preprocess *a, const struct sqz_preprocess *b)
{
    assert_int_equal(a->resize_mode, b->resize_mode);
    assert_int_equal(a->resize, b->resize);
    assert_int_equal(a->image_size, b->image_size);
    assert_int_equal(a->interpolation, b->interpolation);
    assert_int_equal(a->apply_exif, b->apply_exif);
    assert_int_equal(a->bgr, b->bgr);
    assert_int_equal(a->channels, b->channels);
    assert_memory_equal(a->mean, b->mean, sizeof a->mean);
    assert_memory_equal(a->std, b->std, sizeof a->std);
}

// Every variant, in every dialect, through both writable formats: all comes back, bit for bit.
static void test_round_trip(void **state)
{
    (void)state;
    static const char *const names[] = {"model.safetensors", "model.ckpt"};
    static const char *const dirs[] = {"ants", "b\xc3\xa4ren", "\"quoted\\\""};
    static const char *const labels[] = {"ants, many", "b\xc3\xa4ren", "tab\there"};
    struct sqz_error err = {0};
    for (int v = 0; sqz_variant_at(v); v++)
        for (int d = 0; sqz_dialect_at(d); d++) {
            struct sqz_model *model =
                make_model(sqz_variant_at(v)->name, sqz_dialect_at(d)->name, 3, d == 1 ? 1 : 3, 96);
            model->preprocess.apply_exif = d == 0;
            model->preprocess.interpolation = (enum sqz_interpolation)v;
            model->preprocess.mean[0] = 0.1f;
            assert_int_equal(sqz_model_set_classes(model, dirs, labels, &err), SQZ_OK);
            model->made_by = sqz_copy_string("a test");
            for (int i = 0; i < 2; i++) {
                struct sqz_model *back = NULL;
                if (sqz_model_write(model, scratch(names[i]), SQZ_REPLACE_EXISTING, &err) ||
                    sqz_model_read(scratch(names[i]), NULL, 0, &back, &err))
                    fail_msg("%s", err.text);
                const struct sqz_net_spec *a = &model->net->spec, *b = &back->net->spec;
                assert_ptr_equal(a->variant, b->variant);
                assert_ptr_equal(a->dialect, b->dialect);
                assert_int_equal(b->classes, 3);
                assert_int_equal(b->channels, a->channels);
                assert_int_equal(b->image_h, 96);
                assert_true(b->drop_rate == 0.25);
                assert_memory_equal(model->weights, back->weights,
                                    model->net->n_weights * sizeof(float));
                assert_same_preprocess(&model->preprocess, &back->preprocess);
                for (int c = 0; c < 3; c++) {
                    assert_string_equal(back->classes[c], dirs[c]);
                    assert_string_equal(back->labels[c], labels[c]);
                }
                assert_string_equal(back->made_by, "a test");
                sqz_model_free(back);
            }
            sqz_model_free(model);
        }
    remove_scratch();
}

// Every format that can be written tells the stem.
static void test_stem(void **state)
{
    (void)state;
    static const char *const names[] = {"stem.safetensors", "stem.ckpt", "stem.sqz"};
    static const char *const variants[] = {"squeezenet1_0", "squeezenet1_1"};
    struct sqz_error err = {0};
    for (int i = 0; i < 12; i++) {
        struct sqz_net_spec spec = {.variant = sqz_variant_find(variants[i % 2]),
                                    .dialect = sqz_dialect_at(0),
                                    .stem = i / 6 ? SQZ_STEM_SMALL : SQZ_STEM_SMALL_NOPOOL,
                                    .classes = 3,
                                    .channels = 3,
                                    .image_h = 32,
                                    .image_w = 32};
        const char *path = scratch(names[i / 2 % 3]);
        struct sqz_model *model = NULL, *back = NULL;
        if (sqz_model_create(&spec, &model, &err) ||
            sqz_model_write(model, path, SQZ_REPLACE_EXISTING, &err) ||
            sqz_model_read(path, NULL, 0, &back, &err))
            fail_msg("%s", err.text);
        assert_ptr_equal(back->net->spec.variant, spec.variant);
        assert_int_equal(back->net->spec.stem, spec.stem);
        sqz_model_free(model);
        sqz_model_free(back);
    }
    remove_scratch();
}

static void test_create(void **state)
{
    (void)state;
    struct sqz_model *model = make_model("squeezenet1_1", "mindcv", 2, 1, 64);
    assert_int_equal(model->preprocess.image_size, 64);
    assert_int_equal(model->preprocess.resize, 73); // 64 * 256 / 224
    assert_int_equal(model->preprocess.channels, 1);
    assert_float_equal(model->preprocess.mean[0], (123.675 + 116.28 + 103.53) / 3, 1e-4);
    assert_float_equal(model->preprocess.std[0], (58.395 + 57.12 + 57.375) / 3, 1e-4);
    sqz_model_free(model);
    sqz_model_free(NULL);
}

// An archive as a bare file gives it: no metadata.
static void make_bare(const char *variant, int classes, struct sqz_archive *out)
{
    struct sqz_error err = {0};
    struct sqz_model *model = make_model(variant, "mindcv", classes, 3, 224);
    assert_int_equal(sqz_model_to_archive(model, out, &err), SQZ_OK);
    for (size_t i = 0; i < out->n_metadata; i++) {
        sqz_free(out->metadata[i].key);
        sqz_free(out->metadata[i].value);
    }
    out->n_metadata = 0;
    sqz_model_free(model);
}

static void test_deduces(void **state)
{
    (void)state;
    // Simple bypasses have no weights of their own, so that bare weights look plain.
    static const struct {
        const char *made, *found;
    } cases[] = {
        {"squeezenet1_0", "squeezenet1_0"},
        {"squeezenet1_1", "squeezenet1_1"},
        {"squeezenet1_0_bypass", "squeezenet1_0"},
        {"squeezenet1_1_bypass", "squeezenet1_1"},
        {"squeezenet1_0_complex", "squeezenet1_0_complex"},
        {"squeezenet1_1_complex", "squeezenet1_1_complex"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sqz_archive archive;
        struct sqz_model *model = NULL;
        struct sqz_error err = {0};
        make_bare(cases[i].made, 17, &archive);
        if (sqz_model_from_archive(&archive, "f", NULL, "torchvision", 0, &model, &err))
            fail_msg("%s", err.text);
        assert_string_equal(model->net->spec.variant->name, cases[i].found);
        assert_string_equal(model->net->spec.dialect->name, "torchvision");
        assert_int_equal(model->net->spec.classes, 17);
        assert_true(model->net->spec.drop_rate == 0.5);
        assert_int_equal(model->preprocess.image_size, 224);
        assert_null(model->classes);
        sqz_model_free(model);
        sqz_archive_release(&archive);
    }
}

static void rename_array(struct sqz_array *array, const char *name)
{
    sqz_free(array->name);
    array->name = sqz_copy_string(name);
}

// The same weights under Caffe's and Deep Compression's names: the caffe dialect, BGR.
static void test_foreign_names(void **state)
{
    (void)state;
    for (int naming = 1; naming < 3; naming++)
        for (int version = 0; version < 2; version++) {
            struct sqz_archive archive;
            struct sqz_model *model = NULL, *plain = NULL;
            struct sqz_error err = {0};
            make_bare(version ? "squeezenet1_1" : "squeezenet1_0", 5, &archive);
            assert_int_equal(sqz_model_from_archive(&archive, "f", "caffe", NULL, 0, &plain, &err),
                             SQZ_OK);
            for (size_t i = 0; i < archive.n_arrays; i++) {
                char layer[48], name[64];
                sqz_conv_name((enum sqz_naming)naming, version, (int)i / 2, layer);
                snprintf(name, sizeof name, "%s.%s", layer, i % 2 ? "bias" : "weight");
                rename_array(&archive.arrays[i], name);
            }
            if (sqz_model_from_archive(&archive, "f", NULL, "torchvision", 0, &model, &err))
                fail_msg("%s", err.text);
            assert_string_equal(model->net->spec.dialect->name, "caffe");
            assert_true(model->preprocess.bgr);
            assert_int_equal(model->preprocess.image_size, 227);
            assert_memory_equal(model->weights, plain->weights,
                                plain->net->n_weights * sizeof(float));
            sqz_model_free(model);
            sqz_model_free(plain);
            sqz_archive_release(&archive);
        }
}

static void test_overrides(void **state)
{
    (void)state;
    struct sqz_model *model = make_model("squeezenet1_1", "mindcv", 4, 3, 224), *back = NULL;
    struct sqz_archive archive;
    struct sqz_error err = {0};
    model->preprocess.mean[0] = 1.0f;
    assert_int_equal(sqz_model_to_archive(model, &archive, &err), SQZ_OK);
    // The same dialect asked for: the file's own preprocessing stays.
    assert_int_equal(sqz_model_from_archive(&archive, "f", "mindcv", NULL, 112, &back, &err), 0);
    assert_true(back->preprocess.mean[0] == 1.0f);
    assert_int_equal(back->preprocess.image_size, 112);
    assert_int_equal(back->preprocess.resize, 128);
    assert_int_equal(back->net->spec.image_w, 112);
    sqz_model_free(back);
    assert_int_equal(sqz_model_from_archive(&archive, "f", "caffe", NULL, 0, &back, &err), 0);
    assert_true(back->preprocess.bgr && back->preprocess.mean[0] == 104.0f);
    assert_int_equal(back->net->spec.image_w, 227);
    sqz_model_free(back);
    assert_int_equal(sqz_model_from_archive(&archive, "f", "alien", NULL, 0, &back, &err),
                     SQZ_E_USAGE);
    assert_int_equal(sqz_model_from_archive(&archive, "f", NULL, NULL, 3, &back, &err),
                     SQZ_E_USAGE);
    assert_int_equal(sqz_model_from_archive(&archive, "f", NULL, NULL, -3, &back, &err),
                     SQZ_E_USAGE);
    sqz_archive_release(&archive);
    sqz_model_free(model);
}

// Half, bfloat and double weights; optimizer state beside them.
static void test_other_types_and_state(void **state)
{
    (void)state;
    struct sqz_archive archive;
    struct sqz_model *model = NULL;
    struct sqz_error err = {0};
    make_bare("squeezenet1_1", 2, &archive);
    size_t n = archive.n_arrays;
    for (size_t i = 0; i < n; i++) {
        struct sqz_array *array = &archive.arrays[i];
        size_t count = array->size / 4;
        double *wide = sqz_new_array(count, sizeof *wide);
        for (size_t k = 0; k < count; k++)
            wide[k] = (double)((float *)array->data)[k];
        sqz_free(array->data);
        array->data = wide;
        array->dtype = SQZ_F64;
        array->size = count * sizeof *wide;
    }
    add_ramp(&archive, "moments.features.0.weight", 1, (const size_t[]){3}, 0);
    add_ramp(&archive, "ema.classifier.1.bias", 1, (const size_t[]){3}, 0);
    add_ramp(&archive, "grad_accumulation.optimizer.features.0.bias", 0, NULL, 0);
    add_ramp(&archive, "momentum", 0, NULL, 0);
    add_ramp(&archive, "learning_rate", 1, (const size_t[]){9}, 0);
    add_ramp(&archive, "global_step", 0, NULL, 0);
    if (sqz_model_from_archive(&archive, "f", NULL, "mindcv", 0, &model, &err))
        fail_msg("%s", err.text);
    struct sqz_model *same = make_model("squeezenet1_1", "mindcv", 2, 3, 224);
    assert_memory_equal(model->weights, same->weights, same->net->n_weights * sizeof(float));
    sqz_model_free(model);
    sqz_model_free(same);
    sqz_archive_release(&archive);
}

static void expect_bad_archive(struct sqz_archive *archive, const char *words)
{
    struct sqz_model *model = NULL;
    struct sqz_error err = {0};
    enum sqz_status status =
        sqz_model_from_archive(archive, "some.file", NULL, NULL, 0, &model, &err);
    if (status != SQZ_E_DATA || !strstr(err.text, words) || !strstr(err.text, "some.file"))
        fail_msg("expected \"%s\", got %d \"%s\"", words, (int)status, err.text);
    sqz_archive_release(archive);
}

static void test_refuses_weights(void **state)
{
    (void)state;
    struct sqz_archive archive;
    make_bare("squeezenet1_1", 4, &archive);
    rename_array(&archive.arrays[0], "conv.weight");
    expect_bad_archive(&archive, "no array features.0.weight");
    make_bare("squeezenet1_1", 4, &archive);
    rename_array(&archive.arrays[50], "head.weight");
    expect_bad_archive(&archive, "last convolution, classifier.1, is missing");
    make_bare("squeezenet1_1", 4, &archive);
    rename_array(&archive.arrays[7], "x.features.0.bias");
    expect_bad_archive(&archive, "whole squeezenet1_1: features.3.expand3x3.bias is missing");
    make_bare("squeezenet1_1", 4, &archive);
    add_ramp(&archive, "bn.weight", 1, (const size_t[]){3}, 0);
    expect_bad_archive(&archive, "squeezenet1_1 does not have: bn.weight");
    make_bare("squeezenet1_1", 4, &archive);
    archive.arrays[2].shape[0] = 64;
    archive.arrays[2].shape[1] = 16;
    expect_bad_archive(&archive, "64 x 16 x 1 x 1; squeezenet1_1 wants 16 x 64 x 1 x 1");
    make_bare("squeezenet1_0", 4, &archive);
    ((float *)archive.arrays[51].data)[2] = NAN;
    expect_bad_archive(&archive, "classifier.1.bias of some.file holds a value that is not finite "
                                 "(element 2)");
    make_bare("squeezenet1_0", 4, &archive);
    archive.arrays[3].dtype = SQZ_I32;
    expect_bad_archive(&archive, "does not hold floating-point numbers");
    make_bare("squeezenet1_1", 4, &archive);
    archive.arrays[0].shape[1] = 2;
    expect_bad_archive(&archive, "1 or 3 channels");
}

static void expect_bad_metadata(const char *key, const char *value, const char *words)
{
    struct sqz_archive archive;
    make_bare("squeezenet1_1", 2, &archive);
    sqz_archive_set(&archive, key, value);
    expect_bad_archive(&archive, words);
}

#define PREPROCESSING(resize, size, interpolation, mean, std) \
    "{\"resize_mode\":\"shorter\",\"resize\":" resize ",\"image_size\":" size \
    ",\"interpolation\":\"" interpolation \
    "\",\"apply_exif\":false,\"channel_order\":\"rgb\",\"channels\":3,\"mean\":" mean \
    ",\"std\":" std "}"

static void test_refuses_metadata(void **state)
{
    (void)state;
    expect_bad_metadata("format_version", "2", "format version 2");
    expect_bad_metadata("variant", "squeezenet9", "unknown here: squeezenet9");
    expect_bad_metadata("variant", "squeezenet1_0",
                        "whole squeezenet1_0: features.5.squeeze.weight is missing");
    expect_bad_metadata("dialect", "alien", "dialect that is unknown here");
    expect_bad_metadata("stem", "alien", "stem is unknown here");
    expect_bad_metadata("drop_rate", "1.5", "value of drop_rate");
    expect_bad_metadata("drop_rate", "nan", "value of drop_rate");
    expect_bad_metadata("drop_rate", "", "value of drop_rate");
    expect_bad_metadata("classes", "[\"a\"]", "value of classes");
    expect_bad_metadata("classes", "[\"a\",7]", "value of classes");
    expect_bad_metadata("classes", "{", "value of classes");
    expect_bad_metadata("classes", "[\"a\",\"a\"]", "same name, a");
    expect_bad_metadata("classes", "[\"a\",\"\"]", "name of class 2 is empty");
    expect_bad_metadata("preprocessing", "{}", "value of preprocessing");
    expect_bad_metadata("preprocessing", "7", "value of preprocessing");
    static const char *const bad[] = {
        PREPROCESSING("0", "224", "bilinear", "[1,2,3]", "[1,1,1]"),
        PREPROCESSING("256", "224.0", "bilinear", "[1,2,3]", "[1,1,1]"),
        PREPROCESSING("256", "99999", "bilinear", "[1,2,3]", "[1,1,1]"),
        PREPROCESSING("256", "224", "magic", "[1,2,3]", "[1,1,1]"),
        PREPROCESSING("256", "224", "bilinear", "[1,2]", "[1,1,1]"),
        PREPROCESSING("256", "224", "bilinear", "[1,2,1e300]", "[1,1,1]"),
        PREPROCESSING("256", "224", "bilinear", "[1,2,\"\"]", "[1,1,1]"),
        PREPROCESSING("256", "224", "bilinear", "[1,2,3]", "[1,0,1]"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_bad_metadata("preprocessing", bad[i], "value of preprocessing");
    // An image too small for the network is the file's fault here.
    struct sqz_archive archive;
    struct sqz_model *model = NULL;
    struct sqz_error err = {0};
    make_bare("squeezenet1_1", 2, &archive);
    sqz_archive_set(&archive, "preprocessing",
                    PREPROCESSING("256", "3", "bilinear", "[1,2,3]", "[1,1,1]"));
    assert_int_equal(sqz_model_from_archive(&archive, "f", NULL, NULL, 0, &model, &err),
                     SQZ_E_DATA);
    assert_non_null(strstr(err.text, "too small"));
    sqz_archive_release(&archive);
}

// MindSpore's safetensors files say who wrote them.
static void test_mindspore_safetensors(void **state)
{
    (void)state;
    struct sqz_archive archive;
    struct sqz_model *model = NULL;
    struct sqz_error err = {0};
    make_bare("squeezenet1_1", 2, &archive);
    sqz_archive_set(&archive, "format", "ms");
    assert_int_equal(sqz_model_from_archive(&archive, "f", NULL, "torchvision", 0, &model, &err),
                     SQZ_OK);
    assert_string_equal(model->net->spec.dialect->name, "mindcv");
    sqz_model_free(model);
    sqz_archive_release(&archive);
}

static void test_wrong_files(void **state)
{
    (void)state;
    static const struct {
        const char *name, *content;
        enum sqz_status status;
        const char *words;
    } cases[] = {
        {"empty.safetensors", "", SQZ_E_DATA, "is empty."},
        {"notes.ckpt", "just some notes\n", SQZ_E_DATA, "looks like a text file"},
        {"page.pth", "<!DOCTYPE html><html>", SQZ_E_DATA, "a web page"},
        {"lfs.pth", "version https://git-lfs.github.com/spec/v1\n", SQZ_E_DATA, "git lfs pull"},
        {"photo.jpg", "\xff\xd8\xff\xe0", SQZ_E_DATA, "a JPEG image"},
        {"noise.bin", "\x01\x02\x03", SQZ_E_DATA, "known format (.safetensors, .ckpt, .pth, "},
    };
    struct sqz_model *model = NULL;
    struct sqz_error err = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = write_scratch(cases[i].name, cases[i].content, strlen(cases[i].content));
        assert_int_equal(sqz_model_read(path, NULL, 0, &model, &err), cases[i].status);
        if (!strstr(err.text, cases[i].words) || !strstr(err.text, cases[i].name))
            fail_msg("%s: %s", cases[i].name, err.text);
    }
    assert_int_equal(sqz_model_read("/tmp", NULL, 0, &model, &err), SQZ_E_DATA);
    assert_non_null(strstr(err.text, "directory"));
    assert_int_equal(sqz_model_read("/no/such.ckpt", NULL, 0, &model, &err), SQZ_E_NOINPUT);
    assert_null(model);
    remove_scratch();
}

// A model file cut anywhere is refused with a sentence that names it.
static void test_truncated(void **state)
{
    (void)state;
    static const char *const names[] = {"cut.safetensors", "cut.ckpt"};
    struct sqz_model *model = make_model("squeezenet1_1", "mindcv", 2, 3, 224), *back = NULL;
    for (int i = 0; i < 2; i++) {
        struct sqz_error err = {0};
        assert_int_equal(sqz_model_write(model, scratch(names[i]), SQZ_REPLACE_EXISTING, &err), 0);
        struct sqz_bytes bytes = read_bytes(scratch(names[i]));
        for (size_t keep = 100; keep < bytes.size; keep += bytes.size / 7) {
            write_scratch(names[i], bytes.data, keep);
            assert_int_equal(sqz_model_read(scratch(names[i]), NULL, 0, &back, &err), SQZ_E_DATA);
            assert_non_null(strstr(err.text, names[i]));
        }
        sqz_bytes_release(&bytes);
    }
    sqz_model_free(model);
    remove_scratch();
}

static void test_refuses_to_write(void **state)
{
    (void)state;
    struct sqz_model *model = make_model("squeezenet1_1", "mindcv", 2, 3, 224);
    struct sqz_error err = {0};
    static const char *const bad[] = {"model.onnx", "model.param", "model"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(sqz_model_write(model, scratch(bad[i]), SQZ_REPLACE_EXISTING, &err),
                         SQZ_E_USAGE);
        assert_non_null(strstr(err.text, ".safetensors, .ckpt"));
    }
    assert_int_equal(sqz_model_write(model, scratch("a.ckpt"), SQZ_KEEP_EXISTING, &err), SQZ_OK);
    assert_int_equal(sqz_model_write(model, scratch("a.ckpt"), SQZ_KEEP_EXISTING, &err),
                     SQZ_E_CANTWRITE);
    model->weights[5] = INFINITY;
    assert_int_equal(sqz_model_write(model, scratch("b.ckpt"), SQZ_KEEP_EXISTING, &err),
                     SQZ_E_DIVERGED);
    assert_false(path_exists(scratch("b.ckpt")));
    sqz_model_free(model);
    remove_scratch();
}

// What would be written is read back first; a file that was there stays when that fails.
static void test_unusable_is_not_saved(void **state)
{
    (void)state;
    static const char old[] = "an older model";
    static const struct {
        const char *key, *value;
    } spoilt[] = {{"preprocessing", "{}"}, {"classes", "[\"a\"]"}, {"drop_rate", "2"}};
    struct sqz_model *model = make_model("squeezenet1_1", "mindcv", 3, 3, 32);
    for (size_t i = 0; i < sizeof spoilt / sizeof *spoilt; i++) {
        struct sqz_archive archive = {0};
        struct sqz_error err = {0};
        assert_int_equal(sqz_model_to_archive(model, &archive, NULL), SQZ_OK);
        assert_int_equal(sqz_archive_set(&archive, spoilt[i].key, spoilt[i].value), SQZ_OK);
        const char *path = write_scratch("old.safetensors", old, sizeof old);
        assert_int_equal(sqz_archive_write(path, NULL, &archive, SQZ_REPLACE_EXISTING, &err),
                         SQZ_E_IO);
        assert_non_null(strstr(err.text, spoilt[i].key));
        struct sqz_bytes file = read_bytes(path);
        assert_int_equal(file.size, sizeof old);
        assert_memory_equal(file.data, old, sizeof old);
        sqz_bytes_release(&file);
        sqz_archive_release(&archive);
    }
    sqz_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_stem),
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_deduces),
        cmocka_unit_test(test_foreign_names),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_other_types_and_state),
        cmocka_unit_test(test_refuses_weights),
        cmocka_unit_test(test_refuses_metadata),
        cmocka_unit_test(test_mindspore_safetensors),
        cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_refuses_to_write),
        cmocka_unit_test(test_unusable_is_not_saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
