// What training for small files is made of: pruning, rounding to steps, weights that are tied.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "compress/uniform_quantizer.h"
#include "compress/prune.h"
#include "compress/weight_sharing.h"

#include <math.h>
#include <string.h>

static struct sqz_net *net;
static float *weights, *changed;
static struct sqz_pool *one, *three;

static int set_up(void **state)
{
    (void)state;
    struct sqz_net_spec spec = {.variant = sqz_variant_find("squeezenet1_1"),
                                .dialect = sqz_dialect_find("mindcv"),
                                .classes = 4,
                                .channels = 3,
                                .image_h = 40,
                                .image_w = 40};
    if (sqz_net_new(&spec, &net, NULL) || sqz_pool_new(1, &one, NULL) ||
        sqz_pool_new(3, &three, NULL))
        return -1;
    weights = sqz_new_array(net->n_weights, sizeof *weights);
    changed = sqz_new_array(net->n_weights, sizeof *changed);
    if (!weights || !changed)
        return -1;
    sqz_net_initialize(net, 3, weights);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sqz_free(weights);
    sqz_free(changed);
    sqz_net_free(net);
    sqz_pool_free(one);
    sqz_pool_free(three);
    return 0;
}

static void begin(void)
{
    memcpy(changed, weights, net->n_weights * sizeof *changed);
}

static void test_prune(void **state)
{
    (void)state;
    float *other = sqz_new_array(net->n_weights, sizeof *other);
    assert_non_null(other);
    begin();
    assert_true(sqz_density(net, changed) > 0.999);
    assert_int_equal(sqz_prune(net, one, 0.2, changed, NULL), SQZ_OK);
    double density = sqz_density(net, changed);
    assert_true(density <= 0.2 && density > 0.199);
    for (int p = 0; p < net->n_params; p++) {
        const struct sqz_param *param = &net->params[p];
        float smallest_kept = INFINITY, largest_gone = 0;
        for (size_t i = param->offset; i < param->offset + param->size; i++) {
            float magnitude = fabsf(weights[i]);
            assert_true(changed[i] == weights[i] || changed[i] == 0);
            if (changed[i] != 0)
                smallest_kept = fminf(smallest_kept, magnitude);
            else
                largest_gone = fmaxf(largest_gone, magnitude);
        }
        if (param->kind == SQZ_PARAM_WEIGHT)
            assert_true(isfinite(smallest_kept) && smallest_kept >= largest_gone);
        else
            assert_memory_equal(changed + param->offset, weights + param->offset,
                                param->size * sizeof *weights);
    }
    // More at once is the same as more step by step, on any number of threads.
    memcpy(other, weights, net->n_weights * sizeof *other);
    assert_int_equal(sqz_prune(net, three, 0.2, other, NULL), SQZ_OK);
    assert_memory_equal(other, changed, net->n_weights * sizeof *other);
    assert_int_equal(sqz_prune(net, three, 0.5, other, NULL), SQZ_OK);
    assert_memory_equal(other, changed, net->n_weights * sizeof *other);
    sqz_free(other);
}

static void test_grid(void **state)
{
    (void)state;
    struct sqz_uniform_quantizer grid;
    assert_int_equal(sqz_uniform_quantizer_new(net, &grid, NULL), SQZ_OK);
    for (int p = 0; p < net->n_params; p++)
        grid.steps[p] = net->params[p].kind == SQZ_PARAM_WEIGHT ? 0.003F + 1e-4F * (float)p : 0;
    sqz_uniform_quantizer_round(&grid, three, weights, changed);
    for (int p = 0; p < net->n_params; p++) {
        const struct sqz_param *param = &net->params[p];
        float step = grid.steps[p];
        for (size_t i = param->offset; i < param->offset + param->size; i++) {
            assert_true(step > 0 ? fabsf(changed[i] - weights[i]) <= 0.5001F * step
                                 : changed[i] == weights[i]);
            float code = step > 0 ? rintf(changed[i] / step) : 0;
            assert_true(step == 0 || changed[i] == code * step);
            assert_true(changed[i] != 0 || !signbit(changed[i]) || weights[i] == 0);
        }
    }
    // With a base only what has moved far enough leaves its code.
    grid.base = sqz_new_array(net->n_weights, sizeof *grid.base);
    float *moved = sqz_new_array(net->n_weights, sizeof *moved);
    assert_true(grid.base && moved);
    memcpy(grid.base, changed, net->n_weights * sizeof *moved);
    memcpy(moved, changed, net->n_weights * sizeof *moved);
    size_t at = net->params[0].offset;
    grid.dead_zone = 2;
    moved[at] += 1.9F * grid.steps[0];
    moved[at + 1] += 2.2F * grid.steps[0];
    float far = rintf(changed[at + 1] / grid.steps[0]) + 2;
    sqz_uniform_quantizer_round(&grid, one, moved, changed);
    assert_true(changed[at] == grid.base[at]);
    assert_true(changed[at + 1] == far * grid.steps[0]);
    changed[at + 1] = grid.base[at + 1];
    assert_memory_equal(changed, grid.base, net->n_weights * sizeof *changed);
    sqz_free(moved);
    sqz_uniform_quantizer_release(&grid);
}

// Every third weight is 0, the others have one of four values.
static void share(void)
{
    static const float values[4] = {-0.5F, -0.25F, 0.125F, 0.75F};
    begin();
    for (int p = 0; p < net->n_params; p++)
        for (size_t i = 0; net->params[p].kind == SQZ_PARAM_WEIGHT && i < net->params[p].size; i++)
            changed[net->params[p].offset + i] = i % 3 ? values[i * 7 % 11 % 4] : 0;
}

static void test_ties(void **state)
{
    (void)state;
    struct sqz_weight_sharing sharing;
    const struct sqz_param *param = &net->params[0];
    float *gradient = sqz_new_array(net->n_weights, sizeof *gradient);
    float *before = sqz_new_array(net->n_weights, sizeof *before);
    double sum = 0;
    assert_true(gradient && before);
    assert_int_equal(sqz_weight_sharing_new(net, &sharing, NULL), SQZ_OK);
    share();
    memcpy(before, changed, net->n_weights * sizeof *before);
    for (size_t i = 0; i < net->n_weights; i++)
        gradient[i] = (float)(i % 13) - 5;
    for (size_t i = 0; i < param->size; i++)
        sum += changed[param->offset + i] == 0.75F ? (double)gradient[param->offset + i] : 0;
    sqz_weight_sharing_sum_gradients(&sharing, three, changed, gradient);
    for (size_t i = 0; i < param->size; i++)
        if (changed[param->offset + i] == 0.75F)
            assert_true(gradient[param->offset + i] == (float)sum);
    // An update whose rounding is not the same everywhere: the groups stay together.
    for (size_t i = 0; i < net->n_weights; i++)
        changed[i] += changed[i] != 0 ? 0.01F * gradient[i] + 1e-6F * (float)(i % 3) : 0;
    sqz_weight_sharing_sync(&sharing, three, changed);
    float now = 0;
    for (size_t i = 0; i < param->size; i++) {
        size_t at = param->offset + i;
        if (before[at] == 0)
            assert_true(changed[at] == 0);
        if (before[at] != 0.75F)
            continue;
        now = now == 0 ? changed[at] : now;
        assert_true(changed[at] == now && now != 0.75F);
    }
    sqz_weight_sharing_release(&sharing);
    sqz_free(gradient);
    sqz_free(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_prune), cmocka_unit_test(test_grid),
                                       cmocka_unit_test(test_ties)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
