// Arithmetic of the integer network's engine: bytes in, exact sums in 32 bits, bytes out. Every
// level gives the same bits (requantize.h), so there is nothing to choose but the speed.
#ifndef SQZ_KERNELS_INTEGER_INTEGER_H
#define SQZ_KERNELS_INTEGER_INTEGER_H

#include "base/cpu.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Weights are packed in panels of 16 output channels: [panel][kernel row][group][16][4]. A group
// is 4 consecutive bytes of a kernel row's run of kernel * in_c; the last group is filled up with
// zeros.
enum {
    SQZ_INTEGER_PANEL = 16,
    SQZ_INTEGER_CLASS_PANELS = 3, // whose weights stay in a first cache, for 512 channels
    SQZ_INTEGER_CLASS_GROUPS = 128,
    SQZ_INTEGER_CLASS_LIST = SQZ_INTEGER_CLASS_GROUPS + 16 // whole vectors of groups are written
};

// Lines of output pixels of one panel, or of several.
struct sqz_integer_line {
    const uint8_t *x; // first byte of the first pixel's window; up to 3 bytes past a run are read
    ptrdiff_t pixel;  // bytes from one window to the next
    ptrdiff_t row;    // bytes from one kernel row to the next
    int rows, groups; // of the kernel
    int n;            // pixels of a line
    int lines;
    ptrdiff_t next_x, next_y; // bytes from one line to the next
    const int8_t *weights;
    const int32_t *bias; // of the panel
    const float *scales; // of the panel: multiplier * 2^-shift
    uint8_t *y;          // the panel's 16 channels of the first pixel
    ptrdiff_t ldy;
};
// Two lines of output pixels of a 3x3 convolution with stride 1, by Winograd's F(2x2, 3x3), which
// is exact in integers: weights are (2G) w (2G)', at most 1152, transformed pixels at most 1020,
// and the result is four times the sum.
enum { SQZ_INTEGER_TILES = 12 }; // tiles of 2 x 2 pixels that are worked on at once, at most
struct sqz_integer_pair {
    const uint8_t *x; // first byte of the first pixel's window; windows of 4 x 4 pixels are read
    ptrdiff_t pixel, row;
    int channels;           // a multiple of 16
    int panels;             // of 16 output channels
    int columns, rows;      // of y: rows is 1 or 2
    const int16_t *weights; // packed by sqz_integer_pack_winograd
    const int32_t *bias;
    const float *scales;
    uint8_t *y;
    ptrdiff_t ldy, row_y;
    void *scratch; // sqz_integer_winograd_scratch(channels) bytes, aligned
};
struct sqz_integer_kernels {
    enum sqz_cpu_level level;
    // Two weights that are neighbours in a group must not exceed 128 together if they have one
    // sign: vpmaddubsw adds their products in 16 bits.
    bool pair_rule;
    void (*pair)(const struct sqz_integer_pair *pair); // NULL: 3x3 convolutions go by lines, too
    // y = requantized sums. The next panel's weights, bias, scales and y follow.
    void (*line)(const struct sqz_integer_line *line, int panels);
    // A convolution of 1x1 on l->n pixels, ReLU, sum over the pixels: sums[16 * panels] += max(0,
    // sum of a pixel). What is zero in a group of 4 channels is passed over: most of what conv10
    // reads. panels <= SQZ_INTEGER_CLASS_PANELS; the next panel's weights, bias and sums follow.
    // groups <= SQZ_INTEGER_CLASS_GROUPS; scales and y are not used.
    void (*classes)(const struct sqz_integer_line *line, int panels, int32_t *sums);
    // y = max(a, b), n bytes; y may be a
    void (*maximum)(const uint8_t *a, const uint8_t *b, size_t n, uint8_t *y);
};
// The fastest level that `most` covers and this processor has.
const struct sqz_integer_kernels *sqz_integer_kernels_get(enum sqz_cpu_level most);
// The level of integers that goes with floats at level `floats`: what sqz_cpu_level() says, unless
// the caller had chosen a lower one.
enum sqz_cpu_level sqz_integer_level(enum sqz_cpu_level floats);

// Bytes of a convolution's packed weights, and the packing. weights: [out][ky][kx][in].
size_t sqz_integer_packed_size(int out, int in, int kernel);
void sqz_integer_pack(const int8_t *weights, int out, int in, int kernel, int8_t *packed);

// The same for sqz_integer_kernels.pair: [panel][frequency][in / 2][16][2]; numbers, not bytes. out
// is a multiple of 16.
size_t sqz_integer_winograd_size(int out, int in);
void sqz_integer_pack_winograd(const int8_t *weights, int out, int in, int16_t *packed);
size_t sqz_integer_winograd_scratch(int channels);

// Levels.
extern const struct sqz_integer_kernels sqz_integer_ref, sqz_integer_avx2, sqz_integer_avxvnni,
    sqz_integer_avx512vnni, sqz_integer_avx512amx, sqz_integer_neon, sqz_integer_neondot;

#endif
