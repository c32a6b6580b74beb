// The arithmetic of the networks on plain pointers: no allocation, no errors, no I/O.
//
// Tensors are NHWC float. A tensor's pixel p starts at x + p * ldx, so a channel slice of a wider
// tensor is the pointer to its first channel with the wider tensor's ld. Convolution weights are
// HWIO: [kh][kw][in_c][out_c]. Every output element is one sum in an order that depends on the
// shape and the SIMD level only, never on how the caller splits rows, images, or threads.
#ifndef SQZ_KERNELS_KERNELS_H
#define SQZ_KERNELS_KERNELS_H

#include "base/cpu.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One convolution's geometry; square kernel, stride and symmetric zero padding.
struct sqz_conv {
    int in_h, in_w, in_c;
    int out_h, out_w, out_c;
    int kernel, stride, pad;
};

struct sqz_pool2d { // max pooling; windows may hang over the right and bottom edge (ceil mode)
    int in_h, in_w, out_h, out_w, channels;
    int kernel, stride;
    const float *signs; // NULL, or 1 or -1 for each channel; -1: the minimum instead
};

// Tiles of a forward pass or a data gradient ("indirect GEMM"), one below the other: for i < rows,
// j < columns, sum[i][j] = bias[j], plus over taps t, then k: a[t * mr + i][from + k] *
// b[(t * depth + k) * width + j], added in that order, one fused multiply-add each (reference:
// multiply, then add). Then c = sum, or c += sum. The next tile's pointers are taps * mr further.
struct sqz_gemm {
    const float *const *a; // the first `rows` of every mr pointers are read
    ptrdiff_t from;
    const float *b; // packed panel
    float *c;
    ptrdiff_t ldc;
    const float *bias; // `columns` values, or NULL
    int taps, depth;
    int tiles, rows; // rows of a tile, <= mr
    int larger;      // the first `larger` tiles have one row more
    int columns;     // <= the panel's width
    bool accumulate; // c += sum
    bool relu;       // c = c < 0 ? 0 : c in the end, so that NaN stays visible
};

// One row of a product whose left side is mostly zero (sparse.h): for j < columns,
// c[j] = from[j], plus over i < n: values[i] * b[at[i]][j], added in that order; then the ReLU.
// Row r of b begins at r * ldb in each panel of `width` columns, panels being ld_panel apart.
enum { SQZ_SPARSE_PANELS = 4 }; // at most
struct sqz_sparse_row {
    const float *values;
    const int32_t *at;
    int n;
    const float *b;
    ptrdiff_t ldb, ld_panel;
    int width, columns; // 16 or nr; columns <= SQZ_SPARSE_PANELS * width
    bool padded;        // a last panel may be read to its full width; else it comes alone
    const float *from;  // NULL: zeros; may be c
    float *c;
    bool relu;
};

// One tile of a weight gradient, a sum of outer products: for i < rows, j < columns,
// c[i][j] += (the sum over runs r, then k, of a[r][k * lda + i] * b[r][k * ldb + j]).
struct sqz_outer_tile {
    const float *const *a; // `runs` pointers to the first pixel's first value
    const float *const *b; // the same; `width` values of every pixel are read
    ptrdiff_t lda, ldb;
    float *c;
    ptrdiff_t ldc;
    int runs, depth;
    int rows, columns;
};

// Winograd's transforms of one tile of m x m outputs from side x side pixels (winograd/winograd.h
// has the pairs). In: channels of the pixels x[], row by row, give as many values v[f * ldv +
// channel].
struct sqz_winograd_input {
    const float *const *x;
    float *v;
    ptrdiff_t ldv;
    int side, channels;
};
// Out: the products p[f * ldp + channel] give y[i * ld_row + j * ldy + channel], i < rows and
// j < columns; ldp covers whole vectors.
struct sqz_winograd_output {
    const float *p, *bias; // bias may be NULL
    ptrdiff_t ldp;
    float *y;
    ptrdiff_t ldy, ld_row;
    int side, m, rows, columns, channels;
    bool accumulate, relu; // as in sqz_gemm
};
// Weights, 16 output channels of one input channel: taps[ky * kernel + kx][column] give
// packed[f * ldf + column], rows and columns being multiplied by matrix[side][kernel].
enum { SQZ_WINOGRAD_COLUMNS = 16 };
struct sqz_winograd_weights {
    const double (*matrix)[4];
    const float (*taps)[SQZ_WINOGRAD_COLUMNS];
    float *packed;
    ptrdiff_t ldf;
    int side, kernel; // kernel <= 4
};

// Backwards, side 6. The output's gradients, m x m of which rows x columns are there, give
// p[f * ldp + channel]; whole vectors are written.
struct sqz_winograd_gradient {
    const float *dy;
    ptrdiff_t ldy, ld_row;
    float *p;
    ptrdiff_t ldp;
    int m, rows, columns, channels;
};
// Sums over tiles du[f * ldf + column] give taps[ky * kernel + kx][column] +=; NULL: not wanted.
struct sqz_winograd_gather {
    const float *du;
    ptrdiff_t ldf;
    const float (*matrix)[4]; // as sqz_winograd_weights'
    float *const *taps;
    int kernel, columns;
};

// Batch normalisation of one image, whose pixels are contiguous: y = x * scale + shift,
// each channel with its own, then the ReLU if there is one. (kernels.h knows nothing of where scale
// and shift come from; net/bn_group.c does.)
struct sqz_bn {
    const float *x;
    const float *scale, *shift;
    int n, channels; // pixels
    bool relu;
};

struct sqz_kernels {
    enum sqz_cpu_level level;
    int mr; // rows of a GEMM tile
    int nr; // widest panel, 16 or 32; with 32 the last panel may be 16 wide
    void (*gemm)(const struct sqz_gemm *gemm);      // panel nr wide
    void (*gemm_half)(const struct sqz_gemm *gemm); // panel 16 wide (NULL when nr is 16)
    void (*outer)(const struct sqz_outer_tile *tile);
    void (*outer_half)(const struct sqz_outer_tile *tile);
    void (*sparse)(const struct sqz_sparse_row *row);
    // The values that are not zero, and their channels, ascending; returns how many. Up to 16 of
    // each after them may be written as well.
    int (*nonzeros)(const float *x, int channels, float *values, int32_t *at);
    void (*winograd_input)(const struct sqz_winograd_input *tile);
    void (*winograd_output)(const struct sqz_winograd_output *tile);
    void (*winograd_weights)(const struct sqz_winograd_weights *group);
    void (*winograd_gradient)(const struct sqz_winograd_gradient *tile);
    void (*winograd_gather)(const struct sqz_winograd_gather *sums);
    // dy = y > 0 ? dy : 0, over n pixels of `channels`.
    void (*relu_backward)(const float *y, ptrdiff_t ldy, float *dy, ptrdiff_t lddy, int n,
                          int channels);
    // index (window position ky * kernel + kx of the first maximum; kernel <= 15) is dense and may
    // be NULL; signs without an index are not looked at. A NaN wins over every number.
    void (*maxpool)(const struct sqz_pool2d *pool, const float *x, ptrdiff_t ldx, float *y,
                    ptrdiff_t ldy, uint8_t *index);
    // Adds to dx, which the caller has set (zero or another consumer's gradient).
    void (*maxpool_backward)(const struct sqz_pool2d *pool, const float *dy, ptrdiff_t lddy,
                             const uint8_t *index, float *dx, ptrdiff_t lddx);
    void (*add)(const float *a, const float *b, float *out, size_t n); // out may be a or b
    // mean over n > 0 pixels of each channel: out[c]
    void (*channel_mean)(const float *x, ptrdiff_t ldx, int n, int channels, float *out);
    // out[c] += sum over n pixels (bias gradient)
    void (*channel_sum)(const float *x, ptrdiff_t ldx, int n, int channels, float *out);
    double (*sum_of_squares)(const float *x, size_t n); // fixed order
    // Over n pixels, each channel: sum += x, squares += x^2.
    void (*bn_sums)(const float *x, int n, int channels, double *sum, double *squares);
    void (*bn_forward)(const struct sqz_bn *norm, float *y);
    // The same of g, which is dy where the ReLU is open and else 0: sum += g, products += g * x.
    void (*bn_backward_sums)(const struct sqz_bn *norm, const float *dy, double *sum,
                             double *products);
    // dx = a * g + (b * x + c), each channel with its own; dx may be dy. b and c NULL: dx = a * g.
    void (*bn_backward)(const struct sqz_bn *norm, const float *dy, const float *a, const float *b,
                        const float *c, float *dx);
    // Runs `iterations` rounds of independent multiply-adds in registers, as wide as the level has
    // them, and returns the floating-point operations done. The caller takes the time.
    double (*fma_burst)(long iterations);
};

// The table for a level (see sqz_cpu_level); static storage, shared by all threads. A level that
// this build or machine does not have gives the next lower one; SQUEEZENET_CPU caps it as it stood
// at the first call.
const struct sqz_kernels *sqz_kernels_get(enum sqz_cpu_level level);
// The calling thread's multiply-add peak at that level, measured for about 20 ms.
double sqz_kernels_peak_gflops(const struct sqz_kernels *k);

// --- Convolutions: drivers over the micro-kernels (conv*.c, weight_layout.c) ---

// Floats needed by the packed weights of the forward pass and of the data gradient.
size_t sqz_conv_forward_pack_size(const struct sqz_kernels *k, const struct sqz_conv *conv);
size_t sqz_conv_backward_pack_size(const struct sqz_kernels *k, const struct sqz_conv *conv);
void sqz_conv_pack_forward(const struct sqz_kernels *k, const struct sqz_conv *conv,
                           const float *weights, float *packed);
void sqz_conv_pack_backward(const struct sqz_kernels *k, const struct sqz_conv *conv,
                            const float *weights, float *packed);
// Bytes of scratch that the forward pass, or any one of the calls below, needs, per calling thread
// (64-byte aligned).
size_t sqz_conv_forward_scratch_size(const struct sqz_kernels *k, const struct sqz_conv *conv);
size_t sqz_conv_scratch_size(const struct sqz_kernels *k, const struct sqz_conv *conv);

// One image's convolution: y = relu?(conv(x) + bias), for output pixels [pixel0, pixel1) (row-major
// over out_h x out_w) and output channels [channel0, channel1), channel0 a multiple of nr.
struct sqz_conv_task {
    const struct sqz_conv *conv;
    const float *x;
    ptrdiff_t ldx;
    const float *packed;
    const float *bias; // or NULL
    float *y;
    ptrdiff_t ldy;
    int pixel0, pixel1, channel0, channel1;
    bool accumulate, relu; // accumulate: y += the convolution
};
// `accumulate` is not looked at.
void sqz_conv_forward(const struct sqz_kernels *k, const struct sqz_conv_task *task, void *scratch);
// One image: the gradient with respect to its input. In the task, x is the output's gradient, y the
// input's, and packed sqz_conv_pack_backward's; bias, relu, pixels and channels are not looked at.
// Stride 1 only (all but the first convolution).
void sqz_conv_backward_data(const struct sqz_kernels *k, const struct sqz_conv_task *task,
                            void *scratch);
// One image's part of the gradients of weights and bias.
struct sqz_conv_gradient {
    const struct sqz_conv *conv;
    const float *x;
    ptrdiff_t ldx;
    const float *dy;
    ptrdiff_t lddy;
    float *dw; // HWIO; added to
    float *db; // added to; NULL: not wanted
};
void sqz_conv_backward_weights(const struct sqz_kernels *k, const struct sqz_conv_gradient *g,
                               void *scratch);

#endif
