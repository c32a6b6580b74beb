// Every kind of layer: its backward step against central differences of its forward step in double.
#include "support.h"

#include "net/forward.h"
#include "net/weight_layout.h"

// A net of one layer on tensor 1 (tensor 0, the image, has no gradient); ADD also reads tensor 2.
struct one_layer {
    struct sqz_layer layer;
    struct sqz_tensor tensors[4];
    struct sqz_param params[2];
    struct sqz_net net;
};

static void make_one(struct one_layer *one, enum sqz_layer_kind kind, struct sqz_tensor in,
                     struct sqz_tensor out, int kernel, int stride, int pad, bool relu)
{
    memset(one, 0, sizeof *one);
    one->layer = (struct sqz_layer){.kind = kind,
                                    .input = 1,
                                    .output = 3,
                                    .addend = kind == SQZ_LAYER_ADD ? 2 : -1,
                                    .channels = out.c,
                                    .kernel = kernel,
                                    .stride = stride,
                                    .pad = pad,
                                    .relu = relu,
                                    .weight = 0,
                                    .bias = 1,
                                    .gamma = -1};
    one->tensors[0] = (struct sqz_tensor){1, 1, 1};
    one->tensors[1] = one->tensors[2] = in;
    one->tensors[3] = out;
    one->net = (struct sqz_net){.layers = &one->layer,
                                .tensors = one->tensors,
                                .params = one->params,
                                .n_layers = 1,
                                .n_tensors = 4};
    if (kind != SQZ_LAYER_CONV)
        return;
    one->params[0] = (struct sqz_param){.kind = SQZ_PARAM_WEIGHT,
                                        .out = out.c,
                                        .in = in.c,
                                        .kh = kernel,
                                        .kw = kernel,
                                        .size = (size_t)out.c * in.c * kernel * kernel};
    one->params[1] = (struct sqz_param){
        .kind = SQZ_PARAM_BIAS, .out = out.c, .offset = one->params[0].size, .size = (size_t)out.c};
    one->net.n_params = 2;
    one->net.n_weights = one->params[0].size + one->params[1].size;
}

static size_t tensor_floats(const struct sqz_tensor *tensor)
{
    return (size_t)tensor->h * tensor->w * tensor->c;
}

// sum of dy * y(x), whose derivatives are what the backward step should give
static double objective(const struct refnet *ref, const float *dy)
{
    refnet_layer(ref, 0, NULL);
    double sum = 0;
    for (size_t i = 0; i < tensor_floats(&ref->net->tensors[3]); i++)
        sum += dy[i] * ref->tensors[3][i];
    return sum;
}

// Compares `got` with the differences of every one of the n values (at most about 200 of them).
static void check_values(const struct refnet *ref, const float *dy, double *values, size_t n,
                         const float *got, float offset)
{
    const double step = 1e-6; // no kink lies that near to the random values
    size_t stride = n / 200 + 1;
    for (size_t i = 0; i < n; i += stride) {
        double saved = values[i];
        values[i] = saved + step;
        double above = objective(ref, dy);
        values[i] = saved - step;
        double wanted = (above - objective(ref, dy)) / (2 * step);
        values[i] = saved;
        if (fabs(got[i] - offset - wanted) > 1e-5 * (1 + fabs(wanted)))
            fail_msg("value %zu of %zu: %.9g instead of %.9g", i, n, (double)(got[i] - offset),
                     wanted);
    }
}

static void fill(float *values, size_t n, float value)
{
    for (size_t i = 0; i < n; i++)
        values[i] = value;
}

// `add`: gradients of other consumers (0.5 everywhere) are already there.
static void check_one(struct one_layer *one, const struct sqz_kernels *kernels, bool add)
{
    const struct sqz_net *net = &one->net;
    struct sqz_error err = {0};
    struct sqz_weight_layout layout;
    assert_int_equal(sqz_weight_layout_new(net, kernels, true, 6, &layout, &err), SQZ_OK);
    float *weights = make_floats(net->n_weights, 1), *params = make_floats(net->n_weights, 1);
    float *packed = make_floats(layout.size, 1);
    sqz_weight_layout_pack(&layout, net, kernels, 0, weights, packed);
    const float *forward_packed = packed, *bias = weights + one->params[1].offset;
    const float *backward_packed =
        layout.backward[0] == SIZE_MAX ? NULL : packed + layout.backward[0];
    float *tensors[4], *grads[4];
    struct refnet ref = refnet_new(net, weights);
    for (int t = 0; t < 4; t++) {
        size_t n = tensor_floats(&net->tensors[t]);
        tensors[t] = make_floats(n, (uint64_t)t + 10);
        grads[t] = make_floats(n, (uint64_t)t + 20);
        for (size_t i = 0; i < n; i++)
            ref.tensors[t][i] = tensors[t][i];
        if (t < 3)
            fill(grads[t], n, add ? 0.5f : 123.0f); // must not show when it is to be overwritten
    }
    uint8_t *index = sqz_new_array(tensor_floats(&net->tensors[3]), 1);
    void *scratch = sqz_new_aligned(layout.scratch, 1);
    struct sqz_forward forward = {net, kernels, &forward_packed, &bias, layout.forward_tile};
    struct sqz_work_item whole = sqz_work_item_whole(net, 0);
    sqz_work_item_forward(&forward, &whole, tensors, index, scratch);
    size_t n_out = tensor_floats(&net->tensors[3]);
    float *dy = make_floats(n_out, 23); // = grads[3], which the backward step spends
    fill(params, net->n_weights, 0.25f);

    const bool unmasked[4] = {false};
    struct sqz_backward backward = {
        net,  kernels, &backward_packed, layout.backward_tile, layout.weights_tile,
        &add, &add,    unmasked};
    struct sqz_backward_images image = {tensors, grads, &index, params, scratch, 1};
    sqz_layer_backward(&backward, 0, &image);
    float offset = add ? 0.5f : 0.0f;
    check_values(&ref, dy, ref.tensors[1], tensor_floats(&net->tensors[1]), grads[1], offset);
    if (one->layer.addend >= 0)
        check_values(&ref, dy, ref.tensors[2], tensor_floats(&net->tensors[2]), grads[2], offset);
    check_values(&ref, dy, ref.weights, net->n_weights, params, 0.25f);

    for (int t = 0; t < 4; t++) {
        sqz_free(tensors[t]);
        sqz_free(grads[t]);
    }
    sqz_free(dy);
    sqz_free(index);
    sqz_free(scratch);
    sqz_free(weights);
    sqz_free(params);
    sqz_free(packed);
    refnet_free(&ref);
    sqz_weight_layout_release(&layout);
}

static void test_layer_kinds(void **state)
{
    (void)state;
    static const struct {
        enum sqz_layer_kind kind;
        struct sqz_tensor in, out;
        int kernel, stride, pad;
        bool relu;
    } cases[] = {
        {SQZ_LAYER_CONV, {5, 7, 16}, {5, 7, 32}, 1, 1, 0, true},  // squeeze, expand1x1
        {SQZ_LAYER_CONV, {5, 7, 16}, {5, 7, 48}, 1, 1, 0, false}, // bypass
        {SQZ_LAYER_CONV, {6, 4, 16}, {6, 4, 16}, 3, 1, 1, true},  // expand3x3
        {SQZ_LAYER_CONV, {1, 1, 48}, {1, 1, 64}, 3, 1, 1, true},
        {SQZ_LAYER_CONV, {2, 3, 32}, {4, 5, 10}, 1, 1, 1, true}, // Caffe's conv10
        {SQZ_LAYER_CONV, {3, 3, 32}, {3, 3, 1}, 1, 1, 0, true},
        {SQZ_LAYER_MAXPOOL, {7, 9, 16}, {3, 4, 16}, 3, 2, 0, false},
        {SQZ_LAYER_MAXPOOL, {8, 6, 16}, {3, 2, 16}, 3, 2, 0, false}, // floor: a rest is left
        {SQZ_LAYER_MAXPOOL, {8, 6, 16}, {4, 3, 16}, 3, 2, 0, false}, // ceil: windows hang over
        {SQZ_LAYER_MAXPOOL, {2, 2, 16}, {1, 1, 16}, 3, 2, 0, false},
        {SQZ_LAYER_ADD, {4, 5, 32}, {4, 5, 32}, 0, 0, 0, false},
        {SQZ_LAYER_MEAN, {4, 5, 11}, {1, 1, 11}, 0, 0, 0, false},
        {SQZ_LAYER_MEAN, {1, 1, 3}, {1, 1, 3}, 0, 0, 0, false},
    };
    for (int level = SQZ_CPU_REF; level < SQZ_CPU_LEVELS; level++) {
        if (sqz_kernels_get((enum sqz_cpu_level)level)->level != (enum sqz_cpu_level)level)
            continue;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            // The scores have no reader but the mean.
            for (int add = 0; add < 2 - (cases[i].kind == SQZ_LAYER_MEAN); add++) {
                struct one_layer one;
                make_one(&one, cases[i].kind, cases[i].in, cases[i].out, cases[i].kernel,
                         cases[i].stride, cases[i].pad, cases[i].relu);
                check_one(&one, sqz_kernels_get((enum sqz_cpu_level)level), add);
            }
        }
    }
}

static void test_dropout(void **state)
{
    (void)state;
    static const double rates[] = {0.5, 0.2, 0.9, 0.999999};
    size_t n = 100003;
    float *x = make_floats(n, 1), *again = make_floats(n, 1);
    struct sqz_net net = {0};
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
        net.spec.drop_rate = rates[r];
        fill(x, n, 1);
        fill(again, n, 1);
        sqz_dropout(&net, 77, x, n);
        sqz_dropout(&net, 77, again, n);
        assert_memory_equal(x, again, n * sizeof *x);
        double kept = 0;
        for (size_t i = 0; i < n; i++) {
            kept += x[i] != 0;
            assert_true(x[i] == 0 || fabs(x[i] * (1 - rates[r]) - 1) < 1e-3 || r == 3);
        }
        double error = sqrt(rates[r] * (1 - rates[r]) / (double)n);
        assert_true(fabs(kept / (double)n - (1 - rates[r])) < 5 * error + 2e-5);
    }
    net.spec.drop_rate = 0.5;
    fill(x, n, 1);
    fill(again, n, 1);
    sqz_dropout(&net, 77, x, n);
    sqz_dropout(&net, 78, again, n);
    size_t equal = 0;
    for (size_t i = 0; i < n; i++)
        equal += x[i] == again[i];
    assert_true(fabs((double)equal / (double)n - 0.5) < 0.01);
    net.spec.drop_rate = 0;
    fill(x, n, 3);
    sqz_dropout(&net, 77, x, n);
    assert_true(x[0] == 3 && x[n - 1] == 3);
    sqz_free(x);
    sqz_free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layer_kinds),
        cmocka_unit_test(test_dropout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
