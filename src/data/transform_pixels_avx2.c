// The pixel loops for AVX2. The compiler makes most of them; what gathers pixels is written out.
#ifndef __AVX2__
#error "compile this file with -mavx2 -mfma"
#endif

#include "data/transform_pixels_tmpl.h"

#include <immintrin.h>
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

// Four bytes are loaded for a pixel of three: the results that reach the row's end are left to
// plain C.
static void filter_row_avx2(const struct sqz_filter_bank *bank, const uint8_t *row, int c,
                            uint8_t *out)
{
    if (c != 3 || bank->n == 0) {
        filter_row(bank, row, c, out);
        return;
    }
    int end = bank->offsets[bank->n - 1] + 3 * bank->counts[bank->n - 1];
    const __m128i bytes =
        _mm_setr_epi8(0, 4, 8, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    for (int i = 0; i < bank->n; i++, out += 3) {
        const int32_t *w = bank->weights + (size_t)i * bank->taps;
        const uint8_t *p = row + bank->offsets[i];
        int count = bank->counts[i];
        if (bank->offsets[i] + 3 * count >= end) {
            filter_pixel(p, w, count, 3, out);
            continue;
        }
        __m128i sums = _mm_set1_epi32(FILTER_HALF);
        for (int k = 0; k < count; k++) {
            int32_t pixel;
            memcpy(&pixel, p + 3 * k, sizeof pixel);
            __m128i channels = _mm_cvtepu8_epi32(_mm_cvtsi32_si128(pixel));
            sums = _mm_add_epi32(sums, _mm_mullo_epi32(channels, _mm_set1_epi32(w[k])));
        }
        sums = _mm_srai_epi32(sums, SQZ_FILTER_BITS);
        sums = _mm_min_epi32(_mm_max_epi32(sums, _mm_setzero_si128()), _mm_set1_epi32(255));
        int32_t packed = _mm_cvtsi128_si32(_mm_shuffle_epi8(sums, bytes));
        memcpy(out, &packed, 3);
    }
}

static void warp_row_avx2(const struct sqz_warp_row *row, uint8_t *out)
{
    const __m128i pairs = _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
    const __m128i bytes =
        _mm_setr_epi8(0, 4, 8, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    if (row->c != 3) {
        warp_row(row, out);
        return;
    }
    for (int first = 0; first < row->n; first += BLOCK) {
        int n = row->n - first < BLOCK ? row->n - first : BLOCK;
        int32_t offsets[BLOCK];
        uint32_t top[BLOCK], bottom[BLOCK];
        warp_places(row, first, n, offsets, top, bottom);
        for (int i = 0; i < n; i++, out += 3) {
            const uint8_t *p = row->pixels + offsets[i];
            __m128i a = _mm_loadl_epi64((const __m128i *)p);
            __m128i b = _mm_loadl_epi64((const __m128i *)(p + row->stride));
            __m128i sums = _mm_add_epi32(
                _mm_madd_epi16(_mm_shuffle_epi8(a, pairs), _mm_set1_epi32((int)top[i])),
                _mm_madd_epi16(_mm_shuffle_epi8(b, pairs), _mm_set1_epi32((int)bottom[i])));
            sums = _mm_srai_epi32(_mm_add_epi32(sums, _mm_set1_epi32(1 << 14)), 15);
            int32_t packed = _mm_cvtsi128_si32(_mm_shuffle_epi8(sums, bytes));
            memcpy(out, &packed, 3);
        }
    }
}

const struct sqz_pixel_ops sqz_pixel_ops_avx2 = {
    linear_row_avx2, linear_blend, filter_row_avx2, filter_blend, brighten,    mix_one,
    mix_gray,        mix,          sum_gray,        normalize,    invert_from, mask,
    smooth_row,      blur_row,     warp_row_avx2,
};
