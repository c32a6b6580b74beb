// The AVX2 micro-kernels: a tile's sums take 12 of the 16 registers.
#include "kernels/vec_avx2.h"

#include "kernels/gemm_6x16_tmpl.h"

void sqz_gemm_fill_avx2(struct sqz_kernels *k)
{
    fill_gemm(k);
}
