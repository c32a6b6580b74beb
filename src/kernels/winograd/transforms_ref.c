// The reference level of Winograd's transforms: vectors of one float.
enum { VEC_N = 1 };
typedef float vec;

static inline vec vec_zero(void)
{
    return 0;
}
static inline vec vec_set1(float x)
{
    return x;
}
static inline vec vec_load(const float *p)
{
    return *p;
}
static inline void vec_store(float *p, vec x)
{
    *p = x;
}
static inline vec vec_load_n(const float *p, int n)
{
    return n > 0 ? *p : 0;
}
static inline void vec_store_n(float *p, vec x, int n)
{
    if (n > 0)
        *p = x;
}
static inline vec vec_add(vec a, vec b)
{
    return a + b;
}
static inline vec vec_sub(vec a, vec b)
{
    return a - b;
}
static inline vec vec_fma(vec a, vec b, vec c)
{
    return a * b + c;
}
static inline vec vec_max(vec a, vec b)
{
    return a > b ? a : b;
}

#include "kernels/winograd/transforms_tmpl.h"

void sqz_winograd_fill_ref(struct sqz_kernels *k)
{
    fill_winograd(k);
}
