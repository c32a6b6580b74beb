// One-shot compression of a small network on noise: bounds are kept, threads do not matter,
// images help. And the pruning and sharing of Deep Compression.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "compress/auto.h"
#include "compress/deep.h"
#include "compress/encoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 40, IMAGES = 12 };
static struct sqz_net *net;
static float *weights;

// Images with a few large structures, so that neighbouring pixels know of each other.
static enum sqz_status images(void *arg, int first, int n, float *out, struct sqz_error *err)
{
    (void)arg;
    (void)err;
    for (int i = 0; i < n; i++) {
        struct sqz_random random;
        sqz_random_init(&random, 8, 0, (uint64_t)(first + i), SQZ_RANDOM_TEST);
        double a = sqz_random_uniform(&random, 0.05, 0.5), b = sqz_random_uniform(&random, 0, 6);
        for (int p = 0; p < SIDE * SIDE; p++)
            for (int c = 0; c < 3; c++)
                *out++ = (float)(sin(a * (p % SIDE) + b * c) + cos(a * (p / SIDE) + b) +
                                 0.2 * sqz_random_normal(&random));
    }
    return SQZ_OK;
}

static enum sqz_status no_progress(void *arg, const char *phase, int step, int steps,
                                   struct sqz_error *err)
{
    (void)err;
    assert_non_null(phase);
    assert_true(step < steps);
    if (arg)
        ++*(int *)arg;
    return SQZ_OK;
}

// Payloads of all tensors, as the file would have them.
static enum sqz_status measure_size(void *arg, const float *w, size_t *bytes, struct sqz_error *err)
{
    (void)arg;
    *bytes = 0;
    for (int i = 0; i < net->n_params; i++) {
        const struct sqz_param *p = &net->params[i];
        struct sqz_text payload = {0};
        struct sqz_coded coded;
        uint32_t check;
        size_t dims[4] = {(size_t)p->out, (size_t)p->in, (size_t)p->kh, (size_t)p->kw};
        float *oihw = sqz_new_array(p->size, sizeof *oihw);
        sqz_param_to_oihw(p, w, oihw);
        int rank = p->kind == SQZ_PARAM_BIAS ? 1 : 4;
        assert_int_equal(sqz_coded_from_floats(oihw, rank, dims, SQZ_CODER_RANGE, &coded, err),
                         SQZ_OK);
        // What the quantiser made is found again.
        assert_int_equal(coded.coding, SQZ_CODING_STEP);
        sqz_coded_encode(&coded, &payload, &check);
        *bytes += payload.length;
        sqz_text_release(&payload);
        sqz_coded_release(&coded);
        sqz_free(oihw);
    }
    return SQZ_OK;
}

static struct sqz_auto_result run(struct sqz_auto_job job, int threads, float *out)
{
    struct sqz_auto_result result;
    struct sqz_pool *pool = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_pool_new(threads, &pool, NULL), SQZ_OK);
    job.net = net;
    job.weights = weights;
    job.kernels = sqz_kernels_get(sqz_cpu_level(NULL));
    job.pool = pool;
    job.progress = no_progress;
    job.measure_size = measure_size;
    if (sqz_auto_run(&job, out, &result, &err))
        fail_msg("%s", err.text);
    sqz_pool_free(pool);
    return result;
}

static void test_size(void **state)
{
    float *out = sqz_new_array(net->n_weights, sizeof *out);
    struct sqz_auto_job job = {.images = images, .n_images = IMAGES};
    double before = INFINITY;
    (void)state;
    for (size_t size = 200000; size <= 400000; size += 100000) {
        size_t bytes;
        job.size = size;
        struct sqz_auto_result result = run(job, 2, out);
        assert_int_equal(measure_size(NULL, out, &bytes, NULL), SQZ_OK);
        assert_true(bytes <= size && bytes > size * 9 / 10);
        assert_true(result.divergence.kl < before && result.divergence.kl >= 0);
        before = result.divergence.kl;
    }
    sqz_free(out);
}

// What lies on steps already keeps them, or takes coarser ones: at the size that it has it stays
// what it is, to the bit.
static void test_weights_on_a_grid(void **state)
{
    float *out = sqz_new_array(net->n_weights, sizeof *out), *dense = weights;
    float *on_grid = sqz_new_array(net->n_weights, sizeof *on_grid);
    float *steps = sqz_new_array((size_t)net->n_params, sizeof *steps);
    float *coarser = sqz_new_array((size_t)net->n_params, sizeof *coarser);
    struct sqz_auto_job job = {
        .images = images, .n_images = IMAGES, .size = 300000, .steps = steps};
    size_t bytes;
    int kept = 0;
    (void)state;
    run(job, 2, on_grid);
    weights = on_grid;
    job.grid = steps;
    job.steps = coarser;
    assert_int_equal(measure_size(NULL, on_grid, &job.size, NULL), SQZ_OK);
    run(job, 2, out);
    assert_memory_equal(out, on_grid, net->n_weights * sizeof *out);
    assert_memory_equal(coarser, steps, (size_t)net->n_params * sizeof *steps);
    job.size = job.size * 9 / 10;
    struct sqz_auto_result result = run(job, 2, out);
    assert_int_equal(measure_size(NULL, out, &bytes, NULL), SQZ_OK);
    assert_true(bytes <= job.size && bytes > job.size * 95 / 100);
    assert_true(result.divergence.kl > 0);
    for (int p = 0; p < net->n_params; p++) {
        assert_true(coarser[p] >= steps[p]);
        kept += coarser[p] == steps[p];
    }
    assert_true(kept > net->n_params / 2);
    weights = dense;
    sqz_free(out);
    sqz_free(on_grid);
    sqz_free(steps);
    sqz_free(coarser);
}

static void test_divergence_bound_and_threads(void **state)
{
    float *one = sqz_new_array(net->n_weights, sizeof *one);
    float *other = sqz_new_array(net->n_weights, sizeof *other);
    struct sqz_auto_job job = {.images = images, .n_images = IMAGES, .max_kl = 0.002};
    (void)state;
    struct sqz_auto_result result = run(job, 1, one);
    assert_true(result.divergence.kl <= 0.002 && result.divergence.kl > 0.0002);
    run(job, 3, other);
    assert_memory_equal(one, other, net->n_weights * sizeof *one);
    sqz_free(one);
    sqz_free(other);
}

static void test_images_help(void **state)
{
    float *out = sqz_new_array(net->n_weights, sizeof *out);
    struct sqz_auto_job with = {.images = images, .n_images = IMAGES, .size = 300000};
    struct sqz_auto_job without = {.size = 300000};
    struct sqz_pool *pool = NULL;
    struct sqz_divergence_probe *probe = NULL;
    struct sqz_divergence a, b;
    (void)state;
    assert_int_equal(sqz_pool_new(2, &pool, NULL), SQZ_OK);
    assert_int_equal(sqz_divergence_probe_new(net, weights, sqz_kernels_get(sqz_cpu_level(NULL)),
                                              pool, images, NULL, IMAGES, &probe, NULL),
                     SQZ_OK);
    run(with, 2, out);
    assert_int_equal(sqz_divergence_probe_measure(probe, out, &a, NULL), SQZ_OK);
    assert_true(isnan(run(without, 2, out).divergence.kl));
    assert_int_equal(sqz_divergence_probe_measure(probe, out, &b, NULL), SQZ_OK);
    assert_true(a.kl < 0.7 * b.kl);
    // Nothing changed: no divergence.
    assert_int_equal(sqz_divergence_probe_measure(probe, weights, &a, NULL), SQZ_OK);
    assert_true(a.kl == 0 && a.agreement == 1 && a.drop == 0);
    sqz_divergence_probe_free(probe);
    sqz_pool_free(pool);
    sqz_free(out);
}

// --- Deep Compression ---

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static int distinct(const struct sqz_param *p, const float *w, bool *has_zero)
{
    float *sorted = sqz_new_array(p->size, sizeof *sorted);
    int n = 1;
    memcpy(sorted, w + p->offset, p->size * sizeof *sorted);
    qsort(sorted, p->size, sizeof *sorted, compare_floats);
    *has_zero = sorted[0] == 0;
    for (size_t i = 1; i < p->size; i++) {
        n += sorted[i] != sorted[i - 1];
        *has_zero = *has_zero || sorted[i] == 0;
    }
    sqz_free(sorted);
    return n;
}

static void test_deep(void **state)
{
    float *w = sqz_new_array(net->n_weights, sizeof *w);
    struct sqz_pool *pool = NULL;
    struct sqz_error err = {0};
    size_t all = 0, kept = 0;
    (void)state;
    assert_int_equal(sqz_pool_new(2, &pool, NULL), SQZ_OK);
    memcpy(w, weights, net->n_weights * sizeof *w);
    struct sqz_deep_job job = {.net = net, .density = 0.3, .bits = 4, .pool = pool};
    assert_int_equal(sqz_deep_run(&job, w, &err), SQZ_OK);
    for (int i = 0; i < net->n_params; i++) {
        const struct sqz_param *p = &net->params[i];
        bool has_zero;
        if (p->kind == SQZ_PARAM_BIAS) {
            for (size_t k = p->offset; k < p->offset + p->size; k++)
                assert_true(fabsf(w[k] - weights[k]) <= fabsf(weights[k]) / 131072);
            continue;
        }
        int values = distinct(p, w, &has_zero);
        assert_true(values - has_zero <= 15 && values > 3);
        double error = 0, power = 0;
        for (size_t k = p->offset; k < p->offset + p->size; k++) {
            all++;
            kept += w[k] != 0;
            if (w[k] != 0) {
                error += pow((double)w[k] - (double)weights[k], 2);
                power += pow((double)weights[k], 2);
            }
        }
        assert_true(error < 0.02 * power); // 4 bits
    }
    assert_true(fabs((double)kept / (double)all - 0.3) < 0.005);
    job.bits = 9;
    assert_int_equal(sqz_deep_run(&job, w, &err), SQZ_E_USAGE);
    job.bits = 6;
    job.density = 0;
    assert_int_equal(sqz_deep_run(&job, w, &err), SQZ_E_USAGE);
    sqz_pool_free(pool);
    sqz_free(w);
}

static int set_up(void **state)
{
    struct sqz_net_spec spec = {.variant = sqz_variant_find("squeezenet1_1"),
                                .dialect = sqz_dialect_find("torchvision"),
                                .classes = 10,
                                .channels = 3,
                                .image_h = SIDE,
                                .image_w = SIDE};
    (void)state;
    if (sqz_net_new(&spec, &net, NULL))
        return -1;
    weights = sqz_new_array(net->n_weights, sizeof *weights);
    sqz_net_initialize(net, 1, weights);
    // Answers that differ from image to image, from a last layer as large as the others.
    const struct sqz_param *last = &net->params[net->n_params - 2];
    for (size_t i = 0; i < last->size; i++)
        weights[last->offset + i] *= 20;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sqz_net_free(net);
    sqz_free(weights);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_weights_on_a_grid),
        cmocka_unit_test(test_divergence_bound_and_threads),
        cmocka_unit_test(test_images_help),
        cmocka_unit_test(test_deep),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
