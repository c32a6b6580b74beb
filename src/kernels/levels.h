// What each instruction-set level contributes to the table; private to src/kernels.
#ifndef SQZ_KERNELS_LEVELS_H
#define SQZ_KERNELS_LEVELS_H

#include "kernels/kernels.h"

// Each overwrites the entries that its level improves.
void sqz_gemm_fill_ref(struct sqz_kernels *k);
void sqz_gemm_fill_avx2(struct sqz_kernels *k);
void sqz_gemm_fill_avx512(struct sqz_kernels *k);
void sqz_gemm_fill_neon(struct sqz_kernels *k);
void sqz_gemm_fill_wasm(struct sqz_kernels *k);
void sqz_winograd_fill_ref(struct sqz_kernels *k);
void sqz_winograd_fill_avx2(struct sqz_kernels *k);
void sqz_winograd_fill_avx512(struct sqz_kernels *k);
void sqz_winograd_fill_neon(struct sqz_kernels *k);
void sqz_ops_fill_ref(struct sqz_kernels *k);
void sqz_ops_fill_avx2(struct sqz_kernels *k);
void sqz_ops_fill_avx512(struct sqz_kernels *k);
void sqz_ops_fill_neon(struct sqz_kernels *k);

#endif
