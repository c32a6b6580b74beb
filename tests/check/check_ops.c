// Element-wise operations, channel sums, normalisation: every remainder of channels, slices,
// lengths.
#include "check/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t slice_size(int n, ptrdiff_t ld, int channels)
{
    return (size_t)(n - 1) * (size_t)ld + (size_t)channels;
}

static void run_relu_backward(const struct sqz_kernels *k, int n, int channels, int wider)
{
    check_begin("%s relu_backward: %d pixels of %d channels, ld +%d", sqz_cpu_level_name(k->level),
                n, channels, wider);
    const ptrdiff_t ldy = channels + wider, lddy = channels + 2 * wider;
    float *y = random_floats(slice_size(n, ldy, channels));
    size_t size = slice_size(n, lddy, channels);
    float *dy = random_floats(size), *before = random_floats(size);
    y[0] = 0; // zero does not pass a gradient
    memcpy(before, dy, size * sizeof *dy);
    k->relu_backward(y, ldy, dy, lddy, n, channels);
    for (size_t i = 0; i < size; i++) {
        size_t p = i / (size_t)lddy, c = i % (size_t)lddy;
        bool passes = c >= (size_t)channels || y[p * (size_t)ldy + c] > 0;
        check_true(dy[i] == (passes ? before[i] : 0), "wrong gradient", i);
    }
    guarded_free_all();
}

static void run_channel_sums(const struct sqz_kernels *k, int n, int channels, int wider)
{
    check_begin("%s channel_sum, channel_mean: %d pixels of %d channels, ld +%d",
                sqz_cpu_level_name(k->level), n, channels, wider);
    const ptrdiff_t ld = channels + wider;
    size_t size = slice_size(n, ld, channels);
    float *x = random_floats(size), *sum = random_floats((size_t)channels);
    float *mean = guarded_floats((size_t)channels);
    fill_pattern(mean, (size_t)channels);
    double *tx = to_double(x, size, false), *ax = to_double(x, size, true);
    double *want = to_double(sum, (size_t)channels, false),
           *terms = to_double(sum, (size_t)channels, true);
    channel_sum_truth(tx, ld, n, channels, want);
    channel_sum_truth(ax, ld, n, channels, terms);
    k->channel_sum(x, ld, n, channels, sum);
    for (int c = 0; c < channels; c++)
        check_close(sum[c], want[c], terms[c], sum_factor((size_t)n), "sum", (size_t)c);
    channel_mean_truth(tx, ld, n, channels, want);
    channel_mean_truth(ax, ld, n, channels, terms);
    k->channel_mean(x, ld, n, channels, mean);
    for (int c = 0; c < channels; c++)
        check_close(mean[c], want[c], terms[c], sum_factor((size_t)n), "mean", (size_t)c);
    free(tx);
    free(ax);
    free(want);
    free(terms);
    guarded_free_all();
}

static void run_flat(const struct sqz_kernels *k, size_t n)
{
    check_begin("%s add, sum_of_squares: %zu values", sqz_cpu_level_name(k->level), n);
    float *a = random_floats(n), *b = random_floats(n), *out = guarded_floats(n);
    k->add(a, b, out, n);
    for (size_t i = 0; i < n; i++)
        check_true(out[i] == a[i] + b[i], "wrong sum", i);
    double want = 0;
    for (size_t i = 0; i < n; i++)
        want += (double)a[i] * (double)a[i];
    check_true(fabs(k->sum_of_squares(a, n) - want) <= 1e-13 * want, "wrong sum of squares", n);
    k->add(a, b, a, n);
    check_true(n == 0 || memcmp(a, out, n * sizeof *a) == 0, "a wrong sum in place", 0);
    guarded_free_all();
}

// The numbers of each channel that normalisation works with.
struct bn_numbers {
    float *scale, *shift, *a, *b, *c;
};

static struct bn_numbers bn_numbers(size_t channels)
{
    return (struct bn_numbers){random_floats(channels), random_floats(channels),
                               random_floats(channels), random_floats(channels),
                               random_floats(channels)};
}

// y as the definition has it, and whether rounding could open or close its ReLU.
static double bn_truth(const struct sqz_bn *norm, size_t i, bool *unsure)
{
    size_t c = i % (size_t)norm->channels;
    double y = (double)norm->x[i] * (double)norm->scale[c] + (double)norm->shift[c];
    *unsure = norm->relu && fabs(y) < 1e-6;
    return y;
}

static void run_norm_forward(const struct sqz_kernels *k, const struct sqz_bn *norm,
                             const struct bn_numbers *by, const float *dy)
{
    size_t size = (size_t)norm->n * (size_t)norm->channels;
    float *y = guarded_floats(size), *dx = guarded_floats(size), *scaled = guarded_floats(size);
    bool unsure;
    k->bn_forward(norm, y);
    k->bn_backward(norm, dy, by->a, NULL, NULL, scaled);
    k->bn_backward(norm, dy, by->a, by->b, by->c, dx);
    for (size_t i = 0; i < size; i++) {
        size_t c = i % (size_t)norm->channels;
        double want = bn_truth(norm, i, &unsure);
        double g = norm->relu && want <= 0 ? 0 : (double)dy[i];
        check_close(y[i], norm->relu && want < 0 ? 0 : want, 3, sum_factor(2), "value", i);
        if (unsure)
            continue;
        check_close(scaled[i], (double)by->a[c] * g, 1, sum_factor(1), "scaled gradient", i);
        want = (double)by->a[c] * g + (double)by->b[c] * (double)norm->x[i] + (double)by->c[c];
        check_close(dx[i], want, 3, sum_factor(3), "gradient", i);
    }
}

static void run_norm_sums(const struct sqz_kernels *k, const struct sqz_bn *norm, const float *dy)
{
    const size_t channels = (size_t)norm->channels;
    double *got = calloc(4 * channels, sizeof *got);
    for (size_t i = 0; i < 4 * channels; i++)
        got[i] = (double)i; // is added to
    k->bn_sums(norm->x, norm->n, norm->channels, got, got + channels);
    k->bn_backward_sums(norm, dy, got + 2 * channels, got + 3 * channels);
    for (size_t c = 0; c < channels; c++) {
        double want[4] = {(double)c, (double)(channels + c), (double)(2 * channels + c),
                          (double)(3 * channels + c)};
        bool unsure, any = false;
        for (size_t i = c; i < (size_t)norm->n * channels; i += channels) {
            double x = (double)norm->x[i], y = bn_truth(norm, i, &unsure);
            double g = norm->relu && y <= 0 ? 0 : (double)dy[i];
            any = any || unsure;
            want[0] += x;
            want[1] += x * x;
            want[2] += g;
            want[3] += g * x;
        }
        for (size_t j = 0; j < (any ? 2 : 4); j++)
            check_true(fabs(got[j * channels + c] - want[j]) <= 1e-6 * (double)norm->n, "wrong sum",
                       j * channels + c);
    }
    free(got);
}

static void run_norm(const struct sqz_kernels *k, int n, int channels, bool relu)
{
    check_begin("%s norm: %d pixels of %d channels%s", sqz_cpu_level_name(k->level), n, channels,
                relu ? ", ReLU" : "");
    size_t size = (size_t)n * (size_t)channels;
    struct bn_numbers by = bn_numbers((size_t)channels);
    struct sqz_bn norm = {random_floats(size), by.scale, by.shift, n, channels, relu};
    float *dy = random_floats(size);
    run_norm_forward(k, &norm, &by, dy);
    run_norm_sums(k, &norm, dy);
    guarded_free_all();
}

void check_ops(const struct sqz_kernels *k, const struct sqz_kernels *below)
{
    random_seed(3);
    for (int channels = 1; channels <= 70; channels++) {
        int n = 1 + random_below(40);
        if (!below || below->relu_backward != k->relu_backward)
            run_relu_backward(k, n, channels, channels % 4);
        if (!below || below->channel_sum != k->channel_sum)
            run_channel_sums(k, n, channels, channels % 3);
        if (!below || below->bn_sums != k->bn_sums)
            run_norm(k, n, channels, channels % 5 != 0);
    }
    if (!below || below->bn_sums != k->bn_sums)
        run_norm(k, 3025, 128, true);
    if (!below || below->channel_sum != k->channel_sum) {
        run_channel_sums(k, 169, 1000, 0);
        run_channel_sums(k, 3025, 64, 64);
    }
    if (!below || below->add != k->add)
        for (size_t n = 0; n <= 130; n++)
            run_flat(k, n < 130 ? n : 100003);
}
