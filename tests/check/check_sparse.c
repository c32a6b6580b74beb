// 1x1 convolutions without the zeros of their input: the bits of the usual ones, which check_conv.c
// compares with double precision.
#include "check/check.h"
#include "kernels/sparse.h"

#include <math.h>
#include <string.h>

struct sparse_case {
    int side, in_c, out_c, pad;
    int permille; // of the input that is not zero
    bool relu;
};

static float *sparse_floats(size_t n, int permille)
{
    float *x = random_floats(n);
    for (size_t i = 0; i < n; i++)
        if (random_below(1000) >= permille)
            x[i] = random_below(2) ? 0.0f : -0.0f;
    return x;
}

static struct sqz_conv make_conv(const struct sparse_case *t)
{
    return (struct sqz_conv){.in_h = t->side,
                             .in_w = t->side + 1,
                             .in_c = t->in_c,
                             .out_h = t->side + 2 * t->pad,
                             .out_w = t->side + 1 + 2 * t->pad,
                             .out_c = t->out_c,
                             .kernel = 1,
                             .stride = 1,
                             .pad = t->pad};
}

static void run_forward(const struct sqz_kernels *k, const struct sparse_case *t)
{
    check_begin("%s without zeros: side %d, pad %d, channels %d to %d, %d permille, relu %d",
                sqz_cpu_level_name(k->level), t->side, t->pad, t->in_c, t->out_c, t->permille,
                t->relu);
    const struct sqz_conv conv = make_conv(t);
    const int pixels = conv.out_h * conv.out_w;
    const ptrdiff_t ldx = t->in_c + random_below(3), ldy = t->out_c + random_below(3);
    const size_t y_size = (size_t)((pixels - 1) * ldy + t->out_c);
    float *x = sparse_floats((size_t)((conv.in_h * conv.in_w - 1) * ldx + t->in_c), t->permille);
    float *w = random_floats((size_t)t->in_c * t->out_c), *bias = NULL;
    if (t->out_c % 7) // NULL, as in front of a normalisation, every now and then
        bias = random_floats((size_t)t->out_c);
    float *packed = random_floats(sqz_conv_forward_pack_size(k, &conv));
    float *usual = random_floats(y_size), *got = random_floats(y_size);
    fill_pattern(usual, y_size);
    fill_pattern(got, y_size);
    sqz_conv_pack_forward(k, &conv, w, packed);
    void *scratch = guarded_bytes(sqz_conv_forward_scratch_size(k, &conv));
    for (int p = 0; p < pixels; p++) // one pixel at a time: never without the zeros
        sqz_conv_forward(k,
                         &(struct sqz_conv_task){.conv = &conv,
                                                 .x = x,
                                                 .ldx = ldx,
                                                 .packed = packed,
                                                 .bias = bias,
                                                 .relu = t->relu,
                                                 .y = usual,
                                                 .ldy = ldy,
                                                 .pixel0 = p,
                                                 .pixel1 = p + 1,
                                                 .channel1 = t->out_c},
                         scratch);
    struct sqz_nonzeros lists;
    const bool found =
        sqz_nonzeros_find(k, &conv, x, ldx, guarded_bytes(sqz_nonzeros_size(&conv)), &lists);
    check_true(found == (t->permille < 500), "the wrong way was chosen", 0);
    if (found) {
        sqz_nonzeros_forward(k, &conv, &lists, packed, bias, t->relu, got, ldy);
        for (size_t i = 0; i < y_size; i++)
            check_true(memcmp(usual + i, got + i, sizeof *got) == 0, "other bits", i);
    }
    guarded_free_all();
}

// The weight gradient is another order of the same sum, added to what is there.
static void run_backward(const struct sqz_kernels *k, const struct sparse_case *t)
{
    check_begin("%s weight gradient without zeros: side %d, pad %d, channels %d to %d, %d permille",
                sqz_cpu_level_name(k->level), t->side, t->pad, t->in_c, t->out_c, t->permille);
    const struct sqz_conv conv = make_conv(t);
    const int pixels = conv.out_h * conv.out_w;
    const ptrdiff_t ldx = t->in_c + random_below(3), lddy = t->out_c + random_below(3);
    float *x = sparse_floats((size_t)((conv.in_h * conv.in_w - 1) * ldx + t->in_c), t->permille);
    float *dy = random_floats((size_t)((pixels - 1) * lddy + t->out_c));
    const size_t n = (size_t)t->in_c * t->out_c;
    float *dw = random_floats(n), *before = random_floats(n);
    memcpy(before, dw, n * sizeof *dw);
    const bool done = sqz_nonzeros_backward_weights(k, &conv, x, ldx, dy, lddy, dw,
                                                    guarded_bytes(sqz_nonzeros_both_size(&conv)));
    check_true(done == (t->permille < 500), "the wrong way was chosen", 0);
    for (size_t i = 0; i < n; i++) {
        const int channel = (int)(i / (size_t)t->out_c), o = (int)(i % (size_t)t->out_c);
        double want = before[i], terms = fabs(want);
        for (int p = 0; done && p < pixels; p++) {
            const int y = p / conv.out_w - t->pad, column = p % conv.out_w - t->pad;
            if (y < 0 || y >= conv.in_h || column < 0 || column >= conv.in_w)
                continue;
            const double term =
                (double)x[(y * conv.in_w + column) * ldx + channel] * (double)dy[p * lddy + o];
            want += term;
            terms += fabs(term);
        }
        check_close(dw[i], want, terms, sum_factor((size_t)pixels), "dw", i);
    }
    guarded_free_all();
}

static void run_case(const struct sqz_kernels *k, const struct sparse_case *t)
{
    run_forward(k, t);
    run_backward(k, t);
}

void check_sparse(const struct sqz_kernels *k, const struct sqz_kernels *below)
{
    if (below && below->sparse == k->sparse && below->nonzeros == k->nonzeros)
        return;
    random_seed(7);
    const int most = SQZ_SPARSE_PANELS * k->nr + 20;
    for (int out_c = 1; out_c <= most; out_c += check_reduced ? 5 : 1) {
        struct sparse_case t = {.side = 3 + out_c % 3,
                                .in_c = 1 + out_c * 7 % 71,
                                .out_c = out_c,
                                .pad = out_c % 5 == 0,
                                .permille = out_c % 4 * 60,
                                .relu = out_c % 2};
        run_case(k, &t);
    }
    for (int in_c = 1; in_c <= 40; in_c++) {
        struct sparse_case t = {6, in_c, 33, 0, 100, true};
        run_case(k, &t);
    }
    run_case(k, &(struct sparse_case){8, 64, 40, 0, 0, true});
    run_case(k, &(struct sparse_case){8, 64, 40, 1, 900, true});
    if (!check_reduced)
        run_case(k, &(struct sparse_case){13, 512, 1000, 0, 80, true}); // conv10
    run_case(k, &(struct sparse_case){8, 512, 2 * k->nr + 8, 1, 120, false});
}
