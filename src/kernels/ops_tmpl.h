// Everything but the micro-kernels, over the vector operations of vec_<level>.h. Include that
// first; the including file then fills its level's table.
#include "kernels/levels.h"

static inline int lanes_left(int channels, int c)
{
    return channels - c < VEC_N ? channels - c : VEC_N;
}

static void relu_backward(const float *y, ptrdiff_t ldy, float *dy, ptrdiff_t lddy, int n,
                          int channels)
{
    const int whole = channels / VEC_N * VEC_N, m = channels - whole;
    for (int p = 0; p < n; p++, y += ldy, dy += lddy) {
        for (int c = 0; c < whole; c += VEC_N)
            vec_store(dy + c, vec_where_positive(vec_load(y + c), vec_load(dy + c)));
        if (m)
            vec_store_n(dy + whole,
                        vec_where_positive(vec_load_n(y + whole, m), vec_load_n(dy + whole, m)), m);
    }
}

// Everything about a window but its channels; inlined, so that the usual case is compiled for
// constant sizes: 3x3 windows that lie inside the image, whole vectors, with or without an index.
#define INLINE static inline __attribute__((always_inline))

// m lanes of one window: x is its first pixel, h x w what of it lies inside the image. signs may be
// NULL.
INLINE void maxpool_lanes(const struct sqz_pool2d *pool, const float *x, ptrdiff_t ldx, int h,
                          int w, int m, const float *signs, float *y, uint8_t *index)
{
    const vec sign = signs ? vec_load_n(signs, m) : vec_set1(1);
    vec best = vec_mul(vec_load_n(x, m), sign);
    vec_int where = vec_int_set1(0);
    for (int ky = 0; ky < h; ky++)
        for (int kx = 0; kx < w; kx++) {
            vec v = vec_load_n(x + ((ptrdiff_t)ky * pool->in_w + kx) * ldx, m);
            if (signs)
                v = vec_mul(v, sign);
            vec_mask wins = vec_wins(v, best);
            best = vec_select(wins, v, best);
            if (index)
                where = vec_int_select(wins, vec_int_set1(ky * pool->kernel + kx), where);
        }
    vec_store_n(y, vec_mul(best, sign), m);
    if (index)
        vec_int_store_bytes(index, where, m);
}

// The same for 3x3 windows inside the image without an index. A maximum takes one instruction if no
// value is NaN; their sum tells (that of opposite infinities tells wrongly, which costs only time).
INLINE void maxpool_3x3(const struct sqz_pool2d *pool, const float *x, ptrdiff_t ldx, float *y)
{
    vec best = vec_load(x), sum = best;
    for (int ky = 0; ky < 3; ky++)
        for (int kx = 0; kx < 3; kx++) {
            vec v = vec_load(x + ((ptrdiff_t)ky * pool->in_w + kx) * ldx);
            best = vec_max(v, best);
            sum = vec_add(sum, v);
        }
    if (vec_has_nan(sum))
        maxpool_lanes(pool, x, ldx, 3, 3, VEC_N, NULL, y, NULL);
    else
        vec_store(y, best);
}

INLINE void maxpool_window(const struct sqz_pool2d *pool, const float *x, ptrdiff_t ldx, int h,
                           int w, float *y, uint8_t *index)
{
    const int channels = pool->channels;
    const float *signs = index ? pool->signs : NULL;
    int c = 0;
    for (; c + VEC_N <= channels; c += VEC_N)
        if (h == 3 && w == 3 && !index)
            maxpool_3x3(pool, x + c, ldx, y + c);
        else
            maxpool_lanes(pool, x + c, ldx, h, w, VEC_N, signs ? signs + c : NULL, y + c,
                          index ? index + c : NULL);
    if (c < channels)
        maxpool_lanes(pool, x + c, ldx, h, w, channels - c, signs ? signs + c : NULL, y + c,
                      index ? index + c : NULL);
}

static void maxpool(const struct sqz_pool2d *pool, const float *x, ptrdiff_t ldx, float *y,
                    ptrdiff_t ldy, uint8_t *index)
{
    for (int oy = 0; oy < pool->out_h; oy++)
        for (int ox = 0; ox < pool->out_w; ox++, y += ldy) {
            int y0 = oy * pool->stride, x0 = ox * pool->stride;
            int h = pool->in_h - y0 < pool->kernel ? pool->in_h - y0 : pool->kernel;
            int w = pool->in_w - x0 < pool->kernel ? pool->in_w - x0 : pool->kernel;
            const float *first = x + ((ptrdiff_t)y0 * pool->in_w + x0) * ldx;
            if (!index) {
                if (h == 3 && w == 3)
                    maxpool_window(pool, first, ldx, 3, 3, y, NULL);
                else
                    maxpool_window(pool, first, ldx, h, w, y, NULL);
                continue;
            }
            if (h == 3 && w == 3)
                maxpool_window(pool, first, ldx, 3, 3, y, index);
            else
                maxpool_window(pool, first, ldx, h, w, y, index);
            index += pool->channels;
        }
}

INLINE void unpool_lanes(const struct sqz_pool2d *pool, const float *dy, const uint8_t *index,
                         int h, int w, int m, float *dx, ptrdiff_t lddx)
{
    vec gradient = vec_load_n(dy, m);
    vec_int where = vec_int_load_bytes(index, m);
    for (int ky = 0; ky < h; ky++)
        for (int kx = 0; kx < w; kx++) {
            float *to = dx + ((ptrdiff_t)ky * pool->in_w + kx) * lddx;
            vec add = vec_where_equal(where, vec_int_set1(ky * pool->kernel + kx), gradient);
            vec_store_n(to, vec_add(vec_load_n(to, m), add), m);
        }
}

INLINE void unpool_window(const struct sqz_pool2d *pool, const float *dy, const uint8_t *index,
                          int h, int w, float *dx, ptrdiff_t lddx)
{
    const int channels = pool->channels;
    int c = 0;
    for (; c + VEC_N <= channels; c += VEC_N)
        unpool_lanes(pool, dy + c, index + c, h, w, VEC_N, dx + c, lddx);
    if (c < channels)
        unpool_lanes(pool, dy + c, index + c, h, w, channels - c, dx + c, lddx);
}

static void maxpool_backward(const struct sqz_pool2d *pool, const float *dy, ptrdiff_t lddy,
                             const uint8_t *index, float *dx, ptrdiff_t lddx)
{
    for (int oy = 0; oy < pool->out_h; oy++)
        for (int ox = 0; ox < pool->out_w; ox++, dy += lddy, index += pool->channels) {
            int y0 = oy * pool->stride, x0 = ox * pool->stride;
            int h = pool->in_h - y0 < pool->kernel ? pool->in_h - y0 : pool->kernel;
            int w = pool->in_w - x0 < pool->kernel ? pool->in_w - x0 : pool->kernel;
            float *first = dx + ((ptrdiff_t)y0 * pool->in_w + x0) * lddx;
            if (h == 3 && w == 3)
                unpool_window(pool, dy, index, 3, 3, first, lddx);
            else
                unpool_window(pool, dy, index, h, w, first, lddx);
        }
}

static void add(const float *a, const float *b, float *out, size_t n)
{
    size_t i = 0;
    for (; i + VEC_N <= n; i += VEC_N)
        vec_store(out + i, vec_add(vec_load(a + i), vec_load(b + i)));
    int m = (int)(n - i);
    if (m)
        vec_store_n(out + i, vec_add(vec_load_n(a + i, m), vec_load_n(b + i, m)), m);
}

// Pixels are summed in groups, then the groups: a long sum in one float would lose digits, and a
// group's pixels stay in the cache while the channels pass.
enum { SUM_GROUP = 64, SUM_VECTORS = 4 };

// SUM_VECTORS independent chains hide the latency of the addition.
static inline void add_group(const float *x, ptrdiff_t ldx, int n, float *out)
{
    vec sum[SUM_VECTORS];
    for (int v = 0; v < SUM_VECTORS; v++)
        sum[v] = vec_zero();
    for (int p = 0; p < n; p++, x += ldx)
        for (int v = 0; v < SUM_VECTORS; v++)
            sum[v] = vec_add(sum[v], vec_load(x + v * VEC_N));
    for (int v = 0; v < SUM_VECTORS; v++)
        vec_store(out + v * VEC_N, vec_add(vec_load(out + v * VEC_N), sum[v]));
}

static void channel_sum(const float *x, ptrdiff_t ldx, int n, int channels, float *out)
{
    for (int p0 = 0; p0 < n; p0 += SUM_GROUP, x += SUM_GROUP * ldx) {
        int group = n - p0 < SUM_GROUP ? n - p0 : SUM_GROUP, c = 0;
        for (; c + SUM_VECTORS * VEC_N <= channels; c += SUM_VECTORS * VEC_N)
            add_group(x + c, ldx, group, out + c);
        for (; c < channels; c += VEC_N) {
            int m = lanes_left(channels, c);
            vec sum = vec_zero();
            for (int p = 0; p < group; p++)
                sum = vec_add(sum, vec_load_n(x + p * ldx + c, m));
            vec_store_n(out + c, vec_add(vec_load_n(out + c, m), sum), m);
        }
    }
}

static void channel_mean(const float *x, ptrdiff_t ldx, int n, int channels, float *out)
{
    for (int c = 0; c < channels; c++)
        out[c] = 0;
    channel_sum(x, ldx, n, channels, out);
    for (int c = 0; c < channels; c += VEC_N) {
        int m = lanes_left(channels, c);
        vec_store_n(out + c, vec_div(vec_load_n(out + c, m), vec_set1((float)n)), m);
    }
}

static double sum_of_squares(const float *x, size_t n)
{
    struct vec_double even = vec_double_zero(), odd = vec_double_zero();
    size_t i = 0;
    for (; i + 2 * VEC_N <= n; i += 2 * VEC_N) {
        even = vec_double_add_square(even, vec_load(x + i));
        odd = vec_double_add_square(odd, vec_load(x + i + VEC_N));
    }
    double parts[2 * VEC_N], sum = 0;
    vec_double_store(parts, even);
    vec_double_store(parts + VEC_N, odd);
    for (int j = 0; j < 2 * VEC_N; j++)
        sum += parts[j];
    for (; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

#include "kernels/bn_tmpl.h"

static void fill_ops(struct sqz_kernels *k)
{
    k->relu_backward = relu_backward;
    k->maxpool = maxpool;
    k->maxpool_backward = maxpool_backward;
    k->add = add;
    k->channel_mean = channel_mean;
    k->channel_sum = channel_sum;
    k->sum_of_squares = sum_of_squares;
    k->bn_sums = bn_sums;
    k->bn_forward = bn_forward;
    k->bn_backward_sums = bn_backward_sums;
    k->bn_backward = bn_backward;
}
