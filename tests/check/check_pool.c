// Max pooling and its gradient: floor and ceil geometry, every remainder of channels, NaN, and
// minima of some channels.
#include "check/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void run_forward(const struct sqz_kernels *k, const struct sqz_pool2d *pool, int wider,
                        bool nan, uint8_t *index)
{
    const size_t in = (size_t)(pool->in_h * pool->in_w), out = (size_t)(pool->out_h * pool->out_w);
    const size_t channels = (size_t)pool->channels;
    const ptrdiff_t ldx = pool->channels + wider, ldy = pool->channels + 2 * wider;
    size_t x_size = (in - 1) * (size_t)ldx + channels, y_size = (out - 1) * (size_t)ldy + channels;
    float *x = random_floats(x_size), *y = guarded_floats(y_size), *plain = guarded_floats(y_size);
    for (size_t i = 0; i < x_size; i++) // few values, so that there are ties
        x[i] = nan && random_below(9) == 0 ? NAN : (float)random_below(5) - 2;
    fill_pattern(y, y_size);
    fill_pattern(plain, y_size);
    uint8_t *want_index = guarded_bytes(out * channels);
    double *tx = malloc(x_size * sizeof *tx), *want = malloc(y_size * sizeof *want);
    for (size_t i = 0; i < x_size; i++)
        tx[i] = (double)x[i];
    k->maxpool(pool, x, ldx, y, ldy, index);
    k->maxpool(pool, x, ldx, plain, ldy, pool->signs ? index : NULL);
    maxpool_truth(pool, tx, ldx, want, ldy, want_index);
    for (size_t i = 0; i < y_size; i++) {
        if (i % (size_t)ldy >= channels) {
            check_true(is_pattern(y[i]) && is_pattern(plain[i]), "a write beside the slice", i);
            continue;
        }
        check_true((double)y[i] == want[i] || (isnan(y[i]) && isnan(want[i])), "wrong maximum", i);
        check_true(memcmp(y + i, plain + i, sizeof *y) == 0, "the index changes the maximum", i);
    }
    check_true(memcmp(index, want_index, out * channels) == 0, "wrong index", 0);
    free(tx);
    free(want);
}

static void run_backward(const struct sqz_kernels *k, const struct sqz_pool2d *pool, int wider,
                         const uint8_t *index)
{
    const size_t in = (size_t)(pool->in_h * pool->in_w), out = (size_t)(pool->out_h * pool->out_w);
    const size_t channels = (size_t)pool->channels;
    const ptrdiff_t ldx = pool->channels + wider, ldy = pool->channels + 2 * wider;
    size_t x_size = (in - 1) * (size_t)ldx + channels, y_size = (out - 1) * (size_t)ldy + channels;
    float *dx = random_floats(x_size), *dy = random_floats(y_size);
    double *want = to_double(dx, x_size, false), *terms = to_double(dx, x_size, true);
    double *tdy = to_double(dy, y_size, false), *ady = to_double(dy, y_size, true);
    k->maxpool_backward(pool, dy, ldy, index, dx, ldx);
    maxpool_backward_truth(pool, tdy, ldy, index, want, ldx);
    maxpool_backward_truth(pool, ady, ldy, index, terms, ldx);
    for (size_t i = 0; i < x_size; i++)
        check_close(dx[i], want[i], terms[i], sum_factor(4), "dx", i);
    free(want);
    free(terms);
    free(tdy);
    free(ady);
}

static const float *random_signs(int channels)
{
    float *signs = random_floats((size_t)channels);
    for (int c = 0; c < channels; c++)
        signs[c] = signs[c] < 0 ? -1 : 1;
    return signs;
}

static void run(const struct sqz_kernels *k, int h, int w, int channels, bool ceil_mode, int kernel,
                int stride, int wider)
{
    int extra = ceil_mode ? stride - 1 : 0;
    struct sqz_pool2d pool = {.in_h = h,
                              .in_w = w,
                              .channels = channels,
                              .kernel = kernel,
                              .stride = stride,
                              .out_h = (h - kernel + extra) / stride + 1,
                              .out_w = (w - kernel + extra) / stride + 1};
    check_begin("%s maxpool %d/%d: %dx%dx%d to %dx%d, ld +%d", sqz_cpu_level_name(k->level), kernel,
                stride, h, w, channels, pool.out_h, pool.out_w, wider);
    uint8_t *index = guarded_bytes((size_t)(pool.out_h * pool.out_w * channels));
    run_forward(k, &pool, wider, true, index);
    run_forward(k, &pool, wider, false, index);
    run_backward(k, &pool, wider, index);
    pool.signs = random_signs(channels);
    run_forward(k, &pool, wider, true, index);
    run_forward(k, &pool, wider, false, index);
    guarded_free_all();
}

void check_pool(const struct sqz_kernels *k, const struct sqz_kernels *below)
{
    if (below && below->maxpool == k->maxpool && below->maxpool_backward == k->maxpool_backward)
        return;
    random_seed(4);
    for (int channels = 1; channels <= 50; channels++)
        run(k, 3 + random_below(9), 3 + random_below(9), channels, channels % 2 == 0, 3, 2,
            channels % 3);
    for (int size = 3; size <= 12; size++) {
        run(k, size, size + 1, 16, false, 3, 2, 0);
        run(k, size, size + 1, 16, true, 3, 2, 0);
        run(k, size, size, 16, true, 2, 2, 0);
        run(k, size, size, 16, true, 3, 1, 0);
    }
    int large = check_reduced ? 21 : 111;
    run(k, large, large, 96, true, 3, 2, 0);
    run(k, large, large, 64, false, 3, 2, 64);
}
