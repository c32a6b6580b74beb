// The pixel loops for AVX2. The compiler makes most of them; what gathers pixels is written out.
#ifndef __AVX2__
#error "compile this file with -mavx2 -mfma"
#endif

#include "data/resize/pixel_ops_tmpl.h"

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

// Three channels of two pixels side by side: what a weight's pair is multiplied with.
static inline __m256i spread_pairs(__m256i pixels, bool second)
{
    const __m256i first =
        _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 0, -1, 3, -1, 1,
                         -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
    const __m256i both =
        _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9, -1, 7,
                         -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    return _mm256_shuffle_epi8(pixels, second ? both : first);
}

static inline __m256i weigh_group(__m256i pairs, const int16_t *halves)
{
    const __m256i *weights = (const __m256i *)halves;
    __m256i lows = _mm256_madd_epi16(pairs, _mm256_loadu_si256(weights));
    __m256i highs = _mm256_madd_epi16(pairs, _mm256_loadu_si256(weights + 1));
    return _mm256_add_epi32(lows, _mm256_slli_epi32(highs, SQZ_FILTER_LOW_BITS));
}

static inline __m256i weigh_four(const uint8_t *p, const int16_t *halves)
{
    __m256i pixels = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
    return weigh_group(spread_pairs(pixels, true), halves);
}

// Two results of up to two taps, each in its half of the register.
static inline __m256i weigh_two_results(const uint8_t *p, const uint8_t *q, const int16_t *halves)
{
    __m256i pixels = _mm256_castsi128_si256(_mm_loadl_epi64((const __m128i *)p));
    pixels = _mm256_inserti128_si256(pixels, _mm_loadl_epi64((const __m128i *)q), 1);
    return weigh_group(spread_pairs(pixels, false), halves);
}

static inline __m128i round_sums(__m128i sums)
{
    return _mm_srai_epi32(_mm_add_epi32(sums, _mm_set1_epi32(FILTER_HALF)), SQZ_FILTER_BITS);
}

// Two times two results; four bytes more are written.
static inline void store_four(__m256i a, __m256i b, uint8_t *out)
{
    const __m128i bytes = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    __m128i first = _mm_packs_epi32(round_sums(_mm256_castsi256_si128(a)),
                                    round_sums(_mm256_extracti128_si256(a, 1)));
    __m128i second = _mm_packs_epi32(round_sums(_mm256_castsi256_si128(b)),
                                     round_sums(_mm256_extracti128_si256(b, 1)));
    __m128i packed = _mm_packus_epi16(first, second); // packing clamps
    _mm_storeu_si128((__m128i *)out, _mm_shuffle_epi8(packed, bytes));
}

// One byte more is written.
static inline void store_one(__m128i sums, uint8_t *out)
{
    __m128i words = _mm_packs_epi32(round_sums(sums), _mm_setzero_si128());
    int32_t packed = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    memcpy(out, &packed, sizeof packed);
}

static inline __m128i add_halves(__m256i sums)
{
    return _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
}

static inline __m256i add_two(__m256i a, __m256i b)
{
    return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                            _mm256_permute2x128_si256(a, b, 0x31));
}

// Four results of up to two taps at a time, as long as all lie well inside. Returns how many were
// made.
static int filter_two_taps(const struct sqz_filter_bank *bank, const uint8_t *row, int end,
                           uint8_t *out)
{
    const int *at = bank->offsets;
    const int16_t *halves = bank->halves;
    int i = 0;
    for (; i + 4 <= bank->n && at[3] + 8 <= end; i += 4, at += 4, out += 12) {
        __m256i a = weigh_two_results(row + at[0], row + at[1], halves);
        __m256i b = weigh_two_results(row + at[2], row + at[3], halves + SQZ_FILTER_GROUP);
        store_four(a, b, out);
        halves += 2 * SQZ_FILTER_GROUP;
    }
    return i;
}

// The same with up to four taps.
static int filter_four_taps(const struct sqz_filter_bank *bank, const uint8_t *row, int end,
                            uint8_t *out)
{
    enum { GROUP = SQZ_FILTER_GROUP };
    const int *at = bank->offsets;
    const int16_t *halves = bank->halves;
    int i = 0;
    for (; i + 4 <= bank->n && at[3] + 16 <= end; i += 4, at += 4, out += 12) {
        __m256i a = weigh_four(row + at[0], halves);
        __m256i b = weigh_four(row + at[1], halves + GROUP);
        __m256i c = weigh_four(row + at[2], halves + 2 * GROUP);
        __m256i d = weigh_four(row + at[3], halves + 3 * GROUP);
        store_four(add_two(a, b), add_two(c, d), out);
        halves += 4 * GROUP;
    }
    return i;
}

// One result after the other; all take all groups, so that the loop is predicted.
static int filter_many_taps(const struct sqz_filter_bank *bank, const uint8_t *row, int end,
                            uint8_t *out)
{
    int groups = (int)bank->groups, reach = 12 * (groups - 1) + 16, i = 0;
    const int16_t *halves = bank->halves;
    for (; i < bank->n && bank->offsets[i] + reach <= end; i++, out += 3) {
        const uint8_t *p = row + bank->offsets[i];
        __m256i sums = _mm256_setzero_si256();
        for (int g = 0; g < groups; g++, p += 12, halves += SQZ_FILTER_GROUP)
            sums = _mm256_add_epi32(sums, weigh_four(p, halves));
        store_one(add_halves(sums), out);
    }
    return i;
}

#define LAST_BYTES 64

// Results from `first` on, of up to four taps; `from` has room after the row's last pixel.
static void filter_rest(const struct sqz_filter_bank *bank, const uint8_t *row, int first,
                        uint8_t *out)
{
    for (int i = first; i < bank->n; i++) {
        const uint8_t *p = row + bank->offsets[i];
        if (bank->groups) {
            store_one(add_halves(weigh_four(p, bank->halves + i * SQZ_FILTER_GROUP)), out + 3 * i);
        } else {
            __m256i two = weigh_two_results(p, p, bank->halves + i / 2 * SQZ_FILTER_GROUP);
            store_one(i % 2 ? _mm256_extracti128_si256(two, 1) : _mm256_castsi256_si128(two),
                      out + 3 * i);
        }
    }
}

// The same without room, by a copy of the row's end. Returns how many results there are now, which
// is not all if they begin too far from the end.
static int filter_last(const struct sqz_filter_bank *bank, const uint8_t *row, int end, int first,
                       uint8_t *out)
{
    uint8_t last[LAST_BYTES + SQZ_FILTER_ROOM] = {0};
    int begin = first < bank->n ? bank->offsets[first] : end;
    if (end - begin > LAST_BYTES)
        return first;
    memcpy(last, row + begin, (size_t)(end - begin));
    filter_rest(bank, last - begin, first, out);
    return bank->n;
}

// More bytes are loaded and stored than count. Weights of 22 bits are multiplied in two halves.
static void filter_row_avx2(const struct sqz_filter_bank *bank, const uint8_t *row, int c,
                            bool room, uint8_t *out)
{
    int i = 0;
    if (c == 3 && bank->n > 0) {
        int end = bank->offsets[bank->n - 1] + 3 * bank->counts[bank->n - 1];
        int readable = end + (room ? SQZ_FILTER_ROOM : 0);
        i = bank->groups == 0   ? filter_two_taps(bank, row, readable, out)
            : bank->groups == 1 ? filter_four_taps(bank, row, readable, out)
                                : filter_many_taps(bank, row, readable, out);
        if (bank->groups <= 1 && room) {
            filter_rest(bank, row, i, out);
            return;
        }
        if (bank->groups <= 1)
            i = filter_last(bank, row, end, i, out);
    }
    struct sqz_filter_bank rest = *bank;
    rest.offsets += i;
    rest.counts += i;
    rest.weights += (size_t)i * bank->taps;
    rest.n -= i;
    filter_row(&rest, row, c, room, out + (ptrdiff_t)i * c);
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

// A row's weight and the next one's, which is none at the end, as halves for all lanes.
static inline void split_weights(const int32_t *weights, bool both, __m256i *low, __m256i *high)
{
    const int32_t mask = (1 << SQZ_FILTER_LOW_BITS) - 1;
    int32_t first = weights[0], second = both ? weights[1] : 0;
    *low = _mm256_set1_epi32(pair(first & mask, second & mask));
    *high = _mm256_set1_epi32(pair(first >> SQZ_FILTER_LOW_BITS, second >> SQZ_FILTER_LOW_BITS));
}

static inline void add_sixteen(const uint8_t *p, const uint8_t *q, __m256i low, __m256i high,
                               __m256i *sums)
{
    __m256i x = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p));
    __m256i y = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)q));
    add_rows(_mm256_unpacklo_epi16(x, y), low, high, &sums[0]);
    add_rows(_mm256_unpackhi_epi16(x, y), low, high, &sums[1]);
}

static inline __m256i shrink_sums(const __m256i *sums)
{
    return _mm256_packs_epi32(_mm256_srai_epi32(sums[0], SQZ_FILTER_BITS),
                              _mm256_srai_epi32(sums[1], SQZ_FILTER_BITS));
}

// The last ones may overlap those before them.
static void filter_blend_avx2(const uint8_t *rows, size_t stride, size_t n, const int32_t *weights,
                              int count, uint8_t *out)
{
    if (n < 32) {
        filter_blend(rows, stride, n, weights, count, out);
        return;
    }
    for (size_t i = 0; i < n; i += 32) {
        size_t at = i + 32 <= n ? i : n - 32;
        const __m256i half = _mm256_set1_epi32(FILTER_HALF);
        __m256i sums[4] = {half, half, half, half};
        const uint8_t *p = rows + at;
        for (int k = 0; k < count; k += 2, p += 2 * stride) {
            bool both = k + 1 < count;
            const uint8_t *q = both ? p + stride : p;
            __m256i low, high;
            split_weights(weights + k, both, &low, &high);
            add_sixteen(p, q, low, high, sums);
            add_sixteen(p + 16, q + 16, low, high, sums + 2);
        }
        // Unpacking and packing both work within the halves of a register: the order is kept, but
        // for the last packing.
        __m256i packed = _mm256_packus_epi16(shrink_sums(sums), shrink_sums(sums + 2));
        packed = _mm256_permute4x64_epi64(packed, 0xD8);
        _mm256_storeu_si256((__m256i *)(out + at), packed);
    }
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

// Past the caches where stores are whole vectors in whole lines.
static void normalize_far_avx2(const uint8_t *in, int n, const float *mean, const float *std,
                               float *out)
{
    int i = 0;
    if (((uintptr_t)out & 31) == 0)
        for (; i + 8 <= n; i += 8) {
            __m128i bytes = _mm_loadl_epi64((const __m128i *)(in + i));
            __m256 x = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
            x = _mm256_sub_ps(x, _mm256_loadu_ps(mean + i));
            _mm256_stream_ps(out + i, _mm256_div_ps(x, _mm256_loadu_ps(std + i)));
        }
    normalize(in + i, n - i, mean + i, std + i, out + i);
}

static void settle(void)
{
    _mm_sfence();
}

const struct sqz_pixel_ops sqz_pixel_ops_avx2 = {
    linear_row_avx2, linear_blend, filter_row_avx2,    filter_blend_avx2,
    mirror_avx2,     normalize,    normalize_far_avx2, settle,
};
