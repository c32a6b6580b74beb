// The integer engine with AVX VNNI: vpdpbusd multiplies 32 bytes and adds them to 8 sums. With it,
// multiplying bytes is as fast as Winograd's multiplications of 16 bits.
#ifndef __AVXVNNI__
#error "needs -mavxvnni"
#endif
#include "kernels/integer/integer_vec256.h"

#include "kernels/integer/integer_x86_tmpl.h"

const struct sqz_integer_kernels sqz_integer_avxvnni = {SQZ_CPU_AVX_VNNI, false,       NULL,
                                                        run_line,         run_classes, maximum};
