// Whole convolutions: all layers of SqueezeNet, odd geometries, slices, splits.
#include "check/check.h"

#include <stdlib.h>
#include <string.h>

struct data {
    struct sqz_conv conv;
    size_t in, out, n_weights; // pixels of x, pixels of y, floats of w
    ptrdiff_t ldx, ldy;
    size_t x_size, y_size; // floats: the last pixel of a slice ends with its channels
    float *x, *w, *bias, *dy;
    double *tx, *tw, *tbias, *tdy; // the same in double
    double *ax, *aw, *abias, *ady; // their absolute values
    void *scratch;
};

static struct data make_data(const struct sqz_kernels *k, const struct sqz_conv *conv, int wider_x,
                             int wider_y)
{
    struct data d = {.conv = *conv, .ldx = conv->in_c + wider_x, .ldy = conv->out_c + wider_y};
    d.in = (size_t)conv->in_h * (size_t)conv->in_w;
    d.out = (size_t)conv->out_h * (size_t)conv->out_w;
    d.n_weights =
        (size_t)conv->kernel * (size_t)conv->kernel * (size_t)conv->in_c * (size_t)conv->out_c;
    d.x_size = (d.in - 1) * (size_t)d.ldx + (size_t)conv->in_c;
    d.y_size = (d.out - 1) * (size_t)d.ldy + (size_t)conv->out_c;
    d.x = random_floats(d.x_size);
    d.w = random_floats(d.n_weights);
    d.bias = random_floats((size_t)conv->out_c);
    d.dy = random_floats(d.y_size);
    for (size_t i = 0; i < d.x_size; i++) // what lies between slices must not matter
        if (i % (size_t)d.ldx >= (size_t)conv->in_c)
            fill_pattern(d.x + i, 1);
    for (size_t i = 0; i < d.y_size; i++)
        if (i % (size_t)d.ldy >= (size_t)conv->out_c)
            fill_pattern(d.dy + i, 1);
    d.tx = to_double(d.x, d.x_size, false);
    d.ax = to_double(d.x, d.x_size, true);
    d.tw = to_double(d.w, d.n_weights, false);
    d.aw = to_double(d.w, d.n_weights, true);
    d.tbias = to_double(d.bias, (size_t)conv->out_c, false);
    d.abias = to_double(d.bias, (size_t)conv->out_c, true);
    d.tdy = to_double(d.dy, d.y_size, false);
    d.ady = to_double(d.dy, d.y_size, true);
    size_t bytes = sqz_conv_scratch_size(k, conv); // a multiple of 64, so that it starts aligned
    d.scratch = guarded_bytes(bytes);
    memset(d.scratch, 0xff, bytes);
    return d;
}

static void free_data(struct data *d)
{
    double *all[8] = {d->tx, d->tw, d->tbias, d->tdy, d->ax, d->aw, d->abias, d->ady};
    for (int i = 0; i < 8; i++)
        free(all[i]);
    guarded_free_all();
}

// Compares channels of a slice, and that what lies between the slices is untouched.
static void compare_slice(const float *got, const double *want, const double *terms, size_t size,
                          ptrdiff_t ld, int channels, size_t sum_length, const char *what)
{
    double c = sum_factor(sum_length);
    for (size_t i = 0; i < size; i++) {
        if (i % (size_t)ld < (size_t)channels)
            check_close(got[i], want[i], terms[i], c, what, i);
        else
            check_true(is_pattern(got[i]), "a write beside the slice", i);
    }
}

// The same in pieces: ranges of pixels, and of channels at multiples of nr.
static void forward_in_pieces(const struct sqz_kernels *k, struct data *d, const float *packed,
                              bool relu, float *y)
{
    for (int p0 = 0; p0 < (int)d->out;) {
        int p1 = p0 + 1 + random_below((int)d->out - p0);
        for (int c0 = 0; c0 < d->conv.out_c;) {
            int panels = (d->conv.out_c - c0 + k->nr - 1) / k->nr;
            int c1 = c0 + k->nr * (1 + random_below(panels));
            if (c1 > d->conv.out_c)
                c1 = d->conv.out_c;
            sqz_conv_forward(k,
                             &(struct sqz_conv_task){.conv = &d->conv,
                                                     .x = d->x,
                                                     .ldx = d->ldx,
                                                     .packed = packed,
                                                     .bias = d->bias,
                                                     .relu = relu,
                                                     .y = y,
                                                     .ldy = d->ldy,
                                                     .pixel0 = p0,
                                                     .pixel1 = p1,
                                                     .channel0 = c0,
                                                     .channel1 = c1},
                             d->scratch);
            c0 = c1;
        }
        p0 = p1;
    }
}

static void check_forward(const struct sqz_kernels *k, struct data *d, bool relu)
{
    float *packed = guarded_floats(sqz_conv_forward_pack_size(k, &d->conv));
    sqz_conv_pack_forward(k, &d->conv, d->w, packed);
    float *y = guarded_floats(d->y_size), *pieces = guarded_floats(d->y_size);
    fill_pattern(y, d->y_size);
    fill_pattern(pieces, d->y_size);
    sqz_conv_forward(k,
                     &(struct sqz_conv_task){.conv = &d->conv,
                                             .x = d->x,
                                             .ldx = d->ldx,
                                             .packed = packed,
                                             .bias = d->bias,
                                             .relu = relu,
                                             .y = y,
                                             .ldy = d->ldy,
                                             .pixel1 = (int)d->out,
                                             .channel1 = d->conv.out_c},
                     d->scratch);
    double *want = calloc(d->y_size, sizeof *want), *terms = calloc(d->y_size, sizeof *terms);
    conv_forward_truth(&d->conv, d->tx, d->ldx, d->tw, d->tbias, relu, want, d->ldy);
    conv_forward_truth(&d->conv, d->ax, d->ldx, d->aw, d->abias, false, terms, d->ldy);
    compare_slice(y, want, terms, d->y_size, d->ldy, d->conv.out_c,
                  (size_t)(d->conv.kernel * d->conv.kernel * d->conv.in_c), "y");
    forward_in_pieces(k, d, packed, relu, pieces);
    check_true(memcmp(y, pieces, d->y_size * sizeof *y) == 0, "pieces differ from the whole", 0);
    free(want);
    free(terms);
}

static void check_backward_data(const struct sqz_kernels *k, struct data *d, bool accumulate)
{
    float *packed = guarded_floats(sqz_conv_backward_pack_size(k, &d->conv));
    sqz_conv_pack_backward(k, &d->conv, d->w, packed);
    float *dx = random_floats(d->x_size);
    for (size_t i = 0; i < d->x_size; i++)
        if (!accumulate || i % (size_t)d->ldx >= (size_t)d->conv.in_c)
            fill_pattern(dx + i, 1);
    double *want = to_double(dx, d->x_size, false), *terms = to_double(dx, d->x_size, true);
    sqz_conv_backward_data(k,
                           &(struct sqz_conv_task){.conv = &d->conv,
                                                   .x = d->dy,
                                                   .ldx = d->ldy,
                                                   .packed = packed,
                                                   .accumulate = accumulate,
                                                   .y = dx,
                                                   .ldy = d->ldx},
                           d->scratch);
    conv_backward_data_truth(&d->conv, d->tdy, d->ldy, d->tw, want, d->ldx);
    conv_backward_data_truth(&d->conv, d->ady, d->ldy, d->aw, terms, d->ldx);
    compare_slice(dx, want, terms, d->x_size, d->ldx, d->conv.in_c,
                  (size_t)(d->conv.kernel * d->conv.kernel * d->conv.out_c), "dx");
    free(want);
    free(terms);
}

static void check_backward_weights(const struct sqz_kernels *k, struct data *d)
{
    const size_t out_c = (size_t)d->conv.out_c;
    float *dw = random_floats(d->n_weights), *db = random_floats(out_c);
    double *want = to_double(dw, d->n_weights, false), *terms = to_double(dw, d->n_weights, true);
    double *bias = to_double(db, out_c, false), *bias_terms = to_double(db, out_c, true);
    sqz_conv_backward_weights(k,
                              &(struct sqz_conv_gradient){.conv = &d->conv,
                                                          .x = d->x,
                                                          .ldx = d->ldx,
                                                          .dy = d->dy,
                                                          .lddy = d->ldy,
                                                          .dw = dw,
                                                          .db = db},
                              d->scratch);
    conv_backward_weights_truth(&d->conv, d->tx, d->ldx, d->tdy, d->ldy, want, bias);
    conv_backward_weights_truth(&d->conv, d->ax, d->ldx, d->ady, d->ldy, terms, bias_terms);
    double c = sum_factor(d->out);
    for (size_t i = 0; i < d->n_weights; i++)
        check_close(dw[i], want[i], terms[i], c, "dw", i);
    for (size_t i = 0; i < out_c; i++)
        check_close(db[i], bias[i], bias_terms[i], c, "db", i);
    free(want);
    free(terms);
    free(bias);
    free(bias_terms);
}

static void check_shape(const struct sqz_kernels *k, const char *name, const struct sqz_conv *conv,
                        int wider_x, int wider_y, bool flag)
{
    check_begin("%s, %s (%dx%dx%d to %dx%dx%d, kernel %d, stride %d, pad %d), ld +%d +%d",
                sqz_cpu_level_name(k->level), name, conv->in_h, conv->in_w, conv->in_c, conv->out_h,
                conv->out_w, conv->out_c, conv->kernel, conv->stride, conv->pad, wider_x, wider_y);
    struct data d = make_data(k, conv, wider_x, wider_y);
    check_forward(k, &d, flag);
    if (conv->stride == 1)
        check_backward_data(k, &d, flag);
    check_backward_weights(k, &d);
    free_data(&d);
}

static void resize(struct sqz_conv *conv, int h, int w)
{
    conv->in_h = h;
    conv->in_w = w;
    conv->out_h = (h + 2 * conv->pad - conv->kernel) / conv->stride + 1;
    conv->out_w = (w + 2 * conv->pad - conv->kernel) / conv->stride + 1;
}

static void check_layers(const struct sqz_kernels *k)
{
    for (int i = 0; i < n_layer_shapes; i++) {
        struct sqz_conv conv = layer_shapes[i].conv;
        int size = check_reduced || k->level == SQZ_CPU_REF ? 7 : 14;
        if (conv.kernel > 3)
            size += 6;
        bool full = !check_reduced && k->level != SQZ_CPU_REF && conv.out_c < 1000;
        if (!full && conv.in_h > size)
            resize(&conv, size, size);
        if (check_reduced && conv.out_c == 1000)
            conv.out_c = 40;
        check_shape(k, layer_shapes[i].name, &conv, 0,
                    layer_shapes[i].ldy - layer_shapes[i].conv.out_c, i % 2 == 0);
    }
}

// Everything that the layers above do not have: odd channels, tiny images, every remainder.
static void check_odd(const struct sqz_kernels *k)
{
    static const int in_channels[] = {1, 3, 5, 15, 16, 17, 40}, out_channels[] = {1, 7, 16, 33, 50};
    int n = 0;
    for (int kernel = 1; kernel <= 7; kernel += kernel == 1 ? 2 : 4)
        for (int stride = 1; stride <= 2; stride++)
            for (int pad = 0; pad <= 2; pad++)
                for (int i = 0; i < 7; i++, n++) {
                    struct sqz_conv conv = {.kernel = kernel,
                                            .stride = stride,
                                            .pad = pad,
                                            .in_c = in_channels[i],
                                            .out_c = out_channels[n % 5]};
                    int smallest = kernel - 2 * pad > 1 ? kernel - 2 * pad : 1;
                    resize(&conv, smallest + random_below(9), smallest + random_below(20));
                    if (!check_reduced || n % 4 == 0)
                        check_shape(k, "odd", &conv, n % 3, n / 3 % 3, n % 2 == 0);
                }
    // Rows longer than a block, and more of them than one block holds.
    struct sqz_conv wide = {.kernel = 3, .stride = 1, .pad = 1, .in_c = 17, .out_c = 9};
    resize(&wide, 3, 300);
    check_shape(k, "wide", &wide, 0, 0, false);
    struct sqz_conv tall = {.kernel = 3, .stride = 2, .pad = 1, .in_c = 3, .out_c = 20};
    resize(&tall, 601, 2);
    check_shape(k, "tall", &tall, 0, 0, false);
}

void check_conv(const struct sqz_kernels *k, const struct sqz_kernels *below)
{
    if (below && below->gemm == k->gemm && below->outer == k->outer)
        return;
    random_seed(2);
    check_layers(k);
    check_odd(k);
}
