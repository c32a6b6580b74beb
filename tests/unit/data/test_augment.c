// Training augmentation: the operations against MindCV's, the draws against their distributions.
#include "image.h"

#include "data/augment/transform.h"
#include "data/resize/resize.h"

#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct sqz_augment recipe = {
    .scale = {0.08, 1.0},
    .ratio = {0.75, 1.333},
    .interpolation = SQZ_BILINEAR,
    .hflip = 0.5,
    .brightness = 0.4,
    .contrast = 0.4,
    .saturation = 0.4,
    .hue = 0.1,
    .erase_prob = 0.25,
    .erase_scale = {0.02, 0.33},
    .erase_ratio = {0.3, 3.3},
    .erase_attempts = 10,
};
static const struct sqz_preprocess plain = {
    .resize = 32, .image_size = 32, .interpolation = SQZ_BILINEAR, .channels = 3, .std = {1, 1, 1}};

static void test_golden_jitter(void **state)
{
    (void)state;
    static const struct {
        enum sqz_jitter kind;
        float factor;
        const char *file;
        int most;     // largest difference
        double share; // of values that differ
    } cases[] = {
        {SQZ_BRIGHTNESS, 0.28f, "brightness_0.28", 0, 0},
        {SQZ_BRIGHTNESS, 1.9f, "brightness_1.9", 0, 0},
        {SQZ_BRIGHTNESS, 1.3f, "jitter_brightness_1.3", 0, 0},
        {SQZ_CONTRAST, 0.28f, "contrast_0.28", 0, 0},
        {SQZ_CONTRAST, 1.9f, "contrast_1.9", 0, 0},
        {SQZ_CONTRAST, 0.6f, "jitter_contrast_0.6", 0, 0},
        {SQZ_SATURATION, 0.28f, "color_0.28", 0, 0},
        {SQZ_SATURATION, 1.9f, "color_1.9", 0, 0},
        {SQZ_SATURATION, 1.4f, "jitter_saturation_1.4", 0, 0},
        {SQZ_SATURATION, 0.6f, "jitter_saturation_0.6", 0, 0},
        {SQZ_HUE, 0.1f, "jitter_hue_0.1", 1, 0.01},
        {SQZ_HUE, -0.4f, "jitter_hue_-0.4", 1, 0.01},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[64];
        snprintf(path, sizeof path, "aug/%s.png", cases[i].file);
        struct sqz_image expected = decode_plain(golden(path), 3);
        struct sqz_image image = decode_plain(golden("aug/input.png"), 3);
        sqz_jitter_run(cases[i].kind, cases[i].factor, &image);
        size_t n = image_bytes(&image), differ = 0;
        for (size_t k = 0; k < n; k++) {
            int difference = abs(image.pixels[k] - expected.pixels[k]);
            if (difference > cases[i].most)
                fail_msg("%s: value %zu differs by %d", path, k, difference);
            differ += difference > 0;
        }
        assert_true((double)differ <= cases[i].share * (double)n);
        sqz_image_release(&image);
        sqz_image_release(&expected);
    }
}

static void test_jitter_of_gray(void **state)
{
    (void)state;
    uint8_t pixels[] = {0, 10, 100, 250};
    struct sqz_image gray = {4, 1, 1, pixels, sizeof pixels};
    const uint8_t same[] = {0, 10, 100, 250}, bright[] = {0, 15, 150, 255};
    sqz_jitter_run(SQZ_SATURATION, 0.3f, &gray);
    sqz_jitter_run(SQZ_HUE, 0.3f, &gray);
    assert_memory_equal(pixels, same, sizeof same);
    sqz_jitter_run(SQZ_BRIGHTNESS, 1.5f, &gray);
    assert_memory_equal(pixels, bright, sizeof bright);
    sqz_jitter_run(SQZ_CONTRAST, 0.0f, &gray); // all become the mean
    for (int i = 0; i < 4; i++)
        assert_int_equal(pixels[i], 105);
}

static void test_golden_erasing(void **state)
{
    (void)state;
    enum { W = 24, H = 20 };
    static const struct {
        double area, ratio;
        int y, x, h, w; // h = 0: does not fit
        float value[3];
        const char *file;
    } cases[] = {
        {0.1, 1.0, 3, 5, 7, 7, {0, 0, 0}, "erase-0.1-1.0"},
        {0.2, 3.0, 0, 2, 6, 17, {1, 1, 1}, "erase-0.2-3.0"},
        {0.1, 0.5, 1, 10, 10, 5, {1, 2, 0}, "erase-0.1-0.5"},
        {0.9, 3.3, 0, 0, 0, 0, {0, 0, 0}, "erase-0.9-3.3"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[64];
        float *in = read_npy(golden("mix/erase-input.npy"), 3 * H * W), pixels[H * W * 3];
        for (int k = 0; k < H * W * 3; k++)
            pixels[k] = in[k % 3 * H * W + k / 3];
        struct sqz_rect rect = {.x = cases[i].x, .y = cases[i].y};
        struct sqz_augment augment = {.erase_mode = SQZ_ERASE_CONSTANT};
        memcpy(augment.erase_value, cases[i].value, sizeof augment.erase_value);
        bool fits = sqz_erase_size(cases[i].area, cases[i].ratio, W, H, &rect);
        assert_int_equal(fits, cases[i].h > 0);
        if (fits) {
            assert_int_equal(rect.w, cases[i].w);
            assert_int_equal(rect.h, cases[i].h);
            sqz_erase_run(&augment, &rect, (struct sqz_random){0}, W, 3, pixels);
        }
        snprintf(path, sizeof path, "mix/%s.npy", cases[i].file);
        float *expected = read_npy(golden(path), 3 * H * W);
        for (int k = 0; k < H * W * 3; k++)
            assert_true(pixels[k] == expected[k % 3 * H * W + k / 3]);
        free(in);
        free(expected);
    }
}

static void test_random_erasing_is_noise(void **state)
{
    (void)state;
    enum { SIDE = 64 };
    struct sqz_augment augment = {.erase_mode = SQZ_ERASE_RANDOM};
    struct sqz_random noise;
    sqz_random_init(&noise, 5, 0, 0, SQZ_RANDOM_TEST);
    static float pixels[SIDE * SIDE * 3], again[SIDE * SIDE * 3];
    struct sqz_rect rect = {4, 8, 50, 40};
    sqz_erase_run(&augment, &rect, noise, SIDE, 3, pixels);
    sqz_erase_run(&augment, &rect, noise, SIDE, 3, again);
    assert_memory_equal(pixels, again, sizeof pixels);
    double sum = 0, squares = 0;
    int n = 0;
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        int x = i / 3 % SIDE, y = i / 3 / SIDE;
        if (x < 4 || x >= 54 || y < 8 || y >= 48) {
            assert_true(pixels[i] == 0);
            continue;
        }
        sum += pixels[i];
        squares += (double)pixels[i] * pixels[i];
        n++;
    }
    assert_int_equal(n, 50 * 40 * 3);
    assert_true(fabs(sum / n) < 0.06 && fabs(squares / n - 1) < 0.1);
}

struct statistics {
    double area, hflip, vflip, erase, first[SQZ_JITTERS], factor[SQZ_JITTERS];
};

static struct statistics draw_many(const struct sqz_augment *augment, int w, int h, int n)
{
    struct statistics sums = {0};
    struct sqz_preprocess preprocess = {.image_size = 224, .channels = 3};
    for (int i = 0; i < n; i++) {
        struct sqz_random random;
        struct sqz_augment_draw draw;
        sqz_random_init(&random, 42, 3, (uint64_t)i, SQZ_RANDOM_AUGMENT);
        sqz_augment_draw(augment, &preprocess, w, h, &random, &draw);
        const struct sqz_rect *crop = &draw.crop, *erase = &draw.erase;
        double area = (double)crop->w * crop->h / ((double)w * h),
               ratio = (double)crop->w / crop->h;
        assert_true(crop->x >= 0 && crop->y >= 0 && crop->x + crop->w <= w &&
                    crop->y + crop->h <= h);
        assert_true(area > 0.079 && area <= 1.0);
        assert_true(ratio > 0.73 && ratio < 1.36);
        assert_true(erase->w < 224 && erase->h < 224 && erase->x >= 0 && erase->y >= 0 &&
                    erase->x + erase->w <= 224 && erase->y + erase->h <= 224);
        sums.area += area / n;
        sums.hflip += draw.hflip / (double)n;
        sums.vflip += draw.vflip / (double)n;
        sums.erase += (erase->w > 0) / (double)n;
        sums.first[draw.order[0]] += 1.0 / n;
        for (int k = 0; k < SQZ_JITTERS; k++) {
            assert_true(draw.jitter[k]);
            sums.factor[k] += draw.factor[k] / n;
        }
    }
    return sums;
}

static void test_distributions(void **state)
{
    (void)state;
    struct sqz_augment augment = recipe;
    augment.vflip = 0.1;
    struct statistics mean = draw_many(&augment, 500, 375, 20000);
    // Uniform on 0.08..1 would give 0.54; large areas often do not fit, which leaves 0.432 (the
    // mean of 50,000 draws of a separate program with MindCV's rule of ten attempts).
    assert_true(fabs(mean.area - 0.432) < 0.006);
    assert_true(fabs(mean.hflip - 0.5) < 0.015);
    assert_true(fabs(mean.vflip - 0.1) < 0.01);
    assert_true(fabs(mean.erase - 0.25) < 0.015);
    for (int k = 0; k < SQZ_JITTERS; k++) {
        assert_true(fabs(mean.first[k] - 0.25) < 0.015);
        assert_true(fabs(mean.factor[k] - (k == SQZ_HUE ? 0 : 1)) < 0.01);
    }
}

static void test_fallback_crop(void **state)
{
    (void)state;
    struct sqz_augment augment = recipe;
    struct sqz_preprocess preprocess = {.image_size = 224, .channels = 3};
    static const struct {
        int w, h;
        struct sqz_rect crop;
    } cases[] = {{1000, 100, {434, 0, 133, 100}}, // 133.3; (1000 - 133) / 2 rounds up
                 {100, 1000, {0, 434, 100, 133}},
                 {200, 210, {0, 0, 200, 210}}};
    augment.scale[0] = augment.scale[1] = 4.0; // never fits
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sqz_random random;
        struct sqz_augment_draw draw;
        sqz_random_init(&random, 1, 0, 0, SQZ_RANDOM_AUGMENT);
        sqz_augment_draw(&augment, &preprocess, cases[i].w, cases[i].h, &random, &draw);
        assert_memory_equal(&draw.crop, &cases[i].crop, sizeof draw.crop);
    }
}

// Old runs must be repeatable: these values change only when the order of the draws does.
static void test_first_draws(void **state)
{
    (void)state;
    static const struct {
        struct sqz_rect crop;
        bool hflip;
        enum sqz_jitter first;
        struct sqz_rect erase;
    } expected[] = {
        {{211, 41, 221, 227}, true, SQZ_HUE, {0, 0, 0, 0}},
        {{68, 37, 329, 289}, true, SQZ_BRIGHTNESS, {3, 18, 160, 64}},
        {{28, 17, 451, 350}, true, SQZ_SATURATION, {63, 8, 83, 31}},
        {{226, 182, 137, 147}, false, SQZ_BRIGHTNESS, {11, 40, 140, 110}},
    };
    struct sqz_preprocess preprocess = {.image_size = 224, .channels = 3};
    for (size_t i = 0; i < COUNT(expected); i++) {
        struct sqz_random random;
        struct sqz_augment_draw draw;
        sqz_random_init(&random, 42, 0, i, SQZ_RANDOM_AUGMENT);
        sqz_augment_draw(&recipe, &preprocess, 500, 375, &random, &draw);
        assert_memory_equal(&draw.crop, &expected[i].crop, sizeof draw.crop);
        assert_int_equal(draw.hflip, expected[i].hflip);
        assert_int_equal(draw.order[0], expected[i].first);
        assert_memory_equal(&draw.erase, &expected[i].erase, sizeof draw.erase);
    }
}

static void apply(const struct sqz_augment *augment, const struct sqz_preprocess *preprocess,
                  const struct sqz_source *source, const struct sqz_augment_draw *draw, float *out)
{
    struct sqz_transform_scratch scratch = {0};
    struct sqz_error err = {0};
    if (sqz_augment_apply(augment, preprocess, source, draw, 0, out, &scratch, &err))
        fail_msg("%s", err.text);
    sqz_transform_scratch_release(&scratch);
}

static void test_flips_are_exact(void **state)
{
    (void)state;
    struct sqz_image input = decode_plain(fixture("420.jpg"), 3);
    struct sqz_source source = {.image = &input, .name = "input"};
    struct sqz_augment augment = {.whole = true, .interpolation = SQZ_BILINEAR};
    // 45: not a multiple of the blocks in which pixels are normalised.
    enum { SIDE = 45 };
    struct sqz_preprocess preprocess = plain;
    preprocess.image_size = SIDE;
    static float straight[SIDE * SIDE * 3], turned[SIDE * SIDE * 3];
    for (int bgr = 0; bgr < 2; bgr++)
        for (int flips = 0; flips < 4; flips++) {
            struct sqz_augment_draw draw = {.crop = {0, 0, input.w, input.h}};
            preprocess.bgr = false;
            apply(&augment, &preprocess, &source, &draw, straight);
            draw.hflip = flips & 1;
            draw.vflip = flips & 2;
            preprocess.bgr = bgr;
            apply(&augment, &preprocess, &source, &draw, turned);
            for (int i = 0; i < SIDE * SIDE * 3; i++) {
                int c = i % 3, x = i / 3 % SIDE, y = i / 3 / SIDE;
                int from_x = draw.hflip ? SIDE - 1 - x : x, from_y = draw.vflip ? SIDE - 1 - y : y;
                assert_true(turned[i] ==
                            straight[(from_y * SIDE + from_x) * 3 + (bgr ? 2 - c : c)]);
            }
        }
    sqz_image_release(&input);
}

// The crop of a file, decoded in part, gives what the same crop of the decoded image gives.
static void test_file_and_memory_agree(void **state)
{
    (void)state;
    static const char *const files[] = {"420.jpg", "420-progressive.jpg", "cmyk.jpg", "rgba.png"};
    for (size_t i = 0; i < COUNT(files); i++)
        for (int channels = 1; channels <= 3; channels += 2)
            for (uint64_t sample = 0; sample < 20; sample++) {
                struct sqz_bytes bytes = read_bytes(fixture(files[i]));
                struct sqz_image image = decode_plain(fixture(files[i]), channels);
                struct sqz_source file = {.data = bytes.data, .size = bytes.size, .name = files[i]};
                struct sqz_source memory = {.image = &image, .name = "memory"};
                struct sqz_preprocess preprocess = plain;
                preprocess.channels = channels;
                struct sqz_transform_scratch scratch = {0};
                struct sqz_error err = {0};
                static float a[32 * 32 * 3], b[32 * 32 * 3];
                struct sqz_random random, same;
                sqz_random_init(&random, 9, 0, sample, SQZ_RANDOM_AUGMENT);
                same = random;
                if (sqz_augment_run(&recipe, &preprocess, &file, &random, 0, a, &scratch, &err) ||
                    sqz_augment_run(&recipe, &preprocess, &memory, &same, 0, b, &scratch, &err))
                    fail_msg("%s", err.text);
                assert_memory_equal(a, b, sizeof(float) * 32 * 32 * (size_t)channels);
                sqz_transform_scratch_release(&scratch);
                sqz_image_release(&image);
                sqz_bytes_release(&bytes);
            }
}

static void test_pad_crop(void **state)
{
    (void)state;
    enum { SIDE = 6, PAD = 4 };
    uint8_t pixels[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++)
        pixels[i] = (uint8_t)(i + 1);
    struct sqz_image image = {SIDE, SIDE, 1, pixels, sizeof pixels};
    struct sqz_source source = {.image = &image, .name = "small"};
    struct sqz_augment augment = {.pad_crop = PAD, .interpolation = SQZ_BILINEAR};
    struct sqz_preprocess preprocess = plain;
    preprocess.image_size = SIDE;
    preprocess.channels = 1;
    bool seen[2 * PAD + 1][2 * PAD + 1] = {{false}};
    for (uint64_t sample = 0; sample < 2000; sample++) {
        struct sqz_random random;
        struct sqz_augment_draw draw;
        sqz_random_init(&random, 1, 0, sample, SQZ_RANDOM_AUGMENT);
        sqz_augment_draw(&augment, &preprocess, SIDE, SIDE, &random, &draw);
        int dx = draw.crop.x, dy = draw.crop.y;
        assert_true(dx >= -PAD && dx <= PAD && dy >= -PAD && dy <= PAD);
        assert_true(draw.crop.w == SIDE && draw.crop.h == SIDE);
        if (seen[dy + PAD][dx + PAD])
            continue;
        seen[dy + PAD][dx + PAD] = true;
        float out[SIDE * SIDE];
        apply(&augment, &preprocess, &source, &draw, out);
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                int from_x = x + dx, from_y = y + dy;
                bool inside = from_x >= 0 && from_x < SIDE && from_y >= 0 && from_y < SIDE;
                assert_int_equal((int)out[y * SIDE + x],
                                 inside ? pixels[from_y * SIDE + from_x] : 0);
            }
    }
    for (int i = 0; i < (2 * PAD + 1) * (2 * PAD + 1); i++)
        assert_true(seen[i / (2 * PAD + 1)][i % (2 * PAD + 1)]);
}

// Jitter steps in the drawn order, each rounded to 8 bits.
static void test_jitter_order(void **state)
{
    (void)state;
    struct sqz_image input = decode_plain(fixture("rgba.png"), 3), image = {0};
    struct sqz_transform_scratch scratch = {0};
    struct sqz_source source = {.image = &input, .name = "input"};
    struct sqz_augment augment = {.whole = true, .interpolation = SQZ_BILINEAR};
    static const enum sqz_jitter orders[][SQZ_JITTERS] = {
        {SQZ_BRIGHTNESS, SQZ_CONTRAST, SQZ_SATURATION, SQZ_HUE},
        {SQZ_HUE, SQZ_SATURATION, SQZ_CONTRAST, SQZ_BRIGHTNESS}};
    static float out[2][32 * 32 * 3];
    for (int i = 0; i < 2; i++) {
        struct sqz_augment_draw draw = {.crop = {0, 0, input.w, input.h},
                                        .factor = {1.3f, 0.7f, 1.4f, 0.1f},
                                        .jitter = {true, true, true, true}};
        memcpy(draw.order, orders[i], sizeof draw.order);
        apply(&augment, &plain, &source, &draw, out[i]);
        assert_int_equal(
            sqz_image_resize(&input, NULL, 32, 32, SQZ_BILINEAR, &image, &scratch, NULL), SQZ_OK);
        for (int k = 0; k < SQZ_JITTERS; k++)
            sqz_jitter_run(orders[i][k], draw.factor[orders[i][k]], &image);
        for (int k = 0; k < 32 * 32 * 3; k++)
            assert_int_equal((int)out[i][k], image.pixels[k]);
    }
    assert_memory_not_equal(out[0], out[1], sizeof out[0]);
    sqz_image_release(&input);
    sqz_image_release(&image);
    sqz_transform_scratch_release(&scratch);
}

// Decoding at a smaller scale blurs a little, and must not move or darken the image.
static void test_scaled_decode(void **state)
{
    (void)state;
    const char *path = test_data("imagenet-samples/val/n03843555/n03843555_oil_filter.JPEG");
    if (!path)
        skip();
    struct sqz_bytes bytes = read_bytes(path);
    struct sqz_source source = {.data = bytes.data, .size = bytes.size, .name = path};
    struct sqz_augment full = {.whole = true, .interpolation = SQZ_AREA}, scaled = full;
    scaled.scaled_decode = true;
    struct sqz_augment_draw draw = {.crop = {0, 0, 1836, 1377}};
    enum { N = 32 * 32 * 3 };
    static float a[N], b[N];
    apply(&full, &plain, &source, &draw, a);
    apply(&scaled, &plain, &source, &draw, b);
    double sum = 0, bias = 0;
    for (int i = 0; i < N; i++) {
        sum += fabsf(a[i] - b[i]);
        bias += a[i] - b[i];
    }
    if (!(sum / N < 2.0 && fabs(bias / N) < 0.5))
        fail_msg("mean difference %g, bias %g", sum / N, bias / N);
    assert_memory_not_equal(a, b, sizeof a);
    sqz_bytes_release(&bytes);
}

static void mirror(const struct sqz_image *in, bool across, bool down, struct sqz_image *out)
{
    sqz_image_resize_buffer(out, in->w, in->h, in->c, NULL);
    for (int y = 0; y < in->h; y++)
        for (int x = 0; x < in->w; x++) {
            int fx = across ? in->w - 1 - x : x, fy = down ? in->h - 1 - y : y;
            memcpy(out->pixels + (y * in->w + x) * in->c, in->pixels + (fy * in->w + fx) * in->c,
                   (size_t)in->c);
        }
}

static void operate(const struct sqz_policy_draw *draw, int first, int end,
                    const struct sqz_augment *augment, struct sqz_image *image)
{
    struct sqz_image spare = {0};
    for (int i = first; i < end; i++)
        assert_int_equal(
            sqz_operation_run(&draw->operations[i], &augment->style, image, &spare, NULL), SQZ_OK);
    sqz_image_release(&spare);
}

// What a policy makes of the crop, by hand: flips first, then its operations; augmix mixes chains
// to 8 bits and the image with them in floating point.
static void expect_policy(const struct sqz_policy_draw *draw, const struct sqz_augment *augment,
                          const struct sqz_image *turned, const float *got)
{
    enum { N = 32 * 32 * 3 };
    struct sqz_image image = {0};
    float sums[N] = {0};
    for (int chain = 0; chain < (draw->chains ? draw->chains : 1); chain++) {
        mirror(turned, false, false, &image);
        operate(draw, draw->chains && chain ? draw->ends[chain - 1] : 0,
                draw->chains ? draw->ends[chain] : draw->n, augment, &image);
        for (int i = 0; i < N && draw->chains; i++)
            sums[i] += draw->weights[chain] * image.pixels[i];
    }
    for (int i = 0; i < N; i++) {
        float value = image.pixels[i];
        if (draw->chains)
            value = turned->pixels[i] * (1 - draw->mix) +
                    (float)(int)fminf(255, fmaxf(0, sums[i])) * draw->mix;
        if (!(fabsf(got[i] - value) < 1e-4f))
            fail_msg("value %d is %g, not %g", i, got[i], value);
    }
    sqz_image_release(&image);
}

static void test_policies(void **state)
{
    (void)state;
    static const char *const names[] = {"randaug-m9-n3", "augmix-m3", "trivialaugwide"};
    struct sqz_image input = decode_plain(fixture("420.jpg"), 3), crop = {0}, turned = {0};
    struct sqz_source source = {.image = &input, .name = "input"};
    struct sqz_transform_scratch scratch = {0};
    static float got[32 * 32 * 3];
    int operations = 0;
    for (size_t p = 0; p < COUNT(names); p++)
        for (uint64_t sample = 0; sample < 40; sample++) {
            struct sqz_augment augment = recipe;
            struct sqz_augment_draw draw;
            static struct sqz_policy_draw policy;
            struct sqz_random random, branch;
            augment.vflip = 0.3;
            augment.erase_prob = 0;
            augment.style = (struct sqz_operation_style){SQZ_BILINEAR, {124, 116, 104}};
            assert_int_equal(sqz_policy_parse(names[p], &augment.policy, NULL), SQZ_OK);
            sqz_random_init(&random, 9, 0, sample, SQZ_RANDOM_AUGMENT);
            sqz_augment_draw(&augment, &plain, input.w, input.h, &random, &draw);
            apply(&augment, &plain, &source, &draw, got);
            assert_int_equal(
                sqz_image_resize(&input, &draw.crop, 32, 32, SQZ_BILINEAR, &crop, &scratch, NULL),
                SQZ_OK);
            mirror(&crop, draw.hflip, draw.vflip, &turned);
            sqz_random_branch(&draw.more, SQZ_RANDOM_POLICY, 0, &branch);
            sqz_policy_draw(&augment.policy, &branch, &policy);
            operations += policy.n;
            expect_policy(&policy, &augment, &turned, got);
        }
    assert_true(operations > 200);
    sqz_transform_scratch_release(&scratch);
    sqz_image_release(&input);
    sqz_image_release(&crop);
    sqz_image_release(&turned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_jitter),
        cmocka_unit_test(test_jitter_of_gray),
        cmocka_unit_test(test_golden_erasing),
        cmocka_unit_test(test_random_erasing_is_noise),
        cmocka_unit_test(test_distributions),
        cmocka_unit_test(test_fallback_crop),
        cmocka_unit_test(test_first_draws),
        cmocka_unit_test(test_flips_are_exact),
        cmocka_unit_test(test_file_and_memory_agree),
        cmocka_unit_test(test_pad_crop),
        cmocka_unit_test(test_jitter_order),
        cmocka_unit_test(test_scaled_decode),
        cmocka_unit_test(test_policies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
