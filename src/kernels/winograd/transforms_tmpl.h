// Winograd's input and output transforms over the vector operations of vec_<level>.h.
//
// With points a[0..] and infinity last (weight_layout.c), input value i is the sum over k of p[k] *
// d[k], p being the coefficients of the product of all (x - a[j]) but the i-th, and output j is the
// sum over i of a[i]^j * m[i]. Shared factors are computed once: for a pair of points +-a, `odd`
// and `even` are the common polynomial at two neighbouring places.
//
// clang-format takes UNROLL for a statement and would break the loops after it.
// clang-format off
#include "kernels/levels.h"

#include <math.h>

#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__ // which takes GCC's pragma for a bound, not for an order
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

enum { WINDOW_MOST = 8 };

INLINE vec times_plus(float a, vec x, vec y)
{
    return vec_fma(vec_set1(a), x, y);
}

// --- One row in, `side` values each ---

INLINE void input_side_4(const vec *d, vec *v)
{
    v[0] = vec_sub(d[2], d[0]);
    v[1] = vec_add(d[2], d[1]);
    v[2] = vec_sub(d[2], d[1]);
    v[3] = vec_sub(d[3], d[1]);
}

// Points 0, 1, -1, 1/2, -2.
INLINE void input_side_6(const vec *d, vec *v)
{
    vec q[4]; // x^2 + 3/2 x - 1 at d[0] to d[3]
    UNROLL for (int i = 0; i < 4; i++) q[i] = times_plus(1.5f, d[i + 1], vec_sub(d[i + 2], d[i]));
    vec odd = vec_sub(d[3], d[1]), even = vec_sub(d[4], d[2]);
    v[0] = vec_sub(q[2], q[0]);
    v[1] = vec_add(q[2], q[1]);
    v[2] = vec_sub(q[2], q[1]);
    v[3] = times_plus(2, odd, even);
    v[4] = times_plus(-0.5f, odd, even);
    v[5] = vec_sub(q[3], q[1]);
}

// Points 0, 1, -1, 2, -2, 1/2.
INLINE void input_side_7(const vec *d, vec *v)
{
    vec by_two[5]; // x^2 - 4 at d[0] to d[4]
    UNROLL for (int i = 0; i < 5; i++) by_two[i] = times_plus(-4, d[i], d[i + 2]);
    vec both[3]; // (x^2 - 4) (x^2 - 1)
    UNROLL for (int i = 0; i < 3; i++) both[i] = vec_sub(by_two[i + 2], by_two[i]);
    vec odd = times_plus(-0.5f, by_two[1], by_two[2]);
    vec even = times_plus(-0.5f, by_two[2], by_two[3]);
    v[0] = times_plus(-0.5f, both[0], both[1]);
    v[1] = vec_add(even, odd);
    v[2] = vec_sub(even, odd);
    vec by_one[3]; // x^2 - 1 at d[1] to d[3]
    UNROLL for (int i = 0; i < 3; i++) by_one[i] = vec_sub(d[i + 3], d[i + 1]);
    odd = times_plus(-0.5f, by_one[0], by_one[1]);
    even = times_plus(-0.5f, by_one[1], by_one[2]);
    v[3] = times_plus(2, odd, even);
    v[4] = times_plus(-2, odd, even);
    v[5] = both[1];
    v[6] = times_plus(-0.5f, both[1], both[2]);
}

// Points 0, 1, -1, 2, -2, 1/2, -1/2.
INLINE void input_side_8(const vec *d, vec *v)
{
    v[0] = times_plus(5.25f, vec_sub(d[2], d[4]), vec_sub(d[6], d[0]));
    vec odd = times_plus(-4.25f, d[3], vec_add(d[5], d[1]));
    vec even = times_plus(-4.25f, d[4], vec_add(d[6], d[2]));
    v[1] = vec_add(even, odd);
    v[2] = vec_sub(even, odd);
    odd = times_plus(0.25f, d[1], times_plus(-1.25f, d[3], d[5]));
    even = times_plus(0.25f, d[2], times_plus(-1.25f, d[4], d[6]));
    v[3] = times_plus(2, odd, even);
    v[4] = times_plus(-2, odd, even);
    odd = times_plus(4, d[1], times_plus(-5, d[3], d[5]));
    even = times_plus(4, d[2], times_plus(-5, d[4], d[6]));
    v[5] = times_plus(0.5f, odd, even);
    v[6] = times_plus(-0.5f, odd, even);
    v[7] = times_plus(5.25f, vec_sub(d[3], d[5]), vec_sub(d[7], d[1]));
}

// --- One row out, m values each; p[side - 1], of the point at infinity, enters the last one ---

INLINE void output_side_4(const vec *p, vec *y)
{
    y[0] = vec_add(p[0], vec_add(p[1], p[2]));
    y[1] = vec_add(p[3], vec_sub(p[1], p[2]));
}

INLINE void output_side_6(const vec *p, vec *y, const int m)
{
    vec even = vec_add(p[1], p[2]), odd = vec_sub(p[1], p[2]);
    y[0] = vec_add(vec_add(p[0], even), vec_add(p[3], p[4]));
    y[1] = times_plus(-2, p[4], times_plus(0.5f, p[3], odd));
    y[2] = times_plus(4, p[4], times_plus(0.25f, p[3], even));
    y[3] = times_plus(-8, p[4], times_plus(0.125f, p[3], odd));
    y[m - 1] = vec_add(y[m - 1], p[5]);
}

INLINE void output_side_7(const vec *p, vec *y, const int m)
{
    vec even = vec_add(p[1], p[2]), odd = vec_sub(p[1], p[2]);
    vec even2 = vec_add(p[3], p[4]), odd2 = vec_sub(p[3], p[4]);
    y[0] = vec_add(vec_add(p[0], p[5]), vec_add(even, even2));
    y[1] = times_plus(2, odd2, times_plus(0.5f, p[5], odd));
    y[2] = times_plus(4, even2, times_plus(0.25f, p[5], even));
    y[3] = times_plus(8, odd2, times_plus(0.125f, p[5], odd));
    y[4] = times_plus(16, even2, times_plus(0.0625f, p[5], even));
    y[m - 1] = vec_add(y[m - 1], p[6]);
}

INLINE void output_side_8(const vec *p, vec *y, const int m)
{
    vec even = vec_add(p[1], p[2]), odd = vec_sub(p[1], p[2]);
    vec even2 = vec_add(p[3], p[4]), odd2 = vec_sub(p[3], p[4]);
    vec even_half = vec_add(p[5], p[6]), odd_half = vec_sub(p[5], p[6]);
    y[0] = vec_add(vec_add(p[0], even), vec_add(even2, even_half));
    y[1] = times_plus(2, odd2, times_plus(0.5f, odd_half, odd));
    y[2] = times_plus(4, even2, times_plus(0.25f, even_half, even));
    y[3] = times_plus(8, odd2, times_plus(0.125f, odd_half, odd));
    y[4] = times_plus(16, even2, times_plus(0.0625f, even_half, even));
    y[5] = times_plus(32, odd2, times_plus(0.03125f, odd_half, odd));
    y[m - 1] = vec_add(y[m - 1], p[7]);
}

// --- Tiles ---

INLINE void input_row(const vec *d, vec *v, const int side)
{
    if (side == 4)
        input_side_4(d, v);
    else if (side == 6)
        input_side_6(d, v);
    else if (side == 7)
        input_side_7(d, v);
    else
        input_side_8(d, v);
}

INLINE void output_row(const vec *p, vec *y, const int side, const int m)
{
    if (side == 4)
        output_side_4(p, y);
    else if (side == 6)
        output_side_6(p, y, m);
    else if (side == 7)
        output_side_7(p, y, m);
    else
        output_side_8(p, y, m);
}

INLINE void input_body(const struct sqz_winograd_input *tile, const int side)
{
    for (int c = 0; c < tile->channels; c += VEC_N) {
        const int n = tile->channels - c < VEC_N ? tile->channels - c : VEC_N;
        vec half[WINDOW_MOST][WINDOW_MOST]; // [column][row]
        for (int j = 0; j < side; j++) {
            vec d[WINDOW_MOST];
            UNROLL for (int i = 0; i < side; i++)
            {
                const float *x = tile->x[i * side + j] + c;
                d[i] = n == VEC_N ? vec_load(x) : vec_load_n(x, n);
            }
            input_row(d, half[j], side);
        }
        float *v = tile->v + c;
        for (int i = 0; i < side; i++) {
            vec d[WINDOW_MOST], out[WINDOW_MOST];
            UNROLL for (int j = 0; j < side; j++) d[j] = half[j][i];
            input_row(d, out, side);
            UNROLL for (int j = 0; j < side; j++, v += tile->ldv)
            {
                if (n == VEC_N)
                    vec_store(v, out[j]);
                else
                    vec_store_n(v, out[j], n);
            }
        }
    }
}

// whole: all of the tile lies inside the map and the channels, and nothing is added to.
INLINE void output_body(const struct sqz_winograd_output *tile, const int side, const int m,
                        const bool whole)
{
    const vec least = vec_set1(tile->relu ? 0 : -INFINITY);
    const int rows = whole ? m : tile->rows, columns = whole ? m : tile->columns;
    for (int c = 0; c < tile->channels; c += VEC_N) {
        const int n = whole || tile->channels - c >= VEC_N ? VEC_N : tile->channels - c;
        vec half[WINDOW_MOST][WINDOW_MOST]; // [column][row]
        for (int j = 0; j < side; j++) {
            vec p[WINDOW_MOST];
            UNROLL for (int i = 0; i < side; i++) p[i] =
                vec_load(tile->p + (i * side + j) * tile->ldp + c);
            output_row(p, half[j], side, m);
        }
        const vec bias = tile->bias ? vec_load_n(tile->bias + c, n) : vec_zero();
        for (int i = 0; i < rows; i++) {
            vec p[WINDOW_MOST], out[WINDOW_MOST];
            UNROLL for (int j = 0; j < side; j++) p[j] = half[j][i];
            output_row(p, out, side, m);
            float *y = tile->y + i * tile->ld_row + c;
            UNROLL for (int j = 0; j < m; j++) if (j < columns)
            {
                vec value = vec_add(out[j], bias);
                if (!whole && tile->accumulate)
                    value = vec_add(vec_load_n(y + j * tile->ldy, n), value);
                vec_store_n(y + j * tile->ldy, vec_max(least, value), n);
            }
        }
    }
}

#define INPUT_CASE(side)                                                                           \
    case side:                                                                                     \
        input_body(tile, side);                                                                    \
        break;
static void winograd_input(const struct sqz_winograd_input *tile)
{
    switch (tile->side) {
        INPUT_CASE(4)
        INPUT_CASE(6)
        INPUT_CASE(7)
        INPUT_CASE(8)
    }
}

#define SIDE_AND_M(side, m) ((side) * 16 + (m))
#define OUTPUT_CASE(side, m)                                                                       \
    case SIDE_AND_M(side, m):                                                                      \
        if (whole)                                                                                 \
            output_body(tile, side, m, true);                                                      \
        else                                                                                       \
            output_body(tile, side, m, false);                                                     \
        break;
static void winograd_output(const struct sqz_winograd_output *tile)
{
    const bool whole = tile->rows == tile->m && tile->columns == tile->m &&
                       tile->channels % VEC_N == 0 && !tile->accumulate;
    switch (SIDE_AND_M(tile->side, tile->m)) {
        OUTPUT_CASE(4, 2)
        OUTPUT_CASE(6, 3)
        OUTPUT_CASE(6, 4)
        OUTPUT_CASE(7, 5)
        OUTPUT_CASE(8, 5)
        OUTPUT_CASE(8, 6)
    }
}

// In double, so that the only error of a weight is its last rounding. The compiler vectorises the
// columns for the level.
static void winograd_weights(const struct sqz_winograd_weights *group)
{
    enum { COLUMNS = SQZ_WINOGRAD_COLUMNS };
    const int side = group->side, kernel = group->kernel;
    double half[WINDOW_MOST][4][COLUMNS]; // [frequency row][kernel column]
    for (int i = 0; i < side; i++)
        for (int x = 0; x < kernel; x++) {
            double sum[COLUMNS] = {0};
            for (int y = 0; y < kernel; y++)
                for (int j = 0; j < COLUMNS; j++)
                    sum[j] += group->matrix[i][y] * (double)group->taps[y * kernel + x][j];
            for (int j = 0; j < COLUMNS; j++)
                half[i][x][j] = sum[j];
        }
    float *packed = group->packed;
    for (int i = 0; i < side; i++)
        for (int c = 0; c < side; c++, packed += group->ldf) {
            double sum[COLUMNS] = {0};
            for (int x = 0; x < kernel; x++)
                for (int j = 0; j < COLUMNS; j++)
                    sum[j] += group->matrix[c][x] * half[i][x][j];
            for (int j = 0; j < COLUMNS; j++)
                packed[j] = (float)sum[j];
        }
}

// --- Backwards, side 6: the transposes of output_side_6 and of the weights' transform ---

// The polynomial of d[0] to d[3] at the points 0, 1, -1, 1/2, -2, and its coefficient m - 1.
INLINE void spread_row(const vec *d, vec *v, const int m)
{
    vec even = vec_add(d[0], d[2]), odd = vec_add(d[1], d[3]);
    v[0] = d[0];
    v[1] = vec_add(even, odd);
    v[2] = vec_sub(even, odd);
    v[3] = times_plus(0.125f, d[3], times_plus(0.25f, d[2], times_plus(0.5f, d[1], d[0])));
    v[4] = times_plus(-8, d[3], times_plus(4, d[2], times_plus(-2, d[1], d[0])));
    v[5] = d[m - 1];
}

INLINE void gradient_body(const struct sqz_winograd_gradient *tile, const int m)
{
    for (int c = 0; c < tile->channels; c += VEC_N) {
        const int n = tile->channels - c < VEC_N ? tile->channels - c : VEC_N;
        vec half[6][4]; // [frequency row][column]
        for (int i = 0; i < tile->rows; i++)
            for (int j = 0; j < tile->columns; j++)
                __builtin_prefetch(tile->dy + i * tile->ld_row + (j + m) * tile->ldy + c);
        for (int j = 0; j < m; j++) {
            vec d[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()}, v[6];
            if (j < tile->columns)
                UNROLL for (int i = 0; i < m; i++) if (i < tile->rows)
                {
                    const float *dy = tile->dy + i * tile->ld_row + j * tile->ldy + c;
                    d[i] = n == VEC_N ? vec_load(dy) : vec_load_n(dy, n);
                }
            spread_row(d, v, m);
            UNROLL for (int i = 0; i < 6; i++) half[i][j] = v[i];
        }
        float *p = tile->p + c;
        for (int i = 0; i < 6; i++) {
            vec d[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()}, v[6];
            UNROLL for (int j = 0; j < m; j++) d[j] = half[i][j];
            spread_row(d, v, m);
            UNROLL for (int j = 0; j < 6; j++, p += tile->ldp) vec_store(p, v[j]);
        }
    }
}

static void winograd_gradient(const struct sqz_winograd_gradient *tile)
{
    if (tile->m == 4)
        gradient_body(tile, 4);
    else
        gradient_body(tile, 3);
}

INLINE void gather_body(const struct sqz_winograd_gather *sums, const int kernel)
{
    vec matrix[6][4];
    UNROLL for (int i = 0; i < 6; i++)
        UNROLL for (int x = 0; x < kernel; x++) matrix[i][x] = vec_set1(sums->matrix[i][x]);
    for (int c = 0; c < sums->columns; c += VEC_N) {
        const int n = sums->columns - c < VEC_N ? sums->columns - c : VEC_N;
        vec half[4][6]; // [kernel row][frequency column]
        for (int j = 0; j < 6; j++) {
            const float *du = sums->du + j * sums->ldf + c;
            vec sum[4];
            UNROLL for (int y = 0; y < kernel; y++) sum[y] = vec_zero();
            UNROLL for (int i = 0; i < 6; i++)
            {
                vec d = vec_load(du + 6 * i * sums->ldf);
                UNROLL for (int y = 0; y < kernel; y++) sum[y] = vec_fma(matrix[i][y], d, sum[y]);
            }
            UNROLL for (int y = 0; y < kernel; y++) half[y][j] = sum[y];
        }
        for (int y = 0; y < kernel; y++)
            UNROLL for (int x = 0; x < kernel; x++)
            {
                float *tap = sums->taps[y * kernel + x];
                if (!tap)
                    continue;
                vec sum = vec_load_n(tap + c, n);
                UNROLL for (int j = 0; j < 6; j++) sum = vec_fma(matrix[j][x], half[y][j], sum);
                vec_store_n(tap + c, sum, n);
            }
    }
}

static void winograd_gather(const struct sqz_winograd_gather *sums)
{
    if (sums->kernel == 3)
        gather_body(sums, 3);
    else
        gather_body(sums, 4);
}

static void fill_winograd(struct sqz_kernels *k)
{
    k->winograd_input = winograd_input;
    k->winograd_output = winograd_output;
    k->winograd_weights = winograd_weights;
    k->winograd_gradient = winograd_gradient;
    k->winograd_gather = winograd_gather;
}
