// 1x1 convolutions that skip the zeros of their input: a few panels of the other side at a time,
// which stay in the second-level cache while all rows pass.
#include "kernels/sparse.h"

#include "kernels/conv_plan.h"

#include <string.h>

enum {
    // More than one value in SHARE that is not zero: then the usual way, which reads each weight
    // for many pixels at once, is faster.
    SHARE = 3,
    // Looking costs as much as some ten output channels; a short list is not worth its calls.
    LEAST_IN = 256,
    LEAST_OUT = 256,
};

bool sqz_nonzeros_fit(const struct sqz_conv *conv)
{
    return conv->kernel == 1 && conv->stride == 1 && conv->in_c >= LEAST_IN &&
           conv->out_c >= LEAST_OUT;
}

static size_t n_pixels(const struct sqz_conv *conv)
{
    return (size_t)conv->out_h * conv->out_w;
}

// A pixel's list is written before it is counted, and ends with up to a vector of what is not its.
static struct sqz_nonzeros take_lists(const struct sqz_conv *conv, size_t rows,
                                      struct sqz_scratch *memory)
{
    struct sqz_nonzeros lists;
    const size_t most = n_pixels(conv) * conv->in_c / SHARE + conv->in_c + 16;
    lists.first = sqz_scratch_take(memory, rows + 1, sizeof *lists.first);
    lists.at = sqz_scratch_take(memory, most, sizeof *lists.at);
    lists.values = sqz_scratch_take(memory, most, sizeof *lists.values);
    return lists;
}

size_t sqz_nonzeros_size(const struct sqz_conv *conv)
{
    struct sqz_scratch memory = {NULL, 0};
    take_lists(conv, n_pixels(conv), &memory);
    return memory.used;
}

size_t sqz_nonzeros_both_size(const struct sqz_conv *conv)
{
    struct sqz_scratch memory = {NULL, 0};
    take_lists(conv, n_pixels(conv), &memory);
    take_lists(conv, (size_t)conv->in_c, &memory);
    return memory.used;
}

bool sqz_nonzeros_find(const struct sqz_kernels *k, const struct sqz_conv *conv, const float *x,
                       ptrdiff_t ldx, void *memory, struct sqz_nonzeros *out)
{
    struct sqz_scratch allocator = {memory, 0};
    struct sqz_nonzeros lists = take_lists(conv, n_pixels(conv), &allocator);
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

static void take_row(struct sqz_sparse_row *row, const struct sqz_nonzeros *lists, int r)
{
    const int32_t begin = lists->first[r];
    row->values = lists->values + begin;
    row->at = lists->at + begin;
    row->n = lists->first[r + 1] - begin;
}

// The columns of up to SQZ_SPARSE_PANELS panels from column c on, the last of which is full or
// alone.
static int columns_from(const struct sqz_kernels *k, int out_c, int c, int *width)
{
    int end = c;
    *width = sqz_panel_width(k, out_c, c);
    while (end < c + SQZ_SPARSE_PANELS * *width && out_c - end >= *width)
        end += *width;
    return end > c ? end - c : out_c - c;
}

// The next panels, while these are in use: what is needed of them is not in order, so the hardware
// cannot see it coming. This row's share of n floats.
static void prefetch_share(const float *next, ptrdiff_t n, int row, int rows)
{
    for (ptrdiff_t i = n * row / rows / 16 * 16; i < n * (row + 1) / rows; i += 16)
        __builtin_prefetch(next + i, 0, 2);
}

void sqz_nonzeros_forward(const struct sqz_kernels *k, const struct sqz_conv *conv,
                          const struct sqz_nonzeros *nonzeros, const float *packed,
                          const float *bias, bool relu, float *y, ptrdiff_t ldy)
{
    const int pixels = (int)n_pixels(conv);
    const ptrdiff_t in_c = conv->in_c;
    struct sqz_sparse_row row = {.padded = true, .relu = relu};
    for (int c = 0; c < conv->out_c; c += row.columns) {
        row.columns = columns_from(k, conv->out_c, c, &row.width);
        row.b = packed + in_c * c;
        row.ldb = row.width;
        row.ld_panel = in_c * row.width;
        row.from = bias ? bias + c : NULL;
        for (int p = 0; p < pixels; p++) {
            prefetch_share(row.b + in_c * row.columns, in_c * row.columns, p, pixels);
            take_row(&row, nonzeros, p);
            row.c = y + p * ldy + c;
            k->sparse(&row);
        }
    }
}

// By channels instead of by pixels.
static void turn(const struct sqz_nonzeros *by_pixel, int pixels, int channels,
                 struct sqz_nonzeros *by_channel)
{
    int32_t *next = by_channel->first;
    const int32_t n = by_pixel->first[pixels];
    memset(next, 0, ((size_t)channels + 1) * sizeof *next);
    for (int32_t i = 0; i < n; i++)
        next[by_pixel->at[i]]++;
    for (int32_t c = 0, sum = 0; c <= channels; c++) {
        const int32_t count = next[c];
        next[c] = sum;
        sum += count;
    }
    for (int p = 0; p < pixels; p++)
        for (int32_t i = by_pixel->first[p]; i < by_pixel->first[p + 1]; i++) {
            const int32_t to = next[by_pixel->at[i]]++;
            by_channel->at[to] = p;
            by_channel->values[to] = by_pixel->values[i];
        }
    // Each has moved on to where the next one began.
    memmove(next + 1, next, (size_t)channels * sizeof *next);
    next[0] = 0;
}

bool sqz_nonzeros_backward_weights(const struct sqz_kernels *k, const struct sqz_conv *conv,
                                   const float *x, ptrdiff_t ldx, const float *dy, ptrdiff_t lddy,
                                   float *dw, void *memory)
{
    struct sqz_scratch allocator = {memory, 0};
    struct sqz_nonzeros lists;
    if (!sqz_nonzeros_find(k, conv, x, ldx, memory, &lists))
        return false;
    take_lists(conv, n_pixels(conv), &allocator); // what was just filled
    struct sqz_nonzeros by_channel = take_lists(conv, (size_t)conv->in_c, &allocator);
    turn(&lists, (int)n_pixels(conv), conv->in_c, &by_channel);
    struct sqz_sparse_row row = {.ldb = lddy};
    for (int c = 0; c < conv->out_c; c += row.columns) {
        row.columns = columns_from(k, conv->out_c, c, &row.width);
        row.width = k->nr; // nothing is packed, so that no panel has to be narrower
        row.ld_panel = row.width;
        row.b = dy + c;
        for (int channel = 0; channel < conv->in_c; channel++) {
            take_row(&row, &by_channel, channel);
            row.c = dw + (ptrdiff_t)channel * conv->out_c + c;
            row.from = row.c;
            if (row.n > 0)
                k->sparse(&row);
        }
    }
    return true;
}
