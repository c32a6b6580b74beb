// SqueezeNet for microcontrollers: one C99 header that runs an integer network in one small block
// of memory. Rows of the image come in as the camera gives them; no map ever exists whole. No
// allocation, no recursion, no function pointers, no floating point; of libc only memcpy and
// memset. The class sums, logits and probabilities are the same integers on every processor.
//
//     static const unsigned char model[] = {...};     // `squeezenet export --format c` or flat
//     static unsigned char arena[MODEL_ARENA];        // sqz_rt_arena(model, sizeof model)
//     struct sqz_rt rt;
//     if (sqz_rt_begin(&rt, model, sizeof model, arena, sizeof arena) != SQZ_RT_OK) ...
//     while (rows are left) sqz_rt_rows(&rt, pixels, rows, stride);
//     int best = sqz_rt_finish(&rt);                  // then sqz_rt_logit(&rt, best),
//     sqz_rt_softmax sqz_rt_restart(&rt);                            // the next image
//
// Define before the #include, if at all:
//   SQZ_RT_N        pixels of an expand map that exist at a time (4): more read the weights less
//   often SQZ_RT_TRUSTED  the model comes from `squeezenet export` and lies in read-only memory:
//   sqz_rt_begin
//                   checks neither its CRC nor whether sums can overflow, which reads it twice
//   SQZ_RT_PLAIN    no instructions of a processor's own, C only; 16: with the packing for MVE
//
// Thread safety: a struct sqz_rt belongs to one thread; any number of them may share a model.
#ifndef SQUEEZENET_RT_H
#define SQUEEZENET_RT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef SQZ_RT_N
#define SQZ_RT_N 4
#endif
#ifdef SQZ_RT_PLAIN
#define SQZ_RT_WIDE (SQZ_RT_PLAIN + 0 == 16)
#elif defined __ARM_FEATURE_MVE
#include <arm_mve.h>
#define SQZ_RT_WIDE 1
#define SQZ_RT_MVE
#else
#define SQZ_RT_WIDE 0
#if defined __ARM_FEATURE_DSP && defined __OPTIMIZE__ // for all registers are needed
#include <arm_acle.h>
#define SQZ_RT_DSP
#endif
#endif
#if SQZ_RT_WIDE
#define SQZ_RT_UNIT 16   // bytes that are multiplied at once: how the model has to be packed
#define SQZ_RT_FLIP 0x80 // activations are stored as signed bytes: less 128
typedef int8_t sqz_rt_byte;
#else
#define SQZ_RT_UNIT 4
#define SQZ_RT_FLIP 0
typedef uint8_t sqz_rt_byte;
#endif

enum sqz_rt_status {
    SQZ_RT_OK,
    SQZ_RT_NOT_A_MODEL, // no flat model of this version, or damaged
    SQZ_RT_OTHER_UNIT,  // packed for another kind of processor
    SQZ_RT_ARENA,       // the arena is too small, or not aligned to 4 bytes
    SQZ_RT_OVERFLOW     // a sum could leave 32 bits
};
enum { SQZ_RT_STAGES = 16, SQZ_RT_SIDE = 4096, SQZ_RT_CHANNELS = 1024, SQZ_RT_CLASSES = 65535 };

// The flat model, little endian; offsets are from its first byte.
//   0  89 53 51 38 0d 0a 1a 0a
//   8  u16 version (1), u8 unit, u8 flip
//  12  u32 size of the whole, u32 CRC-32 of everything from byte 20 on
//  20  u16 height, u16 width, u8 channels, u8 stages, u8 convolutions, u8 padding of the last one
//  28  u32 classes, u32 offset and u32 size of the class names (each ends with a NUL; 0: none)
//  40  3 bytes: what the first convolution sees outside the image; 21 bytes: 0
//  64  stages of 16 bytes, then convolutions of 24 bytes
enum { SQZ_RT_HEADER = 64, SQZ_RT_STAGE = 16, SQZ_RT_CONV = 24 };
// A stage: u8 kind, u8 bypass (0 or 1), u8 its first convolution, u8 0, u16 height and u16 width of
// what it puts out, u16 and u16 multipliers of a bypass (of the Fire's output and of its input),
// u32 0.
enum { SQZ_RT_FIRST = 1, SQZ_RT_POOL, SQZ_RT_FIRE, SQZ_RT_CLASSIFY };
// A convolution: u16 out, u16 in, u8 kernel, u8 stride, u8 pad, u8 shift, u32 offsets of the
// weights, biases and multipliers, u32 0. Outputs are filled up to an even number with zeros.
// Weights: [out / 2][kernel row][units][2][unit], a kernel row being kernel * in bytes, filled up
// with zeros.

struct sqz_rt_conv {
    int out, in, kernel, stride, pad, shift, units;
    const unsigned char *weights, *biases, *multipliers;
};
struct sqz_rt_stage {
    unsigned char kind, bypass, conv;
    uint16_t in_h, in_w, in_c, h, w;  // what comes in, and what it puts out
    uint16_t c;                       // FIRE: squeeze channels; the others: in_c
    uint16_t x, y;                    // the next pixel to come in
    uint16_t done;                    // FIRST and FIRE: rows put out
    uint16_t from_output, from_input; // multipliers of the bypass
    uint32_t ring, beside;            // offsets in the arena
};
struct sqz_rt {
    const unsigned char *model;
    unsigned char *arena;
    int stages, classes;
    uint32_t image, outside, across, chunk; // offsets in the arena: rows of the image, a row
                                            // outside it, the pooling's open window, pixels
    int image_row;                          // bytes of such a row
    struct sqz_rt_stage stage[SQZ_RT_STAGES];
};

// --- Reading the model ---

static inline unsigned sqz_rt_u16(const unsigned char *p)
{
    return p[0] | (unsigned)p[1] << 8;
}
static inline uint32_t sqz_rt_u32(const unsigned char *p)
{
    return sqz_rt_u16(p) | (uint32_t)sqz_rt_u16(p + 2) << 16;
}
// A number in this processor's order; a model is only taken where that is little endian.
static inline int32_t sqz_rt_load(const unsigned char *p)
{
    int32_t value;
    memcpy(&value, p, sizeof value);
    return value;
}
static inline void sqz_rt_store(unsigned char *p, int32_t value)
{
    memcpy(p, &value, sizeof value);
}

static inline void sqz_rt_read_conv(const unsigned char *model, int stages, int index,
                                    struct sqz_rt_conv *c)
{
    const unsigned char *p = model + SQZ_RT_HEADER + stages * SQZ_RT_STAGE + index * SQZ_RT_CONV;
    c->out = (int)sqz_rt_u16(p);
    c->in = (int)sqz_rt_u16(p + 2);
    c->kernel = p[4];
    c->stride = p[5];
    c->pad = p[6];
    c->shift = p[7];
    c->units = (c->kernel * c->in + SQZ_RT_UNIT - 1) / SQZ_RT_UNIT;
    c->weights = model + sqz_rt_u32(p + 8);
    c->biases = model + sqz_rt_u32(p + 12);
    c->multipliers = model + sqz_rt_u32(p + 16);
}

// Whether `bytes` from offset `at` lie in the part of the model after its tables.
static inline int sqz_rt_inside(uint32_t at, uint64_t bytes, uint32_t tables, uint32_t size)
{
    return at >= tables && at <= size && bytes <= size - at && at % 4 == 0;
}

#ifndef SQZ_RT_TRUSTED
// CRC-32 as of zip and PNG.
static inline uint32_t sqz_rt_crc(const unsigned char *p, size_t size)
{
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

// Whether no sum of the convolution leaves 32 bits, for any input. pixels: how many sums of a class
// are added; 0: none are.
static inline int sqz_rt_sums_fit(const struct sqz_rt_conv *c, int32_t pixels)
{
    const int row = c->units * SQZ_RT_UNIT;
    for (int o = 0; o < c->out; o++) {
        int64_t positive = 0, negative = 0;
        const unsigned char *w = c->weights + (size_t)(o / 2) * (size_t)(2 * row * c->kernel);
        for (int i = 0; i < row * c->kernel; i++) {
            const int8_t weight =
                (int8_t)w[(i / SQZ_RT_UNIT * 2 + o % 2) * SQZ_RT_UNIT + i % SQZ_RT_UNIT];
            positive += weight > 0 ? weight : 0;
            negative += weight < 0 ? weight : 0;
        }
        const int64_t bias = sqz_rt_load(c->biases + 4 * o) - SQZ_RT_FLIP * (positive + negative);
        const int64_t high = bias + 255 * positive, low = bias + 255 * negative;
        const int64_t limit = (int64_t)1 << 24;
        if (high >= limit || low <= -limit ||
            (pixels && high > 0 && high >= ((int64_t)1 << 31) / pixels))
            return 0;
    }
    return 1;
}
#endif

// --- Planning ---

static inline uint32_t sqz_rt_take(uint32_t *at, uint64_t bytes)
{
    const uint32_t from = *at;
    const uint64_t end = (from + bytes + 3) / 4 * 4;
    *at = end > 0x7fffffff ? 0x80000000u : (uint32_t)end; // never that large; begin refuses it
    return from;
}

static inline int sqz_rt_check_conv(const unsigned char *model, uint32_t tables, uint32_t size,
                                    int stages, int index, int in, int kernel, int last,
                                    struct sqz_rt_conv *c)
{
    sqz_rt_read_conv(model, stages, index, c);
    const unsigned char *p = model + SQZ_RT_HEADER + stages * SQZ_RT_STAGE + index * SQZ_RT_CONV;
    const uint64_t outs = ((uint64_t)c->out + 1) / 2 * 2;
    return c->out >= 1 && c->in == in && (kernel == 0 || c->kernel == kernel) && c->kernel <= 7 &&
           c->kernel >= 1 && c->stride >= 1 && c->stride <= 4 && c->pad < c->kernel &&
           c->shift >= (last ? 1 : 26) && c->shift <= (last ? 60 : 40) &&
           sqz_rt_inside(sqz_rt_u32(p + 8), outs * (uint64_t)(c->kernel * c->units * SQZ_RT_UNIT),
                         tables, size) &&
           sqz_rt_inside(sqz_rt_u32(p + 12), 4 * outs, tables, size) &&
           sqz_rt_inside(sqz_rt_u32(p + 16), 4 * outs, tables, size);
}

// Every channel of the convolution has a multiplier that an engine may meet.
static inline int sqz_rt_multipliers_fit(const struct sqz_rt_conv *c)
{
    for (int o = 0; o < c->out; o++)
        if (sqz_rt_load(c->multipliers + 4 * o) < 1 ||
            sqz_rt_load(c->multipliers + 4 * o) >= 1 << 24)
            return 0;
    return 1;
}

// Reads and checks all tables, and lays out the arena; *bytes is what it takes.
static inline enum sqz_rt_status sqz_rt_plan(struct sqz_rt *rt, const unsigned char *model,
                                             size_t size, uint32_t *bytes)
{
    static const unsigned char magic[8] = {0x89, 0x53, 0x51, 0x38, 0x0d, 0x0a, 0x1a, 0x0a};
    const uint16_t probe = 1;
    if (!model || size < SQZ_RT_HEADER || sqz_rt_u16(model + 8) != 1 ||
        sqz_rt_u32(model + 12) != size || *(const unsigned char *)&probe != 1)
        return SQZ_RT_NOT_A_MODEL;
    for (int i = 0; i < 8; i++)
        if (model[i] != magic[i])
            return SQZ_RT_NOT_A_MODEL;
#ifndef SQZ_RT_TRUSTED
    if (sqz_rt_crc(model + 20, size - 20) != sqz_rt_u32(model + 16))
        return SQZ_RT_NOT_A_MODEL;
#endif
    if (model[10] != SQZ_RT_UNIT || model[11] != SQZ_RT_FLIP)
        return SQZ_RT_OTHER_UNIT;
    const int stages = model[25], convs = model[26];
    const uint32_t classes = sqz_rt_u32(model + 28), end = (uint32_t)size;
    const uint32_t tables = (uint32_t)(SQZ_RT_HEADER + stages * SQZ_RT_STAGE + convs * SQZ_RT_CONV);
    int h = (int)sqz_rt_u16(model + 20), w = (int)sqz_rt_u16(model + 22), c = model[24];
    if (stages < 3 || stages > SQZ_RT_STAGES || tables > end || classes < 1 ||
        classes > SQZ_RT_CLASSES || h < 1 || h > SQZ_RT_SIDE || w < 1 || w > SQZ_RT_SIDE ||
        (c != 1 && c != 3))
        return SQZ_RT_NOT_A_MODEL;
    memset(rt, 0, sizeof *rt);
    rt->model = model;
    rt->stages = stages;
    rt->classes = (int)classes;
    uint32_t at = 0;
    int next = 0, widest = 0,
        pooled = 0; // the next convolution; channels of a chunk, of a pooled map
    sqz_rt_take(&at, 8 * (((uint64_t)classes + 1) / 2));
    for (int i = 0; i < stages; i++) {
        const unsigned char *p = model + SQZ_RT_HEADER + i * SQZ_RT_STAGE;
        struct sqz_rt_stage *s = &rt->stage[i];
        struct sqz_rt_conv conv, one, three;
        s->kind = p[0];
        s->bypass = p[1];
        s->conv = p[2];
        s->in_h = (uint16_t)h;
        s->in_w = (uint16_t)w;
        s->in_c = s->c = (uint16_t)c;
        const int out_h = (int)sqz_rt_u16(p + 4), out_w = (int)sqz_rt_u16(p + 6);
        if ((i == 0) != (s->kind == SQZ_RT_FIRST) ||
            (i == stages - 1) != (s->kind == SQZ_RT_CLASSIFY) || s->bypass > 1 ||
            (s->bypass && s->kind != SQZ_RT_FIRE) || out_h < 1 || out_w < 1)
            return SQZ_RT_NOT_A_MODEL;
        const int needs = s->kind == SQZ_RT_FIRE ? 3 : s->kind == SQZ_RT_POOL ? 0 : 1;
        if (next + needs > convs || (needs && s->conv != next))
            return SQZ_RT_NOT_A_MODEL;
        if (s->kind == SQZ_RT_FIRST) {
            if (!sqz_rt_check_conv(model, tables, end, stages, next, c, 0, 0, &conv) ||
                h + 2 * conv.pad < conv.kernel || w + 2 * conv.pad < conv.kernel ||
                out_h != (h + 2 * conv.pad - conv.kernel) / conv.stride + 1 ||
                out_w != (w + 2 * conv.pad - conv.kernel) / conv.stride + 1)
                return SQZ_RT_NOT_A_MODEL;
            rt->image_row = (w + 2 * conv.pad) * c;
            rt->image = sqz_rt_take(&at, (uint64_t)conv.kernel * (uint64_t)rt->image_row);
            if (conv.pad > 0)
                rt->outside = sqz_rt_take(&at, (uint64_t)rt->image_row);
            c = conv.out;
        } else if (s->kind == SQZ_RT_POOL) {
            // As many windows of 3 as fit, or one more that hangs over by one.
            if (h < 2 || w < 2 || (out_h != (h - 1) / 2 && out_h != h / 2) ||
                (out_w != (w - 1) / 2 && out_w != w / 2))
                return SQZ_RT_NOT_A_MODEL;
            s->ring = sqz_rt_take(&at, (uint64_t)out_w * (uint64_t)c);
            pooled = c > pooled ? c : pooled;
        } else if (s->kind == SQZ_RT_FIRE) {
            if (!sqz_rt_check_conv(model, tables, end, stages, next, c, 1, 0, &conv) ||
                !sqz_rt_check_conv(model, tables, end, stages, next + 1, conv.out, 1, 0, &one) ||
                !sqz_rt_check_conv(model, tables, end, stages, next + 2, conv.out, 3, 0, &three) ||
                conv.stride != 1 || one.stride != 1 || three.stride != 1 || conv.pad != 0 ||
                one.pad != 0 || three.pad != 1 || (conv.out | one.out) & 1 ||
                !sqz_rt_multipliers_fit(&one) || !sqz_rt_multipliers_fit(&three) || out_h != h ||
                out_w != w || (s->bypass && one.out + three.out != c))
                return SQZ_RT_NOT_A_MODEL;
#ifndef SQZ_RT_TRUSTED
            if (!sqz_rt_sums_fit(&one, 0) || !sqz_rt_sums_fit(&three, 0))
                return SQZ_RT_OVERFLOW;
#endif
            s->c = (uint16_t)conv.out;
            // Three rows of the squeezed map with zeros between them, which are the right end of
            // one row and the left end of the next.
            s->ring = sqz_rt_take(&at, (3 * (uint64_t)(w + 1) + 1) * (uint64_t)conv.out);
            if (s->bypass)
                s->beside = sqz_rt_take(&at, 2 * (uint64_t)w * (uint64_t)c);
            s->from_output = (uint16_t)sqz_rt_u16(p + 8);
            s->from_input = (uint16_t)sqz_rt_u16(p + 10);
            if (s->from_output > 32767 || s->from_input > 32767)
                return SQZ_RT_NOT_A_MODEL;
            c = one.out + three.out;
        } else if (s->kind == SQZ_RT_CLASSIFY) {
            if (!sqz_rt_check_conv(model, tables, end, stages, next, c, 1, 1, &conv) ||
                next + 1 != convs || (uint32_t)conv.out != classes || conv.stride != 1 ||
                conv.pad != 0 || model[27] > 4 || out_h != 1 || out_w != 1)
                return SQZ_RT_NOT_A_MODEL;
        } else {
            return SQZ_RT_NOT_A_MODEL;
        }
        if (needs && !sqz_rt_multipliers_fit(&conv))
            return SQZ_RT_NOT_A_MODEL;
#ifndef SQZ_RT_TRUSTED
        if (needs && !sqz_rt_sums_fit(&conv, s->kind == SQZ_RT_CLASSIFY
                                                 ? (h + 2 * model[27]) * (w + 2 * model[27])
                                                 : 0))
            return SQZ_RT_OVERFLOW;
#endif
        if (c < 1 || c > SQZ_RT_CHANNELS || (i + 1 < stages && c % 2))
            return SQZ_RT_NOT_A_MODEL;
        next += needs;
        h = out_h;
        w = out_w;
        s->h = (uint16_t)h;
        s->w = (uint16_t)w;
        if (i + 1 < stages)
            widest = c > widest ? c : widest;
    }
    rt->across =
        sqz_rt_take(&at, (uint64_t)pooled); // one for all: rows are pooled one after the other
    rt->chunk = sqz_rt_take(&at, (uint64_t)SQZ_RT_N * (uint64_t)widest);
    *bytes = at + SQZ_RT_UNIT; // what a last unit may read past a window
    return at < 0x7fffff00u ? SQZ_RT_OK : SQZ_RT_NOT_A_MODEL;
}

// --- Arithmetic ---

// clamp((sum * multiplier + 2^(shift - 1)) >> shift, 0, 255) of |sum * multiplier| < 2^48, by the
// upper half of a product: 26 <= shift <= 40.
static inline unsigned char sqz_rt_requantize(int32_t sum, int32_t multiplier, int shift)
{
    const int64_t product = (int64_t)sum * (multiplier * 128) + ((int64_t)1 << (shift + 6));
    const int32_t q = (int32_t)(product >> 32) >> (shift + 7 - 32);
#ifdef SQZ_RT_DSP
    return (unsigned char)__usat(q, 8);
#else
    return (unsigned char)((q < 0 ? 0 : q > 255 ? 255 : q) ^ SQZ_RT_FLIP);
#endif
}

// Sums of two outputs for `pixels` pixels (1 or 2), dx bytes apart: a[2 * pixel + output]. rows has
// the kernel's rows, of which `at` is the window's first byte.
static inline __attribute__((always_inline)) void
sqz_rt_dot(const int pixels, const unsigned char *const *rows, int at, int dx,
           const struct sqz_rt_conv *c, const unsigned char *w, const unsigned char *biases,
           int32_t a[4])
{
    int32_t a0 = sqz_rt_load(biases), a1 = sqz_rt_load(biases + 4), a2 = a0, a3 = a1;
    for (int r = 0; r < c->kernel; r++) {
        const unsigned char *x = rows[r] + at;
        int n = c->units;
#ifdef SQZ_RT_MVE
        for (; n > 0; n--, x += 16, w += 32) {
            const int8x16_t w0 = vldrbq_s8((const int8_t *)w),
                            w1 = vldrbq_s8((const int8_t *)w + 16);
            const int8x16_t x0 = vldrbq_s8((const int8_t *)x);
            a0 = vmladavaq_s8(a0, x0, w0);
            a1 = vmladavaq_s8(a1, x0, w1);
            if (pixels == 2) {
                const int8x16_t x1 = vldrbq_s8((const int8_t *)x + dx);
                a2 = vmladavaq_s8(a2, x1, w0);
                a3 = vmladavaq_s8(a3, x1, w1);
            }
        }
#else
#ifdef SQZ_RT_DSP
        if (pixels == 2) {
            // 16 products in 22 instructions and 14 registers, which gcc does not find: bytes
            // become pairs of 16 bits, the even ones and the odd ones, and smlad adds two products.
            uint32_t xe, xo, ye, yo, we, wo;
            __asm__ volatile(
                "1:\n"
                "ldr %[ye], [%[x], %[dx]]\n ldr %[xe], [%[x]], #4\n ldr %[we], [%[w]], #4\n"
                "uxtb16 %[yo], %[ye], ror #8\n uxtb16 %[xo], %[xe], ror #8\n"
                "sxtb16 %[wo], %[we], ror #8\n uxtb16 %[ye], %[ye]\n uxtb16 %[xe], %[xe]\n"
                "sxtb16 %[we], %[we]\n"
                "smlad %[a0], %[xo], %[wo], %[a0]\n smlad %[a2], %[yo], %[wo], %[a2]\n"
                "smlad %[a0], %[xe], %[we], %[a0]\n smlad %[a2], %[ye], %[we], %[a2]\n"
                "ldr %[we], [%[w]], #4\n subs %[n], #1\n"
                "sxtb16 %[wo], %[we], ror #8\n sxtb16 %[we], %[we]\n"
                "smlad %[a1], %[xo], %[wo], %[a1]\n smlad %[a3], %[yo], %[wo], %[a3]\n"
                "smlad %[a1], %[xe], %[we], %[a1]\n smlad %[a3], %[ye], %[we], %[a3]\n"
                "bne 1b\n"
                : [a0] "+r"(a0), [a1] "+r"(a1), [a2] "+r"(a2), [a3] "+r"(a3), [x] "+r"(x),
                  [w] "+r"(w), [n] "+r"(n), [xe] "=&r"(xe), [xo] "=&r"(xo), [ye] "=&r"(ye),
                  [yo] "=&r"(yo), [we] "=&r"(we), [wo] "=&r"(wo)
                : [dx] "r"(dx)
                : "cc", "memory");
            continue;
        }
        for (; n > 0; n--, x += 4, w += 8) {
            const uint32_t four = (uint32_t)sqz_rt_load(x);
            const uint32_t w0 = (uint32_t)sqz_rt_load(w), w1 = (uint32_t)sqz_rt_load(w + 4);
            const int16x2_t even = (int16x2_t)__uxtb16(four),
                            odd = (int16x2_t)__uxtb16((four >> 8 | four << 24));
            a0 = __smlad(even, __sxtb16(w0), __smlad(odd, __sxtb16((w0 >> 8 | w0 << 24)), a0));
            a1 = __smlad(even, __sxtb16(w1), __smlad(odd, __sxtb16((w1 >> 8 | w1 << 24)), a1));
        }
#endif
        for (; n > 0; n--, x += SQZ_RT_UNIT, w += 2 * SQZ_RT_UNIT)
            for (int j = 0; j < SQZ_RT_UNIT; j++) {
                const int32_t w0 = (int8_t)w[j], w1 = (int8_t)w[SQZ_RT_UNIT + j];
                a0 += (sqz_rt_byte)x[j] * w0;
                a1 += (sqz_rt_byte)x[j] * w1;
                if (pixels == 2) {
                    a2 += (sqz_rt_byte)x[dx + j] * w0;
                    a3 += (sqz_rt_byte)x[dx + j] * w1;
                }
            }
#endif
    }
    a[0] = a0;
    a[1] = a1;
    a[2] = a2;
    a[3] = a3;
}

// n pixels, whose windows begin at `at` and dx bytes on, to y and dy bytes on.
static void sqz_rt_convolve(const struct sqz_rt_conv *c, const unsigned char *const *rows, int at,
                            int dx, int n, unsigned char *y, int dy)
{
    const unsigned char *w = c->weights;
    for (int o = 0; o < c->out; o += 2, w += 2 * SQZ_RT_UNIT * c->units * c->kernel) {
        const unsigned char *biases = c->biases + 4 * o;
        const int32_t m0 = sqz_rt_load(c->multipliers + 4 * o),
                      m1 = sqz_rt_load(c->multipliers + 4 * o + 4);
        unsigned char *to = y + o;
        int32_t a[4];
        for (int p = 0; p < n; p += 2, to += 2 * dy) {
            if (p + 1 < n) {
                sqz_rt_dot(2, rows, at + p * dx, dx, c, w, biases, a);
                to[dy] = sqz_rt_requantize(a[2], m0, c->shift);
                to[dy + 1] = sqz_rt_requantize(a[3], m1, c->shift);
            } else {
                sqz_rt_dot(1, rows, at + p * dx, dx, c, w, biases, a);
            }
            to[0] = sqz_rt_requantize(a[0], m0, c->shift);
            to[1] = sqz_rt_requantize(a[1], m1, c->shift);
        }
    }
}

static inline void sqz_rt_add(unsigned char *sum, int32_t a, int32_t b)
{
    sqz_rt_store(sum, sqz_rt_load(sum) + (a > 0 ? a : 0) + (b > 0 ? b : 0));
}

// Adds n pixels to the class sums.
static void sqz_rt_classify(struct sqz_rt *rt, const struct sqz_rt_conv *c, const unsigned char *x,
                            int n)
{
    const unsigned char *w = c->weights;
    unsigned char *sums = rt->arena;
    for (int o = 0; o < c->out; o += 2, sums += 8, w += 2 * SQZ_RT_UNIT * c->units) {
        int32_t a[4];
        for (int p = 0; p < n; p += 2) {
            if (p + 1 < n)
                sqz_rt_dot(2, &x, p * c->in, c->in, c, w, c->biases + 4 * o, a);
            else
                sqz_rt_dot(1, &x, p * c->in, c->in, c, w, c->biases + 4 * o, a), a[2] = a[3] = 0;
            sqz_rt_add(sums, a[0], a[2]);
            sqz_rt_add(sums + 4, a[1], a[3]);
        }
    }
}

// --- Stages ---

static inline unsigned char sqz_rt_larger(unsigned char a, unsigned char b)
{
    return (a ^ SQZ_RT_FLIP) > (b ^ SQZ_RT_FLIP) ? a : b;
}
// n is even.
static inline void sqz_rt_maximum(unsigned char *to, const unsigned char *x, int n)
{
    int i = 0;
#ifdef SQZ_RT_MVE
    for (; i + 16 <= n; i += 16)
        vstrbq_s8((int8_t *)to + i,
                  vmaxq_s8(vldrbq_s8((const int8_t *)to + i), vldrbq_s8((const int8_t *)x + i)));
#elif defined SQZ_RT_DSP
    for (; i + 4 <= n; i += 4) {
        const uint32_t a = (uint32_t)sqz_rt_load(to + i), b = (uint32_t)sqz_rt_load(x + i);
        __usub8(a, b); // sets a flag for each byte, which sel reads
        sqz_rt_store(to + i, (int32_t)__sel(a, b));
    }
#endif
    for (; i < n; i++)
        to[i] = sqz_rt_larger(to[i], x[i]);
}

// to = run; run = next; across = begins, where all but `begins` and `to` are different places. n is
// even.
static inline void sqz_rt_close(unsigned char *to, unsigned char *run, const unsigned char *next,
                                const unsigned char *begins, unsigned char *across, int n)
{
    for (int i = 0; i < n; i += 2) {
        uint16_t first, finished, following;
        memcpy(&first, begins + i, 2);
        memcpy(&finished, run + i, 2);
        memcpy(&following, next + i, 2);
        memcpy(to + i, &finished, 2);
        memcpy(run + i, &following, 2);
        memcpy(across + i, &first, 2);
    }
}

// One row of pooling needs one row of memory: of each window the maximum of its rows so far, and of
// the window that is open in this row the maximum so far. Takes n pixels from x, puts finished ones
// there, too (a finished one is never ahead of those taken), and returns their number.
static int sqz_rt_pool(struct sqz_rt *rt, struct sqz_rt_stage *s, unsigned char *x, int n)
{
    const int c = s->c;
    unsigned char *across = rt->arena + rt->across, *to = x;
    const int last_row = s->y == s->in_h - 1;
    for (int i = 0; i < n; i++, s->x++, x += c) {
        int window = -1; // that this pixel closes
        if (s->x > 0)
            sqz_rt_maximum(across, x, c);
        if (s->x > 0 && s->x % 2 == 0)
            window = s->x / 2 - 1;
        else if (s->x % 2 && s->x == s->in_w - 1)
            window = s->x / 2;
        if (window >= 0 && window < s->w) {
            unsigned char *run = rt->arena + s->ring + window * c;
            const int even = s->y % 2 == 0,
                      row = s->y / 2 - even; // of the pooled map that this row closes
            if (s->y > 0)
                sqz_rt_maximum(run, across, c);
            if (s->y > 0 && (even || last_row) && row < s->h) {
                // The finished one may take the place of x, which the next window begins with.
                sqz_rt_close(to, run, even ? across : run, s->x % 2 ? across : x, across, c);
                to += c;
                continue;
            }
            if (even)
                memcpy(run, across, (size_t)c);
        }
        if (s->x % 2 == 0)
            memcpy(across, x, (size_t)c);
    }
    return (int)(to - (x - n * c)) / c;
}

// Hands n pixels of the chunk to stage i and, where that pools, on to the next.
static void sqz_rt_feed(struct sqz_rt *rt, int i, int n)
{
    unsigned char *x = rt->arena + rt->chunk;
    struct sqz_rt_stage *s = &rt->stage[i];
    struct sqz_rt_conv conv;
    while (s->kind == SQZ_RT_POOL) {
        const int out = sqz_rt_pool(rt, s, x, n);
        if (s->x == s->in_w) {
            s->x = 0;
            s->y++;
        }
        n = out;
        s++;
    }
    if (n == 0)
        return;
    sqz_rt_read_conv(rt->model, rt->stages, s->conv, &conv);
    if (s->kind == SQZ_RT_CLASSIFY) {
        sqz_rt_classify(rt, &conv, x, n);
        return;
    }
    const unsigned char *pixels = x;
    const int line = (s->in_w + 1) * s->c;
    if (s->bypass)
        memcpy(rt->arena + s->beside + ((s->y & 1) * s->in_w + s->x) * s->in_c, x,
               (size_t)(n * s->in_c));
    sqz_rt_convolve(&conv, &pixels, 0, conv.in, n,
                    rt->arena + s->ring + s->y % 3 * line + (s->x + 1) * s->c, s->c);
    s->x = (uint16_t)(s->x + n);
    if (s->x == s->in_w) {
        s->x = 0;
        s->y++;
    }
}

// The next row of the Fire that is stage i: its rows before and after have been squeezed.
static void sqz_rt_expand(struct sqz_rt *rt, int i)
{
    struct sqz_rt_stage *s = &rt->stage[i];
    struct sqz_rt_conv one, three;
    const int line = (s->in_w + 1) * s->c, y = s->done;
    unsigned char *ring = rt->arena + s->ring, *chunk = rt->arena + rt->chunk;
    const unsigned char *rows[3] = {ring + (y + 2) % 3 * line, ring + y % 3 * line,
                                    ring + (y + 1) % 3 * line};
    sqz_rt_read_conv(rt->model, rt->stages, s->conv + 1, &one);
    sqz_rt_read_conv(rt->model, rt->stages, s->conv + 2, &three);
    const int out = one.out + three.out;
    if (y == s->in_h - 1) // below the last row
        memset(ring + (y + 1) % 3 * line, SQZ_RT_FLIP, (size_t)(line + s->c));
    for (int x = 0; x < s->in_w; x += SQZ_RT_N) {
        const int n = s->in_w - x < SQZ_RT_N ? s->in_w - x : SQZ_RT_N;
        sqz_rt_convolve(&one, rows + 1, (x + 1) * s->c, s->c, n, chunk, out);
        sqz_rt_convolve(&three, rows, x * s->c, s->c, n, chunk + one.out, out);
        if (s->bypass) {
            const unsigned char *input = rt->arena + s->beside + ((y & 1) * s->in_w + x) * s->in_c;
            for (int k = 0; k < n * out; k++) {
                const int32_t sum = ((chunk[k] ^ SQZ_RT_FLIP) * s->from_output +
                                     (input[k] ^ SQZ_RT_FLIP) * s->from_input + (1 << 13)) >>
                                    14;
                chunk[k] = (unsigned char)((sum > 255 ? 255 : sum) ^ SQZ_RT_FLIP);
            }
        }
        sqz_rt_feed(rt, i + 1, n);
    }
    s->done++;
}

// Row s->done of the first convolution.
static void sqz_rt_first(struct sqz_rt *rt, const struct sqz_rt_conv *c)
{
    struct sqz_rt_stage *s = &rt->stage[0];
    const unsigned char *rows[7];
    for (int r = 0; r < c->kernel; r++) {
        const int y = s->done * c->stride - c->pad + r;
        rows[r] = rt->arena + (y < 0 || y >= s->in_h
                                   ? rt->outside
                                   : rt->image + (uint32_t)(y % c->kernel * rt->image_row));
    }
    const int dx = c->stride * c->in;
    for (int x = 0; x < s->w; x += SQZ_RT_N) {
        const int n = s->w - x < SQZ_RT_N ? s->w - x : SQZ_RT_N;
        sqz_rt_convolve(c, rows, x * dx, dx, n, rt->arena + rt->chunk, c->out);
        sqz_rt_feed(rt, 1, n);
    }
    s->done++;
}

// Expands what is ready, the deepest Fire first: three rows of each are enough then.
static void sqz_rt_drain(struct sqz_rt *rt)
{
    for (int i = rt->stages - 2; i > 0;) {
        const struct sqz_rt_stage *s = &rt->stage[i];
        if (s->kind == SQZ_RT_FIRE && s->done < s->in_h &&
            (s->y > s->done + 1 || s->y == s->in_h)) {
            sqz_rt_expand(rt, i);
            i = rt->stages - 2;
        } else {
            i--;
        }
    }
}

// --- The interface ---

// Bytes of arena that the model takes; 0: not a model that this build runs. Checks the model as
// sqz_rt_begin does.
static inline size_t sqz_rt_arena(const void *model, size_t size)
{
    struct sqz_rt rt;
    uint32_t bytes = 0;
    return sqz_rt_plan(&rt, (const unsigned char *)model, size, &bytes) == SQZ_RT_OK ? bytes : 0;
}

// Forgets the image, whether it is complete or not.
static inline void sqz_rt_restart(struct sqz_rt *rt)
{
    struct sqz_rt_conv conv;
    const int border = rt->model[27];
    for (int i = 0; i < rt->stages; i++) {
        struct sqz_rt_stage *s = &rt->stage[i];
        s->x = s->y = s->done = 0;
        if (s->kind == SQZ_RT_FIRE)
            memset(rt->arena + s->ring, SQZ_RT_FLIP, (size_t)((3 * (s->in_w + 1) + 1) * s->c));
    }
    sqz_rt_read_conv(rt->model, rt->stages, 0, &conv);
    for (int i = 0; i < conv.kernel * rt->image_row; i++)
        rt->arena[rt->image + (uint32_t)i] = rt->model[40 + i % conv.in] ^ SQZ_RT_FLIP;
    for (int i = 0; i < rt->image_row && conv.pad > 0; i++)
        rt->arena[rt->outside + (uint32_t)i] = rt->model[40 + i % conv.in] ^ SQZ_RT_FLIP;
    // Around a padded last convolution only the bias counts.
    const struct sqz_rt_stage *last = &rt->stage[rt->stages - 1];
    const int32_t outside =
        (last->in_h + 2 * border) * (last->in_w + 2 * border) - last->in_h * last->in_w;
    sqz_rt_read_conv(rt->model, rt->stages, last->conv, &conv);
    for (int o = 0; o < conv.out; o++) {
        int32_t bias = sqz_rt_load(conv.biases + 4 * o);
#if SQZ_RT_FLIP
        if (outside > 0) // its part for bytes less 128 does not belong to an absent pixel
            for (int i = 0; i < conv.units * SQZ_RT_UNIT; i++)
                bias -= SQZ_RT_FLIP *
                        (int8_t)conv.weights[((o / 2 * conv.units + i / SQZ_RT_UNIT) * 2 + o % 2) *
                                                 SQZ_RT_UNIT +
                                             i % SQZ_RT_UNIT];
#endif
        sqz_rt_store(rt->arena + 4 * o, bias > 0 ? outside * bias : 0);
    }
    if (conv.out % 2)
        sqz_rt_store(rt->arena + 4 * conv.out, 0);
}

// Reads and checks `model` (aligned to 4 bytes), which stays where it is, and takes the arena
// (aligned to 4 bytes). The result says why not.
static inline enum sqz_rt_status sqz_rt_begin(struct sqz_rt *rt, const void *model, size_t size,
                                              void *arena, size_t arena_size)
{
    uint32_t bytes = 0;
    const enum sqz_rt_status status = sqz_rt_plan(rt, (const unsigned char *)model, size, &bytes);
    if (status != SQZ_RT_OK)
        return status;
    if (!arena || arena_size < bytes || (uintptr_t)arena % 4 != 0 || (uintptr_t)model % 4 != 0)
        return SQZ_RT_ARENA;
    rt->arena = (unsigned char *)arena;
    sqz_rt_restart(rt);
    return SQZ_RT_OK;
}

// The next rows of the image, `stride` bytes apart: width x channels bytes each, in the channel
// order that the model was trained with. Rows past the image's last are passed over. Returns how
// many are still missing.
static inline int sqz_rt_rows(struct sqz_rt *rt, const void *pixels, int rows, size_t stride)
{
    struct sqz_rt_stage *s = &rt->stage[0];
    const unsigned char *from = (const unsigned char *)pixels;
    struct sqz_rt_conv conv;
    sqz_rt_read_conv(rt->model, rt->stages, 0, &conv);
    for (; rows > 0 && s->y < s->in_h; rows--, from += stride) {
        unsigned char *to =
            rt->arena + rt->image + s->y % conv.kernel * rt->image_row + conv.pad * conv.in;
        for (int i = 0; i < s->in_w * s->in_c; i++)
            to[i] = from[i] ^ SQZ_RT_FLIP;
        s->y++;
        // Rows below the image are there as soon as its last one is.
        while (s->done < s->h &&
               (s->y == s->in_h || s->done * conv.stride - conv.pad + conv.kernel <= s->y)) {
            sqz_rt_first(rt, &conv);
            sqz_rt_drain(rt);
        }
    }
    return s->in_h - s->y;
}

// The sum of class c over all pixels, for comparisons between machines.
static inline int32_t sqz_rt_sum(const struct sqz_rt *rt, int c)
{
    return sqz_rt_load(rt->arena + 4 * c);
}

// The logit of class c in units of 1/65536, after the last row.
static inline int32_t sqz_rt_logit(const struct sqz_rt *rt, int c)
{
    struct sqz_rt_conv conv;
    sqz_rt_read_conv(rt->model, rt->stages, rt->stage[rt->stages - 1].conv, &conv);
    const int64_t product = (int64_t)sqz_rt_sum(rt, c) * sqz_rt_load(conv.multipliers + 4 * c);
    const int64_t logit = (product + ((int64_t)1 << (conv.shift - 1))) >> conv.shift;
    return (int32_t)(logit > INT32_MAX ? INT32_MAX : logit);
}

// The class with the largest logit, of equal ones the first; -1 while rows are missing.
static inline int sqz_rt_finish(const struct sqz_rt *rt)
{
    int best = 0;
    if (rt->stage[0].y < rt->stage[0].in_h)
        return -1;
    for (int c = 1; c < rt->classes; c++)
        if (sqz_rt_logit(rt, c) > sqz_rt_logit(rt, best))
            best = c;
    return best;
}

// 2^30 * e^(-below / 65536); 0 where less than half a unit is left.
static inline uint32_t sqz_rt_exponential(int64_t below)
{
    // 2^30 * 2^(i/64), rounded.
    static const uint32_t powers[65] = {
        1073741824u, 1085434106u, 1097253708u, 1109202018u, 1121280436u, 1133490379u, 1145833280u,
        1158310587u, 1170923762u, 1183674286u, 1196563654u, 1209593378u, 1222764986u, 1236080024u,
        1249540052u, 1263146652u, 1276901417u, 1290805962u, 1304861917u, 1319070932u, 1333434672u,
        1347954824u, 1362633090u, 1377471191u, 1392470869u, 1407633882u, 1422962010u, 1438457051u,
        1454120821u, 1469955159u, 1485961921u, 1502142985u, 1518500250u, 1535035634u, 1551751076u,
        1568648537u, 1585730000u, 1602997467u, 1620452965u, 1638098541u, 1655936265u, 1673968228u,
        1692196547u, 1710623359u, 1729250827u, 1748081133u, 1767116489u, 1786359126u, 1805811301u,
        1825475297u, 1845353420u, 1865448001u, 1885761398u, 1906295993u, 1927054196u, 1948038440u,
        1969251188u, 1990694927u, 2012372174u, 2034285470u, 2056437387u, 2078830522u, 2101467502u,
        2124350982u, 2147483648u,
    };
    const int64_t t = (below * 94548) >> 16, n = t >> 16; // times log2 e
    if (n > 30)
        return 0;
    const uint32_t fraction = 65536u - (uint32_t)(t & 65535), i = fraction >> 10,
                   rest = fraction & 1023;
    const uint64_t low = powers[i], high = powers[i < 64 ? i + 1 : 64];
    return (uint32_t)((low + (((high - low) * rest) >> 10)) >> (n + 1));
}

// The probability of class c in units of 1/65536, after the last row. Takes one pass over all
// classes.
static inline uint32_t sqz_rt_softmax(const struct sqz_rt *rt, int c)
{
    const int best = sqz_rt_finish(rt);
    const int64_t most = sqz_rt_logit(rt, best < 0 ? 0 : best);
    uint64_t sum = 0;
    for (int i = 0; i < rt->classes; i++)
        sum += sqz_rt_exponential(most - sqz_rt_logit(rt, i));
    return (uint32_t)(((uint64_t)sqz_rt_exponential(most - sqz_rt_logit(rt, c)) * 65536 + sum / 2) /
                      sum);
}

// The name of class c; NULL if the model has none.
static inline const char *sqz_rt_class_name(const struct sqz_rt *rt, int c)
{
    const uint32_t size = sqz_rt_u32(rt->model + 12), at = sqz_rt_u32(rt->model + 32);
    const uint32_t bytes = sqz_rt_u32(rt->model + 36);
    if (bytes == 0 || at > size || bytes > size - at || rt->model[at + bytes - 1] != 0)
        return NULL;
    uint32_t from = at;
    for (int i = 0; i < c && from < at + bytes; i++)
        while (rt->model[from++] != 0) {
        }
    return from < at + bytes ? (const char *)rt->model + from : NULL;
}

#endif
