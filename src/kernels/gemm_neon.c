// The NEON micro-kernels: a tile's sums take 24 of the 32 registers.
#include "kernels/vec_neon.h"

#include "kernels/gemm_6x16_tmpl.h"

void sqz_gemm_fill_neon(struct sqz_kernels *k)
{
    fill_gemm(k);
}
