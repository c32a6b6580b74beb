// The kernel checker's tools: levels, guarded buffers, seeded numbers, comparisons.
#ifndef CHECK_H
#define CHECK_H

#include "kernels/kernels.h"

// The double-precision truth.
#define SQZ_REAL      double
#define SQZ_REF(name) name##_truth
#include "kernels/ref_tmpl.h"
#undef SQZ_REAL
#undef SQZ_REF

extern bool check_reduced; // under the sanitizers: smaller shapes, fewer sizes

// Buffers that end at an inaccessible page and start after one, so that a read or write out of
// bounds is a fault. Freed all at once.
float *guarded_floats(size_t n);
uint8_t *guarded_bytes(size_t n);
void guarded_free_all(void);

// Numbers in (-1, 1), the same in every run.
void random_seed(uint64_t seed);
float random_number(void);
int random_below(int n);
float *random_floats(size_t n);        // guarded
void fill_pattern(float *x, size_t n); // a bit pattern that no kernel computes
bool is_pattern(float x);
double *to_double(const float *x, size_t n, bool absolute); // malloc'ed

// One failure message per call of check_begin at most; all are counted.
void check_begin(const char *format, ...) __attribute__((format(printf, 1, 2)));
// |got - want| <= c * eps * terms, `terms` being the sum of the absolute terms.
void check_close(float got, double want, double terms, double c, const char *what, size_t where);
void check_true(bool ok, const char *what, size_t where);
int check_failures(void);
long check_comparisons(void);

// The factor c for a float sum of n terms in any order: rounding errors partly cancel.
double sum_factor(size_t n);

// Every family checks one level's table; `below` is the next lower level's, or NULL.
void check_gemm(const struct sqz_kernels *k, const struct sqz_kernels *below);
void check_conv(const struct sqz_kernels *k, const struct sqz_kernels *below);
void check_ops(const struct sqz_kernels *k, const struct sqz_kernels *below);
void check_pool(const struct sqz_kernels *k, const struct sqz_kernels *below);
void check_winograd(const struct sqz_kernels *k, const struct sqz_kernels *below);
void check_sparse(const struct sqz_kernels *k, const struct sqz_kernels *below);
// The layers whose name contains `part`.
void bench_layers(const struct sqz_kernels *k, const char *part);
// Their 3x3 convolutions, directly and by every Winograd tile.
void bench_winograd(const struct sqz_kernels *k, const char *part);

// The convolutions of SqueezeNet (shapes.c).
struct layer_shape {
    const char *name;
    struct sqz_conv conv;
    int ldy; // of the tensor that it writes a slice of
};
extern const struct layer_shape layer_shapes[];
extern const int n_layer_shapes;

#endif
