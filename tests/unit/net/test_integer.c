// The integer network: both forms of the requantization, its bounds, its softmax, and the
// reference engine against sums in double.
#include "base/memory.h"
#include "base/random.h"
#include "kernels/requantize.h"
#include "net/integer.h"
#include "net/integer_engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/integer_support.h"

#include <math.h>

static uint8_t by_definition(int32_t sum, int32_t multiplier, int shift)
{
    long double exact = ldexpl((long double)sum * multiplier, -shift);
    long double rounded = floorl(exact + 0.5L);
    return (uint8_t)(rounded < 0 ? 0 : rounded > 255 ? 255 : rounded);
}

static void check_sum(int64_t sum, int32_t multiplier, int shift)
{
    if (sum <= -SQZ_REQUANTIZE_SUM_LIMIT || sum >= SQZ_REQUANTIZE_SUM_LIMIT)
        return;
    uint8_t integer = sqz_requantize((int32_t)sum, multiplier, shift);
    float scale = (float)ldexp(multiplier, -shift);
    uint8_t real = sqz_requantize_float((int32_t)sum, scale);
    uint8_t wanted = by_definition((int32_t)sum, multiplier, shift);
    if (integer != wanted || real != wanted)
        fail_msg("sum %lld, multiplier %d, shift %d: %d and %d instead of %d", (long long)sum,
                 multiplier, shift, integer, real, wanted);
}

// Around every boundary between two results, for multipliers of all sizes and every shift: the
// only sums where a rounding could go wrong.
static void test_boundaries(void **state)
{
    (void)state;
    struct sqz_random random;
    sqz_random_init(&random, 1, 0, 0, 0);
    for (int shift = SQZ_REQUANTIZE_SHIFT_LEAST; shift <= SQZ_REQUANTIZE_SHIFT_MOST; shift++)
        for (int trial = 0; trial < 200; trial++) {
            int bits = 1 + (int)(sqz_random_u64(&random) % 24);
            int32_t multiplier = (int32_t)(sqz_random_u64(&random) & ((1u << bits) - 1)) | 1;
            for (int q = 0; q <= 256; q++) {
                int64_t boundary =
                    (int64_t)floorl(ldexpl((long double)q - 0.5L, shift) / multiplier);
                for (int64_t sum = boundary - 2; sum <= boundary + 2; sum++)
                    check_sum(sum, multiplier, shift);
            }
        }
}

// Both forms on every sum of the range; with a smaller multiplier on every seventh, sanitized on
// a few.
static void test_every_sum(void **state)
{
    (void)state;
    static const struct {
        int32_t multiplier;
        int shift;
    } cases[] = {{(1 << 24) - 1, 32}, {10555, 30}, {8388609, 26}, {1, 26}, {12345679, 40}};
    const int32_t next = getenv("SQZ_SANITIZED") ? 199 : 7;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const float scale = (float)ldexp(cases[i].multiplier, -cases[i].shift);
        for (int32_t sum = 1 - SQZ_REQUANTIZE_SUM_LIMIT; sum < SQZ_REQUANTIZE_SUM_LIMIT;
             sum += i == 0 && next == 7 ? 1 : next) {
            int64_t product = (int64_t)sum * cases[i].multiplier >> cases[i].shift;
            if (product >= -(1 << 22) && product < (1 << 22) &&
                sqz_requantize(sum, cases[i].multiplier, cases[i].shift) !=
                    sqz_requantize_float(sum, scale))
                fail_msg("sum %d of case %zu", sum, i);
        }
    }
}

// --- The same network in double, gathered the other way round: from the input's pixels ---

static void scatter_conv(const struct sqz_integer_net *integer, int index, const uint8_t *x,
                         double *sums)
{
    const struct sqz_net *net = integer->net;
    const struct sqz_integer_conv *conv = &integer->convs[index];
    const struct sqz_conv s = sqz_layer_conv(net, conv->layer);
    const bool first = net->layers[conv->layer].input == 0;
    for (int p = 0; p < s.out_h * s.out_w; p++)
        for (int o = 0; o < s.out_c; o++)
            sums[p * s.out_c + o] = conv->bias[o];
    for (int iy = -s.pad; iy < s.in_h + s.pad; iy++)
        for (int ix = -s.pad; ix < s.in_w + s.pad; ix++)
            for (int t = 0; t < s.kernel * s.kernel; t++) {
                int oy = iy + s.pad - t / s.kernel, ox = ix + s.pad - t % s.kernel;
                bool inside = iy >= 0 && iy < s.in_h && ix >= 0 && ix < s.in_w;
                if (oy < 0 || ox < 0 || oy % s.stride || ox % s.stride ||
                    oy / s.stride >= s.out_h || ox / s.stride >= s.out_w || (!inside && !first))
                    continue;
                for (int c = 0; c < s.in_c; c++) {
                    double pixel =
                        inside ? x[(iy * s.in_w + ix) * s.in_c + c] : integer->pad_pixel[c];
                    for (int o = 0; o < s.out_c; o++)
                        sums[(oy / s.stride * s.out_w + ox / s.stride) * s.out_c + o] +=
                            pixel *
                            conv->weights[((size_t)o * (size_t)(s.kernel * s.kernel) + (size_t)t) *
                                              (size_t)s.in_c +
                                          (size_t)c];
                }
            }
}

static void pool_by_definition(const struct sqz_pool2d *p, const uint8_t *x, uint8_t *y)
{
    memset(y, 0, (size_t)(p->out_h * p->out_w * p->channels));
    for (int iy = 0; iy < p->in_h; iy++)
        for (int ix = 0; ix < p->in_w; ix++)
            for (int oy = 0; oy < p->out_h; oy++)
                for (int ox = 0; ox < p->out_w; ox++) {
                    int dy = iy - oy * p->stride, dx = ix - ox * p->stride;
                    if (dy < 0 || dx < 0 || dy >= p->kernel || dx >= p->kernel)
                        continue;
                    for (int c = 0; c < p->channels; c++) {
                        uint8_t *to = &y[(oy * p->out_w + ox) * p->channels + c];
                        uint8_t from = x[(iy * p->in_w + ix) * p->channels + c];
                        *to = from > *to ? from : *to;
                    }
                }
}

static void by_layers(const struct sqz_integer_net *integer, const uint8_t *pixels, int32_t *logits)
{
    const struct sqz_net *net = integer->net;
    uint8_t *tensors[SQZ_INTEGER_TENSORS];
    size_t most = 0;
    for (int t = 0; t < net->n_tensors; t++) {
        size_t size = sqz_tensor_size(net, t);
        most = size > most ? size : most;
        tensors[t] = sqz_new_array(size, 1);
    }
    double *sums = sqz_new_array(most, sizeof *sums);
    memcpy(tensors[0], pixels, sqz_tensor_size(net, 0));
    int index = 0, add = 0;
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        const int ldy = net->tensors[layer->output].c;
        uint8_t *y = tensors[layer->output];
        if (layer->kind == SQZ_LAYER_MAXPOOL) {
            struct sqz_pool2d pool = sqz_layer_pool(net, i);
            pool_by_definition(&pool, tensors[layer->input], y);
        } else if (layer->kind == SQZ_LAYER_ADD) {
            const struct sqz_integer_add *a = &integer->adds[add++];
            for (size_t k = 0; k < sqz_tensor_size(net, layer->output); k++) {
                double sum = tensors[layer->input][k] * (double)a->input_multiplier +
                             tensors[layer->addend][k] * (double)a->addend_multiplier;
                y[k] = (uint8_t)fmin(255, floor(sum / (1 << SQZ_ADD_SHIFT) + 0.5));
            }
        } else if (layer->kind == SQZ_LAYER_CONV) {
            const struct sqz_integer_conv *conv = &integer->convs[index];
            const struct sqz_conv s = sqz_layer_conv(net, i);
            scatter_conv(integer, index, tensors[layer->input], sums);
            if (++index == integer->n_convs) {
                for (int o = 0; o < s.out_c; o++) {
                    long double total = 0;
                    for (int p = 0; p < s.out_h * s.out_w; p++)
                        total += fmax(0, sums[p * s.out_c + o]);
                    logits[o] =
                        (int32_t)floorl(ldexpl(total * conv->multipliers[o], -conv->shift) + 0.5L);
                }
                break;
            }
            for (int p = 0; p < s.out_h * s.out_w; p++)
                for (int o = 0; o < s.out_c; o++)
                    y[p * ldy + layer->channel + o] = by_definition(
                        (int32_t)sums[p * s.out_c + o], conv->multipliers[o], conv->shift);
        }
    }
    for (int t = 0; t < net->n_tensors; t++)
        sqz_free(tensors[t]);
    sqz_free(sums);
}

// Every level, 1 to 3 threads, alone and in a batch; sanitized, three threads and the ends.
static void check_engines(const struct sqz_integer_net *integer, const uint8_t *pixels,
                          const int32_t *wanted)
{
    enum { BATCH = 4 };
    const bool few = getenv("SQZ_SANITIZED");
    const size_t size = sqz_tensor_size(integer->net, 0);
    const int classes = integer->net->spec.classes;
    uint8_t *batch = sqz_new_array(BATCH * size, 1);
    int32_t *logits = sqz_new_array((size_t)(BATCH * classes), sizeof *logits);
    for (size_t i = 0; i < BATCH; i++)
        memcpy(batch + i * size, pixels, size);
    for (int level = SQZ_CPU_REF; level < SQZ_CPU_LEVELS; level++) {
        if (sqz_integer_kernels_get((enum sqz_cpu_level)level)->level != (enum sqz_cpu_level)level)
            continue; // another level's
        for (int threads = few ? 3 : 1; threads <= 3; threads++)
            for (int n = 1; n <= BATCH; n += few ? BATCH - 1 : 1) {
                struct sqz_pool *pool = NULL;
                struct sqz_integer_engine *engine = NULL;
                assert_int_equal(sqz_pool_new(threads, &pool, NULL), SQZ_OK);
                assert_int_equal(
                    sqz_integer_engine_new(integer, (enum sqz_cpu_level)level, pool, &engine, NULL),
                    SQZ_OK);
                for (int again = 0; again < 2; again++) {
                    memset(logits, 0, (size_t)(BATCH * classes) * sizeof *logits);
                    sqz_integer_engine_run(engine, batch, n, logits);
                    for (int i = 0; i < n * classes; i++)
                        if (logits[i] != wanted[i % classes])
                            fail_msg("level %d, %d threads, image %d of %d: %d instead of %d",
                                     level, threads, i / classes, n, logits[i],
                                     wanted[i % classes]);
                }
                sqz_integer_engine_free(engine);
                sqz_pool_free(pool);
            }
    }
    sqz_free(batch);
    sqz_free(logits);
}

static void test_reference(void **state)
{
    (void)state;
    static const struct {
        const char *variant, *dialect;
        int classes, channels, side;
    } cases[] = {{"squeezenet1_1", "mindcv", 5, 3, 48},
                 {"squeezenet1_1", "torchvision", 2, 1, 45},
                 {"squeezenet1_0", "caffe", 3, 3, 51},
                 {"squeezenet1_0_bypass", "mindcv", 4, 3, 47},
                 {"squeezenet1_1_bypass", "caffe", 2, 3, 40}};
    struct sqz_random random;
    sqz_random_init(&random, 7, 0, 0, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sqz_net *net = new_net(cases[i].variant, cases[i].dialect, cases[i].classes,
                                      cases[i].channels, cases[i].side);
        struct sqz_integer_net *integer = new_integers(net, &random);
        struct sqz_error err = {0};
        if (sqz_integer_net_check(integer, "a test", &err))
            fail_msg("%s", err.text);
        size_t size = sqz_tensor_size(net, 0);
        uint8_t *pixels = sqz_new_array(size, 1);
        for (size_t k = 0; k < size; k++)
            pixels[k] = (uint8_t)sqz_random_u64(&random);
        void *scratch = sqz_new_array(sqz_integer_scratch(net), 1);
        int32_t logits[8], wanted[8], alive = 0;
        sqz_integer_run(integer, pixels, scratch, logits, NULL);
        by_layers(integer, pixels, wanted);
        for (int c = 0; c < cases[i].classes; c++) {
            assert_int_equal(logits[c], wanted[c]);
            alive += wanted[c] > 0;
        }
        assert_true(alive > 0);
        check_engines(integer, pixels, logits);
        sqz_free(pixels);
        sqz_free(scratch);
        sqz_integer_net_free(integer);
        sqz_net_free(net);
    }
}

static void test_checks(void **state)
{
    (void)state;
    struct sqz_net *net = new_net("squeezenet1_1", "mindcv", 2, 3, 48);
    struct sqz_random random;
    sqz_random_init(&random, 9, 0, 0, 0);
    struct sqz_integer_net *integer = new_integers(net, &random);
    struct sqz_integer_conv *conv = &integer->convs[3];
    struct sqz_error err = {0};
    assert_int_equal(sqz_integer_net_check(integer, "a test", &err), SQZ_OK);
    struct {
        int32_t *place, value;
    } wrong[] = {{&conv->multipliers[1], 2},
                 {&conv->multipliers[1], 1 << 24},
                 {&conv->multipliers[0], -1},
                 {&conv->bias[2], 1 << 24},
                 {&conv->bias[2], INT32_MIN},
                 {&conv->shift, 25},
                 {&conv->shift, 41},
                 {&integer->convs[25].multipliers[0], 0},
                 {&integer->convs[25].shift, 61},
                 {&integer->convs[25].multipliers[1], 1 << 24}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int32_t right = *wrong[i].place;
        *wrong[i].place = wrong[i].value;
        assert_int_equal(sqz_integer_net_check(integer, "a test", &err), SQZ_E_DATA);
        *wrong[i].place = right;
    }
    conv->weights[5] = INT8_MIN;
    assert_int_equal(sqz_integer_net_check(integer, "a test", &err), SQZ_E_DATA);
    assert_non_null(strstr(err.text, "a weight is -128"));
    sqz_integer_net_free(integer);
    sqz_net_free(net);

    net = new_net("squeezenet1_0_complex", "mindcv", 2, 3, 64);
    assert_int_equal(sqz_integer_net_new(net, &integer, &err), SQZ_E_USAGE);
    assert_non_null(strstr(err.text, "bypass"));
    sqz_net_free(net);
}

static void test_softmax(void **state)
{
    (void)state;
    enum { CLASSES = 50 };
    struct sqz_random random;
    sqz_random_init(&random, 5, 0, 0, 0);
    double worst = 0;
    for (int trial = 0; trial < 2000; trial++) {
        int32_t logits[CLASSES];
        uint32_t found[CLASSES];
        int n = 1 + trial % CLASSES, spread = 1 << (trial % 22);
        for (int c = 0; c < n; c++)
            logits[c] = (int32_t)(sqz_random_u64(&random) % (uint64_t)spread) - spread / 2;
        sqz_integer_softmax(logits, n, found);
        double sum = 0, most = -INFINITY;
        for (int c = 0; c < n; c++)
            most = fmax(most, logits[c] / 65536.0);
        for (int c = 0; c < n; c++)
            sum += exp(logits[c] / 65536.0 - most);
        for (int c = 0; c < n; c++) {
            double wanted = exp(logits[c] / 65536.0 - most) / sum;
            worst = fmax(worst, fabs(found[c] / 65536.0 - wanted));
        }
    }
    print_message("largest error of a probability: %.2g\n", worst);
    assert_true(worst < 3e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boundaries), cmocka_unit_test(test_every_sum),
        cmocka_unit_test(test_reference),  cmocka_unit_test(test_checks),
        cmocka_unit_test(test_softmax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
