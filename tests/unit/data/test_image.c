// Decoding: kinds of files, colour types, EXIF, crops, against what Pillow made of the same files.
#include "image.h"

#include "base/random.h"

#include <unistd.h>

static const char *const jpegs[] = {
    "420.jpg",  "422.jpg",  "444.jpg",          "420-progressive.jpg",
    "gray.jpg", "cmyk.jpg", "440-restarts.jpg", "411-restarts.jpg",
};
static const char *const pngs[] = {
    "rgba.png",        "gray-alpha.png", "interlaced.png",    "rgb16.png",
    "gray16-trns.png", "gray1.png",      "palette4-trns.png", "exif-6.png",
};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *any_file(size_t i)
{
    return i < COUNT(jpegs) ? jpegs[i] : pngs[i - COUNT(jpegs)];
}

static void test_pixels_equal_pillow(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(jpegs) + COUNT(pngs); i++) {
        char expected_name[256];
        snprintf(expected_name, sizeof expected_name, "%s.expected.png", any_file(i));
        struct sqz_decode how = {.channels = 3, .apply_exif = true};
        struct sqz_image image = decode_file(fixture(any_file(i)), &how);
        struct sqz_image expected = decode_plain(fixture(expected_name), 3);
        assert_same_image(&image, &expected);
        sqz_image_release(&image);
        sqz_image_release(&expected);
    }
}

static void test_gray_is_luma(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(jpegs) + COUNT(pngs); i++) {
        struct sqz_image colour = decode_plain(fixture(any_file(i)), 3);
        struct sqz_image gray = decode_plain(fixture(any_file(i)), 1);
        assert_int_equal(gray.c, 1);
        for (size_t k = 0; k < image_bytes(&gray); k++) {
            const uint8_t *p = colour.pixels + 3 * k;
            assert_int_equal(gray.pixels[k],
                             (4899 * p[0] + 9617 * p[1] + 1868 * p[2] + 8192) / 16384);
        }
        sqz_image_release(&colour);
        sqz_image_release(&gray);
    }
}

static void test_orientations(void **state)
{
    (void)state;
    struct sqz_image expected = decode_plain(fixture("exif.expected.png"), 3);
    for (int orientation = 1; orientation <= 8; orientation++) {
        char name[32];
        snprintf(name, sizeof name, "exif-%d.jpg", orientation);
        struct sqz_bytes bytes = read_bytes(fixture(name));
        struct sqz_image_header header;
        assert_int_equal(sqz_image_probe(bytes.data, bytes.size, &header, NULL), SQZ_OK);
        assert_int_equal(header.orientation, orientation);
        struct sqz_decode how = {.channels = 3, .apply_exif = true};
        struct sqz_image shown = decode_file(fixture(name), &how);
        assert_int_equal(shown.w, 24);
        assert_int_equal(shown.h, 16);
        assert_part(&expected, &shown, 0, 16 * (orientation - 1));
        how.crop = (struct sqz_rect){5, 3, 13, 7};
        struct sqz_image part = decode_file(fixture(name), &how);
        assert_part(&shown, &part, 5, 3);
        // Not applied: the image as stored.
        struct sqz_image stored = decode_plain(fixture(name), 3);
        assert_int_equal(stored.w, orientation > 4 ? 16 : 24);
        assert_int_equal(header.w, stored.w);
        sqz_image_release(&shown);
        sqz_image_release(&part);
        sqz_image_release(&stored);
        sqz_bytes_release(&bytes);
    }
    sqz_image_release(&expected);
}

static void check_crops(const char *path, int crops, struct sqz_random *random)
{
    struct sqz_image whole = decode_plain(path, 3), part = {0};
    struct sqz_bytes bytes = read_bytes(path);
    struct sqz_error err = {0};
    for (int i = 0; i < crops; i++) {
        struct sqz_decode how = {.channels = 3, .verify = i % 2};
        struct sqz_rect *crop = &how.crop;
        crop->w = (int)sqz_random_int(random, 1, whole.w);
        crop->h = (int)sqz_random_int(random, 1, whole.h);
        crop->x = (int)sqz_random_int(random, 0, whole.w - crop->w);
        crop->y = (int)sqz_random_int(random, 0, whole.h - crop->h);
        if (sqz_image_decode(bytes.data, bytes.size, path, &how, &part, &err))
            fail_msg("%s", err.text);
        assert_int_equal(part.w, crop->w);
        assert_int_equal(part.h, crop->h);
        assert_part(&whole, &part, crop->x, crop->y);
    }
    sqz_bytes_release(&bytes);
    sqz_image_release(&whole);
    sqz_image_release(&part);
}

static void test_crops_equal_full_decode(void **state)
{
    (void)state;
    struct sqz_random random;
    sqz_random_init(&random, 1, 0, 0, SQZ_RANDOM_TEST);
    for (size_t i = 0; i < COUNT(jpegs) + COUNT(pngs); i++)
        check_crops(fixture(any_file(i)), 60, &random);
}

static void test_crops_of_photos(void **state)
{
    (void)state;
    static const char *const photos[] = {"n01440764/n01440764_tench.JPEG",
                                         "n03843555/n03843555_oil_filter.JPEG",
                                         "n02676566/n02676566_acoustic_guitar.JPEG"};
    struct sqz_random random;
    sqz_random_init(&random, 2, 0, 0, SQZ_RANDOM_TEST);
    for (size_t i = 0; i < COUNT(photos); i++) {
        char name[256];
        snprintf(name, sizeof name, "imagenet-samples/val/%s", photos[i]);
        const char *path = test_data(name);
        if (!path)
            skip();
        check_crops(path, 12, &random);
    }
}

// A crop at a smaller scale equals the same part of the whole image at that scale.
static void test_scaled_crops(void **state)
{
    (void)state;
    struct sqz_random random;
    sqz_random_init(&random, 3, 0, 0, SQZ_RANDOM_TEST);
    for (size_t i = 0; i < COUNT(jpegs); i++)
        for (int denominator = 2; denominator <= 8; denominator *= 2) {
            struct sqz_image plain = decode_plain(fixture(jpegs[i]), 3);
            int w = plain.w, h = plain.h, d = denominator;
            sqz_image_release(&plain);
            struct sqz_decode how = {.channels = 3, .least_w = w / d, .least_h = h / d};
            struct sqz_image whole = decode_file(fixture(jpegs[i]), &how);
            assert_int_equal(whole.w, (w + d - 1) / d);
            assert_int_equal(whole.h, (h + d - 1) / d);
            for (int k = 0; k < 30; k++) {
                struct sqz_rect *crop = &how.crop;
                crop->w = (int)sqz_random_int(&random, d, w);
                crop->h = (int)sqz_random_int(&random, d, h);
                crop->x = (int)sqz_random_int(&random, 0, w - crop->w);
                crop->y = (int)sqz_random_int(&random, 0, h - crop->h);
                // The largest bounds that this scale, and no smaller one, satisfies.
                how.least_w = crop->w / d;
                how.least_h = crop->h / d;
                struct sqz_image part = decode_file(fixture(jpegs[i]), &how);
                assert_int_equal(part.w, (crop->x + crop->w + d - 1) / d - crop->x / d);
                assert_part(&whole, &part, crop->x / d, crop->y / d);
                sqz_image_release(&part);
            }
            sqz_image_release(&whole);
        }
}

static void test_least_size_is_kept(void **state)
{
    (void)state;
    for (int least = 1; least <= 75; least++) {
        struct sqz_decode how = {.channels = 3, .least_w = least, .least_h = 1};
        struct sqz_image image = decode_file(fixture("420.jpg"), &how);
        assert_true(image.w >= (least < 61 ? least : 61));
        if (least > 30)
            assert_int_equal(image.w, 61);
        else
            assert_true(image.w <= 31);
        sqz_image_release(&image);
    }
}

static void test_png_round_trip(void **state)
{
    (void)state;
    char path[] = "/tmp/sqz-test-image-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    for (int channels = 1; channels <= 3; channels += 2) {
        struct sqz_image image = decode_plain(fixture("422.jpg"), channels);
        struct sqz_error err = {0};
        if (sqz_image_write_png(path, &image, &err))
            fail_msg("%s", err.text);
        struct sqz_image again = decode_plain(path, channels);
        assert_same_image(&image, &again);
        sqz_image_release(&image);
        sqz_image_release(&again);
    }
    remove(path);
    struct sqz_image dot = {1, 1, 1, (uint8_t[]){7}, 1};
    struct sqz_error err = {0};
    assert_int_not_equal(sqz_image_write_png("/nonexistent/a.png", &dot, &err), SQZ_OK);
    assert_non_null(strstr(err.text, "/nonexistent/a.png"));
}

static void test_golden_decoding(void **state)
{
    (void)state;
    static const char *const names[] = {"n03065424_coil", "n04254120_soap_dispenser"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char name[256];
        snprintf(name, sizeof name, "eval/%s.decoded.png", names[i]);
        struct sqz_image expected = decode_plain(golden(name), 3);
        snprintf(name, sizeof name, "imagenet-samples/val/%.9s/%s.JPEG", names[i], names[i]);
        const char *path = test_data(name);
        if (!path)
            skip();
        struct sqz_image image = decode_plain(path, 3);
        assert_same_image(&image, &expected);
        sqz_image_release(&image);
        sqz_image_release(&expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pixels_equal_pillow), cmocka_unit_test(test_gray_is_luma),
        cmocka_unit_test(test_orientations),        cmocka_unit_test(test_crops_equal_full_decode),
        cmocka_unit_test(test_crops_of_photos),     cmocka_unit_test(test_scaled_crops),
        cmocka_unit_test(test_least_size_is_kept),  cmocka_unit_test(test_png_round_trip),
        cmocka_unit_test(test_golden_decoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
