// Covariances of the inputs of every convolution, from patches laid out as rows of a matrix.
#include "compress/input_statistics.h"

#include "base/memory.h"
#include "net/activations.h"

#include <string.h>

#define BLOCK        4    // images at once
#define MOST_PATCHES 1024 // of one image and layer; neighbouring patches tell much the same

struct gather {
    const struct sqz_net *net;
    const struct sqz_kernels *kernels;
    struct sqz_pool *pool;
    struct sqz_input_statistics *statistics;
    int n;
    struct sqz_activations *activations;
    float *patches, *products; // one part a worker
    char *scratch;
    size_t patch_floats, product_floats, scratch_bytes;
    int first, images; // of the block
};

void sqz_input_statistics_free(struct sqz_input_statistics *statistics, int n)
{
    for (int i = 0; statistics && i < n; i++) {
        sqz_free(statistics[i].mean);
        sqz_free(statistics[i].covariance);
    }
    sqz_free(statistics);
}

static enum sqz_status new_statistics(const struct sqz_net *net, struct sqz_input_statistics **out,
                                      int *n_out, struct sqz_error *err)
{
    struct sqz_input_statistics *statistics =
        sqz_new_array((size_t)net->n_layers, sizeof *statistics);
    int n = 0;
    bool ok = statistics != NULL;
    for (int i = 0; i < net->n_layers && ok; i++) {
        if (net->layers[i].kind != SQZ_LAYER_CONV)
            continue;
        struct sqz_conv conv = sqz_layer_conv(net, i);
        struct sqz_input_statistics *m = &statistics[n++];
        m->layer = i;
        m->columns = conv.in_c * conv.kernel * conv.kernel;
        m->mean = sqz_new_array((size_t)m->columns, sizeof *m->mean);
        m->covariance = sqz_new_array((size_t)m->columns * (size_t)m->columns, sizeof(double));
        ok = m->mean && m->covariance;
    }
    if (!ok) {
        sqz_input_statistics_free(statistics, n);
        return sqz_fail_memory(err, "the statistics of the layers' inputs", 0);
    }
    *out = statistics;
    *n_out = n;
    return SQZ_OK;
}

enum sqz_status sqz_input_statistics_white(const struct sqz_net *net,
                                           struct sqz_input_statistics **out, int *n_out,
                                           struct sqz_error *err)
{
    enum sqz_status status = new_statistics(net, out, n_out, err);
    for (int i = 0; !status && i < *n_out; i++) {
        struct sqz_input_statistics *m = &(*out)[i];
        m->count = 1;
        for (int c = 0; c < m->columns; c++)
            m->covariance[(size_t)c * (size_t)(m->columns + 1)] = 1;
    }
    return status;
}

// Every `stride`-th patch of an image, from patch `start` on; zeros outside the image.
static int lay_out_patches(const struct sqz_conv *conv, const float *x, int start, int stride,
                           float *out)
{
    int k = conv->kernel, taps = k * k, n = 0;
    for (int pixel = start; pixel < conv->out_h * conv->out_w; pixel += stride, n++) {
        int y0 = pixel / conv->out_w * conv->stride - conv->pad;
        int x0 = pixel % conv->out_w * conv->stride - conv->pad;
        for (int t = 0; t < taps; t++) {
            int iy = y0 + t / k, ix = x0 + t % k;
            bool inside = iy >= 0 && iy < conv->in_h && ix >= 0 && ix < conv->in_w;
            const float *from = inside ? x + ((size_t)iy * conv->in_w + ix) * conv->in_c : NULL;
            for (int c = 0; c < conv->in_c; c++)
                out[c * taps + t] = from ? from[c] : 0;
        }
        out += conv->in_c * taps;
    }
    return n;
}

// sum += patches' * patches: a weight gradient of a 1x1 convolution whose input and gradient are
// both the patches.
static void add_products(const struct gather *g, struct sqz_input_statistics *m,
                         const float *patches, int n, float *products, void *scratch)
{
    size_t d = (size_t)m->columns;
    struct sqz_conv conv = {.in_h = 1,
                            .in_w = n,
                            .in_c = m->columns,
                            .out_h = 1,
                            .out_w = n,
                            .out_c = m->columns,
                            .kernel = 1,
                            .stride = 1};
    memset(products, 0, d * d * sizeof *products);
    sqz_conv_backward_weights(g->kernels,
                              &(struct sqz_conv_gradient){.conv = &conv,
                                                          .x = patches,
                                                          .ldx = m->columns,
                                                          .dy = patches,
                                                          .lddy = m->columns,
                                                          .dw = products},
                              scratch);
    for (size_t i = 0; i < d * d; i++)
        m->covariance[i] += (double)products[i];
    for (int p = 0; p < n; p++)
        for (size_t c = 0; c < d; c++)
            m->mean[c] += (double)patches[(size_t)p * d + c];
    m->count += n;
}

static void gather_layer(void *arg, int task, int worker)
{
    struct gather *g = arg;
    struct sqz_input_statistics *m =
        &g->statistics[g->n - 1 - task]; // the last layers are the longest work
    struct sqz_conv conv = sqz_layer_conv(g->net, m->layer);
    int stride = (conv.out_h * conv.out_w + MOST_PATCHES - 1) / MOST_PATCHES;
    float *patches = g->patches + (size_t)worker * g->patch_floats;
    for (int i = 0; i < g->images; i++) {
        const float *x = sqz_activations_tensor(g->activations, i, g->net->layers[m->layer].input);
        int n = lay_out_patches(&conv, x, (g->first + i) % stride, stride, patches);
        add_products(g, m, patches, n, g->products + (size_t)worker * g->product_floats,
                     g->scratch + (size_t)worker * g->scratch_bytes);
    }
}

static enum sqz_status take_memory(struct gather *g, const float *weights, struct sqz_error *err)
{
    size_t workers = (size_t)sqz_pool_size(g->pool);
    for (int i = 0; i < g->n; i++) {
        size_t d = (size_t)g->statistics[i].columns;
        struct sqz_conv conv = {1, MOST_PATCHES, (int)d, 1, MOST_PATCHES, (int)d, 1, 1, 0};
        size_t scratch = (sqz_conv_scratch_size(g->kernels, &conv) + 63) / 64 * 64;
        g->patch_floats = d * MOST_PATCHES > g->patch_floats ? d * MOST_PATCHES : g->patch_floats;
        g->product_floats = d * d > g->product_floats ? d * d : g->product_floats;
        g->scratch_bytes = scratch > g->scratch_bytes ? scratch : g->scratch_bytes;
    }
    g->patch_floats = (g->patch_floats + 15) / 16 * 16;
    g->product_floats = (g->product_floats + 15) / 16 * 16;
    g->patches = sqz_new_aligned(workers * g->patch_floats, sizeof(float));
    g->products = sqz_new_aligned(workers * g->product_floats, sizeof(float));
    g->scratch = sqz_new_aligned(workers, g->scratch_bytes);
    if (!g->patches || !g->products || !g->scratch)
        return sqz_fail_memory(err, "patches", workers * g->patch_floats * sizeof(float));
    return sqz_activations_new(g->net, weights, g->kernels, g->pool, BLOCK, &g->activations, err);
}

// From sums to means; the mean's own share leaves the second moments.
static void finish(struct sqz_input_statistics *m)
{
    size_t d = (size_t)m->columns;
    for (size_t c = 0; c < d; c++)
        m->mean[c] /= m->count;
    for (size_t r = 0; r < d; r++)
        for (size_t c = 0; c < d; c++)
            m->covariance[r * d + c] =
                m->covariance[r * d + c] / m->count - m->mean[r] * m->mean[c];
    for (size_t r = 0; r < d; r++) // the kernels need not be symmetric to the last bit
        for (size_t c = 0; c < r; c++)
            m->covariance[r * d + c] = m->covariance[c * d + r];
}

enum sqz_status sqz_input_statistics_new(const struct sqz_net *net, const float *weights,
                                         const struct sqz_kernels *kernels, struct sqz_pool *pool,
                                         sqz_images_fn images, void *images_arg, int n_images,
                                         sqz_progress_fn progress, void *progress_arg,
                                         struct sqz_input_statistics **out, int *n_out,
                                         struct sqz_error *err)
{
    struct gather g = {.net = net, .kernels = kernels, .pool = pool};
    const struct sqz_tensor *in = &net->tensors[0];
    size_t pixels = (size_t)in->h * (size_t)in->w * (size_t)in->c;
    float *block = sqz_new_aligned(BLOCK * pixels, sizeof *block);
    enum sqz_status status = block ? new_statistics(net, &g.statistics, &g.n, err)
                                   : sqz_fail_memory(err, "images", BLOCK * pixels * 4);
    if (!status)
        status = take_memory(&g, weights, err);
    for (g.first = 0; !status && g.first < n_images; g.first += BLOCK) {
        g.images = n_images - g.first < BLOCK ? n_images - g.first : BLOCK;
        status = progress(progress_arg, "look", g.first, n_images, err);
        if (!status)
            status = images(images_arg, g.first, g.images, block, err);
        if (status)
            break;
        sqz_forward_all(g.activations, block, g.images);
        sqz_pool_run(pool, g.n, gather_layer, &g);
    }
    for (int i = 0; !status && i < g.n; i++)
        finish(&g.statistics[i]);
    sqz_activations_free(g.activations);
    sqz_free(block);
    sqz_free(g.patches);
    sqz_free(g.products);
    sqz_free(g.scratch);
    if (status) {
        sqz_input_statistics_free(g.statistics, g.n);
        return status;
    }
    *out = g.statistics;
    *n_out = g.n;
    return SQZ_OK;
}
