// Whole small networks: loss and gradient of every variant and dialect, with dropout, against
// central differences of a network in double.
#include "support.h"

#include "net/gradient.h"

enum { BATCH = 2, CLASSES = 5 };
static const int labels[BATCH] = {3, 0};

// The loss, and with it half the mean square of the classes' maps.
struct losses {
    struct loss_arg loss; // first, for batch_loss
    size_t n_maps;
};

struct bench {
    struct sqz_net *net;
    float *weights, *images, *gradient, *masks[BATCH];
    struct refnet ref[BATCH];
    struct sqz_gradient_step step;
    struct losses losses;
    bool maps;
};

static size_t n_maps(const struct sqz_net *net)
{
    return sqz_tensor_size(net, sqz_net_maps(net));
}

static double maps_loss(void *arg, int first, int n, const float *x, float *dx)
{
    const struct losses *losses = arg;
    double sum = 0;
    assert_true(first >= 0 && first + n <= BATCH);
    for (size_t i = 0; i < (size_t)n * losses->n_maps; i++) {
        sum += 0.5 * x[i] * x[i];
        dx[i] += x[i] / (float)(BATCH * losses->n_maps);
    }
    return sum / (double)(BATCH * losses->n_maps);
}

// The dropout masks, as gradient.h describes their key.
static float *make_mask(const struct sqz_net *net, uint64_t seed, uint64_t micro_step, int sample)
{
    int tensor = -1;
    for (int i = 0; i < net->n_layers; i++) {
        if (net->layers[i].kind == SQZ_LAYER_DROPOUT)
            tensor = net->layers[i].input;
    }
    const struct sqz_tensor *shape = &net->tensors[tensor];
    size_t n = (size_t)shape->h * shape->w * shape->c;
    float *mask = sqz_new_array(n, sizeof *mask);
    assert_non_null(mask);
    for (size_t i = 0; i < n; i++)
        mask[i] = 1;
    struct sqz_random random;
    sqz_random_init(&random, seed, micro_step, (uint64_t)sample, SQZ_RANDOM_DROPOUT);
    sqz_dropout(net, random.key, mask, n);
    return mask;
}

static void bench_open(struct bench *bench, const struct sqz_net_spec *spec)
{
    struct sqz_error err = {0};
    bench->net = make_net(spec);
    bench->weights = make_weights(bench->net, 11);
    bench->images = make_floats(BATCH * image_floats(bench->net), 12);
    bench->gradient = make_floats(bench->net->n_weights, 13);
    bench->losses = (struct losses){{CLASSES, BATCH, labels, 0.1}, n_maps(bench->net)};
    bench->step = (struct sqz_gradient_step){.weights = bench->weights,
                                             .images = bench->images,
                                             .n = BATCH,
                                             .loss = batch_loss,
                                             .maps = bench->maps ? maps_loss : NULL,
                                             .loss_arg = &bench->losses,
                                             .seed = 5,
                                             .micro_step = 1000,
                                             .gradient = bench->gradient};
    struct sqz_pool *pool = NULL;
    struct sqz_gradient *gradient = NULL;
    assert_int_equal(sqz_pool_new(2, &pool, &err), SQZ_OK);
    const struct sqz_kernels *kernels = sqz_kernels_get(sqz_cpu_level(NULL));
    assert_int_equal(sqz_gradient_new(bench->net, kernels, pool, BATCH, 1, &gradient, &err),
                     SQZ_OK);
    sqz_gradient_run(gradient, &bench->step);
    sqz_gradient_free(gradient);
    sqz_pool_free(pool);
    for (int s = 0; s < BATCH; s++) {
        bench->masks[s] = make_mask(bench->net, 5, 1000, s);
        bench->ref[s] = refnet_new(bench->net, bench->weights);
        refnet_run(&bench->ref[s], bench->images + s * image_floats(bench->net), 0,
                   bench->masks[s]);
    }
}

static void bench_close(struct bench *bench)
{
    for (int s = 0; s < BATCH; s++) {
        refnet_free(&bench->ref[s]);
        sqz_free(bench->masks[s]);
    }
    sqz_free(bench->weights);
    sqz_free(bench->images);
    sqz_free(bench->gradient);
    sqz_net_free(bench->net);
}

// The batch's loss in double; only the layers from `first` on are recomputed.
static double double_loss(const struct bench *bench, int first)
{
    double sum = 0;
    for (int s = 0; s < BATCH; s++) {
        const double *logits = refnet_run(&bench->ref[s], NULL, first, bench->masks[s]);
        sum +=
            cross_entropy(logits, CLASSES, labels[s], bench->losses.loss.smoothing, NULL) / BATCH;
        const struct sqz_net *net = bench->net;
        const double *x = bench->ref[s].tensors[sqz_net_maps(net)];
        const size_t n = n_maps(net);
        for (size_t i = 0; bench->maps && i < n; i++)
            sum += 0.5 * x[i] * x[i] / (double)(BATCH * n);
    }
    return sum;
}

static void move(const struct bench *bench, const struct sqz_param *param, const double *direction,
                 double step)
{
    for (int s = 0; s < BATCH; s++) {
        for (size_t i = 0; i < param->size; i++)
            bench->ref[s].weights[param->offset + i] =
                bench->weights[param->offset + i] + step * direction[i];
    }
}

static double slope(const struct bench *bench, const struct sqz_param *param, int layer,
                    const double *direction)
{
    const double step = 1e-7; // few kinks of ReLU and pooling lie that near
    move(bench, param, direction, step);
    double above = double_loss(bench, layer);
    move(bench, param, direction, -step);
    double below = double_loss(bench, layer);
    move(bench, param, direction, 0);
    return (above - below) / (2 * step);
}

// Two directions of length 1: the gradient's own, in which every wrong value lowers the slope, and
// a random one.
static void check_param(const struct bench *bench, const struct sqz_param *param, int layer)
{
    const float *got = bench->gradient + param->offset;
    double *direction = sqz_new_array(param->size, sizeof *direction), norm = 0, along = 0;
    for (size_t i = 0; i < param->size; i++)
        norm += (double)got[i] * got[i];
    norm = sqrt(norm);
    assert_true(norm > 0);
    for (size_t i = 0; i < param->size; i++)
        direction[i] = got[i] / norm;
    double wanted = slope(bench, param, layer, direction);
    if (fabs(wanted - norm) > 2e-4 * norm)
        fail_msg("%s: the gradient's norm is %.9g, the slope along it %.9g", param->name, norm,
                 wanted);
    struct sqz_random random;
    sqz_random_init(&random, 1, 0, param->offset, SQZ_RANDOM_TEST);
    double length = sqrt((double)param->size);
    for (size_t i = 0; i < param->size; i++) {
        direction[i] = (sqz_random_int(&random, 0, 2) ? 1 : -1) / length;
        along += direction[i] * got[i];
    }
    wanted = slope(bench, param, layer, direction);
    if (fabs(wanted - along) > 2e-4 * (fabs(along) + norm / length))
        fail_msg("%s: slope %.9g instead of %.9g", param->name, along, wanted);
    sqz_free(direction);
}

// The sanitizers slow the network in double down tenfold; they see all kinds of layers in this one.
static bool is_skipped(const struct sqz_net_spec *spec)
{
    return getenv("SQZ_SANITIZED") && strcmp(spec->variant->name, "squeezenet1_1_complex") != 0;
}

static void check_net(struct sqz_net_spec spec, bool maps)
{
    if (is_skipped(&spec)) {
        print_message("sanitized: leaving out %s\n", spec.variant->name);
        return;
    }
    // Without strides at the entrance half the side gives maps as large: the more values, the more
    // kinks lie within a step.
    int smallest = sqz_net_smallest_image(&spec), usual = spec.stem ? 16 : 32;
    spec.image_h = smallest > usual ? smallest : usual;
    spec.image_w = spec.image_h + 5;
    spec.drop_rate = 0.4F;
    struct bench bench = {.maps = maps};
    bench_open(&bench, &spec);
    double loss = double_loss(&bench, bench.net->n_layers);
    if (fabs(bench.step.loss_value - loss) > 1e-5 * loss)
        fail_msg("%s: the loss is %.9g instead of %.9g", spec.variant->name, bench.step.loss_value,
                 loss);
    int first = 0;
    for (int i = 0; i < bench.net->n_layers; i++) {
        const struct sqz_layer *layer = &bench.net->layers[i];
        if (layer->kind != SQZ_LAYER_CONV)
            continue;
        // Dropout works in place: it needs both halves of its Fire recomputed.
        if (!strstr(layer->name, ".expand"))
            first = i;
        check_param(&bench, &bench.net->params[layer->weight], first);
        check_param(&bench, &bench.net->params[layer->bias], first);
        double_loss(&bench, first); // puts the activations back
    }
    bench_close(&bench);
}

static void check_variant(const char *variant, const char *dialect, int channels)
{
    struct sqz_net_spec spec = make_spec(variant, dialect, CLASSES, 1, 1);
    spec.channels = channels;
    check_net(spec, false);
}

static void test_mindcv(void **state)
{
    (void)state;
    for (int v = 0; sqz_variant_at(v); v++)
        check_variant(sqz_variant_at(v)->name, "mindcv", v == 4 ? 1 : 3);
}

static void test_torchvision(void **state)
{
    (void)state;
    check_variant("squeezenet1_0", "torchvision", 3);
    check_variant("squeezenet1_1", "torchvision", 1);
    check_variant("squeezenet1_1_complex", "torchvision", 3);
}

// conv1 with stride 1, and pooled or not.
static void test_stems(void **state)
{
    (void)state;
    static const char *const variants[] = {"squeezenet1_0", "squeezenet1_1",
                                           "squeezenet1_1_complex"};
    for (int v = 0; v < 3; v++) {
        struct sqz_net_spec spec = make_spec(variants[v], "mindcv", CLASSES, 1, 1);
        spec.channels = v == 1 ? 1 : 3;
        for (int stem = SQZ_STEM_SMALL; stem <= SQZ_STEM_SMALL_NOPOOL; stem++) {
            spec.stem = (enum sqz_stem)stem;
            check_net(spec, false);
        }
    }
}

// 1.1 is the same in the caffe and torchvision dialects.
static void test_caffe(void **state)
{
    (void)state;
    check_variant("squeezenet1_0", "caffe", 3);
    check_variant("squeezenet1_0_bypass", "caffe", 3);
    check_variant("squeezenet1_0_complex", "caffe", 3);
}

static void test_maps(void **state)
{
    (void)state;
    check_net(make_spec("squeezenet1_1", "mindcv", CLASSES, 1, 1), true);
    check_net(make_spec("squeezenet1_1_complex", "torchvision", CLASSES, 1, 1), true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mindcv), cmocka_unit_test(test_torchvision),
        cmocka_unit_test(test_caffe),  cmocka_unit_test(test_stems),
        cmocka_unit_test(test_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
