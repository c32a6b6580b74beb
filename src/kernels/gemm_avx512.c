// The AVX-512 micro-kernels: 12 rows of 32 (or 16) columns in 24 of the 32 registers. More rows
// would fit there, but not their pointers into the 16 general registers.
//
// The macro's uses stand in lists, which clang-format would stagger.
// clang-format off
#include "kernels/vec_avx512.h"

enum { MR = 12, NR = 32 };
#define FOR_ROWS(X, ...) \
    X(1, __VA_ARGS__) X(2, __VA_ARGS__) X(3, __VA_ARGS__) X(4, __VA_ARGS__) X(5, __VA_ARGS__) \
    X(6, __VA_ARGS__) X(7, __VA_ARGS__) X(8, __VA_ARGS__) X(9, __VA_ARGS__) X(10, __VA_ARGS__) \
    X(11, __VA_ARGS__) X(12, __VA_ARGS__)
#include "kernels/gemm_tmpl.h"

DEFINE_GEMM(gemm, 2)
DEFINE_GEMM(gemm_half, 1)
DEFINE_OUTER(outer, 2)
DEFINE_OUTER(outer_half, 1)

void sqz_gemm_fill_avx512(struct sqz_kernels *k)
{
    k->mr = MR;
    k->nr = NR;
    k->gemm = gemm;
    k->gemm_half = gemm_half;
    k->outer = outer;
    k->outer_half = outer_half;
    k->sparse = sparse;
    k->nonzeros = nonzeros;
    k->fma_burst = fma_burst;
}
