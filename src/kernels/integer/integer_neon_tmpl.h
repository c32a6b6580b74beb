// The integer engine over NEON, with sdot where the compiler may use it. Before it, define
// DEFINE_LEVEL, the name of the table, and LEVEL.
//
// Arm multiplies signed bytes by signed bytes. A byte x enters as x - 128, and 128 times the sum of
// the weights is added to the bias of each channel before the first pixel.
#include "kernels/integer/integer_loops.h"

#include <arm_neon.h>

#define INLINE static inline __attribute__((always_inline))

enum { VECTORS = 4, CHANNELS = 4 }; // a panel is 4 vectors of 4 channels' sums

INLINE int8x16_t load_four(const uint8_t *x)
{
    uint32_t four;
    memcpy(&four, x, sizeof four);
    return vreinterpretq_s8_u32(vdupq_n_u32(four ^ 0x80808080u));
}

// Adds the products of 4 channels' groups of 4 bytes.
#ifdef __ARM_FEATURE_DOTPROD
enum { PIXELS = 6 };
typedef int32x4_t partial;
INLINE partial begin(int32x4_t bias)
{
    return bias;
}
INLINE partial dot(partial sum, int8x16_t bytes, int8x16_t weights)
{
    return vdotq_s32(sum, weights, bytes);
}
INLINE int32x4_t finish(partial sum)
{
    return sum;
}
#else
// Each channel's sum is in two halves until the end.
enum { PIXELS = 3 };
typedef int32x4x2_t partial;
INLINE partial begin(int32x4_t bias)
{
    const int32x4_t zero = vdupq_n_s32(0);
    return (partial){{vzip1q_s32(bias, zero), vzip2q_s32(bias, zero)}};
}
INLINE partial dot(partial sum, int8x16_t bytes, int8x16_t weights)
{
    sum.val[0] = vpadalq_s16(sum.val[0], vmull_s8(vget_low_s8(weights), vget_low_s8(bytes)));
    sum.val[1] = vpadalq_s16(sum.val[1], vmull_high_s8(weights, bytes));
    return sum;
}
INLINE int32x4_t finish(partial sum)
{
    return vpaddq_s32(sum.val[0], sum.val[1]);
}
#endif

// The biases for bytes less 128.
static void shift_bias(const struct sqz_integer_line *l, int32x4_t bias[VECTORS])
{
    const int8x16_t all = vdupq_n_s8(127), one = vdupq_n_s8(1); // 128 is no signed byte
    partial sums[VECTORS];
    for (int v = 0; v < VECTORS; v++)
        sums[v] = begin(vld1q_s32(l->bias + CHANNELS * v));
    const int8_t *w = l->weights;
    for (int i = 0; i < l->rows * l->groups; i++)
        for (int v = 0; v < VECTORS; v++, w += 16) {
            sums[v] = dot(sums[v], all, vld1q_s8(w));
            sums[v] = dot(sums[v], one, vld1q_s8(w));
        }
    for (int v = 0; v < VECTORS; v++)
        bias[v] = finish(sums[v]);
}

// sqz_requantize_float of 4 sums; the result is in the low byte of each lane.
INLINE uint32x4_t requantize(int32x4_t sums, float32x4_t scales)
{
    const float32x4_t least = vdupq_n_f32(12582912.0f), most = vdupq_n_f32(12582912.0f + 255);
    float32x4_t rounded = vfmaq_f32(least, vcvtq_f32_s32(sums), scales);
    return vreinterpretq_u32_f32(vminq_f32(vmaxq_f32(rounded, least), most));
}

// 16 requantized bytes of a panel's sums.
INLINE void store_bytes(uint8_t *y, const int32x4_t sums[VECTORS], const float *scales)
{
    uint16x8_t words[2];
    for (int h = 0; h < 2; h++)
        words[h] =
            vcombine_u16(vmovn_u32(requantize(sums[2 * h], vld1q_f32(scales + 8 * h))),
                         vmovn_u32(requantize(sums[2 * h + 1], vld1q_f32(scales + 8 * h + 4))));
    vst1q_u8(y, vcombine_u8(vmovn_u16(words[0]), vmovn_u16(words[1])));
}

INLINE void line_tile(const struct sqz_integer_line *l, const int32x4_t bias[VECTORS], int first,
                      const int pixels)
{
    partial sums[PIXELS][VECTORS];
    const uint8_t *x = l->x + first * l->pixel;
    const int8_t *w = l->weights;
    for (int p = 0; p < pixels; p++)
        for (int v = 0; v < VECTORS; v++)
            sums[p][v] = begin(bias[v]);
    for (int row = 0; row < l->rows; row++, x += l->row)
        for (int i = 0; i < l->groups; i++, w += 4 * SQZ_INTEGER_PANEL) {
            int8x16_t weights[VECTORS];
            for (int v = 0; v < VECTORS; v++)
                weights[v] = vld1q_s8(w + 16 * v);
            for (int p = 0; p < pixels; p++) {
                const int8x16_t bytes = load_four(x + p * l->pixel + 4 * i);
                for (int v = 0; v < VECTORS; v++)
                    sums[p][v] = dot(sums[p][v], bytes, weights[v]);
            }
        }
    for (int p = 0; p < pixels; p++) {
        int32x4_t whole[VECTORS];
        for (int v = 0; v < VECTORS; v++)
            whole[v] = finish(sums[p][v]);
        store_bytes(l->y + (first + p) * l->ldy, whole, l->scales);
    }
}

static void run_panel(const struct sqz_integer_line *l, int panels)
{
    (void)panels; // 1
    int32x4_t bias[VECTORS];
    int p = 0;
    shift_bias(l, bias);
    for (; p + PIXELS <= l->n; p += PIXELS)
        line_tile(l, bias, p, PIXELS);
    for (; p < l->n; p++)
        line_tile(l, bias, p, 1);
}

static void run_line(const struct sqz_integer_line *l, int panels)
{
    each_line(l, panels, 1, run_panel);
}

// --- Classes ---

// One pixel and one panel; groups of 4 channels that are zero are passed over, so bytes enter as
// they are, in 16 bits.
INLINE void class_panel(const uint8_t *x, const int32_t *list, int n, const int8_t *weights,
                        const int32_t *bias, int32_t *totals)
{
    int32x4_t sums[SQZ_INTEGER_PANEL];
    for (int c = 0; c < SQZ_INTEGER_PANEL; c++)
        sums[c] = vdupq_n_s32(0);
    for (int i = 0; i < n; i++) {
        uint32_t four;
        memcpy(&four, x + 4 * list[i], sizeof four);
        const int16x8_t bytes =
            vreinterpretq_s16_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four))));
        const int8_t *w = weights + (ptrdiff_t)list[i] * SQZ_INTEGER_PANEL * 4;
        for (int c = 0; c < SQZ_INTEGER_PANEL; c += 2) {
            const int16x8_t two = vmovl_s8(vld1_s8(w + 4 * c));
            sums[c] = vmlal_s16(sums[c], vget_low_s16(two), vget_low_s16(bytes));
            sums[c + 1] = vmlal_high_s16(sums[c + 1], two, bytes);
        }
    }
    for (int c = 0; c < SQZ_INTEGER_PANEL; c++) {
        const int32_t sum = bias[c] + vaddvq_s32(sums[c]);
        totals[c] += sum > 0 ? sum : 0;
    }
}

static void run_classes(const struct sqz_integer_line *l, int panels, int32_t *sums)
{
    int32_t list[SQZ_INTEGER_CLASS_LIST];
    for (int p = 0; p < l->n; p++) {
        const uint8_t *x = l->x + p * l->pixel;
        const int n = list_groups(x, 0, 1, l->groups, list);
        for (int panel = 0; panel < panels; panel++)
            class_panel(x, list, n,
                        l->weights + (ptrdiff_t)panel * l->groups * SQZ_INTEGER_PANEL * 4,
                        l->bias + panel * SQZ_INTEGER_PANEL, sums + panel * SQZ_INTEGER_PANEL);
    }
}

// --- Winograd ---

// With sdot, multiplying bytes is faster than Winograd's multiplications of 16 bits.
#ifdef __ARM_FEATURE_DOTPROD
#define RUN_PAIR NULL
#else
#define RUN_PAIR run_pair

enum { WINDOW = 8, TILES = 4 }; // 16 of 32 registers hold sums

// B'dB of the WINDOW channels of a window: v[f * ldv].
INLINE void transform_window(const uint8_t *x, ptrdiff_t pixel, ptrdiff_t row, int16_t *v,
                             ptrdiff_t ldv)
{
    int16x8_t d[4][4];
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            d[i][j] = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(x + i * row + j * pixel)));
    for (int i = 0; i < 4; i++) {
        int16x8_t t[4];
        for (int j = 0; j < 4; j++)
            t[j] = i == 0   ? vsubq_s16(d[0][j], d[2][j])
                   : i == 1 ? vaddq_s16(d[1][j], d[2][j])
                   : i == 2 ? vsubq_s16(d[2][j], d[1][j])
                            : vsubq_s16(d[1][j], d[3][j]);
        int16_t *to = v + 4 * i * ldv;
        vst1q_s16(to, vsubq_s16(t[0], t[2]));
        vst1q_s16(to + ldv, vaddq_s16(t[1], t[2]));
        vst1q_s16(to + 2 * ldv, vsubq_s16(t[2], t[1]));
        vst1q_s16(to + 3 * ldv, vsubq_s16(t[1], t[3]));
    }
}

// m[tile][16] = sum over the channels of v[tile][channel] * w[channel][16], `tiles` tiles.
INLINE void multiply_tiles(const int16_t *v, int channels, const int16_t *w, const int tiles,
                           int32_t *m)
{
    int32x4_t sums[TILES][VECTORS];
    for (int t = 0; t < tiles; t++)
        for (int k = 0; k < VECTORS; k++)
            sums[t][k] = vdupq_n_s32(0);
    for (int c = 0; c < channels; c += 2, w += 2 * SQZ_INTEGER_PANEL) {
        const int16x8x2_t low = vld2q_s16(w), high = vld2q_s16(w + 16);
        for (int t = 0; t < tiles; t++)
            for (int k = 0; k < 2; k++) {
                const int16_t x = v[t * channels + c + k];
                sums[t][0] = vmlal_n_s16(sums[t][0], vget_low_s16(low.val[k]), x);
                sums[t][1] = vmlal_high_n_s16(sums[t][1], low.val[k], x);
                sums[t][2] = vmlal_n_s16(sums[t][2], vget_low_s16(high.val[k]), x);
                sums[t][3] = vmlal_high_n_s16(sums[t][3], high.val[k], x);
            }
    }
    for (int t = 0; t < tiles; t++)
        for (int k = 0; k < VECTORS; k++)
            vst1q_s32(m + t * SQZ_INTEGER_PANEL + 4 * k, sums[t][k]);
}

static void multiply(const int16_t *v, int channels, const int16_t *w, int tiles, int32_t *m)
{
    int t = 0;
    for (; t + TILES <= tiles; t += TILES)
        multiply_tiles(v + t * channels, channels, w, TILES, m + t * SQZ_INTEGER_PANEL);
    for (; t < tiles; t++)
        multiply_tiles(v + t * channels, channels, w, 1, m + t * SQZ_INTEGER_PANEL);
}

// A'mA / 4 + bias of 4 channels: sums[2 * row + column].
INLINE void gather_sums(const int32_t *m, ptrdiff_t ldm, int32x4_t bias, int32x4_t sums[4])
{
    int32x4_t r[2][4];
    for (int j = 0; j < 4; j++) {
        const int32x4_t a = vld1q_s32(m + j * ldm), b = vld1q_s32(m + (4 + j) * ldm);
        const int32x4_t c = vld1q_s32(m + (8 + j) * ldm), d = vld1q_s32(m + (12 + j) * ldm);
        r[0][j] = vaddq_s32(vaddq_s32(a, b), c);
        r[1][j] = vsubq_s32(vsubq_s32(b, c), d);
    }
    for (int i = 0; i < 2; i++) {
        sums[2 * i] = vaddq_s32(vaddq_s32(r[i][0], r[i][1]), r[i][2]);
        sums[2 * i + 1] = vsubq_s32(vsubq_s32(r[i][1], r[i][2]), r[i][3]);
    }
    for (int i = 0; i < 4; i++)
        sums[i] = vaddq_s32(vshrq_n_s32(sums[i], 2), bias);
}

// One panel of one tile, of which `columns` x p->rows pixels are wanted.
static void store_pixels(const struct sqz_integer_pair *p, int panel, const int32_t *m,
                         ptrdiff_t ldm, uint8_t *y, int columns)
{
    const int at = panel * SQZ_INTEGER_PANEL;
    int32x4_t sums[VECTORS][4];
    for (int v = 0; v < VECTORS; v++)
        gather_sums(m + 4 * v, ldm, vld1q_s32(p->bias + at + 4 * v), sums[v]);
    for (int i = 0; i < p->rows; i++)
        for (int j = 0; j < columns; j++) {
            const int k = 2 * i + j;
            const int32x4_t pixel[] = {sums[0][k], sums[1][k], sums[2][k], sums[3][k]};
            store_bytes(y + i * p->row_y + j * p->ldy + at, pixel, p->scales + at);
        }
}

#include "kernels/integer/integer_pair_tmpl.h"
#endif

const struct sqz_integer_kernels DEFINE_LEVEL = {LEVEL,    false,       RUN_PAIR,
                                                 run_line, run_classes, maximum};
