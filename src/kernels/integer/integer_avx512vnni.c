// The integer engine with AVX-512 VNNI: vpdpbusd multiplies 64 bytes and adds them to 16 sums. With
// it, multiplying bytes is as fast as Winograd's multiplications of 16 bits.
#ifndef __AVX512VNNI__
#error "needs -mavx512vnni"
#endif
#include "kernels/integer/integer_vec512.h"

#include "kernels/integer/integer_x86_tmpl.h"

const struct sqz_integer_kernels sqz_integer_avx512vnni = {
    SQZ_CPU_AVX512_VNNI, false, NULL, run_line, run_classes, maximum};
