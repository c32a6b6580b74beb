// Mixup and CutMix against MindCV's values, and the distribution of the draws.
#include "image.h"

#include "data/augment/mix.h"

#include <jansson.h>
#include <math.h>

enum { N = 4, C = 3, H = 6, W = 8, SIZE = N * C * H * W };

// NCHW to NHWC.
static void read_images(const char *name, float *out)
{
    float *in = read_npy(golden(name), SIZE);
    for (int i = 0; i < SIZE; i++) {
        int x = i % W, y = i / W % H, c = i / (W * H) % C, n = i / (W * H * C);
        out[((n * H + y) * W + x) * C + c] = in[i];
    }
    free(in);
}

static void check_case(const json_t *item, const json_t *labels, bool cut)
{
    static float images[SIZE], expected[SIZE];
    char path[64];
    double lambda = json_number_value(json_object_get(item, "lam"));
    json_t *centre = json_object_get(item, "centre_y_x");
    struct sqz_mix_draw draw = {.share = lambda};
    if (cut)
        sqz_mix_box(lambda, (int)json_integer_value(json_array_get(centre, 0)),
                    (int)json_integer_value(json_array_get(centre, 1)), H, W, &draw);
    snprintf(path, sizeof path, "mindcv-golden/%s",
             json_string_value(json_object_get(item, "file")));
    read_images("mix/input.npy", images);
    read_images(json_string_value(json_object_get(item, "file")), expected);
    sqz_mix_run(&draw, N, H, W, C, images);
    for (int i = 0; i < SIZE; i++)
        if (!(fabsf(images[i] - expected[i]) <= (cut ? 0.0f : 1e-6f)))
            fail_msg("%s: value %d is %g, not %g", path, i, images[i], expected[i]);
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < 5; k++) {
            json_t *row = json_array_get(json_object_get(item, "targets"), i);
            size_t own = (size_t)json_integer_value(json_array_get(labels, i));
            size_t other = (size_t)json_integer_value(json_array_get(labels, N - 1 - i));
            double target = (k == own) * draw.share + (k == other) * (1 - draw.share);
            assert_true(fabs(target - json_number_value(json_array_get(row, k))) < 1e-6);
        }
}

static void test_golden(void **state)
{
    (void)state;
    json_error_t why;
    json_t *root = json_load_file(golden("mixing.json"), 0, &why), *item;
    json_t *labels = json_object_get(root, "labels");
    size_t i;
    assert_int_equal(json_array_size(json_object_get(root, "mixup")), 3);
    assert_int_equal(json_array_size(json_object_get(root, "cutmix")), 9);
    json_array_foreach(json_object_get(root, "mixup"), i, item) check_case(item, labels, false);
    json_array_foreach(json_object_get(root, "cutmix"), i, item) check_case(item, labels, true);
    json_decref(root);
}

struct counts {
    double mixed, cut, share, squares, centre;
};

static struct counts draw_many(struct sqz_mix mix)
{
    enum { MANY = 20000 };
    struct counts counts = {0};
    for (int i = 0; i < MANY; i++) {
        struct sqz_random random;
        struct sqz_mix_draw draw;
        sqz_random_init(&random, 5, 2, (uint64_t)i, SQZ_RANDOM_MIX);
        sqz_mix_draw(&mix, 224, 224, &random, &draw);
        assert_true(draw.share >= 0 && draw.share <= 1);
        assert_true(draw.top >= 0 && draw.bottom <= 224 && draw.top <= draw.bottom);
        assert_true(draw.left >= 0 && draw.right <= 224 && draw.left <= draw.right);
        counts.mixed += (draw.share < 1) / (double)MANY;
        counts.cut += draw.cut / (double)MANY;
        counts.share += draw.share / MANY;
        counts.squares += draw.share * draw.share / MANY;
    }
    return counts;
}

static void test_draws(void **state)
{
    (void)state;
    struct counts counts = draw_many((struct sqz_mix){0.8, 0, 1, 0.5});
    assert_true(counts.mixed > 0.999 && counts.cut < 1e-6);
    assert_true(fabs(counts.share - 0.5) < 0.01);
    // Variance of Beta(a, a): 1 / (4 (2 a + 1)).
    assert_true(fabs(counts.squares - counts.share * counts.share - 1 / (4 * 2.6)) < 0.003);
    counts = draw_many((struct sqz_mix){0, 1, 1, 0.5});
    assert_true(counts.cut > 0.999999);
    // Boxes that reach beyond an edge are cut off, so less than half is replaced.
    assert_true(counts.share > 0.55 && counts.share < 0.7);
    counts = draw_many((struct sqz_mix){0.2, 1, 1, 0.25});
    assert_true(fabs(counts.cut - 0.25) < 0.01);
    counts = draw_many((struct sqz_mix){0.2, 0, 0.3, 0.5});
    assert_true(fabs(counts.mixed - 0.3) < 0.011);
    assert_false(sqz_mix_is_on(&(struct sqz_mix){0.2, 1, 1, 0.5}, 1));
    assert_false(sqz_mix_is_on(&(struct sqz_mix){0, 0, 1, 0.5}, 8));
    assert_true(sqz_mix_is_on(&(struct sqz_mix){0, 1, 1, 0.5}, 8));
}

static void test_odd_batch(void **state)
{
    (void)state;
    float images[3] = {1, 5, 3};
    sqz_mix_run(&(struct sqz_mix_draw){.share = 0.75}, 3, 1, 1, 1, images);
    assert_true(images[0] == 1.5f && images[1] == 5 && images[2] == 2.5f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_odd_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
