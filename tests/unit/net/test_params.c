// Initial values, and the layouts of parameters.
#include "support.h"

static void test_layouts(void **state)
{
    (void)state;
    struct sqz_param param = {.out = 3, .in = 2, .kh = 3, .kw = 3, .offset = 5, .size = 54};
    float flat[60], oihw[54], back[60];
    for (int i = 0; i < 54; i++)
        oihw[i] = (float)i;
    for (int i = 0; i < 60; i++)
        flat[i] = back[i] = -1;
    sqz_param_from_oihw(&param, oihw, flat);
    // HWIO: output channel 2, input channel 1, tap (2, 0).
    assert_true(flat[5 + ((2 * 3 + 0) * 2 + 1) * 3 + 2] == ((2 * 2 + 1) * 3 + 2) * 3 + 0);
    assert_true(flat[4] == -1 && flat[59] == -1);
    float again[54];
    sqz_param_to_oihw(&param, flat, again);
    assert_memory_equal(oihw, again, sizeof oihw);
    sqz_param_from_oihw(&param, again, back);
    assert_memory_equal(flat, back, sizeof flat);
}

static void test_round_trip_of_a_net(void **state)
{
    (void)state;
    struct sqz_net_spec spec = make_spec("squeezenet1_1_complex", "mindcv", 11, 64, 64);
    struct sqz_net *net = make_net(&spec);
    float *weights = make_floats(net->n_weights, 1), *oihw = make_floats(net->n_weights, 2);
    float *back = make_floats(net->n_weights, 3);
    for (int p = 0; p < net->n_params; p++) {
        sqz_param_to_oihw(&net->params[p], weights, oihw);
        sqz_param_from_oihw(&net->params[p], oihw, back);
    }
    assert_memory_equal(weights, back, net->n_weights * sizeof *weights);
    sqz_free(weights);
    sqz_free(oihw);
    sqz_free(back);
    sqz_net_free(net);
}

// Means within 5 standard errors, spread within a few percent, uniform draws up to their bound.
static void test_initial_statistics(void **state)
{
    (void)state;
    struct sqz_net_spec spec = make_spec("squeezenet1_0_complex", "mindcv", 1000, 224, 224);
    struct sqz_net *net = make_net(&spec);
    float *weights = make_floats(net->n_weights, 9);
    sqz_net_initialize(net, 42, weights);
    for (int p = 0; p < net->n_params; p++) {
        const struct sqz_param *param = &net->params[p];
        double sum = 0, squares = 0, most = 0, n = (double)param->size;
        for (size_t i = param->offset; i < param->offset + param->size; i++) {
            sum += weights[i];
            squares += (double)weights[i] * weights[i];
            most = fmax(most, fabs((double)weights[i]));
        }
        if (param->kind == SQZ_PARAM_BIAS) {
            assert_true(most == 0);
            continue;
        }
        bool last = strcmp(param->name, "classifier.1.weight") == 0;
        double bound = sqrt(6.0 / (param->in * param->kh * param->kw));
        double sigma = last ? 0.01 : bound / sqrt(3);
        assert_true(fabs(sum / n) < 5 * sigma / sqrt(n));
        assert_true(fabs(sqrt(squares / n) / sigma - 1) < 4 / sqrt(n));
        if (last)
            assert_true(most > 4 * sigma && most < 7 * sigma);
        else
            assert_true(most > 0.98 * bound && most <= (double)(float)bound);
    }
    sqz_free(weights);
    sqz_net_free(net);
}

static void test_seeds(void **state)
{
    (void)state;
    struct sqz_net_spec spec = make_spec("squeezenet1_1", "mindcv", 10, 64, 64);
    struct sqz_net *net = make_net(&spec);
    float *a = make_floats(net->n_weights, 1), *b = make_floats(net->n_weights, 2);
    sqz_net_initialize(net, 7, a);
    sqz_net_initialize(net, 7, b);
    assert_memory_equal(a, b, net->n_weights * sizeof *a);
    sqz_net_initialize(net, 8, b);
    size_t equal = 0;
    for (size_t i = 0; i < net->params[0].size; i++)
        equal += a[i] == b[i];
    assert_int_equal(equal, 0);
    sqz_free(a);
    sqz_free(b);
    sqz_net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_round_trip_of_a_net),
        cmocka_unit_test(test_initial_statistics),
        cmocka_unit_test(test_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
