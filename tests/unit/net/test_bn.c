// Batch normalisation in training: gradients against central differences of a network in double,
// the folded network against the one with BN, calibration, threads and memory.
#include "heap.h"
#include "support.h"

#include "net/gradient.h"
#include "net/infer.h"
#include "net/bn.h"

static const struct sqz_kernels *kernels;

enum { CLASSES = 5, MOST = 40 };

struct bench {
    struct sqz_net *plain, *net;
    float *plain_weights, *weights, *images, *gradient, *masks[MOST];
    int labels[MOST], batch, checks, off; // off: slopes that lie beside the gradient
    struct loss_arg loss;
    double loss_value, gradient_norm;
    struct refnet ref[MOST];
};

static struct sqz_pool *make_pool(int threads)
{
    struct sqz_pool *pool = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_pool_new(threads, &pool, &err), SQZ_OK);
    return pool;
}

static float *make_mask(const struct sqz_net *net, int sample)
{
    size_t n = 0;
    for (int i = 0; i < net->n_layers; i++)
        if (net->layers[i].kind == SQZ_LAYER_DROPOUT)
            n = sqz_tensor_size(net, net->layers[i].input);
    float *mask = sqz_new_array(n, sizeof *mask);
    for (size_t i = 0; i < n; i++)
        mask[i] = 1;
    struct sqz_random random;
    sqz_random_init(&random, 5, 1000, (uint64_t)sample, SQZ_RANDOM_DROPOUT);
    sqz_dropout(net, random.key, mask, n);
    return mask;
}

// Normalised parameters of which none is at its starting value.
static float *make_normalised(const struct bench *bench)
{
    float *weights = make_floats(bench->net->n_weights, 21);
    float *unfolded = make_floats(bench->net->n_weights, 22);
    sqz_bn_insert(bench->plain, bench->plain_weights, bench->net, unfolded);
    for (int p = 0; p < bench->net->n_params; p++) {
        const struct sqz_param *param = &bench->net->params[p];
        for (size_t i = param->offset; i < param->offset + param->size; i++) {
            if (param->kind == SQZ_PARAM_WEIGHT || param->kind == SQZ_PARAM_BIAS)
                weights[i] = unfolded[i];
            else
                weights[i] = unfolded[i] + 0.4f * weights[i]; // variances stay positive
            if (param->kind == SQZ_PARAM_GAMMA && i % 3 == 0)
                weights[i] = -weights[i]; // of pools in front of it the minima count
        }
    }
    sqz_free(unfolded);
    return weights;
}

static void bench_open(struct bench *bench, const char *variant, int side, int batch, int group,
                       double drop_rate)
{
    struct sqz_net_spec spec = make_spec(variant, "mindcv", CLASSES, side, side);
    *bench = (struct bench){.batch = batch};
    spec.drop_rate = drop_rate;
    bench->plain = make_net(&spec);
    spec.norm_group = group;
    bench->net = make_net(&spec);
    bench->plain_weights = make_weights(bench->plain, 11);
    bench->weights = make_normalised(bench);
    bench->images = make_floats((size_t)batch * image_floats(bench->net), 12);
    bench->gradient = make_floats(bench->net->n_weights, 13);
    for (int s = 0; s < batch; s++) {
        bench->labels[s] = (3 * s + 1) % CLASSES;
        bench->masks[s] = make_mask(bench->net, s);
        bench->ref[s] = refnet_new(bench->net, bench->weights);
        size_t image = image_floats(bench->net);
        for (size_t i = 0; i < image; i++)
            bench->ref[s].tensors[0][i] = bench->images[(size_t)s * image + i];
    }
    bench->loss = (struct loss_arg){CLASSES, batch, bench->labels, 0.1};
}

static void bench_close(struct bench *bench)
{
    for (int s = 0; s < bench->batch; s++) {
        refnet_free(&bench->ref[s]);
        sqz_free(bench->masks[s]);
    }
    sqz_free(bench->plain_weights);
    sqz_free(bench->weights);
    sqz_free(bench->images);
    sqz_free(bench->gradient);
    sqz_net_free(bench->plain);
    sqz_net_free(bench->net);
}

static void run_engine(struct bench *bench, int threads, bool *fixed, float *gradient)
{
    struct sqz_pool *pool = make_pool(threads);
    struct sqz_gradient *engine = NULL;
    struct sqz_error err = {0};
    struct sqz_gradient_step step = {.weights = bench->weights,
                                     .images = bench->images,
                                     .n = bench->batch,
                                     .loss = batch_loss,
                                     .loss_arg = &bench->loss,
                                     .seed = 5,
                                     .micro_step = 1000,
                                     .gradient = gradient,
                                     .fixed = fixed};
    assert_int_equal(sqz_gradient_new(bench->net, kernels, pool, bench->batch, 1, &engine, &err),
                     SQZ_OK);
    sqz_gradient_run(engine, &step);
    bench->loss_value = step.loss_value;
    double squares = 0;
    for (int p = 0; p < bench->net->n_params; p++)
        if (bench->net->params[p].kind != SQZ_PARAM_STATISTIC)
            squares += kernels->sum_of_squares(gradient + bench->net->params[p].offset,
                                               bench->net->params[p].size);
    bench->gradient_norm = sqrt(squares);
    sqz_gradient_free(engine);
    sqz_pool_free(pool);
}

// --- The same in double ---

// Normalises what one convolution wrote for samples [first, end), by their own statistics or by the
// moving ones.
static void normalise(const struct bench *bench, int index, int first, int end, bool fixed)
{
    const struct sqz_net *net = bench->net;
    const struct sqz_layer *layer = &net->layers[index];
    const struct sqz_tensor *out = &net->tensors[layer->output];
    const double *params = bench->ref[0].weights;
    const double *gamma = params + net->params[layer->gamma].offset;
    const double *beta = params + net->params[layer->bias].offset;
    int pixels = out->h * out->w;
    for (int c = 0; c < layer->channels; c++) {
        double mean = 0, variance = 0, n = (double)(end - first) * pixels;
        int at = layer->channel + c;
        for (int s = first; s < end; s++)
            for (int p = 0; p < pixels; p++)
                mean += bench->ref[s].tensors[layer->output][p * out->c + at] / n;
        for (int s = first; s < end; s++)
            for (int p = 0; p < pixels; p++)
                variance +=
                    pow(bench->ref[s].tensors[layer->output][p * out->c + at] - mean, 2) / n;
        if (fixed) {
            mean = params[net->params[layer->gamma + 1].offset + (size_t)c];
            variance = params[net->params[layer->gamma + 2].offset + (size_t)c];
        }
        for (int s = first; s < end; s++)
            for (int p = 0; p < pixels; p++) {
                double *y = &bench->ref[s].tensors[layer->output][p * out->c + at];
                *y = gamma[c] * (*y - mean) / sqrt(variance + SQZ_BN_EPSILON) + beta[c];
                *y = layer->relu && *y < 0 ? 0 : *y;
            }
    }
}

static void conv_linear(const struct refnet *ref, int index)
{
    const struct sqz_net *net = ref->net;
    const struct sqz_layer *layer = &net->layers[index];
    struct sqz_conv conv = sqz_layer_conv(net, index);
    conv_forward_double(&conv, ref->tensors[layer->input], net->tensors[layer->input].c,
                        ref->weights + net->params[layer->weight].offset, NULL, false,
                        ref->tensors[layer->output] + layer->channel,
                        net->tensors[layer->output].c);
}

// Loss of the batch; layers from `from` on are recomputed. Sample 0 holds the parameters that
// are moved, so the others look at them there.
static double double_loss(struct bench *bench, int from, bool fixed)
{
    const struct sqz_net *net = bench->net;
    const int groups = (bench->batch + net->spec.norm_group - 1) / net->spec.norm_group;
    double sum = 0;
    for (int i = from; i < net->n_layers; i++) {
        bool normalised = net->layers[i].gamma >= 0;
        for (int s = 0; s < bench->batch; s++) {
            struct refnet ref = bench->ref[s];
            ref.weights = bench->ref[0].weights;
            if (normalised)
                conv_linear(&ref, i);
            else
                refnet_layer(&ref, i, bench->masks[s]);
        }
        for (int g = 0; normalised && g < groups; g++)
            normalise(bench, i, bench->batch * g / groups, bench->batch * (g + 1) / groups, fixed);
    }
    for (int s = 0; s < bench->batch; s++)
        sum += cross_entropy(bench->ref[s].tensors[net->n_tensors - 1], CLASSES, bench->labels[s],
                             0.1, NULL) /
               bench->batch;
    return sum;
}

static void check_along(struct bench *bench, const struct sqz_param *param, int layer, bool fixed,
                        const double *direction, double wanted, double tolerance)
{
    const double step = 1e-7;
    double *weights = bench->ref[0].weights + param->offset, loss[2];
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < param->size; i++)
            weights[i] = bench->weights[param->offset + i] + (side ? -step : step) * direction[i];
        loss[side] = double_loss(bench, layer, fixed);
    }
    for (size_t i = 0; i < param->size; i++)
        weights[i] = bench->weights[param->offset + i];
    double slope = (loss[0] - loss[1]) / (2 * step);
    // Where float and double fall on two sides of a kink of ReLU or pooling, which happens to a few
    // of the 10^5 values, the gradients of what lies before it are off by that one value's share.
    bench->checks++;
    bench->off += fabs(slope - wanted) > tolerance;
    if (fabs(slope - wanted) > 30 * tolerance)
        fail_msg("%s: the slope is %.9g, the gradient says %.9g (tolerance %.3g)", param->name,
                 slope, wanted, tolerance);
}

// Along the gradient, in which every wrong value lowers the slope, and along a random direction.
static void check_param(struct bench *bench, int p, int layer, bool fixed)
{
    const struct sqz_param *param = &bench->net->params[p];
    const float *got = bench->gradient + param->offset;
    double *direction = sqz_new_array(param->size, sizeof *direction), norm = 0, along = 0;
    for (size_t i = 0; i < param->size; i++)
        norm += (double)got[i] * got[i];
    norm = sqrt(norm);
    assert_true(norm > 0);
    // beta of a bypass is taken out by the next normalisation: its gradient is 0 but for rounding.
    const double tolerance = 1e-3 * norm + 2e-6 * bench->gradient_norm;
    for (size_t i = 0; i < param->size; i++)
        direction[i] = got[i] / norm;
    check_along(bench, param, layer, fixed, direction, norm, tolerance);
    struct sqz_random random;
    sqz_random_init(&random, 1, 0, (uint64_t)p, SQZ_RANDOM_TEST);
    for (size_t i = 0; i < param->size; i++) {
        direction[i] = (sqz_random_int(&random, 0, 2) ? 1 : -1) / sqrt((double)param->size);
        along += direction[i] * got[i];
    }
    check_along(bench, param, layer, fixed, direction, along, tolerance);
    sqz_free(direction);
}

static void check_gradient(const char *variant, int side, int batch, int group, bool all_fixed)
{
    struct bench bench;
    bool fixed[64];
    memset(fixed, all_fixed, sizeof fixed);
    bench_open(&bench, variant, side, batch, group, 0.3);
    run_engine(&bench, 2, fixed, bench.gradient);
    double wanted = double_loss(&bench, 0, all_fixed);
    if (fabs(bench.loss_value - wanted) > 1e-5 * wanted)
        fail_msg("the loss is %.9g instead of %.9g", bench.loss_value, wanted);
    // Backwards, so that the tensors before each layer are those of the unmoved parameters.
    for (int i = bench.net->n_layers - 1; i >= 0; i--) {
        const struct sqz_layer *layer = &bench.net->layers[i];
        if (layer->kind != SQZ_LAYER_CONV)
            continue;
        int from = i; // dropout works in place, so the whole tensor has to be recomputed
        while (from > 0 && bench.net->layers[from - 1].output == layer->output)
            from--;
        check_param(&bench, layer->weight, from, all_fixed);
        check_param(&bench, layer->bias, from, all_fixed);
        if (layer->gamma >= 0)
            check_param(&bench, layer->gamma, from, all_fixed);
    }
    assert_true(bench.checks > 100 && bench.off * 2 < bench.checks);
    bench_close(&bench);
}

static void test_gradient(void **state)
{
    (void)state;
    if (getenv("SQZ_SANITIZED")) { // where everything is slow
        check_gradient("squeezenet1_1_bypass", 49, 5, 8, false);
        return;
    }
    check_gradient("squeezenet1_1", 65, 6, 6, false);
    check_gradient("squeezenet1_1_bypass", 65, 5, 8, false);
    check_gradient("squeezenet1_1_complex", 65, 8, 4, false);
}

static void test_gradient_of_fixed_layers(void **state)
{
    (void)state;
    check_gradient("squeezenet1_1", 33, 3, 2, true);
}

// --- Statistics ---

static void test_statistics(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, "squeezenet1_1", 33, 6, 6, 0);
    run_engine(&bench, 2, NULL, bench.gradient);
    const struct sqz_net *net = bench.net;
    for (int s = 0; s < 6; s++)
        conv_linear(&bench.ref[s], 0);
    const struct sqz_layer *layer = &net->layers[0];
    const struct sqz_tensor *out = &net->tensors[layer->output];
    for (int c = 0; c < out->c; c++) {
        int pixels = out->h * out->w, n = 6 * pixels;
        double mean = 0, variance = 0;
        for (int i = 0; i < n; i++)
            mean += bench.ref[i / pixels].tensors[layer->output][i % pixels * out->c + c] / n;
        for (int i = 0; i < n; i++)
            variance +=
                pow(bench.ref[i / pixels].tensors[layer->output][i % pixels * out->c + c] - mean,
                    2) /
                (n - 1);
        const float *got = bench.gradient + net->params[layer->gamma + 1].offset;
        assert_true(fabs(got[c] - mean) < 1e-5 * sqrt(variance));
        assert_true(fabs(got[out->c + c] - variance) < 1e-5 * variance);
    }
    float *statistics = make_floats(sqz_bn_stats_size(net), 1);
    float *moving = bench.weights + net->params[layer->gamma + 1].offset;
    float before = moving[3], batch = bench.gradient[net->params[layer->gamma + 1].offset + 3];
    sqz_bn_extract_batch_stats(net, bench.gradient, statistics);
    assert_true(statistics[3] == batch);
    assert_true(bench.gradient[net->params[layer->gamma + 1].offset + 3] == 0);
    sqz_bn_update_running_stats(net, statistics, 0.25, NULL, bench.weights);
    assert_true(fabsf(moving[3] - (0.75f * before + 0.25f * batch)) < 1e-6f);
    bool fixed[64] = {true};
    before = moving[3];
    sqz_bn_update_running_stats(net, statistics, 0.25, fixed, bench.weights);
    assert_true(moving[3] == before);
    sqz_free(statistics);
    bench_close(&bench);
}

// --- Folding ---

// Logits of plain weights by the inference engine.
static void infer(const struct bench *bench, const float *weights, float *logits)
{
    struct sqz_pool *pool = make_pool(1);
    struct sqz_infer *infer = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_infer_new(bench->plain, weights, kernels, pool, false, &infer, &err),
                     SQZ_OK);
    for (int s = 0; s < bench->batch; s++)
        sqz_infer_run(infer, bench->images + (size_t)s * image_floats(bench->plain), 1,
                      logits + s * CLASSES);
    sqz_infer_free(infer);
    sqz_pool_free(pool);
}

static void check_folded(const char *variant)
{
    struct bench bench;
    float logits[MOST * CLASSES];
    bench_open(&bench, variant, 65, 8, 8, 0);
    float *folded = make_floats(bench.plain->n_weights, 1);
    sqz_bn_fold(bench.net, bench.weights, bench.plain, folded);
    infer(&bench, folded, logits);
    double_loss(&bench, 0, true);
    double largest = 0;
    for (int s = 0; s < bench.batch; s++)
        for (int c = 0; c < CLASSES; c++) {
            double wanted = bench.ref[s].tensors[bench.net->n_tensors - 1][c];
            assert_true(fabs(logits[s * CLASSES + c] - wanted) < 1e-3 * (1 + fabs(wanted)));
            largest = fmax(largest, fabs(wanted));
        }
    assert_true(largest > 0.01);
    sqz_free(folded);
    bench_close(&bench);
}

static void test_folded(void **state)
{
    (void)state;
    check_folded("squeezenet1_1");
    check_folded("squeezenet1_0_complex");
}

static void test_unfold_and_fold(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, "squeezenet1_1_complex", 33, 2, 2, 0);
    float *back = make_floats(bench.plain->n_weights, 1);
    sqz_bn_insert(bench.plain, bench.plain_weights, bench.net, bench.weights);
    sqz_bn_fold(bench.net, bench.weights, bench.plain, back);
    for (size_t i = 0; i < bench.plain->n_weights; i++)
        assert_true(fabsf(back[i] - bench.plain_weights[i]) <=
                    1e-6f * fabsf(bench.plain_weights[i]));
    sqz_free(back);
    bench_close(&bench);
}

// --- Calibration: training begins with the old network's logits ---

struct kept_logits {
    struct loss_arg *loss;
    float logits[MOST * CLASSES];
};

static double keep_logits(void *arg, int first, int n, const float *logits, float *dlogits)
{
    struct kept_logits *kept = arg;
    memcpy(kept->logits + first * CLASSES, logits, (size_t)n * CLASSES * sizeof *logits);
    return batch_loss(kept->loss, first, n, logits, dlogits);
}

static void check_calibration(const char *variant)
{
    struct bench bench;
    struct sqz_error err = {0};
    struct sqz_gradient *engine = NULL;
    float plain[MOST * CLASSES], folded_logits[MOST * CLASSES];
    bench_open(&bench, variant, 65, 16, 16, 0);
    struct kept_logits kept = {.loss = &bench.loss};
    float *statistics = make_floats(sqz_bn_stats_size(bench.net), 1);
    float *folded = make_floats(bench.plain->n_weights, 1);
    infer(&bench, bench.plain_weights, plain);
    sqz_bn_insert(bench.plain, bench.plain_weights, bench.net, bench.weights);
    struct sqz_pool *pool = make_pool(2);
    assert_int_equal(sqz_gradient_new(bench.net, kernels, pool, 16, 1, &engine, &err), SQZ_OK);
    struct sqz_gradient_step step = {
        .weights = bench.weights, .images = bench.images, .n = 16, .gradient = bench.gradient};
    sqz_gradient_run(engine, &step);
    sqz_bn_extract_batch_stats(bench.net, bench.gradient, statistics);
    sqz_bn_calibrate(bench.net, statistics, bench.weights);
    step.loss = keep_logits;
    step.loss_arg = &kept;
    sqz_gradient_run(engine, &step);
    sqz_bn_fold(bench.net, bench.weights, bench.plain, folded);
    infer(&bench, folded, folded_logits);
    float largest = 0;
    for (int i = 0; i < 16 * CLASSES; i++)
        largest = fmaxf(largest, fabsf(plain[i]));
    assert_true(largest > 0.01f);
    for (int i = 0; i < 16 * CLASSES; i++) {
        assert_true(fabsf(kept.logits[i] - plain[i]) <= 1e-4f * largest);
        assert_true(fabsf(folded_logits[i] - plain[i]) <= 1e-4f * largest);
    }
    sqz_gradient_free(engine);
    sqz_pool_free(pool);
    sqz_free(statistics);
    sqz_free(folded);
    bench_close(&bench);
}

static void test_calibration(void **state)
{
    (void)state;
    check_calibration("squeezenet1_1");
    check_calibration("squeezenet1_1_complex");
}

// --- Threads and memory ---

static void test_same_bits_on_any_threads(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 3, 4, 8};
    struct bench bench;
    bench_open(&bench, "squeezenet1_1_complex", 40, 37, 16, 0.5); // three groups, one shorter
    float *other = make_floats(bench.net->n_weights, 9);
    double loss = 0;
    for (int t = 0; t < 5; t++) {
        run_engine(&bench, threads[t], NULL, t ? other : bench.gradient);
        loss = t ? loss : bench.loss_value;
        assert_true(bench.loss_value == loss);
        if (t)
            assert_memory_equal(bench.gradient, other, bench.net->n_weights * sizeof *other);
    }
    sqz_free(other);
    bench_close(&bench);
}

static void test_memory_is_as_promised(void **state)
{
    (void)state;
    struct sqz_net_spec spec = make_spec("squeezenet1_0_complex", "mindcv", 100, 96, 96);
    spec.norm_group = 16;
    struct sqz_net *net = make_net(&spec);
    for (int threads = 1; threads <= 3; threads += 2) {
        struct sqz_gradient_memory memory;
        struct sqz_gradient *gradient = NULL;
        struct sqz_error err = {0};
        assert_int_equal(sqz_gradient_memory(net, kernels, threads, 32, 1, &memory, &err), SQZ_OK);
        assert_int_equal(memory.total,
                         memory.shared + memory.gradients + memory.packed_weights + memory.scratch);
        struct sqz_pool *pool = make_pool(threads);
        size_t before = heap_bytes();
        assert_int_equal(sqz_gradient_new(net, kernels, pool, 32, 1, &gradient, &err), SQZ_OK);
        size_t taken = heap_bytes() - before, aligning = (size_t)10 << 21;
        assert_true(taken >= memory.total && taken < memory.total + aligning + (256u << 10));
        sqz_gradient_free(gradient);
        assert_true(heap_bytes() < before + (16u << 10));
        sqz_pool_free(pool);
    }
    sqz_net_free(net);
}

int main(void)
{
    kernels = sqz_kernels_get(sqz_cpu_level(NULL));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unfold_and_fold),
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_gradient_of_fixed_layers),
        cmocka_unit_test(test_folded),
        cmocka_unit_test(test_calibration),
        cmocka_unit_test(test_same_bits_on_any_threads),
        cmocka_unit_test(test_memory_is_as_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
