// Micro-kernels of 6 rows of 16 columns, for levels whose vectors have 8 floats. Include
// vec_<level>.h before it; the including file then fills its level's table.
//
// The macro's uses stand in lists, which clang-format would stagger.
// clang-format off
enum { MR = 6, NR = 16 };
#define FOR_ROWS(X, ...) \
    X(1, __VA_ARGS__) X(2, __VA_ARGS__) X(3, __VA_ARGS__) X(4, __VA_ARGS__) X(5, __VA_ARGS__) \
    X(6, __VA_ARGS__)
#include "kernels/gemm_tmpl.h"

DEFINE_GEMM(gemm, 2)
DEFINE_OUTER(outer, 2)

static void fill_gemm(struct sqz_kernels *k)
{
    k->mr = MR;
    k->nr = NR;
    k->gemm = gemm;
    k->gemm_half = NULL;
    k->outer = outer;
    k->outer_half = NULL;
    k->sparse = sparse;
    k->nonzeros = nonzeros;
    k->fma_burst = fma_burst;
}
