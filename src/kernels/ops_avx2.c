// The AVX2 level of everything but the micro-kernels.
#include "kernels/vec_avx2.h"

#include "kernels/ops_tmpl.h"

void sqz_ops_fill_avx2(struct sqz_kernels *k)
{
    fill_ops(k);
}
