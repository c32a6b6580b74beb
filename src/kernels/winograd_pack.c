// Winograd's weights, transformed in double and rounded once. Packed:
// [panel][frequency][input channel][width].
#include "kernels/winograd.h"
#include "kernels/conv_plan.h"

enum { SIDE_MOST = SQZ_WINOGRAD_LARGEST + 2, GROUP = 16 };

// The finite interpolation points of each tile, in the order of winograd_tmpl.h; m + 1 of them.
static const double *points(int m)
{
    static const double two[] = {0, 1, -1}, four[] = {0, 1, -1, 0.5, -2};
    static const double five[] = {0, 1, -1, 2, -2, 0.5}, six[] = {0, 1, -1, 2, -2, 0.5, -0.5};
    return m == 2 ? two : m == 4 ? four : m == 5 ? five : six;
}

// Row i: 1, a, a^2, over the product of a's distances to the other points; infinity: 0, 0, 1.
static void fill_matrix(int m, double matrix[SIDE_MOST][3])
{
    const double *a = points(m);
    for (int i = 0; i < m + 1; i++) {
        double product = 1;
        for (int j = 0; j < m + 1; j++)
            product *= j == i ? 1 : a[i] - a[j];
        matrix[i][0] = 1 / product;
        matrix[i][1] = a[i] / product;
        matrix[i][2] = a[i] * a[i] / product;
    }
    matrix[m + 1][0] = matrix[m + 1][1] = 0;
    matrix[m + 1][2] = 1;
}

// Up to 16 columns of one input channel: taps[ky * 3 + kx][column], zero-filled.
struct group {
    double taps[9][GROUP];
};

// packed[f * ldf + column] = the value of frequency f
static void transform(const struct group *group, int m, double matrix[SIDE_MOST][3], float *packed,
                      ptrdiff_t ldf)
{
    const int side = m + 2;
    double half[SIDE_MOST][3][GROUP];
    for (int i = 0; i < side; i++)
        for (int x = 0; x < 3; x++)
            for (int j = 0; j < GROUP; j++)
                half[i][x][j] = matrix[i][0] * group->taps[x][j] +
                                matrix[i][1] * group->taps[3 + x][j] +
                                matrix[i][2] * group->taps[6 + x][j];
    for (int i = 0; i < side; i++)
        for (int c = 0; c < side; c++, packed += ldf)
            for (int j = 0; j < GROUP; j++)
                packed[j] = (float)(matrix[c][0] * half[i][0][j] + matrix[c][1] * half[i][1][j] +
                                    matrix[c][2] * half[i][2][j]);
}

// Weights of a convolution from in_c to out_c channels: tap t of input channel i and output channel
// o is at weights[t * ld_tap + i * ld_in + o * ld_out].
struct layout {
    int in_c, out_c;
    ptrdiff_t ld_tap, ld_in, ld_out;
};

static void pack(const struct sqz_kernels *k, const struct layout *layout, int m,
                 const float *weights, float *packed)
{
    double matrix[SIDE_MOST][3];
    fill_matrix(m, matrix);
    const ptrdiff_t frequencies = (ptrdiff_t)(m + 2) * (m + 2);
    for (int c0 = 0, width; c0 < layout->out_c; c0 += width) {
        width = sqz_panel_width(k, layout->out_c, c0);
        for (int i = 0; i < layout->in_c; i++)
            for (int g = 0; g < width; g += GROUP) {
                struct group group = {0};
                int columns = layout->out_c - c0 - g < GROUP ? layout->out_c - c0 - g : GROUP;
                const float *from = weights + i * layout->ld_in + (c0 + g) * layout->ld_out;
                for (int t = 0; t < 9; t++)
                    for (int j = 0; j < columns; j++)
                        group.taps[t][j] = (double)from[t * layout->ld_tap + j * layout->ld_out];
                transform(&group, m, matrix, packed + (ptrdiff_t)i * width + g,
                          (ptrdiff_t)layout->in_c * width);
            }
        packed += frequencies * layout->in_c * width;
    }
}

void sqz_winograd_pack_forward(const struct sqz_kernels *k, const struct sqz_conv *conv, int m,
                               const float *weights, float *packed)
{
    struct layout layout = {.in_c = conv->in_c,
                            .out_c = conv->out_c,
                            .ld_in = conv->out_c,
                            .ld_tap = (ptrdiff_t)conv->in_c * conv->out_c,
                            .ld_out = 1};
    pack(k, &layout, m, weights, packed);
}

// Channels exchanged, and the kernel flipped: from the last tap backwards.
void sqz_winograd_pack_backward(const struct sqz_kernels *k, const struct sqz_conv *conv, int m,
                                const float *weights, float *packed)
{
    struct layout layout = {.in_c = conv->out_c,
                            .out_c = conv->in_c,
                            .ld_in = 1,
                            .ld_tap = -(ptrdiff_t)conv->in_c * conv->out_c,
                            .ld_out = conv->out_c};
    pack(k, &layout, m, weights - 8 * layout.ld_tap, packed);
}

static size_t pack_size(int in_c, int out_c, int m)
{
    return (size_t)(m + 2) * (size_t)(m + 2) * (size_t)in_c * (size_t)((out_c + 15) / 16 * 16);
}

size_t sqz_winograd_forward_pack_size(const struct sqz_conv *conv, int m)
{
    return pack_size(conv->in_c, conv->out_c, m);
}

size_t sqz_winograd_backward_pack_size(const struct sqz_conv *conv, int m)
{
    return pack_size(conv->out_c, conv->in_c, m);
}

// About three times the worst that the checker meets (0.2, 1.2, 4.3, 5.8, of small inputs with one
// to three channels; 0.05, 0.3, 0.8, 1.2 at the network's shapes).
double sqz_winograd_amplification(int m)
{
    return m == 2 ? 1 : m == 4 ? 4 : m == 5 ? 12 : 16;
}
