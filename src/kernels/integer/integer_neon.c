// The NEON level of the integer engine for every 64-bit Arm processor.
#define DEFINE_LEVEL sqz_integer_neon
#define LEVEL        SQZ_CPU_NEON
#include "kernels/integer/integer_neon_tmpl.h"
