// Batch normalisation over the vector operations of vec_<level>.h, which ops_tmpl.h has included.

INLINE vec norm_value(const struct sqz_norm *norm, vec x, int c, int m)
{
    return vec_fma(x, vec_load_n(norm->scale + c, m), vec_load_n(norm->shift + c, m));
}

// dy where the ReLU is open, else 0.
INLINE vec norm_gradient(const struct sqz_norm *norm, vec x, vec dy, int c, int m)
{
    return norm->relu ? vec_where_positive(norm_value(norm, x, c, m), dy) : dy;
}

static void norm_forward(const struct sqz_norm *norm, float *y)
{
    const int channels = norm->channels;
    const float *x = norm->x;
    for (int p = 0; p < norm->n; p++, x += channels, y += channels)
        for (int c = 0; c < channels; c += VEC_N) {
            const int m = lanes_left(channels, c);
            vec value = norm_value(norm, vec_load_n(x + c, m), c, m);
            vec_store_n(y + c, norm->relu ? vec_relu(value) : value, m);
        }
}

static void norm_backward(const struct sqz_norm *norm, const float *dy, const float *a,
                          const float *b, const float *c0, float *dx)
{
    const int channels = norm->channels;
    const float *x = norm->x;
    for (int p = 0; p < norm->n; p++, x += channels, dy += channels, dx += channels)
        for (int c = 0; c < channels; c += VEC_N) {
            const int m = lanes_left(channels, c);
            vec value = vec_load_n(x + c, m);
            vec g = norm_gradient(norm, value, vec_load_n(dy + c, m), c, m);
            vec rest = vec_fma(vec_load_n(b + c, m), value, vec_load_n(c0 + c, m));
            vec_store_n(dx + c, vec_fma(vec_load_n(a + c, m), g, rest), m);
        }
}

// Two sums of NORM_VECTORS vectors of channels stay in registers over all pixels.
enum { NORM_VECTORS = 2 };

static void norm_sums(const float *x, int n, int channels, double *sum, double *squares)
{
    int c = 0;
    for (; c + NORM_VECTORS * VEC_N <= channels; c += NORM_VECTORS * VEC_N) {
        struct vec_double s[NORM_VECTORS], q[NORM_VECTORS];
        for (int v = 0; v < NORM_VECTORS; v++) {
            s[v] = vec_double_load(sum + c + v * VEC_N);
            q[v] = vec_double_load(squares + c + v * VEC_N);
        }
        for (int p = 0; p < n; p++)
            for (int v = 0; v < NORM_VECTORS; v++) {
                vec value = vec_load(x + (ptrdiff_t)p * channels + c + v * VEC_N);
                s[v] = vec_double_add(s[v], value);
                q[v] = vec_double_add_square(q[v], value);
            }
        for (int v = 0; v < NORM_VECTORS; v++) {
            vec_double_store(sum + c + v * VEC_N, s[v]);
            vec_double_store(squares + c + v * VEC_N, q[v]);
        }
    }
    for (int p = 0; c < channels && p < n; p++)
        for (int i = c; i < channels; i++) {
            double value = (double)x[(ptrdiff_t)p * channels + i];
            sum[i] += value;
            squares[i] += value * value;
        }
}

INLINE void norm_backward_columns(const struct sqz_norm *norm, const float *dy, int c, double *sum,
                                  double *products)
{
    struct vec_double s[NORM_VECTORS], q[NORM_VECTORS];
    for (int v = 0; v < NORM_VECTORS; v++) {
        s[v] = vec_double_load(sum + c + v * VEC_N);
        q[v] = vec_double_load(products + c + v * VEC_N);
    }
    for (int p = 0; p < norm->n; p++)
        for (int v = 0; v < NORM_VECTORS; v++) {
            const int at = c + v * VEC_N;
            const ptrdiff_t i = (ptrdiff_t)p * norm->channels + at;
            vec x = vec_load(norm->x + i);
            vec g = norm_gradient(norm, x, vec_load(dy + i), at, VEC_N);
            s[v] = vec_double_add(s[v], g);
            q[v] = vec_double_add_product(q[v], g, x);
        }
    for (int v = 0; v < NORM_VECTORS; v++) {
        vec_double_store(sum + c + v * VEC_N, s[v]);
        vec_double_store(products + c + v * VEC_N, q[v]);
    }
}

static void norm_backward_sums(const struct sqz_norm *norm, const float *dy, double *sum,
                               double *products)
{
    const int channels = norm->channels,
              whole = channels / (NORM_VECTORS * VEC_N) * (NORM_VECTORS * VEC_N);
    for (int c = 0; c < whole; c += NORM_VECTORS * VEC_N)
        norm_backward_columns(norm, dy, c, sum, products);
    for (int c = whole; c < channels; c += VEC_N) {
        const int m = lanes_left(channels, c);
        for (int p = 0; p < norm->n; p++) {
            const ptrdiff_t at = (ptrdiff_t)p * channels + c;
            float g[VEC_N]; // masked as the whole vectors are: by the same multiply-add
            vec x = vec_load_n(norm->x + at, m);
            vec_store(g, norm_gradient(norm, x, vec_load_n(dy + at, m), c, m));
            for (int i = 0; i < m; i++) {
                sum[c + i] += (double)g[i];
                products[c + i] += (double)g[i] * (double)norm->x[at + i];
            }
        }
    }
}
