// Winograd's weights: [panel][frequency][input channel][width].
#include "kernels/winograd/plan.h"

#include <string.h>

// The side - 1 finite interpolation points of each window, in the order of winograd_tmpl.h.
static const double *points(int side)
{
    static const double four[] = {0, 1, -1}, six[] = {0, 1, -1, 0.5, -2};
    static const double seven[] = {0, 1, -1, 2, -2, 0.5}, eight[] = {0, 1, -1, 2, -2, 0.5, -0.5};
    return side == 4 ? four : side == 6 ? six : side == 7 ? seven : eight;
}

// Row i: 1, a, a^2, ... over the product of a's distances to the other points; infinity: 0, ..., 1.
void sqz_winograd_matrix(int side, int kernel, double matrix[SQZ_WINOGRAD_SIDE_MOST][4])
{
    const double *a = points(side);
    for (int i = 0; i < side - 1; i++) {
        double power = 1;
        for (int j = 0; j < side - 1; j++)
            power /= j == i ? 1 : a[i] - a[j];
        for (int x = 0; x < kernel; x++, power *= a[i])
            matrix[i][x] = power;
    }
    for (int x = 0; x < kernel; x++)
        matrix[side - 1][x] = x == kernel - 1;
}

int sqz_winograd_tap(const struct sqz_winograd_plan *plan, int ky, int kx, int i)
{
    const struct sqz_conv *source = &plan->source;
    if (!sqz_conv_is_polyphase(source))
        return ky * source->kernel + kx;
    const int phase = i / source->in_c;
    ky = 2 * ky + phase / 2;
    kx = 2 * kx + phase % 2;
    return ky < source->kernel && kx < source->kernel ? ky * source->kernel + kx : -1;
}

// Tap t of input channel i and output channel o is at weights[t * ld_tap + i * ld_in + o * ld_out].
struct layout {
    const float *weights;
    ptrdiff_t ld_tap, ld_in, ld_out;
};

static void pack(const struct sqz_kernels *k, const struct sqz_conv *source,
                 const struct layout *layout, int m, float *packed)
{
    double matrix[SQZ_WINOGRAD_SIDE_MOST][4];
    float taps[16][SQZ_WINOGRAD_COLUMNS];
    const struct sqz_winograd_plan plan = sqz_winograd_plan(k, source, m);
    const struct sqz_conv *conv = &plan.conv;
    const int kernel = conv->kernel;
    sqz_winograd_matrix(plan.side, kernel, matrix);
    struct sqz_winograd_weights group = {
        .matrix = matrix, .taps = taps, .side = plan.side, .kernel = kernel};
    for (int c0 = 0, width; c0 < conv->out_c; c0 += width) {
        width = sqz_panel_width(k, conv->out_c, c0);
        group.ldf = (ptrdiff_t)conv->in_c * width;
        for (int i = 0; i < conv->in_c; i++)
            for (int g = 0; g < width; g += SQZ_WINOGRAD_COLUMNS) {
                int columns = conv->out_c - c0 - g;
                columns = columns < SQZ_WINOGRAD_COLUMNS ? columns : SQZ_WINOGRAD_COLUMNS;
                memset(taps, 0, sizeof taps);
                for (int t = 0; t < kernel * kernel; t++) {
                    int tap = sqz_winograd_tap(&plan, t / kernel, t % kernel, i);
                    const float *from =
                        layout->weights + tap * layout->ld_tap + i % source->in_c * layout->ld_in;
                    for (int j = 0; tap >= 0 && j < columns; j++)
                        taps[t][j] = from[(c0 + g + j) * layout->ld_out];
                }
                group.packed = packed + (ptrdiff_t)i * width + g;
                k->winograd_weights(&group);
            }
        packed += plan.frequencies * group.ldf;
    }
}

void sqz_winograd_pack_forward(const struct sqz_kernels *k, const struct sqz_conv *conv, int m,
                               const float *weights, float *packed)
{
    struct layout layout = {.weights = weights,
                            .ld_tap = (ptrdiff_t)conv->in_c * conv->out_c,
                            .ld_in = conv->out_c,
                            .ld_out = 1};
    pack(k, conv, &layout, m, packed);
}

// Channels exchanged, and the kernel flipped: from the last tap backwards.
void sqz_winograd_pack_backward(const struct sqz_kernels *k, const struct sqz_conv *conv, int m,
                                const float *weights, float *packed)
{
    const ptrdiff_t tap = (ptrdiff_t)conv->in_c * conv->out_c;
    struct layout layout = {.weights = weights + (conv->kernel * conv->kernel - 1) * tap,
                            .ld_tap = -tap,
                            .ld_in = 1,
                            .ld_out = conv->out_c};
    struct sqz_conv transposed = sqz_conv_transposed(conv);
    pack(k, &transposed, &layout, m, packed);
}

static size_t pack_size(const struct sqz_conv *dense, int m)
{
    size_t side = (size_t)(m + dense->kernel - 1);
    return side * side * (size_t)dense->in_c * (size_t)((dense->out_c + 15) / 16 * 16);
}

size_t sqz_winograd_forward_pack_size(const struct sqz_conv *conv, int m)
{
    struct sqz_conv dense = sqz_winograd_dense(conv);
    return pack_size(&dense, m);
}

size_t sqz_winograd_backward_pack_size(const struct sqz_conv *conv, int m)
{
    struct sqz_conv transposed = sqz_conv_transposed(conv);
    return pack_size(&transposed, m);
}
