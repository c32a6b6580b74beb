// The operations of the augmentation policies against MindCV's own images and Pillow's.
#include "image.h"

#include "data/augment/operation.h"

#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct sqz_image run(const char *input, struct sqz_operation operation,
                            const struct sqz_operation_style *style)
{
    struct sqz_image image = decode_plain(input, 3), spare = {0};
    struct sqz_error err = {0};
    if (sqz_operation_run(&operation, style, &image, &spare, &err))
        fail_msg("%s", err.text);
    sqz_image_release(&spare);
    return image;
}

// Every value equal to MindCV's: the arithmetic is integer, or float in its order.
static void test_golden(void **state)
{
    (void)state;
    static const struct {
        enum sqz_operation_kind kind;
        double argument;
        const char *file;
        enum sqz_interpolation interpolation;
        bool dim;
    } cases[] = {
        {SQZ_AUTO_CONTRAST, 0, "auto_contrast", 0, false},
        {SQZ_AUTO_CONTRAST, 0, "auto_contrast-dim", 0, true},
        {SQZ_EQUALIZE, 0, "equalize", 0, false},
        {SQZ_EQUALIZE, 0, "equalize-dim", 0, true},
        {SQZ_INVERT, 0, "invert", 0, false},
        {SQZ_INVERT, 0, "invert-dim", 0, true},
        {SQZ_SOLARIZE, 0, "solarize_0", 0, false},
        {SQZ_SOLARIZE, 51, "solarize_51", 0, false},
        {SQZ_SOLARIZE, 127, "solarize_127", 0, false},
        {SQZ_SOLARIZE, 255, "solarize_255", 0, false},
        {SQZ_POSTERIZE, 0, "posterize_0", 0, false},
        {SQZ_POSTERIZE, 2, "posterize_2", 0, false},
        {SQZ_POSTERIZE, 4, "posterize_4", 0, false},
        {SQZ_POSTERIZE, 5, "posterize_5", 0, false},
        {SQZ_POSTERIZE, 7, "posterize_7", 0, false},
        {SQZ_ADJUST_CONTRAST, 0.28, "contrast_0.28", 0, false},
        {SQZ_ADJUST_CONTRAST, 1.9, "contrast_1.9", 0, false},
        {SQZ_COLOR, 0.28, "color_0.28", 0, false},
        {SQZ_COLOR, 1.9, "color_1.9", 0, false},
        {SQZ_ADJUST_BRIGHTNESS, 0.28, "brightness_0.28", 0, false},
        {SQZ_ADJUST_BRIGHTNESS, 1.9, "brightness_1.9", 0, false},
        {SQZ_SHARPNESS, 0.28, "sharpness_0.28", 0, false},
        {SQZ_SHARPNESS, 1.9, "sharpness_1.9", 0, false},
        {SQZ_DESATURATE, 0.75, "desaturate_0.75", 0, false},
        {SQZ_DESATURATE, 1.0, "desaturate_1.0", 0, false},
        {SQZ_BLUR, 0.6, "gaussian_blur_0.3", 0, false},
        {SQZ_BLUR, 2.0, "gaussian_blur_1.0", 0, false},
        {SQZ_SHEAR_X, 0.3, "shear_x_0.3", SQZ_BILINEAR, false},
        {SQZ_SHEAR_X, -0.15, "shear_x_-0.15", SQZ_BILINEAR, false},
        {SQZ_SHEAR_X, 20, "shear_x_20.0", SQZ_BILINEAR, false},
        {SQZ_SHEAR_X, -8, "shear_x_-8.0", SQZ_BILINEAR, false},
        {SQZ_SHEAR_X, 20, "shear_x_20.0_nearest", SQZ_NEAREST, false},
        {SQZ_SHEAR_X, 20, "shear_x_20.0_bicubic", SQZ_BICUBIC, false},
        {SQZ_SHEAR_X, 20, "shear_x_20.0_area", SQZ_AREA, false},
        {SQZ_SHEAR_Y, 0.3, "shear_y_0.3", SQZ_BILINEAR, false},
        {SQZ_SHEAR_Y, -0.15, "shear_y_-0.15", SQZ_BILINEAR, false},
        {SQZ_SHEAR_Y, 20, "shear_y_20.0", SQZ_BILINEAR, false},
        {SQZ_SHEAR_Y, -8, "shear_y_-8.0", SQZ_BILINEAR, false},
        {SQZ_TRANSLATE_X, 0.1, "translate_x_0.1", SQZ_BILINEAR, false},
        {SQZ_TRANSLATE_X, -0.333, "translate_x_-0.333", SQZ_BILINEAR, false},
        {SQZ_TRANSLATE_Y, 0.1, "translate_y_0.1", SQZ_BILINEAR, false},
        {SQZ_TRANSLATE_Y, -0.333, "translate_y_-0.333", SQZ_BILINEAR, false},
        {SQZ_ROTATE, 30, "rotate_30.0", SQZ_BILINEAR, false},
        {SQZ_ROTATE, -7.5, "rotate_-7.5", SQZ_BILINEAR, false},
        {SQZ_ROTATE, 90, "rotate_90.0", SQZ_BILINEAR, false},
        {SQZ_ROTATE, 135, "rotate_135.0", SQZ_BILINEAR, false},
        {SQZ_ROTATE, 30, "rotate_30.0_nearest", SQZ_NEAREST, false},
        {SQZ_ROTATE, 30, "rotate_30.0_bicubic", SQZ_BICUBIC, false},
        {SQZ_ROTATE, 30, "rotate_30.0_area", SQZ_AREA, false},
    };
    int failed = 0;
    for (size_t i = 0; i < COUNT(cases); i++) {
        // MindCV's rotation exchanges red and blue of the fill; ours does not.
        bool rotates = cases[i].kind == SQZ_ROTATE;
        struct sqz_operation_style style = {cases[i].interpolation,
                                            {rotates ? 104 : 124, 116, rotates ? 124 : 104}};
        char path[64];
        snprintf(path, sizeof path, "aug/%s.png", cases[i].file);
        struct sqz_image expected = decode_plain(golden(path), 3);
        struct sqz_image image =
            run(golden(cases[i].dim ? "aug/input-dim.png" : "aug/input.png"),
                (struct sqz_operation){cases[i].kind, cases[i].argument}, &style);
        int differ = 0, most = 0;
        for (size_t k = 0; k < image_bytes(&image); k++) {
            int d = abs(image.pixels[k] - expected.pixels[k]);
            differ += d > 0;
            most = d > most ? d : most;
        }
        if (differ)
            print_error("%s: %d values differ, by up to %d\n", path, differ, most);
        failed += differ > 0;
        sqz_image_release(&image);
        sqz_image_release(&expected);
    }
    assert_int_equal(failed, 0);
}

// fixtures/make_operations.py: records of kind, channels, largest difference, 0, argument, pixels.
static void test_pillow(void **state)
{
    (void)state;
    enum { HEAD = 12, W = 31, H = 23 };
    struct sqz_operation_style style = {0};
    struct sqz_bytes bytes = read_bytes(fixture("operation.bin"));
    size_t at = 0;
    int records = 0;
    for (; at + HEAD <= bytes.size; records++) {
        const uint8_t *head = bytes.data + at, *expected = head + HEAD;
        struct sqz_operation operation = {.kind = (enum sqz_operation_kind)head[0]};
        int channels = head[1], most = head[2];
        memcpy(&operation.argument, head + 4, sizeof operation.argument);
        struct sqz_image spare = {0},
                         image = decode_plain(
                             fixture(channels == 1 ? "operation-gray.png" : "operation.png"),
                             channels);
        assert_int_equal(image.w, W);
        assert_int_equal(image.h, H);
        assert_int_equal(sqz_operation_run(&operation, &style, &image, &spare, NULL), SQZ_OK);
        for (int i = 0; i < W * H * channels; i++)
            if (abs(image.pixels[i] - expected[i]) > most)
                fail_msg("operation %d, %g, %d channels: value %d is %d, not %d", operation.kind,
                         operation.argument, channels, i, image.pixels[i], expected[i]);
        at += HEAD + (size_t)(W * H * channels);
        sqz_image_release(&image);
        sqz_image_release(&spare);
    }
    assert_int_equal(at, bytes.size);
    assert_int_equal(records, 2 * 18);
    sqz_bytes_release(&bytes);
}

// Images of one pixel, one row and one column survive every operation; what moves nothing changes
// nothing.
static void test_small_and_still(void **state)
{
    (void)state;
    struct sqz_operation_style style = {SQZ_BILINEAR, {1, 2, 3}};
    static const int sizes[][3] = {{1, 1, 3}, {1, 5, 3}, {7, 1, 3}, {2, 2, 1}, {3, 3, 1}};
    for (int kind = 0; kind < SQZ_OPERATIONS; kind++)
        for (size_t i = 0; i < COUNT(sizes); i++)
            for (int interpolation = SQZ_NEAREST; interpolation <= SQZ_BICUBIC; interpolation++) {
                struct sqz_image image = {0}, spare = {0};
                sqz_image_resize_buffer(&image, sizes[i][0], sizes[i][1], sizes[i][2], NULL);
                uint8_t before[64];
                size_t n = image_bytes(&image);
                for (size_t k = 0; k < n; k++)
                    image.pixels[k] = before[k] = (uint8_t)(40 + 31 * k % 200);
                bool factor = kind >= SQZ_COLOR && kind <= SQZ_SHARPNESS;
                struct sqz_operation operation = {(enum sqz_operation_kind)kind,
                                                  factor || kind == SQZ_BLUR ? 1 : 0};
                style.interpolation = (enum sqz_interpolation)interpolation;
                assert_int_equal(sqz_operation_run(&operation, &style, &image, &spare, NULL),
                                 SQZ_OK);
                bool moves = kind == SQZ_AUTO_CONTRAST || kind == SQZ_EQUALIZE ||
                             kind == SQZ_INVERT || kind == SQZ_SOLARIZE || kind == SQZ_BLUR;
                if (!moves)
                    assert_memory_equal(image.pixels, before, n);
                sqz_image_release(&image);
                sqz_image_release(&spare);
            }
}

// Far beyond the edge there is only the fill.
static void test_fill(void **state)
{
    (void)state;
    struct sqz_operation_style style = {SQZ_BILINEAR, {9, 8, 7}};
    struct sqz_image image =
        run(fixture("operation.png"), (struct sqz_operation){SQZ_TRANSLATE_X, 2}, &style);
    for (size_t i = 0; i < image_bytes(&image); i++)
        assert_int_equal(image.pixels[i], style.fill[i % 3]);
    sqz_image_release(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_pillow),
        cmocka_unit_test(test_small_and_still),
        cmocka_unit_test(test_fill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
