// The real MindCV's logits, loss and first gradients, for its own checkpoints.
#include "golden.h"
#include "support.h"

#include "net/gradient.h"
#include "net/infer.h"

enum { CLASSES = 10 };

static const struct sqz_kernels *kernels;

static struct sqz_net *golden_net(const char *variant, int side)
{
    struct sqz_net_spec spec = make_spec(variant, "mindcv", CLASSES, side, side);
    return make_net(&spec);
}

static float *golden_weights(const struct sqz_net *net, const struct golden_file *checkpoint)
{
    float *weights = make_floats(net->n_weights, 1);
    for (int p = 0; p < net->n_params; p++) {
        const struct sqz_param *param = &net->params[p];
        float *oihw = sqz_new_array(param->size, sizeof *oihw);
        memcpy(oihw, golden_ckpt(checkpoint, param->name, param->size * sizeof *oihw),
               param->size * sizeof *oihw);
        sqz_param_from_oihw(param, oihw, weights);
        sqz_free(oihw);
    }
    return weights;
}

// NCHW bytes to NHWC floats, as the README of the golden values says.
static float *golden_images(const struct golden_file *file, int n, int side)
{
    size_t pixels = (size_t)side * side;
    size_t images_there = file->size / (3 * pixels); // the header is smaller than an image
    const uint8_t *bytes = golden_npy(file->data, file->size, images_there * 3 * pixels);
    assert_true((size_t)n <= images_there);
    float *images = make_floats((size_t)n * pixels * 3, 1);
    for (int i = 0; i < n; i++) {
        for (int c = 0; c < 3; c++) {
            for (size_t p = 0; p < pixels; p++)
                images[((size_t)i * pixels + p) * 3 + c] =
                    ((float)bytes[((size_t)i * 3 + c) * pixels + p] - 127.5f) / 64;
        }
    }
    return images;
}

static struct sqz_pool *make_pool(void)
{
    struct sqz_pool *pool = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_pool_new(2, &pool, &err), SQZ_OK);
    return pool;
}

static void check_logits(const char *variant, int side, int n)
{
    char name[64];
    snprintf(name, sizeof name, "%s-c10.ckpt", variant);
    struct golden_file checkpoint = golden_read(name);
    snprintf(name, sizeof name, "logits-input-%d.u8.npy", side);
    struct golden_file input = golden_read(name);
    snprintf(name, sizeof name, "logits-%s-%d.npy", variant, side);
    struct golden_file output = golden_read(name);
    if (!checkpoint.data || !input.data || !output.data)
        skip();
    struct sqz_net *net = golden_net(variant, side);
    float *weights = golden_weights(net, &checkpoint), *images = golden_images(&input, n, side);
    size_t size = (size_t)n * CLASSES * sizeof(float);
    float wanted[4 * CLASSES], logits[4 * CLASSES];
    memcpy(wanted, golden_npy(output.data, output.size, size), size);
    struct sqz_pool *pool = make_pool();
    struct sqz_infer *infer = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_infer_new(net, weights, kernels, pool, false, &infer, &err), SQZ_OK);
    sqz_infer_run(infer, images, n, logits);
    double worst = 0;
    for (int i = 0; i < n * CLASSES; i++)
        worst = fmax(worst, fabs((double)logits[i] - wanted[i]));
    print_message("%s at %d: at most %.2g from MindCV\n", variant, side, worst);
    assert_true(worst < 3e-6);
    sqz_infer_free(infer);
    sqz_pool_free(pool);
    sqz_free(weights);
    sqz_free(images);
    sqz_net_free(net);
    free(checkpoint.data);
    free(input.data);
    free(output.data);
}

static void test_logits(void **state)
{
    (void)state;
    check_logits("squeezenet1_0", 64, 4);
    check_logits("squeezenet1_1", 64, 4);
    check_logits("squeezenet1_0", 224, 2);
    check_logits("squeezenet1_1", 224, 2);
}

// train-11: batch 4, no dropout, label smoothing 0.1; the loss of step 1 is in train-11-base.json.
static void test_first_gradients(void **state)
{
    (void)state;
    struct golden_file checkpoint = golden_read("squeezenet1_1-c10.ckpt");
    struct golden_file input = golden_read("train-input-64.u8.npy");
    struct golden_file label_file = golden_read("train-labels.npy");
    struct golden_file gradients = golden_read("train-11-first-gradients.npz");
    if (!checkpoint.data || !input.data || !label_file.data || !gradients.data)
        skip();
    struct sqz_net *net = golden_net("squeezenet1_1", 64);
    float *weights = golden_weights(net, &checkpoint), *images = golden_images(&input, 4, 64);
    float *got = make_floats(net->n_weights, 1), *oihw = make_floats(net->n_weights, 2);
    int32_t labels[24];
    memcpy(labels, golden_npy(label_file.data, label_file.size, sizeof labels), sizeof labels);
    struct loss_arg loss = {CLASSES, 4, labels, 0.1};
    struct sqz_gradient_step step = {.weights = weights,
                                     .images = images,
                                     .n = 4,
                                     .loss = batch_loss,
                                     .loss_arg = &loss,
                                     .gradient = got};
    struct sqz_pool *pool = make_pool();
    struct sqz_gradient *gradient = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_gradient_new(net, kernels, pool, 4, 1, &gradient, &err), SQZ_OK);
    sqz_gradient_run(gradient, &step);
    assert_true(fabs(step.loss_value - 2.2078261) < 1e-5);
    double worst = 0;
    for (int p = 0; p < net->n_params; p++) {
        const struct sqz_param *param = &net->params[p];
        const void *data = golden_npz(&gradients, param->name, param->size * sizeof *oihw);
        double most = 0, error = 0;
        sqz_param_to_oihw(param, got, oihw);
        for (size_t i = 0; i < param->size; i++) {
            float wanted;
            memcpy(&wanted, (const char *)data + i * sizeof wanted, sizeof wanted);
            most = fmax(most, fabs((double)wanted));
            error = fmax(error, fabs((double)oihw[i] - wanted));
        }
        worst = fmax(worst, error / most);
        if (!(error <= 2e-5 * most))
            fail_msg("%s: %.3g of its largest value", param->name, error / most);
    }
    print_message("first gradients: at most %.2g of a tensor's largest value from MindCV\n", worst);
    sqz_gradient_free(gradient);
    sqz_pool_free(pool);
    sqz_free(weights);
    sqz_free(images);
    sqz_free(got);
    sqz_free(oihw);
    sqz_net_free(net);
    free(checkpoint.data);
    free(input.data);
    free(label_file.data);
    free(gradients.data);
}

int main(void)
{
    kernels = sqz_kernels_get(sqz_cpu_level(NULL));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logits),
        cmocka_unit_test(test_first_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
