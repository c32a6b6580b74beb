// check_kernels --bench: each 3x3 convolution directly and by every Winograd tile, on one thread.
// The contestants take turns, so that a busy machine is equally unfair to all; the best rounds
// count.
#include "check/check.h"
#include "kernels/winograd/winograd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int tiles[] = {0, 2, 4, 5, 6}; // 0: direct
enum { N_TILES = 5, ROUNDS = 100 };

struct contest {
    const struct sqz_kernels *k;
    struct sqz_conv conv;
    int ldy;
    float *x, *y, *w, *bias;
    float *packed[N_TILES];
    void *scratch;
};

static void *small_numbers(size_t n)
{
    float *x = aligned_alloc(64, (n * sizeof *x + 127) / 64 * 64);
    if (!x) {
        fprintf(stderr, "check_kernels: out of memory\n");
        exit(71);
    }
    for (size_t i = 0; i < n; i++)
        x[i] = 0.01f * random_number();
    return x;
}

static void pack(struct contest *c, bool backward)
{
    for (int i = 0; i < N_TILES; i++) {
        const int m = tiles[i];
        size_t size = m == 0     ? backward ? sqz_conv_backward_pack_size(c->k, &c->conv)
                                            : sqz_conv_forward_pack_size(c->k, &c->conv)
                          : backward ? sqz_winograd_backward_pack_size(&c->conv, m)
                                 : sqz_winograd_forward_pack_size(&c->conv, m);
        c->packed[i] = small_numbers(size);
        if (m == 0 && backward)
            sqz_conv_pack_backward(c->k, &c->conv, c->w, c->packed[i]);
        else if (m == 0)
            sqz_conv_pack_forward(c->k, &c->conv, c->w, c->packed[i]);
        else if (backward)
            sqz_winograd_pack_backward(c->k, &c->conv, m, c->w, c->packed[i]);
        else
            sqz_winograd_pack_forward(c->k, &c->conv, m, c->w, c->packed[i]);
    }
}

static void run(struct contest *c, int i, bool backward)
{
    const struct sqz_conv *conv = &c->conv;
    const int m = tiles[i], in_c = conv->in_c, out_c = conv->out_c;
    if (m == 0 && backward)
        sqz_conv_backward_data(c->k,
                               &(struct sqz_conv_task){.conv = conv,
                                                       .x = c->y,
                                                       .ldx = c->ldy,
                                                       .packed = c->packed[i],
                                                       .y = c->x,
                                                       .ldy = in_c},
                               c->scratch);
    else if (m == 0)
        sqz_conv_forward(c->k,
                         &(struct sqz_conv_task){.conv = conv,
                                                 .x = c->x,
                                                 .ldx = in_c,
                                                 .packed = c->packed[i],
                                                 .bias = c->bias,
                                                 .relu = true,
                                                 .y = c->y,
                                                 .ldy = c->ldy,
                                                 .pixel1 = conv->out_h * conv->out_w,
                                                 .channel1 = out_c},
                         c->scratch);
    else if (backward)
        sqz_winograd_backward_data(c->k,
                                   &(struct sqz_conv_task){.conv = conv,
                                                           .x = c->y,
                                                           .ldx = c->ldy,
                                                           .packed = c->packed[i],
                                                           .y = c->x,
                                                           .ldy = in_c},
                                   m, c->scratch);
    else
        sqz_winograd_forward(c->k,
                             &(struct sqz_conv_task){.conv = conv,
                                                     .x = c->x,
                                                     .ldx = in_c,
                                                     .packed = c->packed[i],
                                                     .bias = c->bias,
                                                     .relu = true,
                                                     .y = c->y,
                                                     .ldy = c->ldy,
                                                     .channel1 = out_c},
                             m, 0, sqz_winograd_tiles(conv, m), c->scratch);
}

static void compete(struct contest *c, bool backward)
{
    double best[N_TILES];
    pack(c, backward);
    for (int i = 0; i < N_TILES; i++)
        best[i] = 1e9;
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < N_TILES; i++) {
            double begin = sqz_clock_seconds();
            run(c, i, backward);
            double seconds = sqz_clock_seconds() - begin;
            best[i] = seconds < best[i] ? seconds : best[i];
        }
    int chosen = backward ? sqz_winograd_backward_tile(c->k, &c->conv, SQZ_WINOGRAD_SIDE_MOST)
                          : sqz_winograd_tile(c->k, &c->conv, SQZ_WINOGRAD_SIDE_MOST);
    printf(" %8.1f us", best[0] * 1e6);
    for (int i = 1; i < N_TILES; i++)
        printf(" %5.2f%c", best[0] / best[i], tiles[i] == chosen ? '*' : ' ');
    for (int i = 0; i < N_TILES; i++)
        free(c->packed[i]);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void bench_layer(const struct sqz_kernels *k, const struct layer_shape *shape)
{
    const struct sqz_conv *conv = &shape->conv;
    size_t bytes = sqz_conv_scratch_size(k, conv);
    for (int i = 1; i < N_TILES; i++) {
        bytes = larger(bytes, sqz_winograd_forward_scratch(k, conv, tiles[i]));
        bytes = larger(bytes, sqz_winograd_backward_scratch(k, conv, tiles[i]));
    }
    struct contest c = {.k = k,
                        .conv = *conv,
                        .ldy = shape->ldy,
                        .x = small_numbers((size_t)(conv->in_h * conv->in_w * conv->in_c)),
                        .y = small_numbers((size_t)(conv->out_h * conv->out_w * shape->ldy)),
                        .w = small_numbers(9 * (size_t)(conv->in_c * conv->out_c)),
                        .bias = small_numbers((size_t)conv->out_c),
                        .scratch = small_numbers(bytes / sizeof(float))};
    printf("%-18s", shape->name);
    compete(&c, false);
    printf("  ");
    compete(&c, true);
    printf("\n");
    free(c.x);
    free(c.y);
    free(c.w);
    free(c.bias);
    free(c.scratch);
}

void bench_winograd(const struct sqz_kernels *k, const char *part)
{
    printf(
        "%s, one thread: direct, and how many times faster the tiles 2, 4, 5, 6 are (*: chosen)\n"
        "%-18s %-36s   data gradient\n",
        sqz_cpu_level_name(k->level), "layer", "forward");
    for (int i = 0; i < n_layer_shapes; i++)
        if (layer_shapes[i].conv.kernel == 3 && layer_shapes[i].conv.stride == 1 &&
            strstr(layer_shapes[i].name, part))
            bench_layer(k, &layer_shapes[i]);
}
