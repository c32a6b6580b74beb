// The vector operations of the *_tmpl.h in AVX-512 (F, BW, DQ, VL): 16 floats.
//
// One operation a line, which clang-format would spread over four.
// clang-format off
#ifndef SQZ_KERNELS_VEC_AVX512_H
#define SQZ_KERNELS_VEC_AVX512_H

#if !defined __AVX512F__ || !defined __AVX512BW__ || !defined __AVX512DQ__ || !defined __AVX512VL__
#error "compile this file with -mavx512f -mavx512bw -mavx512dq -mavx512vl"
#endif

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VEC_N = 16 };
typedef __m512 vec;
typedef __m512i vec_int;
typedef __mmask16 vec_mask;
struct vec_double {
    __m512d low, high;
};

// The first n lanes, 0 <= n <= 16.
static inline __mmask16 vec_lanes(int n) { return (__mmask16)((1u << n) - 1); }
static inline vec vec_zero(void) { return _mm512_setzero_ps(); }
static inline vec vec_set1(float x) { return _mm512_set1_ps(x); }
static inline vec vec_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vec_store(float *p, vec x) { _mm512_storeu_ps(p, x); }
// The first n lanes, n <= 16; the others are read as 0 and not touched.
static inline vec vec_load_n(const float *p, int n)
{
    return _mm512_maskz_loadu_ps(vec_lanes(n), p);
}
static inline void vec_store_n(float *p, vec x, int n)
{
    _mm512_mask_storeu_ps(p, vec_lanes(n), x);
}
static inline vec vec_add(vec a, vec b) { return _mm512_add_ps(a, b); }
static inline vec vec_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
static inline vec vec_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
static inline vec vec_div(vec a, vec b) { return _mm512_div_ps(a, b); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
// x < 0 ? 0 : x. The second operand wins when one is NaN, so NaN passes.
static inline vec vec_relu(vec x) { return _mm512_max_ps(_mm512_setzero_ps(), x); }
static inline vec vec_where_positive(vec y, vec x)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, _mm512_setzero_ps(), _CMP_GT_OQ), x);
}
// The larger one; b if either is NaN.
static inline vec vec_max(vec a, vec b) { return _mm512_max_ps(a, b); }
static inline bool vec_has_nan(vec x) { return _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q) != 0; }
// x > best or x is NaN
static inline vec_mask vec_wins(vec x, vec best)
{
    return _kor_mask16(_mm512_cmp_ps_mask(x, best, _CMP_GT_OQ),
                       _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q));
}
static inline vec vec_select(vec_mask mask, vec a, vec b)
{
    return _mm512_mask_blend_ps(mask, b, a);
}

// The lanes of x that are not zero to values, and first + their numbers to at; returns how many.
// Whole vectors are written.
static inline int vec_store_nonzero(float *values, int32_t *at, int first, vec x)
{
    const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __mmask16 mask = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NEQ_UQ);
    if (mask == 0)
        return 0;
    // Not compressstoreu, which is slow on Zen 4.
    vec_store(values, _mm512_maskz_compress_ps(mask, x));
    _mm512_storeu_si512(
        at, _mm512_maskz_compress_epi32(mask, _mm512_add_epi32(lane, _mm512_set1_epi32(first))));
    return __builtin_popcount(mask);
}

static inline vec_int vec_int_set1(int x) { return _mm512_set1_epi32(x); }
static inline vec_int vec_int_select(vec_mask mask, vec_int a, vec_int b)
{
    return _mm512_mask_blend_epi32(mask, b, a);
}
// The first n of values 0..255 as bytes.
static inline void vec_int_store_bytes(uint8_t *p, vec_int x, int n)
{
    _mm_mask_storeu_epi8(p, vec_lanes(n), _mm512_cvtepi32_epi8(x));
}
// n bytes as values 0..255; the other lanes are 0
static inline vec_int vec_int_load_bytes(const uint8_t *p, int n)
{
    return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(vec_lanes(n), p));
}
// x where a equals b, else 0
static inline vec vec_where_equal(vec_int a, vec_int b, vec x)
{
    return _mm512_maskz_mov_ps(_mm512_cmpeq_epi32_mask(a, b), x);
}

static inline struct vec_double vec_double_zero(void)
{
    return (struct vec_double){_mm512_setzero_pd(), _mm512_setzero_pd()};
}
static inline struct vec_double vec_double_add_square(struct vec_double sum, vec x)
{
    __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
    __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
    return (struct vec_double){_mm512_fmadd_pd(low, low, sum.low),
                               _mm512_fmadd_pd(high, high, sum.high)};
}
static inline struct vec_double vec_double_add(struct vec_double sum, vec x)
{
    __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
    __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
    return (struct vec_double){_mm512_add_pd(sum.low, low), _mm512_add_pd(sum.high, high)};
}
static inline struct vec_double vec_double_load(const double *p) // VEC_N values
{
    return (struct vec_double){_mm512_loadu_pd(p), _mm512_loadu_pd(p + 8)};
}
static inline void vec_double_store(double *p, struct vec_double x) // VEC_N values
{
    _mm512_storeu_pd(p, x.low);
    _mm512_storeu_pd(p + 8, x.high);
}

#endif
