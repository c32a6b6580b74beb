// Second-order rounding against plain rounding, by the definition of the distortion.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "compress/gptq.h"

#include <math.h>
#include <string.h>

enum { ROWS = 24, COLUMNS = 60, STEPS = 3, CANDIDATES = STEPS + 1 };
static const float steps[CANDIDATES] = {0.1f, 0.3f, 0.6f, 0.6f};
static const float zero_threshold = 0.7f; // of the last candidate
static float weights[ROWS * COLUMNS];
static double mean[COLUMNS], covariance[COLUMNS * COLUMNS];
static struct sqz_input_statistics statistics = {
    .columns = COLUMNS, .count = 1, .mean = mean, .covariance = covariance};
static int16_t codes[CANDIDATES][ROWS * COLUMNS];
static double distortion[CANDIDATES];

static void fill(bool correlated, bool sparse)
{
    struct sqz_random random;
    sqz_random_init(&random, 9, correlated, sparse, SQZ_RANDOM_TEST);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        weights[i] = sparse && sqz_random_uniform(&random, 0, 1) < 0.6
                         ? 0
                         : (float)sqz_random_normal(&random);
    memset(covariance, 0, sizeof covariance);
    if (!correlated) {
        for (int c = 0; c < COLUMNS; c++)
            covariance[c * (COLUMNS + 1)] = 2;
        return;
    }
    for (int sample = 0; sample < 200; sample++) {
        double x[COLUMNS], shared = sqz_random_normal(&random);
        for (int c = 0; c < COLUMNS; c++)
            x[c] = (0.5 + c % 3) * (sqz_random_normal(&random) + shared);
        for (int r = 0; r < COLUMNS; r++)
            for (int c = 0; c < COLUMNS; c++)
                covariance[r * COLUMNS + c] += x[r] * x[c] / 200;
    }
}

static void run(bool keep_zeros, int threads)
{
    struct sqz_pool *pool = NULL;
    int16_t *pointers[CANDIDATES] = {codes[0], codes[1], codes[2], codes[3]};
    struct sqz_candidate candidates[CANDIDATES] = {{steps[0], 0}, {steps[1], 0}, {steps[2], 0}};
    candidates[STEPS] = (struct sqz_candidate){steps[STEPS], zero_threshold};
    struct sqz_gptq_job job = {.weights = weights,
                               .rows = ROWS,
                               .statistics = &statistics,
                               .keep_zeros = keep_zeros,
                               .candidates = candidates,
                               .n_candidates = CANDIDATES,
                               .codes = pointers,
                               .distortion = distortion};
    assert_int_equal(sqz_pool_new(threads, &pool, NULL), SQZ_OK);
    assert_int_equal(sqz_gptq_run(&job, pool, NULL), SQZ_OK);
    sqz_pool_free(pool);
}

// The mean squared error of the outputs, in full.
static double squared_error(const int16_t *c, float step)
{
    double sum = 0;
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < COLUMNS; i++)
            for (int j = 0; j < COLUMNS; j++) {
                int a = r * COLUMNS + i, b = r * COLUMNS + j;
                sum += ((double)weights[a] - c[a] * (double)step) * covariance[i * COLUMNS + j] *
                       ((double)weights[b] - c[b] * (double)step);
            }
    return sum;
}

static void test_uncorrelated_is_plain_rounding(void **state)
{
    (void)state;
    fill(false, false);
    run(false, 1);
    for (int s = 0; s < STEPS; s++) {
        for (int i = 0; i < ROWS * COLUMNS; i++)
            assert_int_equal(codes[s][i], lrintf(weights[i] / steps[s]));
        // The damping is part of the distortion: 2 % here.
        assert_true(fabs(distortion[s] / squared_error(codes[s], steps[s]) - 1.02) < 1e-4);
    }
}

static void test_correlated_is_far_better(void **state)
{
    int16_t plain[ROWS * COLUMNS];
    (void)state;
    for (int sparse = 0; sparse < 2; sparse++) {
        fill(true, sparse);
        run(sparse, 1);
        for (int s = 0; s < STEPS; s++) {
            for (int i = 0; i < ROWS * COLUMNS; i++)
                plain[i] = (int16_t)lrintf(weights[i] / steps[s]);
            double ours = squared_error(codes[s], steps[s]);
            assert_true(ours < 0.6 * squared_error(plain, steps[s]));
            assert_true(distortion[s] >= ours && distortion[s] < 1.3 * ours);
        }
    }
}

static void test_zeros_stay(void **state)
{
    int zeros = 0;
    (void)state;
    fill(true, true);
    memcpy(weights, mean, sizeof mean); // a row without any weight
    for (int c = 0; c < COLUMNS; c++)   // and one that is all but whole
        weights[COLUMNS + c] = c ? 1.1f : 0;
    run(true, 1);
    for (int s = 0; s < STEPS; s++)
        for (int i = 0; i < ROWS * COLUMNS; i++)
            if (weights[i] == 0) {
                zeros++;
                assert_int_equal(codes[s][i], 0);
            }
    assert_true(zeros > STEPS * ROWS * COLUMNS / 2);
}

static int count_zeros(const int16_t *c)
{
    int zeros = 0;
    for (int i = 0; i < ROWS * COLUMNS; i++)
        zeros += c[i] == 0;
    return zeros;
}

static void test_zero_threshold(void **state)
{
    (void)state;
    fill(false, false);
    run(false, 1);
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        float size = fabsf(weights[i]) / steps[STEPS];
        bool dropped = size < 0.5f + zero_threshold / 2;
        assert_int_equal(codes[STEPS][i], dropped ? 0 : lrintf(weights[i] / steps[STEPS]));
    }
    // Where columns differ, the cheap ones go: as many zeros by size alone do more harm.
    int16_t plain[ROWS * COLUMNS];
    fill(true, false);
    run(false, 1);
    const int zeros = count_zeros(codes[STEPS]);
    assert_true(zeros > count_zeros(codes[STEPS - 1]));
    float bound = 0;
    do {
        bound += 0.001f;
        for (int i = 0; i < ROWS * COLUMNS; i++)
            plain[i] = fabsf(weights[i]) < bound ? 0 : (int16_t)lrintf(weights[i] / steps[STEPS]);
    } while (count_zeros(plain) < zeros);
    const double ours = squared_error(codes[STEPS], steps[STEPS]);
    assert_true(ours < 0.6 * squared_error(plain, steps[STEPS]));
    assert_true(distortion[STEPS] >= ours && distortion[STEPS] < 1.3 * ours);
}

static void test_threads(void **state)
{
    static int16_t first[CANDIDATES][ROWS * COLUMNS];
    double first_distortion[CANDIDATES];
    (void)state;
    fill(true, true);
    run(true, 1);
    memcpy(first, codes, sizeof codes);
    memcpy(first_distortion, distortion, sizeof distortion);
    for (int threads = 2; threads < 5; threads++) {
        memset(codes, 1, sizeof codes);
        run(true, threads);
        assert_memory_equal(first, codes, sizeof codes);
        assert_memory_equal(first_distortion, distortion, sizeof distortion);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uncorrelated_is_plain_rounding),
        cmocka_unit_test(test_correlated_is_far_better),
        cmocka_unit_test(test_zeros_stay),
        cmocka_unit_test(test_zero_threshold),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
