// The AVX2 level of Winograd's transforms.
#include "kernels/vec_avx2.h"

#include "kernels/winograd/transforms_tmpl.h"

void sqz_winograd_fill_avx2(struct sqz_kernels *k)
{
    fill_winograd(k);
}
