// The vector operations of the *_tmpl.h in AVX2 and FMA: 8 floats.
//
// One operation a line, which clang-format would spread over four.
// clang-format off
#ifndef SQZ_KERNELS_VEC_AVX2_H
#define SQZ_KERNELS_VEC_AVX2_H

#if !defined __AVX2__ || !defined __FMA__
#error "compile this file with -mavx2 -mfma"
#endif

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VEC_N = 8 };
typedef __m256 vec;
typedef __m256i vec_int;
typedef __m256 vec_mask;
struct vec_double {
    __m256d low, high;
};

// The first n lanes, 0 <= n <= 8.
static inline __m256i vec_lanes(int n)
{
    static const int32_t lanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
    return _mm256_loadu_si256((const __m256i *)(const void *)(lanes + 8 - n));
}
static inline vec vec_zero(void) { return _mm256_setzero_ps(); }
static inline vec vec_set1(float x) { return _mm256_set1_ps(x); }
static inline vec vec_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vec_store(float *p, vec x) { _mm256_storeu_ps(p, x); }
// The first n lanes, n <= 8; the others are read as 0 and not touched.
static inline vec vec_load_n(const float *p, int n)
{
    return n == VEC_N ? vec_load(p) : _mm256_maskload_ps(p, vec_lanes(n));
}
// By halves: a masked store takes a dozen cycles on AMD's processors.
static inline void vec_store_n(float *p, vec x, int n)
{
    if (n == VEC_N) {
        vec_store(p, x);
        return;
    }
    __m128 part = _mm256_castps256_ps128(x);
    if (n & 4) {
        _mm_storeu_ps(p, part);
        part = _mm256_extractf128_ps(x, 1);
        p += 4;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)(void *)p, part);
        part = _mm_movehl_ps(part, part);
        p += 2;
    }
    if (n & 1)
        _mm_store_ss(p, part);
}
static inline vec vec_add(vec a, vec b) { return _mm256_add_ps(a, b); }
static inline vec vec_sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
static inline vec vec_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
static inline vec vec_div(vec a, vec b) { return _mm256_div_ps(a, b); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
// x < 0 ? 0 : x. The second operand wins when one is NaN, so NaN passes.
static inline vec vec_relu(vec x) { return _mm256_max_ps(_mm256_setzero_ps(), x); }
static inline vec vec_where_positive(vec y, vec x)
{
    return _mm256_and_ps(_mm256_cmp_ps(y, _mm256_setzero_ps(), _CMP_GT_OQ), x);
}
// The larger one; b if either is NaN.
static inline vec vec_max(vec a, vec b) { return _mm256_max_ps(a, b); }
static inline bool vec_has_nan(vec x)
{
    return _mm256_movemask_ps(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)) != 0;
}
// x > best or x is NaN
static inline vec_mask vec_wins(vec x, vec best)
{
    return _mm256_or_ps(_mm256_cmp_ps(x, best, _CMP_GT_OQ), _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}
static inline vec vec_select(vec_mask mask, vec a, vec b) { return _mm256_blendv_ps(b, a, mask); }

// The lanes of x that are not zero to values, and first + their numbers to at; returns how many.
static inline int vec_store_nonzero(float *values, int32_t *at, int first, vec x)
{
    unsigned mask =
        (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NEQ_UQ));
    float lanes[VEC_N];
    int n = 0;
    if (mask)
        vec_store(lanes, x);
    for (; mask; mask &= mask - 1, n++) {
        const int lane = __builtin_ctz(mask);
        values[n] = lanes[lane];
        at[n] = first + lane;
    }
    return n;
}

static inline vec_int vec_int_set1(int x) { return _mm256_set1_epi32(x); }
static inline vec_int vec_int_select(vec_mask mask, vec_int a, vec_int b)
{
    return _mm256_blendv_epi8(b, a, _mm256_castps_si256(mask));
}
// The first n of values 0..255 as bytes.
static inline void vec_int_store_bytes(uint8_t *p, vec_int x, int n)
{
    __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    int64_t bytes = _mm_cvtsi128_si64(_mm_packus_epi16(words, words));
    memcpy(p, &bytes, (size_t)n);
}
// n bytes as values 0..255; the other lanes are 0
static inline vec_int vec_int_load_bytes(const uint8_t *p, int n)
{
    int64_t bytes = 0;
    memcpy(&bytes, p, (size_t)n);
    return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(bytes));
}
// x where a equals b, else 0
static inline vec vec_where_equal(vec_int a, vec_int b, vec x)
{
    return _mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b)), x);
}

static inline struct vec_double vec_double_zero(void)
{
    return (struct vec_double){_mm256_setzero_pd(), _mm256_setzero_pd()};
}
static inline struct vec_double vec_double_add_square(struct vec_double sum, vec x)
{
    __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(x));
    __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
    return (struct vec_double){_mm256_fmadd_pd(low, low, sum.low),
                               _mm256_fmadd_pd(high, high, sum.high)};
}
static inline struct vec_double vec_double_add(struct vec_double sum, vec x)
{
    __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(x));
    __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
    return (struct vec_double){_mm256_add_pd(sum.low, low), _mm256_add_pd(sum.high, high)};
}
static inline struct vec_double vec_double_load(const double *p) // VEC_N values
{
    return (struct vec_double){_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)};
}
static inline void vec_double_store(double *p, struct vec_double x) // VEC_N values
{
    _mm256_storeu_pd(p, x.low);
    _mm256_storeu_pd(p + 4, x.high);
}

#endif
