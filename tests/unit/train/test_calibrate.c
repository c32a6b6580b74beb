// Temperature, thresholds and AUROC against values worked out by hand; the folded temperature.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "compress/encoder.h"
#include "train/eval/calibrate.h"

// Two classes, a difference of 4 between their logits, three of four right: the best
// temperature makes that 3/4, 4 / T = log 3. The fifth row does not fit.
static void temperature(void **state)
{
    const float logits[] = {4, 0, 4, 0, 0, 4, 4, 0, 0, 9};
    const int labels[] = {0, 0, 1, 1, 0};
    const bool fits[] = {true, true, true, true, false};
    const struct sqz_logit_rows rows = {logits, labels, fits, 5, 2};
    (void)state;
    assert_float_equal(sqz_fit_temperature(&rows), 4 / log(3), 1e-5);
}

static void scores(void **state)
{
    const float logits[] = {1, 2, 0};
    const double sum = exp(1) + exp(2) + 1;
    (void)state;
    assert_float_equal(sqz_unknown_value(SQZ_UNKNOWN_SOFTMAX, logits, 3), exp(2) / sum, 1e-12);
    assert_float_equal(sqz_unknown_value(SQZ_UNKNOWN_LOGIT, logits, 3), 2, 0);
    assert_float_equal(sqz_unknown_value(SQZ_UNKNOWN_ENERGY, logits, 3), log(sum), 1e-12);
    struct sqz_unknown unknown = {SQZ_UNKNOWN_LOGIT, 2};
    assert_false(sqz_unknown_is(&unknown, logits, 3));
    unknown.threshold = 2.001;
    assert_true(sqz_unknown_is(&unknown, logits, 3));
    unknown.score = SQZ_UNKNOWN_NONE;
    assert_false(sqz_unknown_is(&unknown, logits, 3));
}

static void thresholds(void **state)
{
    const double list[] = {5, 1, 4, 2, 3};
    const bool correct[] = {true, false, true, true, false};
    struct sqz_error err = {0};
    double t = -1;
    (void)state;
    assert_int_equal(sqz_threshold_of_coverage(list, 5, 0.6, &t, &err), SQZ_OK);
    assert_float_equal(t, 3, 0);
    assert_int_equal(sqz_threshold_of_coverage(list, 5, 1, &t, &err), SQZ_OK);
    assert_float_equal(t, 1, 0);
    // From 5 on: 1/1, 2/2, 2/3, 3/4, 3/5 are right.
    assert_int_equal(sqz_threshold_of_precision(list, correct, 5, 1, &t, &err), SQZ_OK);
    assert_float_equal(t, 4, 0);
    assert_int_equal(sqz_threshold_of_precision(list, correct, 5, 0.75, &t, &err), SQZ_OK);
    assert_float_equal(t, 2, 0);
    assert_int_equal(sqz_threshold_of_precision(list + 1, correct + 1, 1, 0.5, &t, &err),
                     SQZ_BELOW_BOUND);
    const double equal[] = {2, 2, 2};
    const bool one[] = {true, true, false}; // equal scores are answered together
    assert_int_equal(sqz_threshold_of_precision(equal, one, 3, 0.9, &t, &err), SQZ_BELOW_BOUND);
}

static void auroc(void **state)
{
    const double known[] = {3, 2, 2}, unknown[] = {1, 2, 4};
    struct sqz_error err = {0};
    double area = -1;
    (void)state;
    // 3 beats 1 and 2; each 2 beats 1 and ties with 2: (2 + 1.5 + 1.5) / 9.
    assert_int_equal(sqz_auroc(known, 3, unknown, 3, &area, &err), SQZ_OK);
    assert_float_equal(area, 5.0 / 9, 1e-12);
}

// Multiples of a step stay multiples of one step, others are divided as they are.
static void folding(void **state)
{
    struct sqz_model *model = NULL;
    struct sqz_error err = {0};
    const struct sqz_net_spec spec = {.variant = sqz_variant_find("squeezenet1_1"),
                                      .dialect = sqz_dialect_find("mindcv"),
                                      .classes = 3,
                                      .channels = 3,
                                      .image_h = 32,
                                      .image_w = 32};
    (void)state;
    for (int on_a_step = 0; on_a_step < 2; on_a_step++) {
        assert_int_equal(sqz_model_create(&spec, &model, &err), SQZ_OK);
        const struct sqz_param *weight =
            &model->net->params[sqz_net_find_param(model->net, "classifier.1.weight")];
        float *w = model->weights + weight->offset, first[3 * 512];
        sqz_net_initialize(model->net, 1, model->weights);
        for (size_t i = 0; on_a_step && i < weight->size; i++)
            w[i] = (float)((int)(i * 7 % 201) - 100) * 0.0123f;
        memcpy(first, w, sizeof first);
        model->weights[weight->offset + weight->size] = 0.5f; // the first bias
        float bias =
            model->weights[model->net->params[sqz_net_find_param(model->net, "classifier.1.bias")]
                               .offset];
        assert_int_equal(sqz_fold_temperature(model, 1.7, &err), SQZ_OK);
        for (size_t i = 0; i < weight->size; i++)
            assert_float_equal(w[i], first[i] / 1.7f, 1e-6f * fabsf(first[i]));
        assert_float_equal(
            model->weights[model->net->params[sqz_net_find_param(model->net, "classifier.1.bias")]
                               .offset],
            bias / 1.7f, 1e-6);
        struct sqz_coded coded = {0};
        size_t dims[] = {3, 512, 1, 1};
        float oihw[3 * 512];
        sqz_param_to_oihw(weight, model->weights, oihw);
        assert_int_equal(sqz_coded_from_floats(oihw, 4, dims, SQZ_CODER_RANGE, &coded, &err),
                         SQZ_OK);
        assert_int_equal(coded.coding == SQZ_CODING_STEP, on_a_step);
        sqz_coded_release(&coded);
        sqz_model_free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(temperature), cmocka_unit_test(scores),
                                       cmocka_unit_test(thresholds), cmocka_unit_test(auroc),
                                       cmocka_unit_test(folding)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
