// check_kernels --bench: each layer's forward pass and gradients on one thread, beside the
// machine's multiply-add peak measured between the cases.
#include "check/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench {
    const struct sqz_kernels *k;
    const struct layer_shape *shape;
    float *x, *dx, *w, *dw, *y, *dy, *forward, *backward, *bias;
    void *scratch;
};
typedef void (*bench_fn)(struct bench *b);

static void run_forward(struct bench *b)
{
    const struct sqz_conv *c = &b->shape->conv;
    sqz_conv_forward(b->k,
                     &(struct sqz_conv_task){.conv = c,
                                             .x = b->x,
                                             .ldx = c->in_c,
                                             .packed = b->forward,
                                             .bias = b->bias,
                                             .relu = true,
                                             .y = b->y,
                                             .ldy = b->shape->ldy,
                                             .pixel1 = c->out_h * c->out_w,
                                             .channel1 = c->out_c},
                     b->scratch);
}

static void run_backward_data(struct bench *b)
{
    const struct sqz_conv *c = &b->shape->conv;
    sqz_conv_backward_data(b->k,
                           &(struct sqz_conv_task){.conv = c,
                                                   .x = b->dy,
                                                   .ldx = b->shape->ldy,
                                                   .packed = b->backward,
                                                   .accumulate = true,
                                                   .y = b->dx,
                                                   .ldy = c->in_c},
                           b->scratch);
}

static void run_backward_weights(struct bench *b)
{
    const struct sqz_conv *c = &b->shape->conv;
    sqz_conv_backward_weights(b->k,
                              &(struct sqz_conv_gradient){.conv = c,
                                                          .x = b->x,
                                                          .ldx = c->in_c,
                                                          .dy = b->dy,
                                                          .lddy = b->shape->ldy,
                                                          .dw = b->dw,
                                                          .db = b->bias},
                              b->scratch);
}

static float *small_numbers(size_t n)
{
    float *x = aligned_alloc(64, (n * sizeof *x + 127) / 64 * 64);
    if (!x) {
        fprintf(stderr, "check_kernels: out of memory\n");
        exit(71);
    }
    for (size_t i = 0; i < n; i++)
        x[i] = 0.01f * random_number(); // sums over many rounds stay finite and normal
    return x;
}

// The shortest of the rounds, in seconds: the machine may be shared.
static double best_time(bench_fn run, struct bench *b)
{
    double best = 1e9, start = sqz_clock_seconds(), now = start;
    for (int round = 0; round < 5 || now - start < 0.15; round++) {
        double begin = sqz_clock_seconds();
        run(b);
        now = sqz_clock_seconds();
        if (now - begin < best)
            best = now - begin;
    }
    return best;
}

static void bench_layer(const struct sqz_kernels *k, const struct layer_shape *shape,
                        double seconds[3], double *flops)
{
    const struct sqz_conv *c = &shape->conv;
    const size_t in = (size_t)(c->in_h * c->in_w * c->in_c);
    const size_t out = (size_t)(c->out_h * c->out_w * shape->ldy);
    const size_t weights = (size_t)(c->kernel * c->kernel * c->in_c * c->out_c);
    struct bench b = {.k = k,
                      .shape = shape,
                      .x = small_numbers(in),
                      .dx = small_numbers(in),
                      .w = small_numbers(weights),
                      .dw = small_numbers(weights),
                      .y = small_numbers(out),
                      .dy = small_numbers(out),
                      .bias = small_numbers((size_t)c->out_c),
                      .forward = small_numbers(sqz_conv_forward_pack_size(k, c)),
                      .backward = small_numbers(sqz_conv_backward_pack_size(k, c)),
                      .scratch = small_numbers(sqz_conv_scratch_size(k, c) / sizeof(float))};
    sqz_conv_pack_forward(k, c, b.w, b.forward);
    sqz_conv_pack_backward(k, c, b.w, b.backward);
    static const bench_fn runs[3] = {run_forward, run_backward_data, run_backward_weights};
    *flops = 2.0 * (double)weights * c->out_h * c->out_w;
    printf("%-22s %6.1f", shape->name, *flops * 0.5e-6);
    for (int i = 0; i < 3; i++) {
        seconds[i] = 0;
        if (i == 1 && c->stride != 1) {
            printf("  %6s %5s", "", "");
            continue;
        }
        double peak = sqz_kernels_peak_gflops(k);
        seconds[i] = best_time(runs[i], &b);
        double again = sqz_kernels_peak_gflops(k);
        printf("  %6.1f %4.0f%%", *flops / seconds[i] * 1e-9,
               *flops / seconds[i] * 1e-7 / (peak > again ? peak : again));
    }
    printf("\n");
    float *all[] = {b.x, b.dx, b.w, b.dw, b.y, b.dy, b.bias, b.forward, b.backward, b.scratch};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
}

void bench_layers(const struct sqz_kernels *k, const char *part)
{
    random_seed(5);
    printf("%s, one thread, GFLOP/s and share of the multiply-add peak (%.1f GFLOP/s)\n",
           sqz_cpu_level_name(k->level), sqz_kernels_peak_gflops(k));
    printf("%-22s %6s  %12s  %12s  %12s\n", "layer", "MMAC", "forward", "data grad", "weight grad");
    double total_flops = 0, total[3] = {0};
    for (int i = 0; i < n_layer_shapes; i++) {
        double seconds[3], flops;
        if (!strstr(layer_shapes[i].name, part))
            continue;
        bench_layer(k, &layer_shapes[i], seconds, &flops);
        total_flops += flops;
        for (int j = 0; j < 3; j++)
            total[j] += seconds[j];
    }
    printf("all together: %.1f GFLOP in %.2f ms forward, %.2f ms data, %.2f ms weights\n",
           total_flops * 1e-9, total[0] * 1e3, total[1] * 1e3, total[2] * 1e3);
}
