// Sums of the integer engine in vectors of 16, for AVX-512 VNNI: what integer_x86_tmpl.h needs.
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef __m512i vec;
typedef __m512 scale;
// Ten sums have to be under way to hide vpdpbusd's latency. Rows of 13, 27, 55 and 111 pixels,
// which SqueezeNet's maps have, fall into tiles of 6 and 7, and rows of classes into tiles of 4
// and 5. Two panels need two thirds of the loads that one panel of twice the pixels needs.
enum { LANES = 16, VECTORS = 1 };
#define PIXELS       7
#define PANELS       2
#define CLASS_PIXELS 5

INLINE vec load_sums(const int32_t *from)
{
    return _mm512_loadu_si512(from);
}

INLINE void store_sums(int32_t *to, vec sums)
{
    _mm512_storeu_si512(to, sums);
}

INLINE vec load_weights(const int8_t *from)
{
    return _mm512_load_si512(from);
}

INLINE vec repeat_four(const uint8_t *from)
{
    int32_t four;
    memcpy(&four, from, sizeof four);
    return _mm512_set1_epi32(four);
}

INLINE vec add(vec a, vec b)
{
    return _mm512_add_epi32(a, b);
}

INLINE vec positive(vec sums)
{
    return _mm512_max_epi32(sums, _mm512_setzero_si512());
}

// Adds the products of 16 channels' groups of 4 bytes.
INLINE vec dot(vec sums, vec bytes, vec weights)
{
    return _mm512_dpbusd_epi32(sums, bytes, weights);
}

INLINE scale load_scale(const float *from)
{
    return _mm512_loadu_ps(from);
}

// 16 requantized bytes of a panel's sums: sqz_requantize_float.
INLINE void store_bytes(uint8_t *y, vec sums, scale scales)
{
    const __m512 least = _mm512_set1_ps(12582912.0f), most = _mm512_set1_ps(12582912.0f + 255);
    __m512 rounded = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), scales, least);
    rounded = _mm512_min_ps(_mm512_max_ps(rounded, least), most);
    _mm_storeu_si128((__m128i *)y, _mm512_cvtepi32_epi8(_mm512_castps_si512(rounded)));
}
// By value: through pointers compilers keep the sums in memory.
#define STORE_PANEL(y, sums, scales) store_bytes(y, (sums)[0], (scales)[0])

// list_groups of integer_loops.h, 16 groups at a time.
static int list_groups_512(const uint8_t *x, ptrdiff_t step, int pixels, int groups, int32_t *list)
{
    __m512i index = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    int n = 0;
    for (int i = 0; i < groups; i += 16, x += 64) {
        const __mmask16 there = groups - i < 16 ? (__mmask16)((1u << (groups - i)) - 1) : 0xffff;
        __m512i any = _mm512_setzero_si512();
        for (int p = 0; p < pixels; p++)
            any = _mm512_or_si512(any, _mm512_maskz_loadu_epi32(there, x + p * step));
        const __mmask16 found = _mm512_test_epi32_mask(any, any);
        _mm512_storeu_si512(list + n, _mm512_maskz_compress_epi32(found, index));
        n += __builtin_popcount(found);
        index = _mm512_add_epi32(index, _mm512_set1_epi32(16));
    }
    return n;
}
#define LIST_GROUPS list_groups_512
