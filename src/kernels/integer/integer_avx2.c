// The AVX2 level of the integer engine. vpmaddubsw multiplies 32 unsigned by 32 signed bytes and
// adds neighbours in 16 bits, which the packing's rule keeps from overflowing; vpmaddwd adds those
// to the sums of 8 channels.
#ifndef __AVX2__
#error "needs -mavx2"
#endif
#include "kernels/integer/integer_loops.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum { PIXELS = 6, VECTORS = 2 }; // of a tile: 12 of 16 registers hold sums

INLINE __m256i dot(__m256i sum, __m256i bytes, __m256i weights)
{
    const __m256i ones = _mm256_set1_epi16(1);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(bytes, weights), ones));
}

INLINE void sum_tile(const struct sqz_integer_line *l, const uint8_t *x, const int pixels,
                     __m256i sums[PIXELS][VECTORS])
{
    const int8_t *w = l->weights;
    for (int p = 0; p < pixels; p++)
        for (int v = 0; v < VECTORS; v++)
            sums[p][v] = _mm256_loadu_si256((const __m256i *)(l->bias + 8 * v));
    for (int row = 0; row < l->rows; row++, x += l->row)
        for (int i = 0; i < l->groups; i++, w += 4 * SQZ_INTEGER_PANEL) {
            const __m256i low = _mm256_loadu_si256((const __m256i *)w);
            const __m256i high = _mm256_loadu_si256((const __m256i *)(w + 32));
            for (int p = 0; p < pixels; p++) {
                int32_t four;
                memcpy(&four, x + p * l->pixel + 4 * i, sizeof four);
                const __m256i bytes = _mm256_set1_epi32(four);
                sums[p][0] = dot(sums[p][0], bytes, low);
                sums[p][1] = dot(sums[p][1], bytes, high);
            }
        }
}

// sqz_requantize_float of 8 sums; the result is in the low byte of each lane.
INLINE __m256i requantize(__m256i sums, __m256 scales)
{
    const __m256 least = _mm256_set1_ps(12582912.0f), most = _mm256_set1_ps(12582912.0f + 255);
    __m256 rounded = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), scales, least);
    rounded = _mm256_min_ps(_mm256_max_ps(rounded, least), most);
    return _mm256_and_si256(_mm256_castps_si256(rounded), _mm256_set1_epi32(255));
}

// 16 requantized bytes of two vectors of sums.
INLINE void store_bytes(uint8_t *y, __m256i low, __m256i high, __m256 low_scales,
                        __m256 high_scales)
{
    // Lanes are packed within halves: a0..3 b0..3 | a4..7 b4..7, put in order at the end.
    __m256i words = _mm256_packus_epi32(requantize(low, low_scales), requantize(high, high_scales));
    words = _mm256_permute4x64_epi64(words, 0xd8);
    _mm_storeu_si128((__m128i *)y, _mm_packus_epi16(_mm256_castsi256_si128(words),
                                                    _mm256_extracti128_si256(words, 1)));
}

INLINE void store_tile(const struct sqz_integer_line *l, uint8_t *y, const int pixels,
                       __m256i sums[PIXELS][VECTORS])
{
    const __m256 low = _mm256_loadu_ps(l->scales), high = _mm256_loadu_ps(l->scales + 8);
    for (int p = 0; p < pixels; p++, y += l->ldy)
        store_bytes(y, sums[p][0], sums[p][1], low, high);
}

INLINE void line_tile(const struct sqz_integer_line *l, int p, const int pixels)
{
    __m256i sums[PIXELS][VECTORS];
    sum_tile(l, l->x + p * l->pixel, pixels, sums);
    store_tile(l, l->y + p * l->ldy, pixels, sums);
}

static void run_line(const struct sqz_integer_line *l)
{
    int p = 0;
    for (; p + PIXELS <= l->n; p += PIXELS)
        line_tile(l, p, PIXELS);
    switch (l->n - p) {
    case 5:
        line_tile(l, p, 5);
        break;
    case 4:
        line_tile(l, p, 4);
        break;
    case 3:
        line_tile(l, p, 3);
        break;
    case 2:
        line_tile(l, p, 2);
        break;
    case 1:
        line_tile(l, p, 1);
        break;
    }
}

// One pixel, `panels` panels at once.
INLINE void class_pixel(const struct sqz_integer_line *l, const uint8_t *x, const uint8_t *list,
                        int n, const int panels, int32_t *totals)
{
    __m256i sums[2 * SQZ_INTEGER_CLASS_PANELS];
    const ptrdiff_t panel = (ptrdiff_t)l->groups * SQZ_INTEGER_PANEL * 4;
    for (int v = 0; v < 2 * panels; v++)
        sums[v] = _mm256_loadu_si256((const __m256i *)(l->bias + 8 * v));
    for (int i = 0; i < n; i++) {
        const int8_t *w = l->weights + (ptrdiff_t)list[i] * SQZ_INTEGER_PANEL * 4;
        int32_t four;
        memcpy(&four, x + 4 * list[i], sizeof four);
        const __m256i bytes = _mm256_set1_epi32(four);
        for (int v = 0; v < 2 * panels; v++)
            sums[v] = dot(sums[v], bytes,
                          _mm256_loadu_si256((const __m256i *)(w + v / 2 * panel + v % 2 * 32)));
    }
    for (int v = 0; v < 2 * panels; v++) {
        __m256i *total = (__m256i *)(totals + 8 * v);
        _mm256_storeu_si256(total,
                            _mm256_add_epi32(_mm256_loadu_si256(total),
                                             _mm256_max_epi32(sums[v], _mm256_setzero_si256())));
    }
}

static void run_classes(const struct sqz_integer_line *l, int panels, int32_t *sums)
{
    uint8_t list[SQZ_INTEGER_CLASS_GROUPS + 1];
    for (int p = 0; p < l->n; p++) {
        const uint8_t *x = l->x + p * l->pixel;
        const int n = list_groups(x, l->groups, list);
        if (panels == SQZ_INTEGER_CLASS_PANELS)
            class_pixel(l, x, list, n, SQZ_INTEGER_CLASS_PANELS, sums);
        else
            class_pixel(l, x, list, n, panels, sums);
    }
}

// --- Winograd ---

enum { WINDOW = 16 };

// B'dB of the WINDOW channels of a window: v[f * ldv].
INLINE void transform_window(const uint8_t *x, ptrdiff_t pixel, ptrdiff_t row, int16_t *v,
                             ptrdiff_t ldv)
{
    __m256i d[4][4];
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            d[i][j] =
                _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(x + i * row + j * pixel)));
    for (int i = 0; i < 4; i++) {
        __m256i t[4];
        for (int j = 0; j < 4; j++)
            t[j] = i == 0   ? _mm256_sub_epi16(d[0][j], d[2][j])
                   : i == 1 ? _mm256_add_epi16(d[1][j], d[2][j])
                   : i == 2 ? _mm256_sub_epi16(d[2][j], d[1][j])
                            : _mm256_sub_epi16(d[1][j], d[3][j]);
        int16_t *to = v + 4 * i * ldv;
        _mm256_store_si256((__m256i *)to, _mm256_sub_epi16(t[0], t[2]));
        _mm256_store_si256((__m256i *)(to + ldv), _mm256_add_epi16(t[1], t[2]));
        _mm256_store_si256((__m256i *)(to + 2 * ldv), _mm256_sub_epi16(t[2], t[1]));
        _mm256_store_si256((__m256i *)(to + 3 * ldv), _mm256_sub_epi16(t[1], t[3]));
    }
}

// m[tile][16] = sum over the channels of v[tile][channel] * w[channel][16], `tiles` tiles.
INLINE void multiply_tiles(const int16_t *v, int channels, const int16_t *w, const int tiles,
                           int32_t *m)
{
    __m256i sums[PIXELS][VECTORS];
    for (int t = 0; t < tiles; t++)
        sums[t][0] = sums[t][1] = _mm256_setzero_si256();
    for (int c = 0; c < channels; c += 2, w += 2 * SQZ_INTEGER_PANEL) {
        const __m256i low = _mm256_load_si256((const __m256i *)w);
        const __m256i high = _mm256_load_si256((const __m256i *)(w + 16));
        for (int t = 0; t < tiles; t++) {
            int32_t two;
            memcpy(&two, v + t * channels + c, sizeof two);
            const __m256i pair = _mm256_set1_epi32(two);
            sums[t][0] = _mm256_add_epi32(sums[t][0], _mm256_madd_epi16(pair, low));
            sums[t][1] = _mm256_add_epi32(sums[t][1], _mm256_madd_epi16(pair, high));
        }
    }
    for (int t = 0; t < tiles; t++)
        for (int h = 0; h < VECTORS; h++)
            _mm256_store_si256((__m256i *)(m + t * SQZ_INTEGER_PANEL + 8 * h), sums[t][h]);
}

static void multiply(const int16_t *v, int channels, const int16_t *w, int tiles, int32_t *m)
{
    int t = 0;
    for (; t + PIXELS <= tiles; t += PIXELS)
        multiply_tiles(v + t * channels, channels, w, PIXELS, m + t * SQZ_INTEGER_PANEL);
    v += t * channels;
    m += t * SQZ_INTEGER_PANEL;
    switch (tiles - t) {
    case 5:
        multiply_tiles(v, channels, w, 5, m);
        break;
    case 4:
        multiply_tiles(v, channels, w, 4, m);
        break;
    case 3:
        multiply_tiles(v, channels, w, 3, m);
        break;
    case 2:
        multiply_tiles(v, channels, w, 2, m);
        break;
    case 1:
        multiply_tiles(v, channels, w, 1, m);
        break;
    }
}

// A'mA / 4 + bias of 8 channels: sums[2 * row + column].
INLINE void gather_sums(const int32_t *m, ptrdiff_t ldm, __m256i bias, __m256i sums[4])
{
    __m256i r[2][4];
    for (int j = 0; j < 4; j++) {
        const __m256i a = _mm256_load_si256((const __m256i *)(m + j * ldm));
        const __m256i b = _mm256_load_si256((const __m256i *)(m + (4 + j) * ldm));
        const __m256i c = _mm256_load_si256((const __m256i *)(m + (8 + j) * ldm));
        const __m256i d = _mm256_load_si256((const __m256i *)(m + (12 + j) * ldm));
        r[0][j] = _mm256_add_epi32(_mm256_add_epi32(a, b), c);
        r[1][j] = _mm256_sub_epi32(_mm256_sub_epi32(b, c), d);
    }
    for (int i = 0; i < 2; i++) {
        sums[2 * i] = _mm256_add_epi32(_mm256_add_epi32(r[i][0], r[i][1]), r[i][2]);
        sums[2 * i + 1] = _mm256_sub_epi32(_mm256_sub_epi32(r[i][1], r[i][2]), r[i][3]);
    }
    for (int i = 0; i < 4; i++)
        sums[i] = _mm256_add_epi32(_mm256_srai_epi32(sums[i], 2), bias);
}

// One panel of one tile, of which `columns` x p->rows pixels are wanted.
static void store_pixels(const struct sqz_integer_pair *p, int panel, const int32_t *m,
                         ptrdiff_t ldm, uint8_t *y, int columns)
{
    const int at = panel * SQZ_INTEGER_PANEL;
    __m256i low[4], high[4];
    gather_sums(m, ldm, _mm256_loadu_si256((const __m256i *)(p->bias + at)), low);
    gather_sums(m + 8, ldm, _mm256_loadu_si256((const __m256i *)(p->bias + at + 8)), high);
    for (int i = 0; i < p->rows; i++)
        for (int j = 0; j < columns; j++)
            store_bytes(y + i * p->row_y + j * p->ldy + at, low[2 * i + j], high[2 * i + j],
                        _mm256_loadu_ps(p->scales + at), _mm256_loadu_ps(p->scales + at + 8));
}

#include "kernels/integer/integer_pair_tmpl.h"

const struct sqz_integer_kernels sqz_integer_avx2 = {SQZ_CPU_AVX2, run_pair, run_line, run_classes,
                                                     maximum};
