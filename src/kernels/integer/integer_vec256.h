// Sums of the integer engine in vectors of 8, for AVX2 and AVX-VNNI: what integer_x86_tmpl.h needs.
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef __m256i vec;
typedef __m256 scale;
enum { LANES = 8, VECTORS = 2 };
#define PANELS       1
#define PIXELS       6 // of a tile: 12 of 16 registers hold sums
#define CLASS_PIXELS 2 // of a tile of three panels: 12, too

INLINE vec load_sums(const int32_t *from)
{
    return _mm256_loadu_si256((const __m256i *)from);
}

INLINE void store_sums(int32_t *to, vec sums)
{
    _mm256_storeu_si256((__m256i *)to, sums);
}

INLINE vec load_weights(const int8_t *from)
{
    return _mm256_load_si256((const __m256i *)from);
}

INLINE vec repeat_four(const uint8_t *from)
{
    int32_t four;
    memcpy(&four, from, sizeof four);
    return _mm256_set1_epi32(four);
}

INLINE vec add(vec a, vec b)
{
    return _mm256_add_epi32(a, b);
}

INLINE vec positive(vec sums)
{
    return _mm256_max_epi32(sums, _mm256_setzero_si256());
}

// Adds the products of 8 channels' groups of 4 bytes.
INLINE vec dot(vec sums, vec bytes, vec weights)
{
#ifdef __AVXVNNI__
    return _mm256_dpbusd_avx_epi32(sums, bytes, weights);
#else // neighbours' products meet in 16 bits, which the pair rule keeps from overflowing
    const vec ones = _mm256_set1_epi16(1);
    return add(sums, _mm256_madd_epi16(_mm256_maddubs_epi16(bytes, weights), ones));
#endif
}

// sqz_requantize_float of 8 sums; the result is in the low byte of each lane.
INLINE __m256i requantize(__m256i sums, __m256 scales)
{
    const __m256 least = _mm256_set1_ps(12582912.0f), most = _mm256_set1_ps(12582912.0f + 255);
    __m256 rounded = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), scales, least);
    rounded = _mm256_min_ps(_mm256_max_ps(rounded, least), most);
    return _mm256_and_si256(_mm256_castps_si256(rounded), _mm256_set1_epi32(255));
}

INLINE scale load_scale(const float *from)
{
    return _mm256_loadu_ps(from);
}

// 16 requantized bytes of a panel's sums.
INLINE void store_bytes(uint8_t *y, vec first, vec second, scale first_scale, scale second_scale)
{
    const __m256i low = requantize(first, first_scale);
    const __m256i high = requantize(second, second_scale);
    // Lanes are packed within halves: a0..3 b0..3 | a4..7 b4..7, put in order at the end.
    __m256i words = _mm256_packus_epi32(low, high);
    words = _mm256_permute4x64_epi64(words, 0xd8);
    _mm_storeu_si128((__m128i *)y, _mm_packus_epi16(_mm256_castsi256_si128(words),
                                                    _mm256_extracti128_si256(words, 1)));
}
// By value: through pointers compilers keep the sums in memory.
#define STORE_PANEL(y, sums, scales) store_bytes(y, (sums)[0], (sums)[1], (scales)[0], (scales)[1])
#define LIST_GROUPS                  list_groups // of integer_loops.h
