// The pixel loops of every SIMD level against the plain ones: the same bits, and no byte too far
// (buffers end where their allocation ends, for the sanitizers).
#include "image.h"

#include "base/cpu.h"
#include "base/random.h"
#include "data/augment/operation_ops.h"

#include <math.h>

#define MOST 70

static const struct sqz_pixel_ops *best;
static const struct sqz_operation_ops *best_operations;
static struct sqz_random draws;

static int draw(int low, int high)
{
    return low + (int)sqz_random_uniform(&draws, 0, high - low + 1.0);
}

static uint8_t *random_bytes(size_t n)
{
    uint8_t *bytes = malloc(n);
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)draw(0, 255);
    return bytes;
}

static void test_linear(void **state)
{
    (void)state;
    for (int n = 1; n <= MOST; n++)
        for (int c = 1; c <= 3; c += 2) {
            int offsets[MOST], width = draw(2, 2 * MOST);
            int16_t weights[2 * MOST], out[2][3 * MOST + 1];
            uint8_t *row = random_bytes((size_t)(width * c));
            for (int i = 0; i < n; i++) {
                // Ascending, the last pair at the row's end.
                offsets[i] = n > 1 ? (int)((int64_t)i * (width - 2) / (n - 1)) * c : 0;
                int weight = i % 5 ? draw(0, 2048) : 2048 * (i % 2);
                weights[2 * i] = (int16_t)weight;
                weights[2 * i + 1] = (int16_t)(2048 - weight);
            }
            struct sqz_linear_columns columns = {offsets, weights, n, c, c};
            sqz_pixel_ops_ref.linear_row(&columns, row, out[0]);
            best->linear_row(&columns, row, out[1]);
            assert_memory_equal(out[0], out[1], sizeof(int16_t) * (size_t)(n * c));
            uint8_t blended[2][3 * MOST];
            int16_t w0 = (int16_t)draw(0, 2048), w1 = (int16_t)(2048 - w0);
            sqz_pixel_ops_ref.linear_blend(out[0], out[0] + n / 2, n / 2, w0, w1, blended[0]);
            best->linear_blend(out[0], out[0] + n / 2, n / 2, w0, w1, blended[1]);
            assert_memory_equal(blended[0], blended[1], (size_t)(n / 2));
            free(row);
        }
}

static void test_filter(void **state)
{
    (void)state;
    enum { TAPS = 9 };
    for (int n = 1; n <= MOST; n++)
        for (int c = 1; c <= 3; c += 2) {
            int offsets[MOST], counts[MOST], width = draw(TAPS, 2 * MOST);
            int32_t weights[MOST * TAPS];
            bool room = n % 4 == 3;
            uint8_t *row = random_bytes((size_t)(width * c) + (room ? SQZ_FILTER_ROOM : 0));
            uint8_t out[2][3 * MOST + SQZ_FILTER_ROOM];
            int most = n % 3 == 0 ? 2 : n % 3 == 1 ? 4 : TAPS;
            for (int i = 0; i < n; i++) {
                int first = n > 1 ? (int)((int64_t)i * (width - 1) / (n - 1)) : 0;
                counts[i] = draw(1, first + most > width ? width - first : most);
                offsets[i] = first * c;
                for (int k = 0; k < TAPS; k++)
                    weights[i * TAPS + k] = draw(-(1 << 17), 1 << 19);
            }
            int16_t halves[MOST * 3 * SQZ_FILTER_GROUP];
            struct sqz_filter_bank bank = {offsets, counts, weights, TAPS, n, halves, 0};
            sqz_filter_split(&bank);
            sqz_pixel_ops_ref.filter_row(&bank, row, c, room, out[0]);
            best->filter_row(&bank, row, c, room, out[1]);
            assert_memory_equal(out[0], out[1], (size_t)(n * c));
            uint8_t *rows = random_bytes((size_t)(n * TAPS));
            sqz_pixel_ops_ref.filter_blend(rows, (size_t)n, (size_t)n, weights, TAPS, out[0]);
            best->filter_blend(rows, (size_t)n, (size_t)n, weights, TAPS, out[1]);
            assert_memory_equal(out[0], out[1], (size_t)n);
            free(rows);
            free(row);
        }
}

static void assert_same_bytes(uint8_t *a, uint8_t *b, size_t n)
{
    assert_memory_equal(a, b, n);
    free(a);
    free(b);
}

static uint8_t *copy_bytes(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n);
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    return copy;
}

static void test_colour(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 300; n++) {
        float factor = (float)sqz_random_uniform(&draws, 0, 2);
        uint8_t other = (uint8_t)draw(0, 255), *in = random_bytes(3 * n);
        uint8_t *a = copy_bytes(in, 3 * n), *b = copy_bytes(in, 3 * n);
        sqz_operation_ops_ref.brighten(a, 3 * n, factor);
        best_operations->brighten(b, 3 * n, factor);
        assert_same_bytes(a, b, 3 * n);
        a = copy_bytes(in, 3 * n);
        b = copy_bytes(in, 3 * n);
        sqz_operation_ops_ref.mix_one(a, 3 * n, factor, other);
        best_operations->mix_one(b, 3 * n, factor, other);
        assert_same_bytes(a, b, 3 * n);
        a = copy_bytes(in, 3 * n);
        b = copy_bytes(in, 3 * n);
        sqz_operation_ops_ref.mix_gray(a, n, factor);
        best_operations->mix_gray(b, n, factor);
        assert_same_bytes(a, b, 3 * n);
        assert_true(sqz_operation_ops_ref.sum_gray(in, n) == best_operations->sum_gray(in, n));
        free(in);
    }
}

// Against the definition, with the C library's fused multiply-add and rounding.
static void test_colour_definition(void **state)
{
    (void)state;
    for (int round = 0; round < 3000; round++) {
        float f = (float)sqz_random_uniform(&draws, 0, 2);
        uint8_t rgb[3] = {(uint8_t)draw(0, 255), (uint8_t)draw(0, 255), (uint8_t)draw(0, 255)};
        uint8_t mixed[3], one = rgb[1], bright = rgb[0], other = rgb[2];
        memcpy(mixed, rgb, sizeof mixed);
        best_operations->mix_gray(mixed, 1, f);
        float gray = (float)sqz_luma(rgb[0], rgb[1], rgb[2]);
        for (int c = 0; c < 3; c++) {
            float expected = rintf(fmaf(rgb[c], f, gray * (1.0f - f)));
            assert_int_equal(mixed[c], (int)fmaxf(0, fminf(255, expected)));
        }
        best_operations->mix_one(&one, 1, f, other);
        float expected = rintf(fmaf(other, 1.0f - f, (float)rgb[1] * f));
        assert_int_equal(one, (int)fmaxf(0, fminf(255, expected)));
        best_operations->brighten(&bright, 1, f);
        assert_int_equal(bright, (int)fminf(255, rintf((float)rgb[0] * f)));
    }
}

static void test_operations(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 300; n++) {
        float factor = (float)sqz_random_uniform(&draws, 0, 2);
        uint8_t other = (uint8_t)draw(0, 255), *in = random_bytes(n), *with = random_bytes(n);
        uint8_t *a = copy_bytes(in, n), *b = copy_bytes(in, n);
        sqz_operation_ops_ref.mix(a, with, n, factor);
        best_operations->mix(b, with, n, factor);
        assert_same_bytes(a, b, n);
        a = copy_bytes(in, n);
        b = copy_bytes(in, n);
        sqz_operation_ops_ref.invert_from(a, n, other);
        best_operations->invert_from(b, n, other);
        assert_same_bytes(a, b, n);
        a = copy_bytes(in, n);
        b = copy_bytes(in, n);
        sqz_operation_ops_ref.mask(a, n, other);
        best_operations->mask(b, n, other);
        assert_same_bytes(a, b, n);
        free(in);
        free(with);
    }
}

static void test_neighbours(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 150; n++)
        for (size_t c = 1; c <= 3; c += 2) {
            uint8_t *rows[3], *a = malloc(n), *b = malloc(n);
            for (int k = 0; k < 3; k++)
                rows[k] = random_bytes(n + 2 * c);
            sqz_operation_ops_ref.smooth_row(rows[0], rows[1], rows[2], n, c, a);
            best_operations->smooth_row(rows[0], rows[1], rows[2], n, c, b);
            assert_memory_equal(a, b, n);
            uint16_t outer = (uint16_t)draw(0, 85), centre = (uint16_t)(256 - 2 * outer);
            const uint8_t *const given[3] = {rows[0], rows[1], rows[2]};
            sqz_operation_ops_ref.blur_row(given, n, c, outer, centre, a);
            best_operations->blur_row(given, n, c, outer, centre, b);
            assert_same_bytes(a, b, n);
            for (int k = 0; k < 3; k++)
                free(rows[k]);
        }
}

static void test_warp(void **state)
{
    (void)state;
    enum { W = 40, H = 12, MOST_TURNED = 130 };
    for (int c = 1; c <= 3; c += 2) {
        uint8_t *pixels = random_bytes((size_t)(W * H * c + 2));
        for (int n = 1; n <= MOST_TURNED; n++) {
            int xs[MOST_TURNED], ys[MOST_TURNED];
            uint8_t a[3 * MOST_TURNED], b[3 * MOST_TURNED];
            for (int i = 0; i < n; i++) {
                xs[i] = draw(0, (W - 1) * 1024 - 17);
                if (i % 7 == 0)
                    xs[i] &= ~1023; // a plain copy
                ys[i] = draw(0, (H - 1) * 1024 - 17);
            }
            struct sqz_warp_row row = {pixels, (size_t)(W * c), c, xs, ys, 16, 16, n};
            sqz_operation_ops_ref.warp_row(&row, a);
            best_operations->warp_row(&row, b);
            assert_memory_equal(a, b, (size_t)(n * c));
        }
        free(pixels);
    }
}

// Against the places of the row, one by one.
static void test_shift(void **state)
{
    (void)state;
    enum { W = 60 };
    for (int c = 1; c <= 3; c += 2)
        for (int n = 1; n < W; n++) {
            uint8_t *pixels = random_bytes((size_t)(2 * W * c + 2)), turned[3 * W], a[3 * W];
            int xs[W], ys[W] = {0}, right = draw(0, 31), down = draw(0, 31);
            for (int i = 0; i < n; i++)
                xs[i] = i * 1024;
            struct sqz_warp_row row = {pixels, (size_t)(W * c), c,         xs,
                                       ys,     right * 32,      down * 32, n};
            sqz_operation_ops_ref.warp_row(&row, turned);
            size_t bytes = (size_t)(n * c), channels = (size_t)c;
            best_operations->shift_row(pixels, pixels + W * c, bytes, channels, right, down, a);
            assert_memory_equal(a, turned, bytes);
            sqz_operation_ops_ref.shift_row(pixels, pixels + W * c, bytes, channels, right, down,
                                            a);
            assert_memory_equal(a, turned, bytes);
            free(pixels);
        }
}

static void test_extremes(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 300; n++)
        for (size_t c = 1; c <= 3; c += 2) {
            uint8_t *in = random_bytes(n * c), low[3] = {255, 255, 255}, high[3] = {0, 0, 0};
            uint8_t lows[3], highs[3];
            for (size_t i = 0; i < n * c; i++) {
                in[i] = (uint8_t)(60 + in[i] / 3);
                low[i % c] = in[i] < low[i % c] ? in[i] : low[i % c];
                high[i % c] = in[i] > high[i % c] ? in[i] : high[i % c];
            }
            sqz_operation_ops_ref.extremes(in, n * c, c, lows, highs);
            assert_memory_equal(lows, low, c);
            assert_memory_equal(highs, high, c);
            best_operations->extremes(in, n * c, c, lows, highs);
            assert_memory_equal(lows, low, c);
            assert_memory_equal(highs, high, c);
            free(in);
        }
}

static void test_normalize(void **state)
{
    (void)state;
    float mean[SQZ_NORMALIZE_BLOCK], std[SQZ_NORMALIZE_BLOCK];
    for (int i = 0; i < SQZ_NORMALIZE_BLOCK; i++) {
        mean[i] = (float)sqz_random_uniform(&draws, 0, 200);
        std[i] = (float)sqz_random_uniform(&draws, 1, 80);
    }
    for (int n = 1; n <= SQZ_NORMALIZE_BLOCK; n++) {
        uint8_t *in = random_bytes((size_t)n);
        float *out = aligned_alloc(32, ((size_t)n + 7) / 8 * 32);
        assert_non_null(out);
        for (int far = 0; far < 2; far++) {
            memset(out, 0, (size_t)n * sizeof *out);
            (far ? best->normalize_far : best->normalize)(in, n, mean, std, out);
            best->settle();
            for (int i = 0; i < n; i++)
                assert_true(out[i] == ((float)in[i] - mean[i]) / std[i]);
        }
        free(in);
        free(out);
    }
}

static void test_mirror(void **state)
{
    (void)state;
    for (int n = 1; n <= MOST; n++) {
        uint8_t *in = random_bytes((size_t)n * 3), *out = random_bytes((size_t)n * 3);
        best->mirror(in, n, out);
        for (int i = 0; i < n; i++)
            assert_memory_equal(out + 3 * i, in + 3 * (n - 1 - i), 3);
        free(in);
        free(out);
    }
}

static void test_cap(void **state)
{
    (void)state;
    setenv("SQUEEZENET_CPU", "ref", 1);
    assert_ptr_equal(sqz_pixel_ops(), &sqz_pixel_ops_ref);
    assert_ptr_equal(sqz_operation_ops(), &sqz_operation_ops_ref);
    unsetenv("SQUEEZENET_CPU");
    assert_ptr_equal(sqz_pixel_ops(), best);
    assert_ptr_equal(sqz_operation_ops(), best_operations);
}

int main(void)
{
    unsetenv("SQUEEZENET_CPU");
    best = sqz_pixel_ops();
    best_operations = sqz_operation_ops();
    if (best == &sqz_pixel_ops_ref)
        fprintf(stderr, "NOT TESTED: this processor has only the plain level\n");
    sqz_random_init(&draws, 11, 0, 0, SQZ_RANDOM_TEST);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),     cmocka_unit_test(test_filter),
        cmocka_unit_test(test_colour),     cmocka_unit_test(test_colour_definition),
        cmocka_unit_test(test_operations), cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_warp),       cmocka_unit_test(test_shift),
        cmocka_unit_test(test_extremes),   cmocka_unit_test(test_normalize),
        cmocka_unit_test(test_mirror),     cmocka_unit_test(test_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
