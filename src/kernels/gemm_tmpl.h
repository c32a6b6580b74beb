// The micro-kernels over the vector operations of vec_<level>.h. Before it, include that header and
// define MR (rows of a tile) and FOR_ROWS(X, ...) as X(1, ...) ... X(MR, ...).
//
// Everything is inlined into one function per (rows, vectors per panel row), both constants, so that
// the accumulators c[row][vector] are registers and a tile with fewer rows costs less.
#include "kernels/levels.h"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

// Lanes of vector v that lie left of column `columns`.
INLINE int lanes(int columns, int v)
{
    int n = columns - v * VEC_N;
    return n < 0 ? 0 : n < VEC_N ? n : VEC_N;
}

INLINE void load_tile(vec c[MR][2], const float *from, ptrdiff_t ld, int columns, const int rows,
                      const int vectors)
{
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int v = 0; v < vectors; v++)
            c[i][v] = vec_load_n(from + i * ld + v * VEC_N, lanes(columns, v));
}

INLINE void store_tile(float *to, ptrdiff_t ld, int columns, vec c[MR][2], const int rows,
                       const int vectors)
{
    if (columns == vectors * VEC_N) {
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int v = 0; v < vectors; v++)
                vec_store(to + i * ld + v * VEC_N, c[i][v]);
    } else {
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int v = 0; v < vectors; v++)
                vec_store_n(to + i * ld + v * VEC_N, c[i][v], lanes(columns, v));
    }
}

INLINE void gemm_body(const struct sqz_gemm_tile *tile, const int rows, const int vectors)
{
    vec c[MR][2];
    if (tile->accumulate)
        load_tile(c, tile->c, tile->ldc, tile->columns, rows, vectors);
    else if (tile->bias)
        load_tile(c, tile->bias, 0, tile->columns, rows, vectors);
    else
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int v = 0; v < vectors; v++)
                c[i][v] = vec_zero();

    const float *b = tile->b;
    const float *const *a = tile->a;
    const ptrdiff_t depth = tile->depth;
    for (int t = tile->taps; t > 0; t--, a += MR) {
        const float *row[MR];
        UNROLL for (int i = 0; i < rows; i++)
            row[i] = a[i];
        for (ptrdiff_t k = 0; k < depth; k++, b += vectors * VEC_N) {
            vec w[2];
            UNROLL for (int v = 0; v < vectors; v++)
                w[v] = vec_load(b + v * VEC_N);
            UNROLL for (int i = 0; i < rows; i++) {
                vec x = vec_set1(row[i][k]);
                UNROLL for (int v = 0; v < vectors; v++)
                    c[i][v] = vec_fma(x, w[v], c[i][v]);
            }
        }
    }
    if (tile->relu)
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int v = 0; v < vectors; v++)
                c[i][v] = vec_relu(c[i][v]);
    store_tile(tile->c, tile->ldc, tile->columns, c, rows, vectors);
}

INLINE void outer_body(const struct sqz_outer_tile *tile, const int rows, const int vectors)
{
    vec c[MR][2];
    load_tile(c, tile->c, tile->ldc, tile->columns, rows, vectors);
    const ptrdiff_t lda = tile->lda;
    for (int r = 0; r < tile->runs; r++) {
        const float *a = tile->a[r], *b = tile->b[r];
        for (int k = tile->depth; k > 0; k--, a += lda, b += vectors * VEC_N) {
            vec w[2];
            UNROLL for (int v = 0; v < vectors; v++)
                w[v] = vec_load(b + v * VEC_N);
            UNROLL for (int i = 0; i < rows; i++) {
                vec x = vec_set1(a[i]);
                UNROLL for (int v = 0; v < vectors; v++)
                    c[i][v] = vec_fma(x, w[v], c[i][v]);
            }
        }
    }
    store_tile(tile->c, tile->ldc, tile->columns, c, rows, vectors);
}

#define CASE(n, body, tile, vectors) \
    case n: \
        body(tile, n, vectors); \
        break;
// A function for panels `vectors` wide that picks the body for the tile's number of rows.
#define DEFINE_KERNEL(name, type, body, vectors) \
    static void name(const struct type *tile) \
    { \
        switch (tile->rows) { FOR_ROWS(CASE, body, tile, vectors) } \
    }

static double fma_burst(long iterations)
{
    volatile float seed = 0.5f; // unknown to the compiler, and keeps the sums from growing
    vec x = vec_set1(seed), c[12];
    UNROLL for (int i = 0; i < 12; i++)
        c[i] = vec_zero();
    for (long n = 0; n < iterations; n++)
        UNROLL for (int i = 0; i < 12; i++)
            c[i] = vec_fma(c[i], x, x);
    for (int i = 1; i < 12; i++)
        c[0] = vec_add(c[0], c[i]);
    float lane[VEC_N];
    vec_store(lane, c[0]);
    seed = lane[0];
    return 2.0 * 12 * VEC_N * (double)iterations;
}
