// The reference level of everything but the micro-kernels: ref_tmpl.h in float.
#include "kernels/levels.h"

#define SQZ_REAL      float
#define SQZ_REF(name) name##_ref
#include "kernels/ref_tmpl.h"

static void bn_sums_ref(const float *x, int n, int channels, double *sum, double *squares)
{
    for (int p = 0; p < n; p++, x += channels)
        for (int c = 0; c < channels; c++) {
            sum[c] += (double)x[c];
            squares[c] += (double)x[c] * (double)x[c];
        }
}

static bool is_open(const struct sqz_bn *norm, const float *x, int c)
{
    return !norm->relu || x[c] * norm->scale[c] + norm->shift[c] > 0;
}

static void bn_forward_ref(const struct sqz_bn *norm, float *y)
{
    const float *x = norm->x;
    for (int p = 0; p < norm->n; p++, x += norm->channels, y += norm->channels)
        for (int c = 0; c < norm->channels; c++) {
            float value = x[c] * norm->scale[c] + norm->shift[c];
            y[c] = norm->relu && value < 0 ? 0 : value;
        }
}

static void bn_backward_sums_ref(const struct sqz_bn *norm, const float *dy, double *sum,
                                 double *products)
{
    const float *x = norm->x;
    for (int p = 0; p < norm->n; p++, x += norm->channels, dy += norm->channels)
        for (int c = 0; c < norm->channels; c++) {
            double g = is_open(norm, x, c) ? (double)dy[c] : 0;
            sum[c] += g;
            products[c] += g * (double)x[c];
        }
}

static void bn_backward_ref(const struct sqz_bn *norm, const float *dy, const float *a,
                            const float *b, const float *c0, float *dx)
{
    const int channels = norm->channels;
    const float *x = norm->x;
    for (int p = 0; p < norm->n; p++, x += channels, dy += channels, dx += channels)
        for (int c = 0; c < channels; c++)
            dx[c] = a[c] * (is_open(norm, x, c) ? dy[c] : 0) + (b ? b[c] * x[c] + c0[c] : 0);
}

void sqz_ops_fill_ref(struct sqz_kernels *k)
{
    k->relu_backward = relu_backward_ref;
    k->maxpool = maxpool_ref;
    k->maxpool_backward = maxpool_backward_ref;
    k->add = add_ref;
    k->channel_mean = channel_mean_ref;
    k->channel_sum = channel_sum_ref;
    k->sum_of_squares = sum_of_squares_ref;
    k->bn_sums = bn_sums_ref;
    k->bn_forward = bn_forward_ref;
    k->bn_backward_sums = bn_backward_sums_ref;
    k->bn_backward = bn_backward_ref;
}
