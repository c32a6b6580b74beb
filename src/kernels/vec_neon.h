// The vector operations of the *_tmpl.h in NEON: 8 floats in two registers, so that sums are taken
// in the order of AVX2's and have the same bits.
//
// One operation a line, which clang-format would spread over four.
// clang-format off
#ifndef SQZ_KERNELS_VEC_NEON_H
#define SQZ_KERNELS_VEC_NEON_H

#ifndef __aarch64__
#error "NEON of 64-bit Arm only"
#endif

#include <arm_neon.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VEC_N = 8 };
typedef float32x4x2_t vec;
typedef int32x4x2_t vec_int;
typedef uint32x4x2_t vec_mask;
struct vec_double {
    float64x2_t part[4];
};

#define VEC_BOTH(type, expression_0, expression_1) ((type){{expression_0, expression_1}})

static inline vec vec_zero(void) { return VEC_BOTH(vec, vdupq_n_f32(0), vdupq_n_f32(0)); }
static inline vec vec_set1(float x) { return VEC_BOTH(vec, vdupq_n_f32(x), vdupq_n_f32(x)); }
static inline vec vec_load(const float *p) { return VEC_BOTH(vec, vld1q_f32(p), vld1q_f32(p + 4)); }
static inline void vec_store(float *p, vec x)
{
    vst1q_f32(p, x.val[0]);
    vst1q_f32(p + 4, x.val[1]);
}
// The first n lanes, n <= 8; the others are read as 0 and not touched.
static inline vec vec_load_n(const float *p, int n)
{
    if (n == VEC_N)
        return vec_load(p);
    float lanes[VEC_N] = {0};
    memcpy(lanes, p, (size_t)n * sizeof *p);
    return vec_load(lanes);
}
static inline void vec_store_n(float *p, vec x, int n)
{
    if (n == VEC_N) {
        vec_store(p, x);
        return;
    }
    float lanes[VEC_N];
    vec_store(lanes, x);
    memcpy(p, lanes, (size_t)n * sizeof *p);
}
static inline vec vec_add(vec a, vec b)
{
    return VEC_BOTH(vec, vaddq_f32(a.val[0], b.val[0]), vaddq_f32(a.val[1], b.val[1]));
}
static inline vec vec_sub(vec a, vec b)
{
    return VEC_BOTH(vec, vsubq_f32(a.val[0], b.val[0]), vsubq_f32(a.val[1], b.val[1]));
}
static inline vec vec_mul(vec a, vec b)
{
    return VEC_BOTH(vec, vmulq_f32(a.val[0], b.val[0]), vmulq_f32(a.val[1], b.val[1]));
}
static inline vec vec_div(vec a, vec b)
{
    return VEC_BOTH(vec, vdivq_f32(a.val[0], b.val[0]), vdivq_f32(a.val[1], b.val[1]));
}
static inline vec vec_fma(vec a, vec b, vec c)
{
    return VEC_BOTH(vec, vfmaq_f32(c.val[0], a.val[0], b.val[0]),
                    vfmaq_f32(c.val[1], a.val[1], b.val[1]));
}
static inline float32x4_t vec_keep(uint32x4_t mask, float32x4_t x)
{
    return vreinterpretq_f32_u32(vandq_u32(mask, vreinterpretq_u32_f32(x)));
}
static inline float32x4_t vec_drop(uint32x4_t mask, float32x4_t x)
{
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(x), mask));
}
// x < 0 ? 0 : x. A comparison with NaN is false, so NaN passes.
static inline vec vec_relu(vec x)
{
    return VEC_BOTH(vec, vec_drop(vcltzq_f32(x.val[0]), x.val[0]),
                    vec_drop(vcltzq_f32(x.val[1]), x.val[1]));
}
static inline vec vec_where_positive(vec y, vec x)
{
    return VEC_BOTH(vec, vec_keep(vcgtzq_f32(y.val[0]), x.val[0]),
                    vec_keep(vcgtzq_f32(y.val[1]), x.val[1]));
}
static inline vec vec_select(vec_mask mask, vec a, vec b)
{
    return VEC_BOTH(vec, vbslq_f32(mask.val[0], a.val[0], b.val[0]),
                    vbslq_f32(mask.val[1], a.val[1], b.val[1]));
}
// The larger one; b if either is NaN.
static inline vec vec_max(vec a, vec b)
{
    return vec_select(VEC_BOTH(vec_mask, vcgtq_f32(a.val[0], b.val[0]),
                               vcgtq_f32(a.val[1], b.val[1])), a, b);
}
static inline bool vec_has_nan(vec x)
{
    uint32x4_t numbers = vandq_u32(vceqq_f32(x.val[0], x.val[0]), vceqq_f32(x.val[1], x.val[1]));
    return vminvq_u32(numbers) == 0;
}
// x > best or x is NaN
static inline vec_mask vec_wins(vec x, vec best)
{
    return VEC_BOTH(vec_mask,
        vorrq_u32(vcgtq_f32(x.val[0], best.val[0]), vmvnq_u32(vceqq_f32(x.val[0], x.val[0]))),
        vorrq_u32(vcgtq_f32(x.val[1], best.val[1]), vmvnq_u32(vceqq_f32(x.val[1], x.val[1]))));
}

// The lanes of x that are not zero to values, and first + their numbers to at; returns how many.
static inline int vec_store_nonzero(float *values, int32_t *at, int first, vec x)
{
    float lanes[VEC_N];
    int n = 0;
    vec_store(lanes, x);
    for (int lane = 0; lane < VEC_N; lane++) { // always written, and kept where it is not zero
        values[n] = lanes[lane];
        at[n] = first + lane;
        n += lanes[lane] != 0;
    }
    return n;
}

static inline vec_int vec_int_set1(int x)
{
    return VEC_BOTH(vec_int, vdupq_n_s32(x), vdupq_n_s32(x));
}
static inline vec_int vec_int_select(vec_mask mask, vec_int a, vec_int b)
{
    return VEC_BOTH(vec_int, vbslq_s32(mask.val[0], a.val[0], b.val[0]),
                    vbslq_s32(mask.val[1], a.val[1], b.val[1]));
}
// The first n of values 0..255 as bytes.
static inline void vec_int_store_bytes(uint8_t *p, vec_int x, int n)
{
    uint8_t bytes[VEC_N];
    const int16x8_t words = vcombine_s16(vmovn_s32(x.val[0]), vmovn_s32(x.val[1]));
    vst1_u8(bytes, vmovn_u16(vreinterpretq_u16_s16(words)));
    memcpy(p, bytes, (size_t)n);
}
// n bytes as values 0..255; the other lanes are 0
static inline vec_int vec_int_load_bytes(const uint8_t *p, int n)
{
    uint8_t bytes[VEC_N] = {0};
    memcpy(bytes, p, (size_t)n);
    int16x8_t words = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(bytes)));
    return VEC_BOTH(vec_int, vmovl_s16(vget_low_s16(words)), vmovl_high_s16(words));
}
// x where a equals b, else 0
static inline vec vec_where_equal(vec_int a, vec_int b, vec x)
{
    return VEC_BOTH(vec, vec_keep(vceqq_s32(a.val[0], b.val[0]), x.val[0]),
                    vec_keep(vceqq_s32(a.val[1], b.val[1]), x.val[1]));
}

static inline struct vec_double vec_to_double(vec x)
{
    return (struct vec_double){{vcvt_f64_f32(vget_low_f32(x.val[0])), vcvt_high_f64_f32(x.val[0]),
                                vcvt_f64_f32(vget_low_f32(x.val[1])), vcvt_high_f64_f32(x.val[1])}};
}
static inline struct vec_double vec_double_zero(void) { return vec_to_double(vec_zero()); }
static inline struct vec_double vec_double_add_square(struct vec_double sum, vec x)
{
    const struct vec_double wide = vec_to_double(x);
    for (int i = 0; i < 4; i++)
        sum.part[i] = vfmaq_f64(sum.part[i], wide.part[i], wide.part[i]);
    return sum;
}
static inline struct vec_double vec_double_add(struct vec_double sum, vec x)
{
    const struct vec_double wide = vec_to_double(x);
    for (int i = 0; i < 4; i++)
        sum.part[i] = vaddq_f64(sum.part[i], wide.part[i]);
    return sum;
}
static inline struct vec_double vec_double_load(const double *p) // VEC_N values
{
    return (struct vec_double){
        {vld1q_f64(p), vld1q_f64(p + 2), vld1q_f64(p + 4), vld1q_f64(p + 6)}};
}
static inline void vec_double_store(double *p, struct vec_double x) // VEC_N values
{
    for (int i = 0; i < 4; i++)
        vst1q_f64(p + 2 * i, x.part[i]);
}

#endif
