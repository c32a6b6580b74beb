// Sums of the integer engine in vectors of 16, for AVX-512 VNNI: what integer_x86_tmpl.h needs.
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef __m512i vec;
// Four pixels of six panels keep 24 of 32 registers busy. Rows of 13, 27, 55 and 111 pixels, which
// SqueezeNet's maps have, fall into tiles of 13 and 14.
enum { LANES = 16, VECTORS = 1, CLASS_PIXELS = 4 };
#define PIXELS 14

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

// 16 requantized bytes of a panel's sums: sqz_requantize_float.
INLINE void store_bytes(uint8_t *y, const vec sums[VECTORS], const float *scales)
{
    const __m512 least = _mm512_set1_ps(12582912.0f), most = _mm512_set1_ps(12582912.0f + 255);
    __m512 rounded = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[0]), _mm512_loadu_ps(scales), least);
    rounded = _mm512_min_ps(_mm512_max_ps(rounded, least), most);
    _mm_storeu_si128((__m128i *)y, _mm512_cvtepi32_epi8(_mm512_castps_si512(rounded)));
}
