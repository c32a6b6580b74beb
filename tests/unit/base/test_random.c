// Random numbers: known values (a change breaks every old run), ranges and rough uniformity.
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "base/random.h"

#include <math.h>
#include <string.h>

// Computed by a second program of a few lines (Python integers), not by the code under test.
static void known_values(void **state)
{
    (void)state;
    assert_true(sqz_random_hash(0, 0) == 0x48218226ff3cd4bf);
    assert_true(sqz_random_hash(1, 2) == 0x4ca910d1ac449408);
    assert_true(sqz_random_hash(UINT64_MAX, UINT64_MAX) == 0xd6bdf7544574c9cb);
    struct sqz_random random;
    sqz_random_init(&random, 42, 3, 17, SQZ_RANDOM_AUGMENT);
    assert_true(sqz_random_u64(&random) == 0x4204075216ff69d8);
    assert_true(sqz_random_u64(&random) == 0x75b75266379a82d0);
    assert_true(sqz_random_u64(&random) == 0xe473d8f44bc6c0b1);
    assert_true(sqz_random_uniform(&random, 0, 1) == 0.9476233391239578);
    assert_true(sqz_random_uniform(&random, -3, 5) == 1.5541848074702136);
    assert_int_equal(sqz_random_int(&random, 0, 10), 6);
    assert_true(sqz_random_int(&random, -1000000000000, 1000000000000) == -623666618005);
    // The C library's logarithm and cosine may differ in the last bit.
    assert_true(fabs(sqz_random_normal(&random) - 0.019666719519334283) < 1e-15);
    assert_true(fabs(sqz_random_normal(&random) + 1.867971706267575) < 1e-15);
    assert_int_equal(random.counter, 11);
}

// The numbers of the uses are part of a seed's meaning, too.
static void uses_keep_their_numbers(void **state)
{
    (void)state;
    assert_int_equal(SQZ_RANDOM_INIT, 1);
    assert_int_equal(SQZ_RANDOM_SHUFFLE, 2);
    assert_int_equal(SQZ_RANDOM_AUGMENT, 3);
    assert_int_equal(SQZ_RANDOM_DROPOUT, 4);
    assert_int_equal(SQZ_RANDOM_SYNTH, 5);
    assert_int_equal(SQZ_RANDOM_SPLIT, 6);
    assert_int_equal(SQZ_RANDOM_MIX, 7);
}

static void every_part_of_the_key_counts(void **state)
{
    (void)state;
    struct sqz_random streams[5];
    sqz_random_init(&streams[0], 1, 2, 3, SQZ_RANDOM_TEST);
    sqz_random_init(&streams[1], 2, 2, 3, SQZ_RANDOM_TEST);
    sqz_random_init(&streams[2], 1, 3, 3, SQZ_RANDOM_TEST);
    sqz_random_init(&streams[3], 1, 2, 4, SQZ_RANDOM_TEST);
    sqz_random_init(&streams[4], 1, 2, 3, SQZ_RANDOM_MIX);
    uint64_t first[5];
    for (int i = 0; i < 5; i++)
        first[i] = sqz_random_u64(&streams[i]);
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < i; j++)
            assert_true(first[i] != first[j]);
}

// Flipping one bit of the counter or of the key flips each output bit half of the time.
static void avalanche(void **state)
{
    (void)state;
    enum { TRIALS = 400 };
    for (int bit = 0; bit < 64; bit++) {
        int flips[2][64] = {{0}};
        for (uint64_t i = 0; i < TRIALS; i++) {
            uint64_t whole = sqz_random_hash(i, 3 * i);
            uint64_t by_key = whole ^ sqz_random_hash(i ^ (uint64_t)1 << bit, 3 * i);
            uint64_t by_counter = whole ^ sqz_random_hash(i, 3 * i ^ (uint64_t)1 << bit);
            for (int out = 0; out < 64; out++) {
                flips[0][out] += by_key >> out & 1;
                flips[1][out] += by_counter >> out & 1;
            }
        }
        for (int out = 0; out < 64; out++) // 7 standard deviations of 10 around 200
            for (int kind = 0; kind < 2; kind++)
                assert_in_range(flips[kind][out], 130, 270);
    }
}

static void moments(void **state)
{
    (void)state;
    enum { N = 200000 };
    struct sqz_random random;
    sqz_random_init(&random, 7, 0, 0, SQZ_RANDOM_TEST);
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        double x = sqz_random_uniform(&random, 2, 4);
        assert_true(x >= 2 && x < 4);
        sum += x;
        squares += x * x;
    }
    assert_true(fabs(sum / N - 3) < 0.01);
    assert_true(fabs(squares / N - 9 - 1.0 / 3) < 0.05);
    double quarts = 0;
    sum = squares = 0;
    for (int i = 0; i < N; i++) {
        double x = sqz_random_normal(&random);
        assert_true(isfinite(x));
        sum += x;
        squares += x * x;
        quarts += x * x * x * x;
    }
    assert_true(fabs(sum / N) < 0.02);
    assert_true(fabs(squares / N - 1) < 0.02);
    assert_true(fabs(quarts / N - 3) < 0.15);
}

static void integers(void **state)
{
    (void)state;
    enum { N = 70000 };
    struct sqz_random random;
    int counts[7] = {0};
    sqz_random_init(&random, 8, 0, 0, SQZ_RANDOM_TEST);
    for (int i = 0; i < N; i++) {
        int64_t value = sqz_random_int(&random, -3, 4);
        assert_true(value >= -3 && value < 4);
        counts[value + 3]++;
    }
    for (int i = 0; i < 7; i++)
        assert_in_range(counts[i], 9500, 10500); // 5 standard deviations
    assert_int_equal(sqz_random_int(&random, 5, 6), 5);
    assert_int_equal(sqz_random_int(&random, 5, 5), 5);
    // The widest span must not overflow; its values reach both halves.
    int below = 0;
    for (int i = 0; i < 200; i++)
        below += sqz_random_int(&random, INT64_MIN, INT64_MAX) < 0;
    assert_in_range(below, 60, 140);
    // An exact draw from 3 * 2^62 rejects: without that the low third would come up half the time.
    int low = 0;
    for (int i = 0; i < 3000; i++)
        low += sqz_random_int(&random, INT64_MIN, INT64_MAX / 2 + 1) < INT64_MIN / 2;
    assert_in_range(low, 850, 1150);
}

static void narrow_uniform_stays_below_high(void **state)
{
    (void)state;
    struct sqz_random random;
    sqz_random_init(&random, 9, 0, 0, SQZ_RANDOM_TEST);
    double high = nextafter(1, 2);
    for (int i = 0; i < 1000; i++)
        assert_true(sqz_random_uniform(&random, 1, high) == 1);
    assert_true(sqz_random_uniform(&random, 3, 3) == 3);
}

static void shuffle(void **state)
{
    (void)state;
    struct sqz_random random;
    int values[10], expected[10] = {4, 8, 3, 5, 7, 2, 1, 9, 6, 0};
    for (int i = 0; i < 10; i++)
        values[i] = i;
    sqz_random_init(&random, 42, 0, 0, SQZ_RANDOM_SHUFFLE);
    sqz_random_shuffle(&random, values, 10);
    assert_memory_equal(values, expected, sizeof values);

    static int many[1000];
    static char seen[1000];
    for (int i = 0; i < 1000; i++)
        many[i] = i;
    sqz_random_shuffle(&random, many, 1000);
    int fixed = 0;
    for (int i = 0; i < 1000; i++) {
        assert_in_range(many[i], 0, 999);
        assert_false(seen[many[i]]);
        seen[many[i]] = 1;
        fixed += many[i] == i;
    }
    assert_in_range(fixed, 0, 8);
    sqz_random_shuffle(&random, many, 0);

    // Each of the 24 orders of 4 is as likely as the others.
    int orders[256] = {0}, found = 0;
    for (int i = 0; i < 24000; i++) {
        int four[4] = {0, 1, 2, 3};
        sqz_random_shuffle(&random, four, 4);
        orders[four[0] | four[1] << 2 | four[2] << 4 | four[3] << 6]++;
    }
    for (int i = 0; i < 256; i++) {
        if (!orders[i])
            continue;
        assert_in_range(orders[i], 840, 1160);
        found++;
    }
    assert_int_equal(found, 24);
}

// Means and variances: Gamma(a): a, a; Beta(a, b): a / (a + b), ab / ((a + b)^2 (a + b + 1)).
static void gamma_and_beta(void **state)
{
    (void)state;
    enum { N = 60000 };
    static const double alphas[] = {0.2, 0.5, 1, 2.5};
    struct sqz_random random;
    sqz_random_init(&random, 8, 0, 0, SQZ_RANDOM_TEST);
    for (int k = 0; k < 4; k++) {
        double a = alphas[k], b = 0.8, sum = 0, squares = 0, mixed = 0, mixed_squares = 0;
        for (int i = 0; i < N; i++) {
            double x = sqz_random_gamma(&random, a), y = sqz_random_beta(&random, a, b);
            assert_true(x >= 0 && y >= 0 && y <= 1);
            sum += x / N;
            squares += x * x / N;
            mixed += y / N;
            mixed_squares += y * y / N;
        }
        double mean = a / (a + b), variance = a * b / ((a + b) * (a + b) * (a + b + 1));
        assert_true(fabs(sum - a) < 0.02 * sqrt(a) && fabs(squares - sum * sum - a) < 0.08 * a);
        assert_true(fabs(mixed - mean) < 0.006);
        assert_true(fabs(mixed_squares - mixed * mixed - variance) < 0.004);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(uses_keep_their_numbers),
        cmocka_unit_test(every_part_of_the_key_counts),
        cmocka_unit_test(avalanche),
        cmocka_unit_test(moments),
        cmocka_unit_test(integers),
        cmocka_unit_test(narrow_uniform_stays_below_high),
        cmocka_unit_test(shuffle),
        cmocka_unit_test(gamma_and_beta),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
