// The AVX-512 level of Winograd's transforms.
#include "kernels/vec_avx512.h"

#include "kernels/winograd/transforms_tmpl.h"

void sqz_winograd_fill_avx512(struct sqz_kernels *k)
{
    fill_winograd(k);
}
