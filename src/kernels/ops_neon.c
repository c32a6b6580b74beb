// The NEON level of everything but the micro-kernels.
#include "kernels/vec_neon.h"

#include "kernels/ops_tmpl.h"

void sqz_ops_fill_neon(struct sqz_kernels *k)
{
    fill_ops(k);
}
