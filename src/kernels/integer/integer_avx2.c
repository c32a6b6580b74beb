// The AVX2 level of the integer engine: without a dot product of bytes, Winograd is the faster way
// through the 3x3 convolutions.
#ifndef __AVX2__
#error "needs -mavx2"
#endif
#include "kernels/integer/integer_vec256.h"

#include "kernels/integer/integer_x86_tmpl.h"

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
    const scale scales[] = {load_scale(p->scales + at), load_scale(p->scales + at + 8)};
    for (int i = 0; i < p->rows; i++)
        for (int j = 0; j < columns; j++)
            store_bytes(y + i * p->row_y + j * p->ldy + at, low[2 * i + j], high[2 * i + j],
                        scales[0], scales[1]);
}

#include "kernels/integer/integer_pair_tmpl.h"

const struct sqz_integer_kernels sqz_integer_avx2 = {SQZ_CPU_AVX2, true,        run_pair,
                                                     run_line,     run_classes, maximum};
