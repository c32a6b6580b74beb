// The micro-kernels in WebAssembly's 128-bit vectors: the reference level's sums in its order, four
// columns at once. WebAssembly has no fused multiply-add that is the same everywhere, and the
// reference does not want one, so that every bit is the reference's. Built into the module of web/
// only.
//
// clang-format takes UNROLL for a statement and would break the loops after it.
// clang-format off
#include "kernels/levels.h"

#include <wasm_simd128.h>

#define SQZ_REAL      float
#define SQZ_REF(name) name##_ref
#include "kernels/ref_tmpl.h"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

// A tile is computed in halves of 8 columns: 4 x 2 sums, 2 weights and a factor fit into the 16
// registers of x86-64's SSE.
enum { MR = 4, NR = 16, HALF = 8, LANES = 4 };

// c < 0 ? 0 : c, so that NaN stays.
INLINE v128_t relu_of(v128_t x)
{
    return wasm_v128_andnot(x, wasm_f32x4_lt(x, wasm_f32x4_const_splat(0)));
}

// The first n lanes; whole vectors are the usual case.
static __attribute__((noinline)) v128_t load_some(const float *p, int n)
{
    float lanes[LANES] = {0};
    for (int i = 0; i < n; i++)
        lanes[i] = p[i];
    return wasm_v128_load(lanes);
}

static __attribute__((noinline)) void store_some(float *p, v128_t x, int n)
{
    float lanes[LANES];
    wasm_v128_store(lanes, x);
    for (int i = 0; i < n; i++)
        p[i] = lanes[i];
}

INLINE v128_t load_n(const float *p, int n)
{
    return n >= LANES ? wasm_v128_load(p) : load_some(p, n);
}

INLINE void store_n(float *p, v128_t x, int n)
{
    if (n >= LANES)
        wasm_v128_store(p, x);
    else
        store_some(p, x, n);
}

// Columns first .. first + 7 of one tile. (Inference never accumulates.)
INLINE void half_tile(const struct sqz_gemm *gemm, const float *const *a, float *c, int first,
                      const int rows)
{
    v128_t sum[MR][2];
    const int columns = gemm->columns - first;
    UNROLL for (int v = 0; v < 2; v++) {
        v128_t start = wasm_f32x4_const_splat(0);
        if (gemm->bias)
            start = load_n(gemm->bias + first + v * LANES, columns - v * LANES);
        UNROLL for (int i = 0; i < rows; i++)
            sum[i][v] = start;
    }
    const float *b = gemm->b + first;
    for (int t = 0; t < gemm->taps; t++, a += MR) {
        const float *row[MR];
        UNROLL for (int i = 0; i < rows; i++)
            row[i] = a[i] + gemm->from;
        for (int k = 0; k < gemm->depth; k++, b += NR) {
            const v128_t b0 = wasm_v128_load(b), b1 = wasm_v128_load(b + LANES);
            UNROLL for (int i = 0; i < rows; i++) {
                const v128_t x = wasm_v128_load32_splat(row[i] + k);
                sum[i][0] = wasm_f32x4_add(sum[i][0], wasm_f32x4_mul(x, b0));
                sum[i][1] = wasm_f32x4_add(sum[i][1], wasm_f32x4_mul(x, b1));
            }
        }
    }
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int v = 0; v < 2; v++) {
            const v128_t total = gemm->relu ? relu_of(sum[i][v]) : sum[i][v];
            store_n(c + i * gemm->ldc + first + v * LANES, total, columns - v * LANES);
        }
}

#define TILE_CASE(n) \
    case n: \
        half_tile(gemm, a, c, 0, n); \
        if (gemm->columns > HALF) \
            half_tile(gemm, a, c, HALF, n); \
        break;

static void gemm(const struct sqz_gemm *gemm)
{
    const float *const *a = gemm->a;
    float *c = gemm->c;
    for (int i = 0; i < gemm->tiles; i++) {
        const int rows = gemm->rows + (i < gemm->larger);
        switch (rows) {
            TILE_CASE(1)
            TILE_CASE(2)
            TILE_CASE(3)
            TILE_CASE(4)
        }
        a += (ptrdiff_t)gemm->taps * MR;
        c += rows * gemm->ldc;
    }
}

// One panel of a row, or what there is of it.
INLINE void sparse_panel(const struct sqz_sparse_row *row, const float *b, int first)
{
    v128_t sum[NR / LANES];
    const int columns = row->columns - first < NR ? row->columns - first : NR;
    UNROLL for (int v = 0; v < NR / LANES; v++)
        sum[v] = row->from ? load_n(row->from + first + v * LANES, columns - v * LANES)
                           : wasm_f32x4_const_splat(0);
    for (int i = 0; i < row->n; i++) {
        const v128_t x = wasm_v128_load32_splat(row->values + i);
        const float *from = b + row->at[i] * row->ldb;
        UNROLL for (int v = 0; v < NR / LANES; v++)
            sum[v] = wasm_f32x4_add(sum[v], wasm_f32x4_mul(x, wasm_v128_load(from + v * LANES)));
    }
    for (int v = 0; v < NR / LANES && v * LANES < columns; v++)
        store_n(row->c + first + v * LANES, row->relu ? relu_of(sum[v]) : sum[v],
                columns - v * LANES);
}

// Inference packs whole panels of NR, so that a row's weights can always be read to its width.
static void sparse(const struct sqz_sparse_row *row)
{
    for (int first = 0; first < row->columns; first += NR)
        sparse_panel(row, row->b + first / NR * row->ld_panel, first);
}

static int nonzeros(const float *x, int channels, float *values, int32_t *at)
{
    int n = 0;
    for (int c = 0; c < channels; c++) { // always written, and kept where it is not zero
        values[n] = x[c];
        at[n] = c;
        n += x[c] != 0;
    }
    return n;
}

// The largest of `rows` x `columns` pixels, four channels from x on; a NaN wins, as in the
// reference.
INLINE v128_t largest(const float *x, ptrdiff_t ldx, ptrdiff_t ld_row, int rows, int columns, int n)
{
    v128_t best = load_n(x, n);
    for (int ky = 0; ky < rows; ky++)
        for (int kx = 0; kx < columns; kx++) {
            const v128_t v = load_n(x + ky * ld_row + kx * ldx, n);
            const v128_t wins = wasm_v128_or(wasm_f32x4_gt(v, best), wasm_f32x4_ne(v, v));
            best = wasm_v128_bitselect(v, best, wins);
        }
    return best;
}

// Inference wants no index.
static void maxpool(const struct sqz_pool2d *pool, const float *x, ptrdiff_t ldx, float *y,
                    ptrdiff_t ldy, uint8_t *index)
{
    (void)index;
    for (int oy = 0; oy < pool->out_h; oy++)
        for (int ox = 0; ox < pool->out_w; ox++, y += ldy) {
            const int y0 = oy * pool->stride, x0 = ox * pool->stride;
            const int below = pool->in_h - y0, right = pool->in_w - x0;
            const int rows = pool->kernel < below ? pool->kernel : below;
            const int columns = pool->kernel < right ? pool->kernel : right;
            const float *from = x + ((ptrdiff_t)y0 * pool->in_w + x0) * ldx;
            for (int c = 0; c < pool->channels; c += LANES) {
                const int n = pool->channels - c;
                store_n(y + c, largest(from + c, ldx, pool->in_w * ldx, rows, columns, n), n);
            }
        }
}

// What inference needs, and nothing else: the module is small.
void sqz_gemm_fill_wasm(struct sqz_kernels *k)
{
    *k = (struct sqz_kernels){.level = SQZ_CPU_REF};
    k->mr = MR;
    k->nr = NR;
    k->gemm = gemm;
    k->sparse = sparse;
    k->nonzeros = nonzeros;
    k->maxpool = maxpool;
    k->add = add_ref;
    k->channel_mean = channel_mean_ref;
}
