// The micro-kernels over the vector operations of vec_<level>.h. Before it, include that header and
// define MR (rows of a tile) and FOR_ROWS(X, ...) as X(1, ...) ... X(MR, ...).
//
// Everything is inlined into one function per (rows, vectors per panel row), both constants, so
// that the accumulators c[row][vector] are registers and a tile with fewer rows costs less.
//
// clang-format takes UNROLL for a statement and would break the loops after it.
// clang-format off
#include "kernels/levels.h"

#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#define KEEP_REGISTERS
#else
#define UNROLL _Pragma("GCC unroll 16")
// gcc 12 otherwise keeps one vector of weights on the stack in the AVX-512 loops.
#define KEEP_REGISTERS __attribute__((optimize("no-gcse")))
#endif

// Lanes of vector v that lie left of column `columns`.
INLINE int lanes(int columns, int v)
{
    int n = columns - v * VEC_N;
    return n < 0 ? 0 : n < VEC_N ? n : VEC_N;
}

// The tile is first needed when the sums are done: its lines arrive meanwhile.
INLINE void prefetch_tile(const float *c, ptrdiff_t ld, const int rows, const int vectors)
{
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int v = 0; v < vectors; v += 16 / VEC_N)
            __builtin_prefetch(c + i * ld + v * VEC_N, 1);
}

// to = sum, or to += sum
INLINE void store_tile(float *to, ptrdiff_t ld, int columns, vec sum[MR][2], bool add, bool relu,
                       const int rows, const int vectors)
{
    const bool whole = columns == vectors * VEC_N;
    if (whole && add && !relu) {
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int v = 0; v < vectors; v++) {
                float *p = to + i * ld + v * VEC_N;
                vec_store(p, vec_add(vec_load(p), sum[i][v]));
            }
    } else if (whole && !add) {
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int v = 0; v < vectors; v++)
                vec_store(to + i * ld + v * VEC_N, relu ? vec_relu(sum[i][v]) : sum[i][v]);
    } else {
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int v = 0; v < vectors; v++) {
                float *p = to + i * ld + v * VEC_N;
                int n = lanes(columns, v);
                vec total = add ? vec_add(vec_load_n(p, n), sum[i][v]) : sum[i][v];
                vec_store_n(p, relu ? vec_relu(total) : total, n);
            }
    }
}

// Weights that only the third-level cache holds come one page after the other, too short for the
// hardware to see them coming.
enum { AHEAD = 1024 };

INLINE void gemm_body(const struct sqz_gemm *gemm, const float *const *a, float *to,
                      const int rows, const int vectors)
{
    vec c[MR][2];
    prefetch_tile(to, gemm->ldc, rows, vectors);
    vec init[2] = {vec_zero(), vec_zero()};
    if (gemm->bias)
        UNROLL for (int v = 0; v < vectors; v++)
            init[v] = vec_load_n(gemm->bias + v * VEC_N, lanes(gemm->columns, v));
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int v = 0; v < vectors; v++)
            c[i][v] = init[v];
    const float *b = gemm->b;
    const ptrdiff_t from = gemm->from, end = from + gemm->depth;
    for (int t = gemm->taps; t > 0; t--, a += MR) {
        const float *row[MR];
        UNROLL for (int i = 0; i < rows; i++)
            row[i] = a[i];
        for (ptrdiff_t k = from; k < end; k++, b += vectors * VEC_N) {
            vec w[2];
            UNROLL for (int v = 0; v < vectors * VEC_N; v += 16)
                __builtin_prefetch(b + AHEAD + v);
            UNROLL for (int v = 0; v < vectors; v++)
                w[v] = vec_load(b + v * VEC_N);
            UNROLL for (int i = 0; i < rows; i++) {
                vec x = vec_set1(row[i][k]);
                UNROLL for (int v = 0; v < vectors; v++)
                    c[i][v] = vec_fma(x, w[v], c[i][v]);
            }
        }
    }
    store_tile(to, gemm->ldc, gemm->columns, c, gemm->accumulate, gemm->relu, rows, vectors);
}

INLINE void outer_body(const struct sqz_outer_tile *tile, const int rows, const int vectors)
{
    vec c[MR][2];
    prefetch_tile(tile->c, tile->ldc, rows, vectors);
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int v = 0; v < vectors; v++)
            c[i][v] = vec_zero();
    const ptrdiff_t lda = tile->lda, ldb = tile->ldb;
    for (int r = 0; r < tile->runs; r++) {
        const float *a = tile->a[r], *b = tile->b[r];
        for (int k = tile->depth; k > 0; k--, a += lda, b += ldb) {
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
    store_tile(tile->c, tile->ldc, tile->columns, c, true, false, rows, vectors);
}

INLINE void sparse_body(const struct sqz_sparse_row *row, const int panels, const int vectors,
                        const bool whole)
{
    vec c[SQZ_SPARSE_PANELS][2];
    const int width = vectors * VEC_N;
    UNROLL for (int p = 0; p < panels; p++)
        UNROLL for (int v = 0; v < vectors; v++)
            c[p][v] = row->from ? vec_load_n(row->from + p * width + v * VEC_N,
                                             lanes(row->columns - p * width, v))
                                : vec_zero();
    const ptrdiff_t ldb = row->ldb, ld_panel = row->ld_panel;
    for (int i = 0; i < row->n; i++) {
        const float *b = row->b + row->at[i] * ldb;
        vec x = vec_set1(row->values[i]);
        UNROLL for (int p = 0; p < panels; p++)
            UNROLL for (int v = 0; v < vectors; v++) {
                const float *w = b + p * ld_panel + v * VEC_N;
                vec wide = whole ? vec_load(w) : vec_load_n(w, lanes(row->columns, v));
                c[p][v] = vec_fma(x, wide, c[p][v]);
            }
    }
    UNROLL for (int p = 0; p < panels; p++)
        UNROLL for (int v = 0; v < vectors; v++)
            vec_store_n(row->c + p * width + v * VEC_N, row->relu ? vec_relu(c[p][v]) : c[p][v],
                        lanes(row->columns - p * width, v));
}

#define SPARSE_CASE(n, row, vectors) \
    case n: \
        sparse_body(row, n, vectors, true); \
        break;
// All panels of a row are equally wide.
static void sparse(const struct sqz_sparse_row *row)
{
    const int panels = (row->columns + row->width - 1) / row->width;
    if (!row->padded && row->columns % row->width)
        sparse_body(row, 1, NR / VEC_N, false);
    else if (row->width == NR)
        switch (panels) {
            SPARSE_CASE(1, row, NR / VEC_N)
            SPARSE_CASE(2, row, NR / VEC_N)
            SPARSE_CASE(3, row, NR / VEC_N)
            SPARSE_CASE(4, row, NR / VEC_N)
        }
    else // a last one of half the width
        sparse_body(row, 1, 16 / VEC_N, true);
}

static int nonzeros(const float *x, int channels, float *values, int32_t *at)
{
    int n = 0;
    for (int c = 0; c < channels; c += VEC_N)
        n += vec_store_nonzero(values + n, at + n, c,
                               vec_load_n(x + c, channels - c < VEC_N ? channels - c : VEC_N));
    return n;
}

// Functions for panels `vectors` wide that pick the body for a tile's number of rows.
#define GEMM_CASE(n, vectors) \
    case n: \
        gemm_body(gemm, a, c, n, vectors); \
        break;
#define DEFINE_GEMM(name, vectors) \
    KEEP_REGISTERS static void name(const struct sqz_gemm *gemm) \
    { \
        const float *const *a = gemm->a; \
        float *c = gemm->c; \
        for (int i = 0; i < gemm->tiles; i++) { \
            const int rows = gemm->rows + (i < gemm->larger); \
            switch (rows) { FOR_ROWS(GEMM_CASE, vectors) } \
            a += gemm->taps * MR; \
            c += rows * gemm->ldc; \
        } \
    }
#define OUTER_CASE(n, vectors) \
    case n: \
        outer_body(tile, n, vectors); \
        break;
#define DEFINE_OUTER(name, vectors) \
    KEEP_REGISTERS static void name(const struct sqz_outer_tile *tile) \
    { \
        switch (tile->rows) { FOR_ROWS(OUTER_CASE, vectors) } \
    }

static double fma_burst(long iterations)
{
    volatile float seed = 0.5f; // unknown at each reading, or the chains would merge into one
    vec x = vec_set1(seed), c[12];
    UNROLL for (int i = 0; i < 12; i++)
        c[i] = vec_set1(seed);
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
