// The evaluation transform against MindCV's own (../shared/data/mindcv-golden/eval).
#include "image.h"

#include "data/augment/transform.h"

#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct sqz_preprocess identity(int resize, int image_size)
{
    return (struct sqz_preprocess){.resize = resize,
                                   .image_size = image_size,
                                   .interpolation = SQZ_BILINEAR,
                                   .channels = 3,
                                   .std = {1, 1, 1}};
}

static float *run(const struct sqz_preprocess *preprocess, const struct sqz_source *source)
{
    struct sqz_transform_scratch scratch = {0};
    struct sqz_error err = {0};
    size_t n = (size_t)preprocess->image_size * (size_t)preprocess->image_size *
               (size_t)preprocess->channels;
    float *out = malloc(n * sizeof *out);
    assert_non_null(out);
    if (sqz_preprocess_run(preprocess, source, out, &scratch, &err))
        fail_msg("%s", err.text);
    sqz_transform_scratch_release(&scratch);
    return out;
}

// `values` is freed.
static void assert_values(const char *what, float *values, const struct sqz_image *expected)
{
    for (size_t i = 0; i < image_bytes(expected); i++)
        if (values[i] != (float)expected->pixels[i])
            fail_msg("%s: value %zu is %g, not %d", what, i, values[i], expected->pixels[i]);
    free(values);
}

static struct sqz_bytes read_sample(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "imagenet-samples/val/%.9s/%s.JPEG", name, name);
    const char *found = test_data(path);
    if (!found)
        skip();
    return read_bytes(found);
}

static void check_golden(const char *image, const char *file,
                         const struct sqz_preprocess *preprocess)
{
    char path[256];
    snprintf(path, sizeof path, "eval/%s.%s.png", image, file);
    struct sqz_image expected = decode_plain(golden(path), 3);
    struct sqz_bytes bytes = read_sample(image);
    struct sqz_source source = {.data = bytes.data, .size = bytes.size, .name = image};
    assert_values(path, run(preprocess, &source), &expected);
    sqz_image_release(&expected);
    sqz_bytes_release(&bytes);
}

static void test_golden_crops(void **state)
{
    (void)state;
    static const char *const images[] = {
        "n02676566_acoustic_guitar", "n03065424_coil",       "n03272010_electric_guitar",
        "n03617480_kimono",          "n03843555_oil_filter", "n04238763_slide_rule",
        "n04254120_soap_dispenser",  "n04579432_whistle",
    };
    struct sqz_preprocess preprocess = identity(256, 224);
    for (size_t i = 0; i < COUNT(images); i++)
        check_golden(images[i], "crop224", &preprocess);
}

static void test_golden_interpolations(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum sqz_interpolation interpolation;
    } methods[] = {{"bilinear", SQZ_BILINEAR},
                   {"nearest", SQZ_NEAREST},
                   {"bicubic", SQZ_BICUBIC},
                   {"area", SQZ_AREA},
                   {"pilcubic", SQZ_PIL_BICUBIC}};
    for (size_t i = 0; i < COUNT(methods); i++)
        for (int size = 84; size <= 224; size += 140) {
            char file[32];
            snprintf(file, sizeof file, "%s%d", methods[i].name, size);
            struct sqz_preprocess preprocess = identity(size * 8 / 7, size);
            preprocess.interpolation = methods[i].interpolation;
            if (size == 84)
                check_golden("n03065424_coil", file, &preprocess);
            if (size == 84 || methods[i].interpolation != SQZ_BILINEAR)
                check_golden("n04254120_soap_dispenser", file, &preprocess);
        }
}

// `expected` is channels first, and is freed.
static void assert_close(const float *values, float *expected, int side, int channels)
{
    size_t plane = (size_t)side * (size_t)side, c = (size_t)channels;
    for (size_t i = 0; i < plane * c; i++) {
        float wanted = expected[i % c * plane + i / c];
        if (!(fabsf(values[i] - wanted) <= 1e-6f))
            fail_msg("value %zu is %.9g, not %.9g", i, (double)values[i], (double)wanted);
    }
    free(expected);
}

static void test_golden_normalized(void **state)
{
    (void)state;
    struct sqz_preprocess preprocess = identity(96, 84);
    const float mean[] = {123.675f, 116.28f, 103.53f}, std[] = {58.395f, 57.12f, 57.375f};
    memcpy(preprocess.mean, mean, sizeof mean);
    memcpy(preprocess.std, std, sizeof std);
    struct sqz_bytes bytes = read_sample("n03065424_coil");
    struct sqz_source source = {.data = bytes.data, .size = bytes.size, .name = "coil"};
    float *values = run(&preprocess, &source);
    assert_close(values,
                 read_npy(golden("eval/n03065424_coil.bilinear84.normalized.npy"), 3 * 84 * 84), 84,
                 3);
    // BGR: the same values with mean and std turned round, in the other order.
    preprocess.bgr = true;
    for (int c = 0; c < 3; c++) {
        preprocess.mean[c] = mean[2 - c];
        preprocess.std[c] = std[2 - c];
    }
    float *turned = run(&preprocess, &source);
    for (size_t i = 0; i < 84 * 84; i++)
        for (size_t c = 0; c < 3; c++)
            assert_true(turned[3 * i + c] == values[3 * i + 2 - c]);
    free(values);
    free(turned);
    sqz_bytes_release(&bytes);
}

static void check_small_set(const char *name, int native, int channels, float mean[3], float std[3])
{
    char path[64];
    snprintf(path, sizeof path, "eval/%s-input.png", name);
    bool cifar = channels == 3;
    struct sqz_image input = decode_plain(golden(path), channels);
    struct sqz_source source = {.image = &input, .name = name};
    const int sizes[] = {native, 64, 224};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct sqz_preprocess preprocess = identity(sizes[i], sizes[i]);
        preprocess.channels = channels;
        snprintf(path, sizeof path, "eval/%s.resized%d.png", cifar ? "cifar10" : name, sizes[i]);
        struct sqz_image expected = decode_plain(golden(path), channels);
        assert_values(path, run(&preprocess, &source), &expected);
        sqz_image_release(&expected);
    }
    struct sqz_preprocess preprocess = identity(64, 64);
    preprocess.channels = channels;
    memcpy(preprocess.mean, mean, sizeof preprocess.mean);
    memcpy(preprocess.std, std, sizeof preprocess.std);
    float *values = run(&preprocess, &source);
    snprintf(path, sizeof path, "eval/%s.normalized64.npy", cifar ? "cifar10" : name);
    assert_close(values, read_npy(golden(path), 64 * 64 * (size_t)channels), 64, channels);
    free(values);
    sqz_image_release(&input);
}

static void test_golden_small_sets(void **state)
{
    (void)state;
    float cifar_mean[3] = {0.4914f * 255, 0.4822f * 255, 0.4465f * 255};
    float cifar_std[3] = {0.2023f * 255, 0.1994f * 255, 0.2010f * 255};
    check_small_set("cifar", 32, 3, cifar_mean, cifar_std);
    float mnist_mean[3] = {0.1307f * 255}, mnist_std[3] = {0.3081f * 255, 1, 1};
    check_small_set("mnist", 28, 1, mnist_mean, mnist_std);
}

// The table `sizes` of eval-transforms.json.
static void test_resized_sizes(void **state)
{
    (void)state;
    static const struct {
        int h, w, side, resized_h, resized_w;
    } cases[] = {{365, 369, 256, 256, 258},  {97, 135, 256, 256, 356},  {120, 411, 256, 256, 876},
                 {500, 333, 256, 384, 256},  {333, 500, 256, 256, 384}, {375, 500, 256, 256, 341},
                 {401, 300, 259, 346, 259},  {401, 300, 248, 331, 248}, {401, 300, 224, 299, 224},
                 {3, 1000, 256, 256, 85333}, {101, 99, 73, 74, 73},     {50, 51, 34, 34, 34},
                 {467, 700, 256, 256, 383}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sqz_preprocess preprocess = identity(cases[i].side, 8);
        int w, h;
        assert_int_equal(
            sqz_preprocess_resized_size(&preprocess, cases[i].w, cases[i].h, &w, &h, NULL), SQZ_OK);
        assert_int_equal(w, cases[i].resized_w);
        assert_int_equal(h, cases[i].resized_h);
        preprocess.resize_mode = SQZ_RESIZE_EXACT;
        assert_int_equal(
            sqz_preprocess_resized_size(&preprocess, cases[i].w, cases[i].h, &w, &h, NULL), SQZ_OK);
        assert_true(w == cases[i].side && h == cases[i].side);
    }
    struct sqz_preprocess huge = identity(1000000, 8);
    int w, h;
    assert_int_equal(sqz_preprocess_resized_size(&huge, 1, 65500, &w, &h, NULL), SQZ_E_DATA);
}

// The table `center_crops`: pixel (x, y) holds y * w + x + 1, and nothing is resized.
static void test_centre_crops(void **state)
{
    (void)state;
    static const struct {
        int h, w, crop, first_y, first_x, at_y, at_x, taken_h, taken_w;
    } cases[] = {
        {10, 13, 4, 3, 4, 0, 0, 4, 4}, {10, 13, 5, 2, 4, 0, 0, 5, 5}, {11, 12, 4, 3, 4, 0, 0, 4, 4},
        {11, 12, 5, 3, 3, 0, 0, 5, 5}, {3, 12, 4, 0, 4, 1, 0, 3, 4},  {3, 12, 6, 0, 3, 2, 0, 3, 6},
        {5, 5, 8, 0, 0, 2, 2, 5, 5},   {4, 6, 7, 0, 0, 2, 1, 4, 6},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t pixels[13 * 13];
        for (int k = 0; k < cases[i].w * cases[i].h; k++)
            pixels[k] = (uint8_t)(k + 1);
        struct sqz_image image = {cases[i].w, cases[i].h, 1, pixels, sizeof pixels};
        struct sqz_source source = {.image = &image, .name = "numbers"};
        int side = cases[i].crop;
        struct sqz_preprocess preprocess = identity(image.w < image.h ? image.w : image.h, side);
        preprocess.channels = 1;
        float *out = run(&preprocess, &source);
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++) {
                int from_y = y - cases[i].at_y, from_x = x - cases[i].at_x, expected = 0;
                if (from_y >= 0 && from_y < cases[i].taken_h && from_x >= 0 &&
                    from_x < cases[i].taken_w)
                    expected =
                        (cases[i].first_y + from_y) * image.w + cases[i].first_x + from_x + 1;
                assert_int_equal((int)out[y * side + x], expected);
            }
        free(out);
    }
}

static void test_channels_of_memory_images(void **state)
{
    (void)state;
    uint8_t colour[] = {10, 20, 30, 200, 100, 50, 0, 255, 0, 255, 255, 255}, gray[] = {1, 2, 3, 4};
    struct sqz_image rgb = {2, 2, 3, colour, sizeof colour}, plain = {2, 2, 1, gray, sizeof gray};
    struct sqz_source source = {.image = &rgb, .name = "rgb"};
    struct sqz_preprocess preprocess = identity(2, 2);
    preprocess.channels = 1;
    float *out = run(&preprocess, &source);
    const float luma[] = {18, 124, 150, 255};
    assert_memory_equal(out, luma, sizeof luma);
    free(out);
    preprocess.channels = 3;
    source.image = &plain;
    out = run(&preprocess, &source);
    for (int i = 0; i < 12; i++)
        assert_int_equal((int)out[i], gray[i / 3]);
    free(out);
}

static void test_exif_is_applied_when_asked(void **state)
{
    (void)state;
    struct sqz_image expected = decode_plain(fixture("exif.expected.png"), 3);
    for (int orientation = 1; orientation <= 8; orientation++) {
        char name[32];
        snprintf(name, sizeof name, "exif-%d.jpg", orientation);
        struct sqz_bytes bytes = read_bytes(fixture(name));
        struct sqz_source source = {.data = bytes.data, .size = bytes.size, .name = name};
        struct sqz_preprocess preprocess = identity(16, 12);
        preprocess.apply_exif = true;
        float *out = run(&preprocess, &source);
        for (int y = 0; y < 12; y++)
            for (int i = 0; i < 36; i++)
                assert_int_equal(
                    (int)out[y * 36 + i],
                    expected.pixels[((16 * (orientation - 1) + 2 + y) * 24 + 6) * 3 + i]);
        free(out);
        sqz_bytes_release(&bytes);
    }
    sqz_image_release(&expected);
}

static void test_errors(void **state)
{
    (void)state;
    struct sqz_transform_scratch scratch = {0};
    struct sqz_error err = {0};
    float out[3 * 8 * 8];
    struct sqz_preprocess preprocess = identity(8, 8);
    struct sqz_source source = {.data = (const uint8_t *)"GIF89a", .size = 6, .name = "a/b.jpg"};
    assert_int_equal(sqz_preprocess_run(&preprocess, &source, out, &scratch, &err), SQZ_E_DATA);
    assert_string_equal(err.text, "a/b.jpg is a GIF image: JPEG and PNG are read.");
    preprocess.channels = 4;
    assert_int_equal(sqz_preprocess_run(&preprocess, &source, out, &scratch, &err), SQZ_E_INTERNAL);
    sqz_transform_scratch_release(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_crops),
        cmocka_unit_test(test_golden_interpolations),
        cmocka_unit_test(test_golden_normalized),
        cmocka_unit_test(test_golden_small_sets),
        cmocka_unit_test(test_resized_sizes),
        cmocka_unit_test(test_centre_crops),
        cmocka_unit_test(test_channels_of_memory_images),
        cmocka_unit_test(test_exif_is_applied_when_asked),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
