// Weights (HWIO) as panels for the micro-kernel, zero-filled to the panel's width.
#include "kernels/conv_plan.h"

#include <string.h>

static size_t pack_size(const struct sqz_conv *conv, int in_c, int out_c)
{
    return (size_t)conv->kernel * (size_t)conv->kernel * (size_t)in_c *
           (size_t)((out_c + 15) / 16 * 16);
}

size_t sqz_conv_forward_pack_size(const struct sqz_kernels *k, const struct sqz_conv *conv)
{
    (void)k;
    return pack_size(conv, conv->in_c, conv->out_c);
}

size_t sqz_conv_backward_pack_size(const struct sqz_kernels *k, const struct sqz_conv *conv)
{
    (void)k;
    return pack_size(conv, conv->out_c, conv->in_c);
}

void sqz_conv_pack_forward(const struct sqz_kernels *k, const struct sqz_conv *conv,
                           const float *weights, float *packed)
{
    const int depth = conv->kernel * conv->kernel * conv->in_c;
    for (int c0 = 0; c0 < conv->out_c;) {
        int width = sqz_panel_width(k, conv->out_c, c0);
        int columns = conv->out_c - c0 < width ? conv->out_c - c0 : width;
        for (int i = 0; i < depth; i++, packed += width) {
            memcpy(packed, weights + (ptrdiff_t)i * conv->out_c + c0,
                   (size_t)columns * sizeof *packed);
            memset(packed + columns, 0, (size_t)(width - columns) * sizeof *packed);
        }
        c0 += width;
    }
}

// One tap of one panel: packed[co][j] = weights[j][co]. In squares, so that both sides stay in
// cache.
static void pack_transposed(const float *weights, int out_c, int columns, int width, float *packed)
{
    enum { SQUARE = 16 };
    for (int co0 = 0; co0 < out_c; co0 += SQUARE) {
        int co1 = co0 + SQUARE < out_c ? co0 + SQUARE : out_c;
        for (int co = co0; co < co1; co++)
            memset(packed + (ptrdiff_t)co * width + columns, 0,
                   (size_t)(width - columns) * sizeof *packed);
        for (int j = 0; j < columns; j++)
            for (int co = co0; co < co1; co++)
                packed[(ptrdiff_t)co * width + j] = weights[(ptrdiff_t)j * out_c + co];
    }
}

void sqz_conv_pack_backward(const struct sqz_kernels *k, const struct sqz_conv *conv,
                            const float *weights, float *packed)
{
    const int taps = conv->kernel * conv->kernel;
    for (int c0 = 0; c0 < conv->in_c;) {
        int width = sqz_panel_width(k, conv->in_c, c0);
        int columns = conv->in_c - c0 < width ? conv->in_c - c0 : width;
        for (int t = 0; t < taps; t++, packed += (ptrdiff_t)conv->out_c * width) {
            ptrdiff_t row = (ptrdiff_t)(taps - 1 - t) * conv->in_c + c0;
            pack_transposed(weights + row * conv->out_c, conv->out_c, columns, width, packed);
        }
        c0 += width;
    }
}
