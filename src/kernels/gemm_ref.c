// The reference micro-kernels: the definitions in kernels.h, word for word.
#include "kernels/levels.h"

enum { MR = 4, NR = 16 };

static void gemm_row(const struct sqz_gemm *gemm, const float *const *a, float *c)
{
    float sum[NR] = {0};
    for (int j = 0; j < gemm->columns; j++)
        sum[j] = gemm->bias ? gemm->bias[j] : 0;
    const float *b = gemm->b;
    for (int t = 0; t < gemm->taps; t++)
        for (int k = 0; k < gemm->depth; k++, b += NR)
            for (int j = 0; j < NR; j++)
                sum[j] += a[t * MR][gemm->from + k] * b[j];
    for (int j = 0; j < gemm->columns; j++)
        sum[j] = gemm->accumulate ? c[j] + sum[j] : sum[j];
    for (int j = 0; j < gemm->columns; j++)
        c[j] = gemm->relu && sum[j] < 0 ? 0 : sum[j];
}

static void gemm(const struct sqz_gemm *gemm)
{
    float *c = gemm->c;
    for (int n = 0; n < gemm->tiles; n++) {
        const float *const *a = gemm->a + n * gemm->taps * MR;
        for (int i = 0; i < gemm->rows + (n < gemm->larger); i++, c += gemm->ldc)
            gemm_row(gemm, a + i, c);
    }
}

static void outer(const struct sqz_outer_tile *tile)
{
    for (int i = 0; i < tile->rows; i++) {
        float *c = tile->c + i * tile->ldc;
        float sum[NR] = {0};
        for (int r = 0; r < tile->runs; r++)
            for (int k = 0; k < tile->depth; k++)
                for (int j = 0; j < NR; j++)
                    sum[j] += tile->a[r][k * tile->lda + i] * tile->b[r][k * tile->ldb + j];
        for (int j = 0; j < tile->columns; j++)
            c[j] += sum[j];
    }
}

static void sparse(const struct sqz_sparse_row *row)
{
    for (int j = 0; j < row->columns; j++) {
        const float *b = row->b + j / row->width * row->ld_panel + j % row->width;
        float sum = row->from ? row->from[j] : 0;
        for (int i = 0; i < row->n; i++)
            sum += row->values[i] * b[row->at[i] * row->ldb];
        row->c[j] = row->relu && sum < 0 ? 0 : sum;
    }
}

static int nonzeros(const float *x, int channels, float *values, int32_t *at)
{
    int n = 0;
    for (int c = 0; c < channels; c++)
        if (x[c] != 0) {
            values[n] = x[c];
            at[n++] = c;
        }
    return n;
}

static double fma_burst(long iterations)
{
    float sum[NR] = {0};
    volatile float seed = 0.5f;
    float x = seed;
    for (long n = 0; n < iterations; n++)
        for (int j = 0; j < NR; j++)
            sum[j] = sum[j] * x + x;
    for (int j = 1; j < NR; j++)
        sum[0] += sum[j];
    seed = sum[0];
    return 2.0 * NR * (double)iterations;
}

void sqz_gemm_fill_ref(struct sqz_kernels *k)
{
    k->mr = MR;
    k->nr = NR;
    k->gemm = gemm;
    k->gemm_half = NULL;
    k->outer = outer;
    k->outer_half = NULL;
    k->sparse = sparse;
    k->nonzeros = nonzeros;
    k->fma_burst = fma_burst;
}
