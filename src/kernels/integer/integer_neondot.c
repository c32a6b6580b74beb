// The same with sdot, which processors have from Armv8.4 on, and many before.
#ifndef __ARM_FEATURE_DOTPROD
#error "needs -march=armv8.2-a+dotprod"
#endif
#define DEFINE_LEVEL sqz_integer_neondot
#define LEVEL        SQZ_CPU_NEON_DOT
#include "kernels/integer/integer_neon_tmpl.h"
