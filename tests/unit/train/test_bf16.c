// Floats as 16 bits: rounding to the nearest, ties to even, and numbers that are none.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "train/step/bf16.h"

#include <math.h>
#include <string.h>

static float through(float x)
{
    uint16_t wire;
    float out;
    sqz_bf16_from_floats(&x, &wire, 1);
    sqz_bf16_to_floats(&wire, &out, 1);
    return out;
}

static void test_rounding(void **state)
{
    (void)state;
    assert_true(through(1.0f) == 1.0f);
    assert_true(through(-0.0f) == 0 && signbit(through(-0.0f)));
    // Seven bits after the point: 1 + 1/256 lies half-way between 1 and 1 + 1/128.
    assert_true(through(1 + 1.0f / 256) == 1.0f);
    assert_true(through(1 + 3.0f / 256) == 1 + 4.0f / 256);
    assert_true(through(1 + 1.0f / 256 + 1e-6f) == 1 + 1.0f / 128);
    for (float x = 1e-30f; x < 1e30f; x *= 1.37f)
        assert_true(fabsf(through(x) - x) <= x / 256);
}

static void test_no_numbers(void **state)
{
    (void)state;
    assert_true(isnan(through(NAN)) && isnan(through(-NAN)));
    uint32_t bits = 0x7f800001; // the NaN whose upper half alone would be infinity
    float nan;
    memcpy(&nan, &bits, sizeof nan);
    assert_true(isnan(through(nan)));
    assert_true(through(INFINITY) == INFINITY && through(-INFINITY) == -INFINITY);
    assert_true(isinf(through(3.4e38f))); // beyond the largest: an overflow, which a step notices
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
