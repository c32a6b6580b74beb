// The definition of truth: every operation as the obvious loops, over any floating type.
// Define SQZ_REAL (float, double) and SQZ_REF(name) (adds a suffix) before including it; it may be
// included once per type. Tests use it in double to judge the fast kernels and the gradients.
#include "kernels/kernels.h"

#if !defined SQZ_REAL || !defined SQZ_REF
#error "define SQZ_REAL and SQZ_REF(name) before including ref_tmpl.h"
#endif

// The input pixel under kernel position (ky, kx) of output (oy, ox), or -1 in the padding.
static inline ptrdiff_t SQZ_REF(conv_pixel)(const struct sqz_conv *conv, int oy, int ox, int ky,
                                            int kx)
{
    int y = oy * conv->stride + ky - conv->pad;
    int x = ox * conv->stride + kx - conv->pad;
    if (y < 0 || y >= conv->in_h || x < 0 || x >= conv->in_w)
        return -1;
    return (ptrdiff_t)y * conv->in_w + x;
}

// One image; w is HWIO; bias may be NULL.
static inline void SQZ_REF(conv_forward)(const struct sqz_conv *conv, const SQZ_REAL *x,
                                         ptrdiff_t ldx, const SQZ_REAL *w, const SQZ_REAL *bias,
                                         bool relu, SQZ_REAL *y, ptrdiff_t ldy)
{
    for (int p = 0; p < conv->out_h * conv->out_w; p++) {
        SQZ_REAL *out = y + p * ldy;
        for (int co = 0; co < conv->out_c; co++)
            out[co] = bias ? bias[co] : 0;
        for (int tap = 0; tap < conv->kernel * conv->kernel; tap++) {
            ptrdiff_t q = SQZ_REF(conv_pixel)(conv, p / conv->out_w, p % conv->out_w,
                                              tap / conv->kernel, tap % conv->kernel);
            for (int ci = 0; q >= 0 && ci < conv->in_c; ci++)
                for (int co = 0; co < conv->out_c; co++)
                    out[co] +=
                        x[q * ldx + ci] * w[((ptrdiff_t)tap * conv->in_c + ci) * conv->out_c + co];
        }
        for (int co = 0; relu && co < conv->out_c; co++)
            out[co] = out[co] < 0 ? 0 : out[co];
    }
}

// One image: dx += the gradient with respect to x. Any stride.
static inline void SQZ_REF(conv_backward_data)(const struct sqz_conv *conv, const SQZ_REAL *dy,
                                               ptrdiff_t lddy, const SQZ_REAL *w, SQZ_REAL *dx,
                                               ptrdiff_t lddx)
{
    for (int p = 0; p < conv->out_h * conv->out_w; p++)
        for (int tap = 0; tap < conv->kernel * conv->kernel; tap++) {
            ptrdiff_t q = SQZ_REF(conv_pixel)(conv, p / conv->out_w, p % conv->out_w,
                                              tap / conv->kernel, tap % conv->kernel);
            for (int ci = 0; q >= 0 && ci < conv->in_c; ci++) {
                const SQZ_REAL *row = w + ((ptrdiff_t)tap * conv->in_c + ci) * conv->out_c;
                SQZ_REAL sum = 0;
                for (int co = 0; co < conv->out_c; co++)
                    sum += dy[p * lddy + co] * row[co];
                dx[q * lddx + ci] += sum;
            }
        }
}

// One image: dw (HWIO) and db (may be NULL) += their gradients.
static inline void SQZ_REF(conv_backward_weights)(const struct sqz_conv *conv, const SQZ_REAL *x,
                                                  ptrdiff_t ldx, const SQZ_REAL *dy, ptrdiff_t lddy,
                                                  SQZ_REAL *dw, SQZ_REAL *db)
{
    for (int p = 0; p < conv->out_h * conv->out_w; p++) {
        const SQZ_REAL *g = dy + p * lddy;
        for (int tap = 0; tap < conv->kernel * conv->kernel; tap++) {
            ptrdiff_t q = SQZ_REF(conv_pixel)(conv, p / conv->out_w, p % conv->out_w,
                                              tap / conv->kernel, tap % conv->kernel);
            for (int ci = 0; q >= 0 && ci < conv->in_c; ci++)
                for (int co = 0; co < conv->out_c; co++)
                    dw[((ptrdiff_t)tap * conv->in_c + ci) * conv->out_c + co] +=
                        x[q * ldx + ci] * g[co];
        }
        for (int co = 0; db && co < conv->out_c; co++)
            db[co] += g[co];
    }
}

static inline void SQZ_REF(relu_backward)(const SQZ_REAL *y, ptrdiff_t ldy, SQZ_REAL *dy,
                                          ptrdiff_t lddy, int n, int channels)
{
    for (int p = 0; p < n; p++)
        for (int c = 0; c < channels; c++)
            dy[p * lddy + c] = y[p * ldy + c] > 0 ? dy[p * lddy + c] : 0;
}

static inline void SQZ_REF(maxpool)(const struct sqz_pool2d *pool, const SQZ_REAL *x, ptrdiff_t ldx,
                                    SQZ_REAL *y, ptrdiff_t ldy, uint8_t *index)
{
    for (int p = 0; p < pool->out_h * pool->out_w; p++)
        for (int c = 0; c < pool->channels; c++) {
            int y0 = p / pool->out_w * pool->stride, x0 = p % pool->out_w * pool->stride;
            const SQZ_REAL sign = pool->signs && index ? (SQZ_REAL)pool->signs[c] : 1;
            SQZ_REAL best = sign * x[((ptrdiff_t)y0 * pool->in_w + x0) * ldx + c];
            int where = 0;
            for (int ky = 0; ky < pool->kernel && y0 + ky < pool->in_h; ky++)
                for (int kx = 0; kx < pool->kernel && x0 + kx < pool->in_w; kx++) {
                    SQZ_REAL v = sign * x[((ptrdiff_t)(y0 + ky) * pool->in_w + x0 + kx) * ldx + c];
                    if (v > best || v != v) {
                        best = v;
                        where = ky * pool->kernel + kx;
                    }
                }
            y[p * ldy + c] = sign * best;
            if (index)
                index[(ptrdiff_t)p * pool->channels + c] = (uint8_t)where;
        }
}

static inline void SQZ_REF(maxpool_backward)(const struct sqz_pool2d *pool, const SQZ_REAL *dy,
                                             ptrdiff_t lddy, const uint8_t *index, SQZ_REAL *dx,
                                             ptrdiff_t lddx)
{
    for (int p = 0; p < pool->out_h * pool->out_w; p++)
        for (int c = 0; c < pool->channels; c++) {
            int where = index[(ptrdiff_t)p * pool->channels + c];
            ptrdiff_t row = p / pool->out_w * pool->stride + where / pool->kernel;
            ptrdiff_t col = p % pool->out_w * pool->stride + where % pool->kernel;
            dx[(row * pool->in_w + col) * lddx + c] += dy[p * lddy + c];
        }
}

static inline void SQZ_REF(add)(const SQZ_REAL *a, const SQZ_REAL *b, SQZ_REAL *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] + b[i];
}

static inline void SQZ_REF(channel_sum)(const SQZ_REAL *x, ptrdiff_t ldx, int n, int channels,
                                        SQZ_REAL *out)
{
    for (int c = 0; c < channels; c++) {
        SQZ_REAL sum = 0;
        for (int p = 0; p < n; p++)
            sum += x[p * ldx + c];
        out[c] += sum;
    }
}

static inline void SQZ_REF(channel_mean)(const SQZ_REAL *x, ptrdiff_t ldx, int n, int channels,
                                         SQZ_REAL *out)
{
    for (int c = 0; c < channels; c++)
        out[c] = 0;
    SQZ_REF(channel_sum)(x, ldx, n, channels, out);
    for (int c = 0; c < channels; c++)
        out[c] /= (SQZ_REAL)n;
}

static inline double SQZ_REF(sum_of_squares)(const SQZ_REAL *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}
