// Calibration figures against values worked out by hand.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "train/eval/reliability.h"

static void one_sample(void **state)
{
    const float logits[] = {(float)log(2), 0, 0}; // 1/2, 1/4, 1/4
    (void)state;
    struct sqz_reliability_sample right = sqz_reliability_of(logits, 3, 0);
    struct sqz_reliability_sample wrong = sqz_reliability_of(logits, 3, 2);
    assert_float_equal(right.confidence, 0.5, 1e-7);
    assert_float_equal(right.nll, log(2), 1e-7);
    assert_float_equal(right.brier, 0.25 + 2 * 0.0625, 1e-7);
    assert_float_equal(wrong.confidence, 0.5, 1e-7);
    assert_float_equal(wrong.nll, log(4), 1e-7);
    assert_float_equal(wrong.brier, 0.25 + 0.0625 + 0.5625, 1e-7);
    const float large[] = {1000, 0}; // exp(1000) is no double
    struct sqz_reliability_sample far = sqz_reliability_of(large, 2, 1);
    assert_float_equal(far.nll, 1000, 1e-9);
    assert_float_equal(far.confidence, 1, 0);
}

// Three at 0.95, of which one is right; one at 0.5, right; one at exactly 1, right.
static void bins_and_error(void **state)
{
    struct sqz_reliability sums = {0};
    struct sqz_validate_result out = {0};
    (void)state;
    for (int i = 0; i < 3; i++)
        sqz_reliability_add(
            &sums, &(struct sqz_reliability_sample){.confidence = 0.95, .nll = 1, .brier = 0.5},
            i == 0);
    sqz_reliability_add(&sums, &(struct sqz_reliability_sample){.confidence = 0.5, .nll = 6}, true);
    sqz_reliability_add(&sums, &(struct sqz_reliability_sample){.confidence = 1}, true);
    sqz_reliability_tell(&sums, &out);
    assert_int_equal(out.reliability[14].samples, 4);
    assert_float_equal(out.reliability[14].confidence, (3 * 0.95 + 1) / 4, 1e-12);
    assert_float_equal(out.reliability[14].accuracy, 0.5, 1e-12);
    assert_int_equal(out.reliability[7].samples, 1);
    assert_float_equal(out.ece, 0.8 * ((3 * 0.95 + 1) / 4 - 0.5) + 0.2 * 0.5, 1e-12);
    assert_float_equal(out.nll, 9.0 / 5, 1e-12);
    assert_float_equal(out.brier, 1.5 / 5, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_sample),
                                       cmocka_unit_test(bins_and_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
