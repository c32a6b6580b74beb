// Batch normalisation over the vector operations of vec_<level>.h, which ops_tmpl.h has included.

// m lanes, m being a constant where they are a whole vector.
INLINE vec bn_load(const float *x, int m)
{
    return m == VEC_N ? vec_load(x) : vec_load_n(x, m);
}

INLINE void bn_store(float *y, vec value, int m)
{
    if (m == VEC_N)
        vec_store(y, value);
    else
        vec_store_n(y, value, m);
}

// dy where the ReLU is open, else 0, for lanes from channel c on.
INLINE vec bn_gradient(const struct sqz_bn *norm, vec x, vec dy, int c, int m)
{
    vec y = vec_fma(x, bn_load(norm->scale + c, m), bn_load(norm->shift + c, m));
    return norm->relu ? vec_where_positive(y, dy) : dy;
}

// --- Values: pixel by pixel, since they come from memory ---

INLINE void bn_forward_lanes(const struct sqz_bn *norm, const float *x, int c, int m, float *y)
{
    vec value =
        vec_fma(bn_load(x + c, m), bn_load(norm->scale + c, m), bn_load(norm->shift + c, m));
    bn_store(y + c, norm->relu ? vec_relu(value) : value, m);
}

static void bn_forward(const struct sqz_bn *norm, float *y)
{
    const int channels = norm->channels, whole = channels / VEC_N * VEC_N;
    const float *x = norm->x;
    for (int p = 0; p < norm->n; p++, x += channels, y += channels) {
        for (int c = 0; c < whole; c += VEC_N)
            bn_forward_lanes(norm, x, c, VEC_N, y);
        if (whole < channels)
            bn_forward_lanes(norm, x, whole, channels - whole, y);
    }
}

INLINE void bn_backward_lanes(const struct sqz_bn *norm, const float *x, const float *dy,
                              const float *a, const float *b, const float *c0, int c, int m,
                              float *dx)
{
    vec value = bn_load(x + c, m);
    vec g = bn_gradient(norm, value, bn_load(dy + c, m), c, m);
    vec rest = b ? vec_fma(bn_load(b + c, m), value, bn_load(c0 + c, m)) : vec_zero();
    bn_store(dx + c, vec_fma(bn_load(a + c, m), g, rest), m);
}

static void bn_backward(const struct sqz_bn *norm, const float *dy, const float *a, const float *b,
                        const float *c0, float *dx)
{
    const int channels = norm->channels, whole = channels / VEC_N * VEC_N;
    const float *x = norm->x;
    for (int p = 0; p < norm->n; p++, x += channels, dy += channels, dx += channels) {
        for (int c = 0; c < whole; c += VEC_N)
            bn_backward_lanes(norm, x, dy, a, b, c0, c, VEC_N, dx);
        if (whole < channels)
            bn_backward_lanes(norm, x, dy, a, b, c0, whole, channels - whole, dx);
    }
}

// --- Sums: floats over a group of pixels, which stay in the first-level cache while the channels
// pass, and doubles beyond ---

enum { NORM_PIXELS = 16 };

INLINE void bn_add(double *sum, vec x, int m)
{
    if (m == VEC_N) {
        vec_double_store(sum, vec_double_add(vec_double_load(sum), x));
        return;
    }
    float lanes[VEC_N];
    vec_store(lanes, x);
    for (int i = 0; i < m; i++)
        sum[i] += (double)lanes[i];
}

INLINE void bn_sums_lanes(const float *x, ptrdiff_t ldx, int n, int m, double *sum, double *squares)
{
    vec s = vec_zero(), q = vec_zero();
    for (int p = 0; p < n; p++, x += ldx) {
        vec value = bn_load(x, m);
        s = vec_add(s, value);
        q = vec_fma(value, value, q);
    }
    bn_add(sum, s, m);
    bn_add(squares, q, m);
}

static void bn_sums(const float *x, int n, int channels, double *sum, double *squares)
{
    const int whole = channels / VEC_N * VEC_N, m = channels - whole;
    for (int p = 0; p < n; p += NORM_PIXELS, x += (ptrdiff_t)NORM_PIXELS * channels) {
        const int group = n - p < NORM_PIXELS ? n - p : NORM_PIXELS;
        for (int c = 0; c < whole; c += VEC_N)
            bn_sums_lanes(x + c, channels, group, VEC_N, sum + c, squares + c);
        if (m)
            bn_sums_lanes(x + whole, channels, group, m, sum + whole, squares + whole);
    }
}

INLINE void bn_backward_sums_lanes(const struct sqz_bn *norm, const float *x, const float *dy,
                                   int n, int c, int m, double *sum, double *products)
{
    vec s = vec_zero(), q = vec_zero();
    for (int p = 0; p < n; p++, x += norm->channels, dy += norm->channels) {
        vec value = bn_load(x + c, m);
        vec g = bn_gradient(norm, value, bn_load(dy + c, m), c, m);
        s = vec_add(s, g);
        q = vec_fma(g, value, q);
    }
    bn_add(sum + c, s, m);
    bn_add(products + c, q, m);
}

static void bn_backward_sums(const struct sqz_bn *norm, const float *dy, double *sum,
                             double *products)
{
    const int channels = norm->channels, whole = channels / VEC_N * VEC_N;
    const float *x = norm->x;
    for (int p = 0; p < norm->n; p += NORM_PIXELS) {
        const int group = norm->n - p < NORM_PIXELS ? norm->n - p : NORM_PIXELS;
        for (int c = 0; c < whole; c += VEC_N)
            bn_backward_sums_lanes(norm, x, dy, group, c, VEC_N, sum, products);
        if (whole < channels)
            bn_backward_sums_lanes(norm, x, dy, group, whole, channels - whole, sum, products);
        x += (ptrdiff_t)group * channels;
        dy += (ptrdiff_t)group * channels;
    }
}
