// The NEON level of Winograd's transforms.
#include "kernels/vec_neon.h"

#include "kernels/winograd/transforms_tmpl.h"

void sqz_winograd_fill_neon(struct sqz_kernels *k)
{
    fill_winograd(k);
}
