// The mosaic shows a batch's pixels as they were before normalisation, and a name below each.
#include "run_support.h"
#include "train/run/mosaic.h"

#include <math.h>

enum { N = 5, SIDE = 8, SHOWN = 112, GAP = 4, CELL_H = SHOWN + 18 };

static const uint8_t *at(const struct sqz_image *image, int x, int y)
{
    return image->pixels + ((size_t)y * (size_t)image->w + (size_t)x) * 3;
}

static int dark_pixels(const struct sqz_image *image, int left, int top, int w, int h)
{
    int n = 0;
    for (int y = top; y < top + h; y++)
        for (int x = left; x < left + w; x++)
            n += *at(image, x, y) < 0x80;
    return n;
}

static void test_pixels_and_names(void **state)
{
    static float images[N * SIDE * SIDE * 3];
    static const int labels[N] = {0, 1, 1, 0, 1};
    static char *classes[] = {(char *)"I", (char *)"\xc3\xa4 !"}; // the second one has no letters
    struct sqz_preprocess preprocess = {.image_size = SIDE, .channels = 3, .bgr = true};
    struct sqz_batch batch = {.images = images, .labels = labels, .n = N};
    struct sqz_image mosaic = {0};
    (void)state;
    for (int c = 0; c < 3; c++) {
        preprocess.mean[c] = 100 + 10 * (float)c;
        preprocess.std[c] = 50;
    }
    for (size_t i = 0; i < N * SIDE * SIDE; i++) {
        images[3 * i] = (30 - 100) / 50.0f;      // blue 30
        images[3 * i + 1] = (200 - 110) / 50.0f; // green 200
        images[3 * i + 2] = 1000;                // red beyond the range
    }
    images[0] = NAN;
    assert_int_equal(sqz_mosaic(&batch, &preprocess, classes, &mosaic, NULL), SQZ_OK);
    assert_int_equal(mosaic.w, GAP + 3 * (SHOWN + GAP));
    assert_int_equal(mosaic.h, GAP + 2 * CELL_H);
    const uint8_t *last = at(&mosaic, GAP + SHOWN + GAP + SHOWN - 1, GAP + CELL_H + SHOWN - 1);
    assert_true(last[0] == 255 && last[1] == 200 && last[2] == 30);
    assert_true(at(&mosaic, GAP, GAP)[2] == 0); // what is no number is black
    // Image 0 is an I: 3 + 1 + 1 + 1 + 3 dots of 4 pixels; image 1 has blanks.
    assert_int_equal(dark_pixels(&mosaic, GAP, GAP + SHOWN, SHOWN, 18), 9 * 4);
    assert_int_equal(dark_pixels(&mosaic, 2 * GAP + SHOWN, GAP + SHOWN, SHOWN, 18), 0);
    // No sixth image.
    assert_true(*at(&mosaic, GAP + 2 * (SHOWN + GAP), GAP + CELL_H) == 255);
    sqz_image_release(&mosaic);
}

// Names are cut at the cell, and large batches at 64 images.
static void test_limits(void **state)
{
    enum { MANY = 70 };
    static float images[MANY];
    static int labels[MANY];
    static char *classes[] = {(char *)"MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM"};
    struct sqz_preprocess preprocess = {.image_size = 1, .channels = 1, .std = {1}};
    struct sqz_batch batch = {.images = images, .labels = labels, .n = MANY};
    struct sqz_image mosaic = {0};
    (void)state;
    assert_int_equal(sqz_mosaic(&batch, &preprocess, classes, &mosaic, NULL), SQZ_OK);
    assert_int_equal(mosaic.w, GAP + 8 * (SHOWN + GAP));
    assert_int_equal(mosaic.h, GAP + 8 * CELL_H);
    sqz_image_release(&mosaic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pixels_and_names),
                                       cmocka_unit_test(test_limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
