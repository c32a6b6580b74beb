// Winograd's convolutions against the direct one in double: every tile, every remainder, slices,
// pieces; and the sizes of their errors.
#include "check/check.h"
#include "kernels/winograd/winograd.h"

#include <stdlib.h>
#include <string.h>

// The tiles of a convolution, up to a 0.
static const int *tiles_of(const struct sqz_conv *conv)
{
    static const int dense[] = {2, 4, 5, 6, 0}, strided[] = {3, 5, 0};
    return conv->stride == 1 ? dense : strided;
}
static int window_side(const struct sqz_conv *conv, int m)
{
    return m - 1 + (conv->stride == 2 ? (conv->kernel + 1) / 2 : conv->kernel);
}
static size_t taps(const struct sqz_conv *conv)
{
    return (size_t)(conv->kernel * conv->kernel);
}

struct data {
    struct sqz_conv conv;
    ptrdiff_t ldx, ldy;
    size_t x_size, y_size; // floats: the last pixel of a slice ends with its channels
    float *x, *w, *bias, *dy;
    double *y, *y_terms, *dx, *dx_terms; // truths: without bias; dx without what it is added to
};

static float *random_slice(size_t size, ptrdiff_t ld, int channels)
{
    float *x = random_floats(size);
    for (size_t i = 0; i < size; i++) // what lies between slices must not matter
        if (i % (size_t)ld >= (size_t)channels)
            fill_pattern(x + i, 1);
    return x;
}

static struct data make_data(const struct sqz_conv *conv, int wider_x, int wider_y)
{
    struct data d = {.conv = *conv, .ldx = conv->in_c + wider_x, .ldy = conv->out_c + wider_y};
    const size_t n_weights = taps(conv) * (size_t)conv->in_c * (size_t)conv->out_c;
    d.x_size = ((size_t)(conv->in_h * conv->in_w) - 1) * (size_t)d.ldx + (size_t)conv->in_c;
    d.y_size = ((size_t)(conv->out_h * conv->out_w) - 1) * (size_t)d.ldy + (size_t)conv->out_c;
    d.x = random_slice(d.x_size, d.ldx, conv->in_c);
    d.dy = random_slice(d.y_size, d.ldy, conv->out_c);
    d.w = random_floats(n_weights);
    d.bias = random_floats((size_t)conv->out_c);
    for (int absolute = 0; absolute < 2; absolute++) {
        double *x = to_double(d.x, d.x_size, absolute), *w = to_double(d.w, n_weights, absolute);
        double *dy = to_double(d.dy, d.y_size, absolute);
        double *bias = to_double(d.bias, (size_t)conv->out_c, absolute);
        double *y = calloc(d.y_size, sizeof *y), *dx = calloc(d.x_size, sizeof *dx);
        conv_forward_truth(conv, x, d.ldx, w, bias, false, y, d.ldy);
        if (conv->stride == 1)
            conv_backward_data_truth(conv, dy, d.ldy, w, dx, d.ldx);
        *(absolute ? &d.y_terms : &d.y) = y;
        *(absolute ? &d.dx_terms : &d.dx) = dx;
        free(x);
        free(w);
        free(dy);
        free(bias);
    }
    return d;
}

static void free_data(struct data *d)
{
    free(d->y);
    free(d->y_terms);
    free(d->dx);
    free(d->dx_terms);
    guarded_free_all();
}

static void *make_scratch(size_t bytes) // a multiple of 64, so that it starts aligned
{
    return memset(guarded_bytes(bytes), 0xff, bytes);
}

// A tile's values and products are sums over up to 64 pixels of the window: their errors enter
// every output, so that the terms of the whole neighbourhood count. Random numbers in (-1, 1) make
// them alike, and the border's missing terms only lower the errors.
static double most_terms(const double *terms, size_t size)
{
    double most = 0;
    for (size_t i = 0; i < size; i++)
        if (terms[i] > most)
            most = terms[i];
    return most;
}

static void check_forward(const struct sqz_kernels *k, struct data *d, int m, bool relu)
{
    const struct sqz_conv *conv = &d->conv;
    float *packed = guarded_floats(sqz_winograd_forward_pack_size(conv, m));
    sqz_winograd_pack_forward(k, conv, m, d->w, packed);
    void *scratch = make_scratch(sqz_winograd_forward_scratch(k, conv, m));
    float *y = guarded_floats(d->y_size), *pieces = guarded_floats(d->y_size);
    fill_pattern(y, d->y_size);
    fill_pattern(pieces, d->y_size);
    const int tiles = sqz_winograd_tiles(conv, m);
    sqz_winograd_forward(k,
                         &(struct sqz_conv_task){.conv = conv,
                                                 .x = d->x,
                                                 .ldx = d->ldx,
                                                 .packed = packed,
                                                 .bias = d->bias,
                                                 .relu = relu,
                                                 .y = y,
                                                 .ldy = d->ldy,
                                                 .channel1 = conv->out_c},
                         m, 0, tiles, scratch);
    double terms = most_terms(d->y_terms, d->y_size);
    double c = sqz_winograd_amplification(window_side(conv, m)) *
               sum_factor(taps(conv) * (size_t)conv->in_c);
    for (size_t i = 0; i < d->y_size; i++) {
        if (i % (size_t)d->ldy < (size_t)conv->out_c)
            check_close(y[i], relu && d->y[i] < 0 ? 0 : d->y[i], terms, c, "y", i);
        else
            check_true(is_pattern(y[i]), "a write beside the slice", i);
    }
    for (int t0 = 0, t1; t0 < tiles; t0 = t1) { // the same in pieces
        t1 = t0 + 1 + random_below(tiles - t0);
        check_true(sqz_winograd_tile_at(conv, m, sqz_winograd_tile_begin(conv, m, t1)) == t1,
                   "a tile that is not where it begins", (size_t)t1);
        for (int c0 = 0, c1; c0 < conv->out_c; c0 = c1) {
            c1 = c0 + k->nr * (1 + random_below((conv->out_c - c0 + k->nr - 1) / k->nr));
            c1 = c1 < conv->out_c ? c1 : conv->out_c;
            sqz_winograd_forward(k,
                                 &(struct sqz_conv_task){.conv = conv,
                                                         .x = d->x,
                                                         .ldx = d->ldx,
                                                         .packed = packed,
                                                         .bias = d->bias,
                                                         .relu = relu,
                                                         .y = pieces,
                                                         .ldy = d->ldy,
                                                         .channel0 = c0,
                                                         .channel1 = c1},
                                 m, t0, t1, scratch);
        }
    }
    check_true(memcmp(y, pieces, d->y_size * sizeof *y) == 0, "pieces differ from the whole", 0);
}

static void check_backward(const struct sqz_kernels *k, struct data *d, int m, bool accumulate)
{
    const struct sqz_conv *conv = &d->conv;
    float *packed = guarded_floats(sqz_winograd_backward_pack_size(conv, m));
    sqz_winograd_pack_backward(k, conv, m, d->w, packed);
    void *scratch = make_scratch(sqz_winograd_backward_scratch(k, conv, m));
    float *dx = random_slice(d->x_size, d->ldx, conv->in_c);
    double *before = to_double(dx, d->x_size, false);
    if (!accumulate)
        fill_pattern(dx, d->x_size);
    sqz_winograd_backward_data(k,
                               &(struct sqz_conv_task){.conv = conv,
                                                       .x = d->dy,
                                                       .ldx = d->ldy,
                                                       .packed = packed,
                                                       .accumulate = accumulate,
                                                       .y = dx,
                                                       .ldy = d->ldx},
                               m, scratch);
    double terms = 1 + most_terms(d->dx_terms, d->x_size);
    double c = sqz_winograd_amplification(window_side(conv, m)) *
               sum_factor(taps(conv) * (size_t)conv->out_c);
    for (size_t i = 0; i < d->x_size; i++) {
        if (i % (size_t)d->ldx < (size_t)conv->in_c)
            check_close(dx[i], d->dx[i] + (accumulate ? before[i] : 0), terms, c, "dx", i);
        else
            check_true(is_pattern(dx[i]), "a write beside the slice", i);
    }
    free(before);
}

// The weight gradient, of one image or of several together; it has windows of side 6 only.
static void check_weights(const struct sqz_kernels *k, const struct data *d, int m, int images)
{
    const struct sqz_conv *conv = &d->conv;
    const size_t out_c = (size_t)conv->out_c, n = (size_t)images;
    const size_t n_weights = taps(conv) * (size_t)conv->in_c * out_c;
    void *scratch = make_scratch(sqz_winograd_weights_scratch(k, conv, m));
    const size_t image = (size_t)(conv->in_h * conv->in_w * d->ldx);
    const size_t map = (size_t)(conv->out_h * conv->out_w * d->ldy);
    const size_t x_size = (n - 1) * image + d->x_size, y_size = (n - 1) * map + d->y_size;
    float *x = random_slice(x_size, d->ldx, conv->in_c);
    float *dy = random_slice(y_size, d->ldy, conv->out_c);
    float *dw = random_floats(n_weights), *db = random_floats(out_c);
    double *want[2], *bias[2]; // the sums, and those of the absolute terms
    for (int absolute = 0; absolute < 2; absolute++) {
        double *exact_x = to_double(x, x_size, absolute);
        double *exact_dy = to_double(dy, y_size, absolute);
        want[absolute] = to_double(dw, n_weights, absolute);
        bias[absolute] = to_double(db, out_c, absolute);
        for (size_t i = 0; i < n; i++)
            conv_backward_weights_truth(conv, exact_x + i * image, d->ldx, exact_dy + i * map,
                                        d->ldy, want[absolute], bias[absolute]);
        free(exact_x);
        free(exact_dy);
    }
    sqz_winograd_backward_weights(
        k,
        &(struct sqz_conv_gradient){
            .conv = conv, .x = x, .ldx = d->ldx, .dy = dy, .lddy = d->ldy, .dw = dw, .db = db},
        m, images, scratch);
    const size_t pixels = n * (size_t)(conv->out_h * conv->out_w);
    const double c = sqz_winograd_amplification(6) * sum_factor(pixels);
    const double terms = most_terms(want[1], n_weights);
    for (size_t i = 0; i < n_weights; i++)
        check_close(dw[i], want[0][i], terms, c, "dw", i);
    for (size_t i = 0; i < out_c; i++)
        check_close(db[i], bias[0][i], bias[1][i], sum_factor(pixels), "db", i);
    for (int i = 0; i < 2; i++) {
        free(want[i]);
        free(bias[i]);
    }
}

static void check_shape(const struct sqz_kernels *k, const char *name, const struct sqz_conv *conv,
                        int wider_x, int wider_y, bool flag)
{
    const int *tiles = tiles_of(conv);
    for (int i = 0; tiles[i]; i++) {
        check_begin("%s, %s, tile %d (%dx%dx%d to %dx%dx%d, pad %d), ld +%d +%d",
                    sqz_cpu_level_name(k->level), name, tiles[i], conv->in_h, conv->in_w,
                    conv->in_c, conv->out_h, conv->out_w, conv->out_c, conv->pad, wider_x, wider_y);
        struct data d = make_data(conv, wider_x, wider_y);
        check_forward(k, &d, tiles[i], flag);
        if (conv->stride == 1)
            check_backward(k, &d, tiles[i], flag);
        for (int images = 1; images <= 3; images += 2)
            if (window_side(conv, tiles[i]) == 6 && conv->in_c <= 64)
                check_weights(k, &d, tiles[i], images);
        free_data(&d);
    }
}

static struct sqz_conv make_conv(int h, int w, int in_c, int out_c, int pad)
{
    return (struct sqz_conv){.in_h = h,
                             .in_w = w,
                             .in_c = in_c,
                             .out_h = h + 2 * pad - 2,
                             .out_w = w + 2 * pad - 2,
                             .out_c = out_c,
                             .kernel = 3,
                             .stride = 1,
                             .pad = pad};
}

// SqueezeNet's expands: those of up to 27 pixels whole, the larger ones cut.
static void check_layers(const struct sqz_kernels *k)
{
    const bool small = check_reduced || k->level == SQZ_CPU_REF;
    for (int i = 0; i < n_layer_shapes; i++) {
        struct sqz_conv conv = layer_shapes[i].conv;
        if (conv.kernel != 3 || conv.stride != 1)
            continue;
        int size = small ? 7 : conv.in_h > 27 ? 20 : conv.in_h;
        if (i % 2 == 0 && conv.in_h > 13)
            size--;
        conv = make_conv(size, size, conv.in_c, small ? 48 : conv.out_c, 1);
        check_shape(k, layer_shapes[i].name, &conv, 0, conv.out_c, i % 4 < 2);
    }
}

static void check_odd(const struct sqz_kernels *k)
{
    static const int in_channels[] = {16, 1, 40, 65, 17, 3}, out_channels[] = {7, 16, 33, 50, 80};
    int n = 0;
    for (int h = 1; h <= 20; h++)
        for (int pad = 0; pad <= 2; pad++, n++) {
            int w = 1 + (h * 7 + pad * 5) % 20;
            if (h + 2 * pad < 3 || w + 2 * pad < 3 || (check_reduced && n % 5 != 0))
                continue;
            struct sqz_conv conv = make_conv(h, w, in_channels[n % 6], out_channels[n % 5], pad);
            check_shape(k, "odd", &conv, n % 3, n / 3 % 3, n % 2 == 0);
        }
    // A network's sizes, several blocks of tiles; and a data gradient with several depths.
    static const int sizes[] = {12, 13, 26, 27, 54, 55};
    for (int i = 0; i < (check_reduced ? 2 : 6); i++) {
        struct sqz_conv conv = make_conv(sizes[i], sizes[5 - i], 16, 17, 1);
        check_shape(k, "sizes", &conv, 0, 3, i % 2 == 0);
    }
}

// First convolutions: odd and even sizes, gray, padded, small and several blocks high.
static void check_strided(const struct sqz_kernels *k)
{
    static const int sizes[] = {7, 8, 9, 16, 29, 34, 61, 90, 99, 112, 127, 150};
    for (int i = 0; i < (check_reduced ? 5 : 12); i++)
        for (int pad = 0; pad < (i < 8 ? 3 : 1); pad++) {
            struct sqz_conv conv = {.in_h = sizes[i],
                                    .in_w = sizes[i] + 3 * (i % 3),
                                    .in_c = i % 4 == 3 ? 1 : 3,
                                    .out_c = i % 2 ? 96 : 20,
                                    .kernel = 7,
                                    .stride = 2,
                                    .pad = pad};
            conv.out_h = (conv.in_h + 2 * pad - 7) / 2 + 1;
            conv.out_w = (conv.in_w + 2 * pad - 7) / 2 + 1;
            check_shape(k, "strided", &conv, i % 3, i % 2, i % 2 == 0);
        }
}

void check_winograd(const struct sqz_kernels *k, const struct sqz_kernels *below)
{
    if (below && below->winograd_input == k->winograd_input && below->gemm == k->gemm)
        return;
    random_seed(6);
    check_layers(k);
    check_odd(k);
    check_strided(k);
}
