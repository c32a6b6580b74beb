// The AVX-512 level of everything but the micro-kernels.
#include "kernels/vec_avx512.h"

#include "kernels/ops_tmpl.h"

void sqz_ops_fill_avx512(struct sqz_kernels *k)
{
    fill_ops(k);
}
