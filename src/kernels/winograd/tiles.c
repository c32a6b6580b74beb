// Which Winograd tile a convolution takes: a price list for each SIMD level, never the machine at
// hand, so that a level's bits are the same everywhere.
#include "kernels/winograd/plan.h"

// Clock cycles, fitted to measurements (docs/notebook/kernels.md).
struct price {
    int kernel, m, side; // side = m + kernel - 1
    int input, output;   // of one vector's transforms
};
static const struct price prices[] = {
    {3, 2, 4, 90, 60},   {3, 4, 6, 200, 150}, {3, 5, 7, 290, 230},
    {3, 6, 8, 420, 340}, {4, 3, 6, 200, 120}, {4, 5, 8, 420, 280},
};
enum {
    CALL = 30,                // a micro-kernel's call beside its multiplications
    NEAR_FLOATS = 64 << 10,   // of weights that stay in the second-level cache
    FAR_FLOATS_PER_CYCLE = 6, // of those that do not
};

static int64_t winograd_cycles(const struct sqz_kernels *k, const struct sqz_conv *conv,
                               const struct price *price)
{
    const struct sqz_winograd_plan plan = sqz_winograd_plan(k, conv, price->m);
    const int in_c = plan.conv.in_c, out_c = plan.conv.out_c;
    const int64_t tiles = plan.across * plan.down, lanes = k->nr / 2;
    const int64_t blocks = (tiles + plan.block - 1) / plan.block;
    const int64_t weights = (int64_t)plan.frequencies * in_c * out_c;
    const int64_t calls =
        plan.frequencies * ((tiles + k->mr - 1) / k->mr) * sqz_ceil_div(out_c, k->nr);
    int64_t cycles = tiles * plan.frequencies * in_c * out_c / k->nr;
    cycles += calls * CALL * plan.n_depths;
    cycles += tiles * (in_c * price->input + out_c * price->output) / lanes;
    if (weights > NEAR_FLOATS)
        cycles += blocks * weights / FAR_FLOATS_PER_CYCLE;
    return cycles;
}

// What Winograd's algorithm can do at all; the reference level stays the definition of truth.
static bool is_possible(const struct sqz_kernels *k, const struct sqz_conv *conv)
{
    if (k->level == SQZ_CPU_REF || conv->out_c < 16 || conv->pad < 0)
        return false;
    return sqz_conv_is_polyphase(conv) ||
           (conv->kernel == 3 && conv->stride == 1 && conv->in_c >= 16);
}

int sqz_winograd_tile(const struct sqz_kernels *k, const struct sqz_conv *conv, int side_most)
{
    if (!is_possible(k, conv))
        return 0;
    const int kernel = sqz_winograd_dense(conv).kernel;
    // A gain below a tenth is not worth larger errors and weights.
    int64_t least = (int64_t)conv->out_h * conv->out_w * conv->kernel * conv->kernel * conv->in_c *
                    conv->out_c / k->nr * 9 / 10;
    int best = 0;
    for (size_t i = 0; i < sizeof prices / sizeof prices[0]; i++) {
        if (prices[i].kernel != kernel || prices[i].side > side_most)
            continue;
        int64_t cycles = winograd_cycles(k, conv, &prices[i]);
        if (cycles < least) {
            least = cycles;
            best = prices[i].m;
        }
    }
    return best;
}

int sqz_winograd_backward_tile(const struct sqz_kernels *k, const struct sqz_conv *conv,
                               int side_most)
{
    struct sqz_conv transposed = sqz_conv_transposed(conv);
    return conv->stride == 1 ? sqz_winograd_tile(k, &transposed, side_most) : 0;
}

int sqz_winograd_weights_tile(const struct sqz_kernels *k, const struct sqz_conv *conv)
{
    enum { FREQUENCIES = 36, GATHER = 250, DEPTH_MOST = 64 };
    if (!is_possible(k, conv))
        return 0;
    const int m = sqz_conv_is_polyphase(conv) ? 3 : 4;
    const struct sqz_winograd_plan plan = sqz_winograd_plan(k, conv, m);
    // Vector operations an output channel and vector of input channels.
    const int64_t tiles = plan.across * plan.down;
    const int64_t winograd = (tiles * FREQUENCIES * 5 / 4 + GATHER) * plan.conv.in_c;
    const int64_t direct =
        (int64_t)conv->out_h * conv->out_w * conv->kernel * conv->kernel * conv->in_c;
    return plan.conv.in_c <= DEPTH_MOST && winograd < direct ? m : 0;
}

// About three times the worst that the checker meets, by the window's side: 0.2, 1.2, 4.3 and 5.8
// for small inputs with one to three channels, 0.05, 0.3, 0.8 and 1.2 at the network's shapes.
double sqz_winograd_amplification(int side)
{
    return side == 4 ? 1 : side == 6 ? 4 : side == 7 ? 12 : 16;
}
