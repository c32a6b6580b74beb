// The logits of the published weights on real images, at every SIMD level of this machine,
// against direct convolutions in double. Ordinarily a few images; SQZ_TEST_IMAGES=500 takes
// them all and prints what docs/notebook/kernels.md quotes.
#include "base/memory.h"
#include "data/augment/transform.h"
#include "data/sets/dataset.h"
#include "formats/formats.h"
#include "net/infer.h"
#include "testdata.h"
#include "data/augment/transform.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

enum { CLASSES = 1000 };

static double *new_doubles(size_t n)
{
    double *x = sqz_new_aligned(n, sizeof *x);
    assert_non_null(x);
    return x;
}

static void conv(const struct sqz_net *net, int index, const double *weights, const double *x,
                 double *y)
{
    const struct sqz_layer *layer = &net->layers[index];
    const struct sqz_conv c = sqz_layer_conv(net, index);
    const double *w = weights + net->params[layer->weight].offset;
    const double *bias = weights + net->params[layer->bias].offset;
    const int ldy = net->tensors[layer->output].c;
    for (int p = 0; p < c.out_h * c.out_w; p++) {
        double *out = y + (ptrdiff_t)p * ldy + layer->channel;
        memcpy(out, bias, (size_t)c.out_c * sizeof *out);
        for (int tap = 0; tap < c.kernel * c.kernel; tap++) {
            int iy = p / c.out_w * c.stride - c.pad + tap / c.kernel;
            int ix = p % c.out_w * c.stride - c.pad + tap % c.kernel;
            if (iy < 0 || iy >= c.in_h || ix < 0 || ix >= c.in_w)
                continue;
            const double *in = x + ((ptrdiff_t)iy * c.in_w + ix) * c.in_c;
            const double *row = w + (ptrdiff_t)tap * c.in_c * c.out_c;
            for (int i = 0; i < c.in_c; i++, row += c.out_c)
                for (int o = 0; o < c.out_c; o++)
                    out[o] += in[i] * row[o];
        }
        for (int o = 0; o < c.out_c; o++)
            out[o] = layer->relu && out[o] < 0 ? 0 : out[o];
    }
}

static void maxpool(const struct sqz_net *net, const struct sqz_layer *layer, const double *x,
                    double *y)
{
    const struct sqz_tensor *in = &net->tensors[layer->input], *out = &net->tensors[layer->output];
    for (int p = 0; p < out->h * out->w; p++)
        for (int c = 0; c < in->c; c++) {
            double best = -INFINITY;
            for (int t = 0; t < layer->kernel * layer->kernel; t++) {
                int iy = p / out->w * layer->stride + t / layer->kernel;
                int ix = p % out->w * layer->stride + t % layer->kernel;
                if (iy < in->h && ix < in->w)
                    best = fmax(best, x[((ptrdiff_t)iy * in->w + ix) * in->c + c]);
            }
            y[(ptrdiff_t)p * in->c + c] = best;
        }
}

static void mean(const struct sqz_tensor *in, const double *x, double *y)
{
    memset(y, 0, (size_t)in->c * sizeof *y);
    for (int p = 0; p < in->h * in->w; p++)
        for (int c = 0; c < in->c; c++)
            y[c] += x[(ptrdiff_t)p * in->c + c] / (in->h * in->w);
}

// The published networks have no bypass.
static void run_in_double(const struct sqz_net *net, const double *weights, const float *image,
                          double **tensors)
{
    for (size_t i = 0; i < sqz_tensor_size(net, 0); i++)
        tensors[0][i] = image[i];
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        const double *x = tensors[layer->input];
        if (layer->kind == SQZ_LAYER_CONV)
            conv(net, i, weights, x, tensors[layer->output]);
        else if (layer->kind == SQZ_LAYER_MAXPOOL)
            maxpool(net, layer, x, tensors[layer->output]);
        else if (layer->kind == SQZ_LAYER_MEAN)
            mean(&net->tensors[layer->input], x, tensors[layer->output]);
    }
}

static int best_of(const double *logits)
{
    int best = 0;
    for (int c = 1; c < CLASSES; c++)
        best = logits[c] > logits[best] ? c : best;
    return best;
}

// One level's logits beside the truth; returns the largest error.
static double compare(struct sqz_infer *infer, const float *image, const double *truth,
                      const char *name)
{
    float logits[CLASSES];
    double own[CLASSES], error = 0;
    sqz_infer_run(infer, image, 1, logits);
    for (int c = 0; c < CLASSES; c++) {
        own[c] = logits[c];
        error = fmax(error, fabs(own[c] - truth[c]));
    }
    const int best = best_of(truth), found = best_of(own);
    if (found != best)
        fail_msg("%s: class %d instead of %d, whose logits are %g apart", name, found, best,
                 truth[best] - truth[found]);
    return error;
}

static void check_weights(const char *file)
{
    struct sqz_error err = {0};
    struct sqz_model *model = NULL;
    struct sqz_pool *pool = NULL;
    struct sqz_dataset *set = NULL;
    struct sqz_infer *infers[SQZ_CPU_LEVELS] = {NULL};
    double errors[SQZ_CPU_LEVELS] = {0};
    char weights_path[4096];
    const char *path = test_data(file);
    if (!path)
        skip();
    snprintf(weights_path, sizeof weights_path, "%s", path);
    const char *images = test_data("imagenet-samples");
    if (!images)
        skip();
    struct sqz_dataset_request request = {
        .kind = "imagenet", .dir = images, .split = "val", .threads = 1};
    if (sqz_model_read(weights_path, NULL, 0, &model, &err) || sqz_pool_new(1, &pool, &err) ||
        sqz_dataset_open(&request, &set, &err))
        fail_msg("%s", err.text);
    const struct sqz_net *net = model->net;
    for (int level = SQZ_CPU_REF + 1; level < SQZ_CPU_LEVELS; level++) {
        const struct sqz_kernels *kernels = sqz_kernels_get((enum sqz_cpu_level)level);
        if (kernels->level == (enum sqz_cpu_level)level &&
            sqz_infer_new(net, model->weights, kernels, pool, false, &infers[level], &err))
            fail_msg("%s", err.text);
    }
    double *weights = new_doubles(net->n_weights), **tensors = NULL;
    for (size_t i = 0; i < net->n_weights; i++)
        weights[i] = model->weights[i];
    tensors = sqz_new_array((size_t)net->n_tensors, sizeof *tensors);
    for (int t = 0; t < net->n_tensors; t++)
        tensors[t] = new_doubles(sqz_tensor_size(net, t));
    float *image = sqz_new_aligned(sqz_tensor_size(net, 0), sizeof *image);
    struct sqz_transform_scratch scratch = {0};
    struct sqz_bytes bytes = {0};
    const char *asked = getenv("SQZ_TEST_IMAGES");
    size_t n = asked ? (size_t)atoi(asked) : 4;
    n = n < set->count ? n : set->count;
    for (size_t i = 0; i < n; i++) {
        struct sqz_image view = {0};
        struct sqz_source source = {0};
        const size_t sample = i * (set->count / n);
        if (sqz_dataset_read(set, sample, &bytes, &view, &source, &err) ||
            sqz_preprocess_run(&model->preprocess, &source, image, &scratch, &err))
            fail_msg("%s", err.text);
        run_in_double(net, weights, image, tensors);
        for (int level = 0; level < SQZ_CPU_LEVELS; level++)
            if (infers[level])
                errors[level] =
                    fmax(errors[level],
                         compare(infers[level], image, tensors[net->n_tensors - 1], source.name));
    }
    for (int level = 0; level < SQZ_CPU_LEVELS; level++) {
        if (!infers[level])
            continue;
        print_message("%s, %zu images, %s: largest error of a logit %.2g\n", file, n,
                      sqz_cpu_level_name((enum sqz_cpu_level)level), errors[level]);
        assert_true(errors[level] < 1e-3);
        sqz_infer_free(infers[level]);
    }
    for (int t = 0; t < net->n_tensors; t++)
        sqz_free(tensors[t]);
    sqz_free(tensors);
    sqz_free(weights);
    sqz_free(image);
    sqz_bytes_release(&bytes);
    sqz_transform_scratch_release(&scratch);
    sqz_dataset_free(set);
    sqz_pool_free(pool);
    sqz_model_free(model);
}

static void test_version_1_1(void **state)
{
    (void)state;
    check_weights("weights/squeezenet_v1.1.ncnn.param");
}

static void test_version_1_0(void **state)
{
    (void)state;
    check_weights("weights/compressed_SqueezeNet.net");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_1_1),
        cmocka_unit_test(test_version_1_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
