// The pixel loops for AVX2. The compiler makes most of them; what gathers pixels is written out.
#ifndef __AVX2__
#error "compile this file with -mavx2 -mfma"
#endif

#include "data/transform_pixels_tmpl.h"

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

// Eight bytes are loaded for a pair of six: the pairs near the row's end are left to plain C.
static void linear_row_avx2(const struct sqz_linear_columns *columns, const uint8_t *row,
                            int16_t *out)
{
    struct sqz_linear_columns rest = *columns;
    const __m128i pairs = _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
    int i = 0, n = columns->n;
    if (columns->c == 3 && columns->next == 3)
        for (; i < n && columns->offsets[i] + 2 <= columns->offsets[n - 1]; i++) {
            int32_t weights;
            memcpy(&weights, columns->weights + 2 * i, sizeof weights);
            __m128i pixels = _mm_loadl_epi64((const __m128i *)(row + columns->offsets[i]));
            __m128i sums = _mm_madd_epi16(_mm_shuffle_epi8(pixels, pairs), _mm_set1_epi32(weights));
            sums = _mm_srai_epi32(sums, 4);
            _mm_storel_epi64((__m128i *)(out + 3 * i), _mm_packs_epi32(sums, sums));
        }
    rest.offsets += i;
    rest.weights += 2 * i;
    rest.n -= i;
    linear_row(&rest, row, out + (ptrdiff_t)i * columns->c);
}

static inline __m256i filter_four(const uint8_t *p, const int16_t *halves, __m256i pairs)
{
    __m256i pixels = _mm256_shuffle_epi8(
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p)), pairs);
    const __m256i *weights = (const __m256i *)halves;
    __m256i lows = _mm256_madd_epi16(pixels, _mm256_loadu_si256(weights));
    __m256i highs = _mm256_madd_epi16(pixels, _mm256_loadu_si256(weights + 1));
    return _mm256_add_epi32(lows, _mm256_slli_epi32(highs, SQZ_FILTER_LOW_BITS));
}

// Two results of up to four taps at a time, as long as both lie well inside; eight bytes are
// written for six. Returns how many were made.
static int filter_pairs(const struct sqz_filter_bank *bank, const uint8_t *row, int end,
                        __m256i pairs, uint8_t **out)
{
    const __m128i bytes = _mm_setr_epi8(0, 1, 2, 4, 5, 6, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    int i = 0;
    for (; i + 2 < bank->n && bank->offsets[i + 1] + 16 <= end; i += 2, *out += 6) {
        const int16_t *halves = bank->halves + (size_t)i * SQZ_FILTER_GROUP;
        __m256i a = filter_four(row + bank->offsets[i], halves, pairs);
        __m256i b = filter_four(row + bank->offsets[i + 1], halves + SQZ_FILTER_GROUP, pairs);
        __m256i sums = _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                                        _mm256_permute2x128_si256(a, b, 0x31));
        sums = _mm256_srai_epi32(_mm256_add_epi32(sums, _mm256_set1_epi32(FILTER_HALF)),
                                 SQZ_FILTER_BITS);
        __m128i words =
            _mm_packs_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
        _mm_storel_epi64((__m128i *)*out, _mm_shuffle_epi8(_mm_packus_epi16(words, words), bytes));
    }
    return i;
}

// Sixteen bytes are loaded for four taps of three channels, and four are written for three: results
// that would reach beyond the row's end are left to plain C. Weights of 22 bits are multiplied in
// two halves. Every result takes all groups, so that the loop is predicted.
static void filter_row_avx2(const struct sqz_filter_bank *bank, const uint8_t *row, int c,
                            uint8_t *out)
{
    if (c != 3 || bank->n == 0) {
        filter_row(bank, row, c, out);
        return;
    }
    int end = bank->offsets[bank->n - 1] + 3 * bank->counts[bank->n - 1];
    int groups = (int)bank->groups, reach = 12 * (groups - 1) + 16;
    const __m256i pairs =
        _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9, -1, 7,
                         -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    const __m128i half = _mm_set1_epi32(FILTER_HALF);
    const int16_t *halves = bank->halves;
    int i = 0;
    if (groups == 1)
        i = filter_pairs(bank, row, end, pairs, &out);
    halves += (size_t)i * bank->groups * SQZ_FILTER_GROUP;
    for (; i < bank->n && bank->offsets[i] + reach <= end; i++, out += 3) {
        const uint8_t *p = row + bank->offsets[i];
        __m256i lows = _mm256_setzero_si256(), highs = lows;
        for (int g = 0; g < groups; g++, p += 12, halves += SQZ_FILTER_GROUP) {
            __m256i pixels = _mm256_shuffle_epi8(
                _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p)), pairs);
            const __m256i *weights = (const __m256i *)halves;
            lows = _mm256_add_epi32(lows, _mm256_madd_epi16(pixels, _mm256_loadu_si256(weights)));
            highs =
                _mm256_add_epi32(highs, _mm256_madd_epi16(pixels, _mm256_loadu_si256(weights + 1)));
        }
        lows = _mm256_add_epi32(lows, _mm256_slli_epi32(highs, SQZ_FILTER_LOW_BITS));
        __m128i sums =
            _mm_add_epi32(_mm256_castsi256_si128(lows), _mm256_extracti128_si256(lows, 1));
        sums = _mm_srai_epi32(_mm_add_epi32(sums, half), SQZ_FILTER_BITS);
        sums = _mm_packs_epi32(sums, sums); // packing clamps
        int32_t packed = _mm_cvtsi128_si32(_mm_packus_epi16(sums, sums));
        memcpy(out, &packed, sizeof packed);
    }
    struct sqz_filter_bank rest = *bank;
    rest.offsets += i;
    rest.counts += i;
    rest.weights += (size_t)i * bank->taps;
    rest.n -= i;
    filter_row(&rest, row, c, out);
}

// Two rows' 16-bit values side by side, times their weights' halves.
static inline void add_rows(__m256i pixels, __m256i low, __m256i high, __m256i *sums)
{
    __m256i lower = _mm256_madd_epi16(pixels, low), upper = _mm256_madd_epi16(pixels, high);
    *sums = _mm256_add_epi32(
        *sums, _mm256_add_epi32(lower, _mm256_slli_epi32(upper, SQZ_FILTER_LOW_BITS)));
}

static inline int pair(int32_t first, int32_t second)
{
    return (int)((uint32_t)(first & 0xFFFF) | (uint32_t)second << 16);
}

static void filter_blend_avx2(const uint8_t *rows, size_t stride, size_t n, const int32_t *weights,
                              int count, uint8_t *out)
{
    const int32_t mask = (1 << SQZ_FILTER_LOW_BITS) - 1;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i a = _mm256_set1_epi32(FILTER_HALF), b = a;
        for (int k = 0; k < count; k += 2) {
            bool both = k + 1 < count;
            int32_t w0 = weights[k], w1 = both ? weights[k + 1] : 0;
            const uint8_t *p = rows + (size_t)k * stride + i;
            __m256i x = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p));
            __m256i y =
                _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(both ? p + stride : p)));
            __m256i low = _mm256_set1_epi32(pair(w0 & mask, w1 & mask));
            __m256i high =
                _mm256_set1_epi32(pair(w0 >> SQZ_FILTER_LOW_BITS, w1 >> SQZ_FILTER_LOW_BITS));
            add_rows(_mm256_unpacklo_epi16(x, y), low, high, &a);
            add_rows(_mm256_unpackhi_epi16(x, y), low, high, &b);
        }
        a = _mm256_srai_epi32(a, SQZ_FILTER_BITS);
        b = _mm256_srai_epi32(b, SQZ_FILTER_BITS);
        // Unpacking and packing both work within the halves of a register: the order is kept.
        __m256i words = _mm256_packs_epi32(a, b);
        __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi16(words, words), 0x08);
        _mm_storeu_si128((__m128i *)(out + i), _mm256_castsi256_si128(packed));
    }
    filter_blend(rows + i, stride, n - i, weights, count, out + i);
}

// Sixteen pixels at a time, as three vectors: five pixels of each stay in their vector, the sixth
// is split between two.
static void mirror_avx2(const uint8_t *in, int n, uint8_t *out)
{
    const __m128i first_c = _mm_setr_epi8(13, 14, 15, 10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3, -1);
    const __m128i first_b =
        _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 14);
    const __m128i second_c =
        _mm_setr_epi8(-1, 0, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m128i second_b = _mm_setr_epi8(15, -1, 11, 12, 13, 8, 9, 10, 5, 6, 7, 2, 3, 4, -1, 0);
    const __m128i second_a =
        _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 15, -1);
    const __m128i third_b =
        _mm_setr_epi8(1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m128i third_a = _mm_setr_epi8(-1, 12, 13, 14, 9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1, 2);
    for (; n >= 16; n -= 16, out += 48) {
        const uint8_t *p = in + 3 * (n - 16);
        __m128i a = _mm_loadu_si128((const __m128i *)p);
        __m128i b = _mm_loadu_si128((const __m128i *)(p + 16));
        __m128i c = _mm_loadu_si128((const __m128i *)(p + 32));
        __m128i first = _mm_or_si128(_mm_shuffle_epi8(c, first_c), _mm_shuffle_epi8(b, first_b));
        __m128i second =
            _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(c, second_c), _mm_shuffle_epi8(b, second_b)),
                         _mm_shuffle_epi8(a, second_a));
        __m128i third = _mm_or_si128(_mm_shuffle_epi8(b, third_b), _mm_shuffle_epi8(a, third_a));
        _mm_storeu_si128((__m128i *)out, first);
        _mm_storeu_si128((__m128i *)(out + 16), second);
        _mm_storeu_si128((__m128i *)(out + 32), third);
    }
    mirror(in, n, out);
}

const struct sqz_pixel_ops sqz_pixel_ops_avx2 = {
    linear_row_avx2, linear_blend, filter_row_avx2, filter_blend_avx2, mirror_avx2, normalize,
};
