// Colour and geometry for AVX2: the loops that the compiler does not vectorise well by itself. What
// does not fill a vector is left to the plain loops, which give the same bits.
#ifndef __AVX2__
#error "compile this file with -mavx2 -mfma"
#endif

#include "data/augment/operation_ops_tmpl.h"

#include <immintrin.h>

static inline __m256 load_floats(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

// Four times eight numbers, rounded to even and clamped, as 32 bytes in their order.
static inline void store_rounded(uint8_t *out, __m256 a, __m256 b, __m256 c, __m256 d)
{
    __m256i low = _mm256_packs_epi32(_mm256_cvtps_epi32(a), _mm256_cvtps_epi32(b));
    __m256i high = _mm256_packs_epi32(_mm256_cvtps_epi32(c), _mm256_cvtps_epi32(d));
    // Packing works within the halves of a register.
    __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order);
    _mm256_storeu_si256((__m256i *)out, bytes);
}

static void brighten_avx2(uint8_t *x, size_t n, float factor)
{
    __m256 f = _mm256_set1_ps(factor);
    for (; n >= 32; n -= 32, x += 32)
        store_rounded(x, _mm256_mul_ps(load_floats(x), f), _mm256_mul_ps(load_floats(x + 8), f),
                      _mm256_mul_ps(load_floats(x + 16), f), _mm256_mul_ps(load_floats(x + 24), f));
    brighten(x, n, factor);
}

static void mix_one_avx2(uint8_t *x, size_t n, float factor, uint8_t other)
{
    __m256 f = _mm256_set1_ps(factor), rest = _mm256_set1_ps(1.0f - factor);
    __m256 o = _mm256_set1_ps(other), mixed[4];
    for (; n >= 32; n -= 32, x += 32) {
        for (int k = 0; k < 4; k++)
            mixed[k] = _mm256_fmadd_ps(o, rest, _mm256_mul_ps(load_floats(x + 8 * k), f));
        store_rounded(x, mixed[0], mixed[1], mixed[2], mixed[3]);
    }
    mix_one(x, n, factor, other);
}

static void mix_avx2(uint8_t *x, const uint8_t *other, size_t n, float factor)
{
    __m256 f = _mm256_set1_ps(factor), rest = _mm256_set1_ps(1.0f - factor), mixed[4];
    for (; n >= 32; n -= 32, x += 32, other += 32) {
        for (int k = 0; k < 4; k++)
            mixed[k] = _mm256_fmadd_ps(load_floats(x + 8 * k), f,
                                       _mm256_mul_ps(load_floats(other + 8 * k), rest));
        store_rounded(x, mixed[0], mixed[1], mixed[2], mixed[3]);
    }
    mix(x, other, n, factor);
}

#define GRAY_REACH 10 // pixels that must exist where eight grays are made: 28 bytes are read

static inline __m256i load_gray(const uint8_t *rgb)
{
    const __m256i red_green =
        _mm256_setr_epi8(0, -1, 1, -1, 3, -1, 4, -1, 6, -1, 7, -1, 9, -1, 10, -1, 0, -1, 1, -1, 3,
                         -1, 4, -1, 6, -1, 7, -1, 9, -1, 10, -1);
    const __m256i blue =
        _mm256_setr_epi8(2, -1, -1, -1, 5, -1, -1, -1, 8, -1, -1, -1, 11, -1, -1, -1, 2, -1, -1, -1,
                         5, -1, -1, -1, 8, -1, -1, -1, 11, -1, -1, -1);
    __m256i pixels = _mm256_loadu2_m128i((const __m128i *)(rgb + 12), (const __m128i *)rgb);
    __m256i two = _mm256_madd_epi16(_mm256_shuffle_epi8(pixels, red_green),
                                    _mm256_set1_epi32(9617 << 16 | 4899));
    __m256i one = _mm256_madd_epi16(_mm256_shuffle_epi8(pixels, blue), _mm256_set1_epi32(1868));
    __m256i sum = _mm256_add_epi32(_mm256_add_epi32(two, one), _mm256_set1_epi32(8192));
    return _mm256_srli_epi32(sum, 14);
}

static uint64_t sum_gray_avx2(const uint8_t *rgb, size_t n)
{
    __m256i sums = _mm256_setzero_si256();
    for (; n >= GRAY_REACH; n -= 8, rgb += 24)
        sums = _mm256_add_epi64(sums, _mm256_sad_epu8(load_gray(rgb), _mm256_setzero_si256()));
    uint64_t parts[4];
    _mm256_storeu_si256((__m256i *)parts, sums);
    return parts[0] + parts[1] + parts[2] + parts[3] + sum_gray(rgb, n);
}

// Thirty-two pixels at a time, so that results fill three stores.
static void mix_gray_avx2(uint8_t *rgb, size_t n, float factor)
{
    const __m256i spread[3] = {_mm256_setr_epi32(0, 0, 0, 1, 1, 1, 2, 2),
                               _mm256_setr_epi32(2, 3, 3, 3, 4, 4, 4, 5),
                               _mm256_setr_epi32(5, 5, 6, 6, 6, 7, 7, 7)};
    __m256 f = _mm256_set1_ps(factor), rest = _mm256_set1_ps(1.0f - factor), mixed[12];
    for (; n >= 24 + GRAY_REACH; n -= 32, rgb += 96) {
        for (int k = 0; k < 12; k++) {
            __m256 gray = _mm256_mul_ps(_mm256_cvtepi32_ps(load_gray(rgb + k / 3 * 24)), rest);
            mixed[k] = _mm256_fmadd_ps(load_floats(rgb + 8 * k), f,
                                       _mm256_permutevar8x32_ps(gray, spread[k % 3]));
        }
        for (int k = 0; k < 12; k += 4)
            store_rounded(rgb + 8 * k, mixed[k], mixed[k + 1], mixed[k + 2], mixed[k + 3]);
    }
    mix_gray(rgb, n, factor);
}

// Two rows of two pixels, the first one's bytes in order.
static inline __m128i load_corners(const uint8_t *p, size_t stride)
{
    return _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)p),
                              _mm_loadl_epi64((const __m128i *)(p + stride)));
}

// Two pixels as four sums each. Two rows' pairs come to 32 * 255 at most, the rows together to
// 1024 * 255.
static inline __m256i warp_two(const uint8_t *p, const uint8_t *q, size_t stride, __m256i across,
                               __m256i down)
{
    const __m256i pairs = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 3, 8, 11, 1, 4, 9, 12, 2, 5, 10, 13, -1, -1, -1, -1));
    __m256i pixels = _mm256_inserti128_si256(_mm256_castsi128_si256(load_corners(p, stride)),
                                             load_corners(q, stride), 1);
    __m256i rows = _mm256_maddubs_epi16(_mm256_shuffle_epi8(pixels, pairs), across);
    __m256i sums = _mm256_madd_epi16(rows, down);
    return _mm256_srli_epi32(_mm256_add_epi32(sums, _mm256_set1_epi32(WARP_HALF)), WARP_BITS);
}

// Eight pixels of three channels: of a register's halves the lower has the first four.
static inline void warp_eight(const struct sqz_warp_row *row, const int32_t *offsets,
                              const uint32_t *across, const uint32_t *down, uint8_t *out)
{
    const __m256i colours = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
    const uint8_t *pixels = row->pixels;
    __m256i a = _mm256_loadu_si256((const __m256i *)across);
    __m256i d = _mm256_loadu_si256((const __m256i *)down), sums[4];
#define TWO(k) \
    sums[k] = warp_two(pixels + offsets[k], pixels + offsets[k + 4], row->stride, \
                       _mm256_shuffle_epi32(a, 0x55 * k), _mm256_shuffle_epi32(d, 0x55 * k))
    TWO(0);
    TWO(1);
    TWO(2);
    TWO(3);
#undef TWO
    __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(sums[0], sums[1]),
                                        _mm256_packs_epi32(sums[2], sums[3]));
    bytes = _mm256_shuffle_epi8(bytes, colours);
    __m128i last = _mm256_extracti128_si256(bytes, 1);
    int32_t end = _mm_extract_epi32(last, 2);
    _mm_storeu_si128((__m128i *)out, _mm256_castsi256_si128(bytes));
    _mm_storel_epi64((__m128i *)(out + 12), last);
    memcpy(out + 20, &end, sizeof end);
}

// The last eight may overlap those before them.
static void warp_row_avx2(const struct sqz_warp_row *row, uint8_t *out)
{
    struct sqz_warp_row rest = *row;
    if (row->c != 3 || row->n < 8) {
        warp_row(row, out);
        return;
    }
    while (rest.n > 0) {
        int32_t offsets[SQZ_PIXEL_BLOCK];
        uint32_t across[SQZ_PIXEL_BLOCK], down[SQZ_PIXEL_BLOCK];
        int back = rest.n < 8 ? 8 - rest.n : 0;
        warp_advance(&rest, -back);
        out -= 3 * back;
        int n = rest.n < SQZ_PIXEL_BLOCK ? rest.n : SQZ_PIXEL_BLOCK;
        warp_places(&rest, n, offsets, across, down);
        for (int i = 0; i < n; i += 8) {
            int at = i + 8 <= n ? i : n - 8;
            warp_eight(row, offsets + at, across + at, down + at, out + 3 * at);
        }
        warp_advance(&rest, n);
        out += 3 * n;
    }
}

// Values and their right neighbours, weighted: the lower and the upper halves of the register's two
// halves.
static inline void weigh_pairs(const uint8_t *p, size_t c, __m256i across, __m256i *low,
                               __m256i *high)
{
    __m256i left = _mm256_loadu_si256((const __m256i *)p);
    __m256i right = _mm256_loadu_si256((const __m256i *)(p + c));
    *low = _mm256_maddubs_epi16(_mm256_unpacklo_epi8(left, right), across);
    *high = _mm256_maddubs_epi16(_mm256_unpackhi_epi8(left, right), across);
}

static inline __m256i weigh_rows(__m256i above, __m256i below, __m256i down)
{
    const __m256i half = _mm256_set1_epi32(WARP_HALF);
    __m256i low = _mm256_madd_epi16(_mm256_unpacklo_epi16(above, below), down);
    __m256i high = _mm256_madd_epi16(_mm256_unpackhi_epi16(above, below), down);
    return _mm256_packs_epi32(_mm256_srli_epi32(_mm256_add_epi32(low, half), WARP_BITS),
                              _mm256_srli_epi32(_mm256_add_epi32(high, half), WARP_BITS));
}

// Unpacking and packing both work within the halves of a register: the order is kept.
static void shift_row_avx2(const uint8_t *above, const uint8_t *below, size_t n, size_t c,
                           int right, int down, uint8_t *out)
{
    const __m256i across = _mm256_set1_epi32((int)warp_across((uint32_t)right));
    const __m256i rows = _mm256_set1_epi32((int)warp_down((uint32_t)down));
    if (n < 32) {
        shift_row(above, below, n, c, right, down, out);
        return;
    }
    for (size_t i = 0; i < n; i += 32) {
        size_t at = i + 32 <= n ? i : n - 32; // the last ones may overlap those before them
        __m256i low, high, below_low, below_high;
        weigh_pairs(above + at, c, across, &low, &high);
        weigh_pairs(below + at, c, across, &below_low, &below_high);
        low = weigh_rows(low, below_low, rows);
        high = weigh_rows(high, below_high, rows);
        _mm256_storeu_si256((__m256i *)(out + at), _mm256_packus_epi16(low, high));
    }
}

const struct sqz_operation_ops sqz_operation_ops_avx2 = {
    brighten_avx2, mix_one_avx2, mix_gray_avx2, mix_avx2,      sum_gray_avx2,  invert_from,
    mask,          smooth_row,   blur_row,      warp_row_avx2, shift_row_avx2, extremes,
};
