// 1x1 convolutions that skip the zeros of their input: a few panels of weights at a time, which
// stay in the second-level cache while all pixels pass.
#include "kernels/sparse.h"

#include "kernels/conv_plan.h"

// More than one value in SHARE that is not zero: then the usual way, which reads each weight for
// many pixels at once, is faster.
enum { SHARE = 3 };

bool sqz_nonzeros_fit(const struct sqz_conv *conv)
{
    return conv->kernel == 1 && conv->stride == 1;
}

// Lists end with up to a vector of what is not theirs.
static size_t most_values(const struct sqz_conv *conv)
{
    return (size_t)conv->out_h * conv->out_w * conv->in_c / SHARE + conv->in_c + 16;
}

static struct sqz_nonzeros take_lists(const struct sqz_conv *conv, struct sqz_scratch *memory)
{
    struct sqz_nonzeros lists;
    const size_t pixels = (size_t)conv->out_h * conv->out_w, most = most_values(conv);
    lists.first = sqz_scratch_take(memory, pixels + 1, sizeof *lists.first);
    lists.at = sqz_scratch_take(memory, most, sizeof *lists.at);
    lists.values = sqz_scratch_take(memory, most, sizeof *lists.values);
    return lists;
}

size_t sqz_nonzeros_size(const struct sqz_conv *conv)
{
    struct sqz_scratch memory = {NULL, 0};
    take_lists(conv, &memory);
    return memory.used;
}

bool sqz_nonzeros_find(const struct sqz_kernels *k, const struct sqz_conv *conv, const float *x,
                       ptrdiff_t ldx, void *memory, struct sqz_nonzeros *out)
{
    struct sqz_scratch pieces = {memory, 0};
    struct sqz_nonzeros lists = take_lists(conv, &pieces);
    const int most = conv->out_h * conv->out_w * conv->in_c / SHARE;
    int32_t n = 0, *first = lists.first;
    for (int y = -conv->pad; y < conv->in_h + conv->pad; y++)
        for (int column = -conv->pad; column < conv->in_w + conv->pad; column++) {
            *first++ = n;
            if (y < 0 || y >= conv->in_h || column < 0 || column >= conv->in_w)
                continue;
            const float *pixel = x + ((ptrdiff_t)y * conv->in_w + column) * ldx;
            n += k->nonzeros(pixel, conv->in_c, lists.values + n, lists.at + n);
            if (n > most)
                return false;
        }
    *first = n;
    *out = lists;
    return true;
}

// The next panels, while these are in use: what is needed of them is not in order, so the hardware
// cannot see it coming. This pixel's share of n floats.
static void prefetch_share(const float *next, ptrdiff_t n, int pixel, int pixels)
{
    for (ptrdiff_t i = n * pixel / pixels / 16 * 16; i < n * (pixel + 1) / pixels; i += 16)
        __builtin_prefetch(next + i, 0, 2);
}

void sqz_nonzeros_forward(const struct sqz_kernels *k, const struct sqz_conv *conv,
                          const struct sqz_nonzeros *nonzeros, const float *packed,
                          const float *bias, bool relu, float *y, ptrdiff_t ldy)
{
    const int pixels = conv->out_h * conv->out_w, out_c = conv->out_c;
    for (int c = 0; c < out_c;) {
        struct sqz_sparse_row row = {.width = sqz_panel_width(k, out_c, c), .relu = relu};
        row.ld_panel = (ptrdiff_t)conv->in_c * row.width;
        while (row.columns < SQZ_SPARSE_PANELS * row.width && c + row.columns < out_c &&
               sqz_panel_width(k, out_c, c + row.columns) == row.width)
            row.columns += row.width;
        const int next = c + row.columns;
        row.columns = next < out_c ? row.columns : out_c - c;
        row.b = packed + (ptrdiff_t)conv->in_c * c;
        row.bias = bias + c;
        for (int p = 0; p < pixels; p++) {
            prefetch_share(packed + (ptrdiff_t)conv->in_c * next,
                           (ptrdiff_t)conv->in_c * row.columns, p, pixels);
            const int32_t begin = nonzeros->first[p];
            row.values = nonzeros->values + begin;
            row.at = nonzeros->at + begin;
            row.n = nonzeros->first[p + 1] - begin;
            row.c = y + p * ldy + c;
            k->sparse(&row);
        }
        c = next;
    }
}
