// Resizing against OpenCV and Pillow (resize.bin, made by tests/fixtures/make_images.py).
#include "image.h"

#include "data/augment/transform.h"
#include "data/resize/resize.h"

#define METHODS       6
#define RECORD_HEAD   6
#define AREA_OF_36x28 6 // a record of INTER_AREA on the image's first 36 x 28 pixels

static void resize_to(const struct sqz_image *in, const struct sqz_rect *crop, int w, int h,
                      int method, struct sqz_image *out, struct sqz_transform_scratch *scratch)
{
    struct sqz_error err = {0};
    if (sqz_image_resize(in, crop, w, h, (enum sqz_interpolation)method, out, scratch, &err))
        fail_msg("%s", err.text);
}

static void test_equal_to_opencv_and_pillow(void **state)
{
    (void)state;
    struct sqz_bytes records = read_bytes(fixture("resize.bin"));
    struct sqz_image colour = decode_plain(fixture("resize.png"), 3);
    struct sqz_image gray = decode_plain(fixture("resize-gray.png"), 1);
    struct sqz_image out = {0};
    struct sqz_transform_scratch scratch = {0};
    struct sqz_rect part = {0, 0, 36, 28};
    int seen[METHODS + 1] = {0};
    for (size_t at = 0; at < records.size;) {
        const uint8_t *head = records.data + at;
        int method = head[0], c = head[1], w = head[2] | head[3] << 8, h = head[4] | head[5] << 8;
        bool cut = method == AREA_OF_36x28;
        resize_to(c == 3 ? &colour : &gray, cut ? &part : NULL, w, h, cut ? SQZ_AREA : method, &out,
                  &scratch);
        assert_int_equal(out.c, c);
        for (size_t i = 0; i < image_bytes(&out); i++)
            if (out.pixels[i] != head[RECORD_HEAD + i])
                fail_msg("method %d, %d x %d x %d: value %zu is %d, not %d", method, w, h, c, i,
                         out.pixels[i], head[RECORD_HEAD + i]);
        at += RECORD_HEAD + image_bytes(&out);
        seen[method]++;
    }
    for (int method = 0; method <= METHODS; method++)
        assert_true(seen[method] >= 3);
    sqz_image_release(&colour);
    sqz_image_release(&gray);
    sqz_image_release(&out);
    sqz_bytes_release(&records);
    sqz_transform_scratch_release(&scratch);
}

// A crop is an image of its own: nothing beyond its edges shows.
static void test_crop_is_a_image(void **state)
{
    (void)state;
    struct sqz_decode how = {.channels = 3, .crop = {7, 5, 21, 17}};
    struct sqz_image whole = decode_plain(fixture("resize.png"), 3);
    struct sqz_image cut = decode_file(fixture("resize.png"), &how), a = {0}, b = {0};
    struct sqz_transform_scratch scratch = {0};
    for (int method = 0; method < METHODS; method++)
        for (int w = 5; w < 50; w += 11) {
            resize_to(&whole, &how.crop, w, 24, method, &a, &scratch);
            resize_to(&cut, NULL, w, 24, method, &b, &scratch);
            assert_same_image(&a, &b);
        }
    sqz_image_release(&whole);
    sqz_image_release(&cut);
    sqz_image_release(&a);
    sqz_image_release(&b);
    sqz_transform_scratch_release(&scratch);
}

// A window of the result, made from nothing but the pixels that it is said to need: these are
// copied to memory of exactly that size, and the rest of the image is not there.
static void check_window(const struct sqz_image *in, const struct sqz_resize *resize,
                         const struct sqz_image *whole, struct sqz_transform_scratch *scratch)
{
    struct sqz_resize window = *resize;
    struct sqz_rect needs;
    struct sqz_image out = {0};
    size_t c = (size_t)in->c;
    sqz_resize_needs(&window, &needs);
    assert_true(needs.x >= 0 && needs.y >= 0 && needs.w > 0 && needs.h > 0);
    assert_true(needs.x + needs.w <= in->w && needs.y + needs.h <= in->h);
    uint8_t *held = malloc((size_t)needs.w * (size_t)needs.h * c);
    assert_non_null(held);
    for (int y = 0; y < needs.h; y++)
        memcpy(held + (size_t)y * (size_t)needs.w * c,
               in->pixels + ((size_t)(needs.y + y) * (size_t)in->w + (size_t)needs.x) * c,
               (size_t)needs.w * c);
    window.x.held = needs.x;
    window.y.held = needs.y;
    struct sqz_resize_source source = {held, (size_t)needs.w * c, in->c};
    assert_int_equal(sqz_resize_run(&window, &source, &out, scratch, NULL), SQZ_OK);
    assert_part(whole, &out, window.x.first, window.y.first);
    sqz_image_release(&out);
    free(held);
}

static void test_windows(void **state)
{
    (void)state;
    struct sqz_random random;
    sqz_random_init(&random, 4, 0, 0, SQZ_RANDOM_TEST);
    struct sqz_transform_scratch scratch = {0};
    struct sqz_image colour = decode_plain(fixture("resize.png"), 3), whole = {0};
    struct sqz_image gray = decode_plain(fixture("resize-gray.png"), 1);
    for (int round = 0; round < 300; round++)
        for (int method = 0; method < METHODS; method++) {
            const struct sqz_image *in = round % 2 ? &colour : &gray;
            int w = (int)sqz_random_int(&random, 1, 90), h = (int)sqz_random_int(&random, 1, 90);
            resize_to(in, NULL, w, h, method, &whole, &scratch);
            struct sqz_resize window = {.interpolation = (enum sqz_interpolation)method,
                                        .x = {.in = in->w, .out = w},
                                        .y = {.in = in->h, .out = h}};
            window.x.count = (int)sqz_random_int(&random, 1, w);
            window.x.first = (int)sqz_random_int(&random, 0, w - window.x.count);
            window.y.count = (int)sqz_random_int(&random, 1, h);
            window.y.first = (int)sqz_random_int(&random, 0, h - window.y.count);
            check_window(in, &window, &whole, &scratch);
        }
    sqz_image_release(&colour);
    sqz_image_release(&gray);
    sqz_image_release(&whole);
    sqz_transform_scratch_release(&scratch);
}

static void test_extreme_shapes(void **state)
{
    (void)state;
    struct sqz_transform_scratch scratch = {0};
    struct sqz_image line = {0}, out = {0};
    assert_int_equal(sqz_image_resize_buffer(&line, 60000, 1, 3, NULL), SQZ_OK);
    memset(line.pixels, 200, image_bytes(&line));
    for (int method = 0; method < METHODS; method++)
        for (int w = 1; w <= 100000; w *= 10) {
            resize_to(&line, NULL, w, 3, method, &out, &scratch);
            for (size_t i = 0; i < image_bytes(&out); i++)
                assert_int_equal(out.pixels[i], 200);
        }
    struct sqz_rect outside = {59999, 0, 2, 1};
    assert_int_equal(sqz_image_resize(&line, &outside, 4, 4, SQZ_BILINEAR, &out, &scratch, NULL),
                     SQZ_E_INTERNAL);
    assert_int_equal(sqz_image_resize(&line, NULL, 4, 0, SQZ_BILINEAR, &out, &scratch, NULL),
                     SQZ_E_INTERNAL);
    sqz_image_release(&line);
    sqz_image_release(&out);
    sqz_transform_scratch_release(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_to_opencv_and_pillow),
        cmocka_unit_test(test_crop_is_a_image),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_extreme_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
