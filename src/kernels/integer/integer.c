// The choice of a level, and the packing that all levels share.
#include "kernels/integer/integer.h"

#include "kernels/kernels.h"

#include <string.h>

const struct sqz_integer_kernels *sqz_integer_kernels_get(enum sqz_cpu_level most)
{
    static const struct sqz_integer_kernels *const levels[] = {
#if defined __x86_64__
        &sqz_integer_avx512amx,
        &sqz_integer_avx512vnni,
        &sqz_integer_avxvnni,
        &sqz_integer_avx2,
#elif defined __aarch64__
        &sqz_integer_neondot,
        &sqz_integer_neon,
#endif
        &sqz_integer_ref
    };
    int i = 0;
    while (!sqz_cpu_level_covers(most, levels[i]->level) || !sqz_cpu_runs(levels[i]->level))
        i++;
    return levels[i];
}

enum sqz_cpu_level sqz_integer_level(enum sqz_cpu_level floats)
{
    const enum sqz_cpu_level best = sqz_cpu_level(NULL);
    return sqz_kernels_get(best)->level == floats ? best : floats;
}

static int groups_of(int in, int kernel)
{
    return (kernel * in + 3) / 4;
}

size_t sqz_integer_packed_size(int out, int in, int kernel)
{
    int panels = (out + SQZ_INTEGER_PANEL - 1) / SQZ_INTEGER_PANEL;
    return (size_t)panels * (size_t)kernel * (size_t)groups_of(in, kernel) * SQZ_INTEGER_PANEL * 4;
}

void sqz_integer_pack(const int8_t *weights, int out, int in, int kernel, int8_t *packed)
{
    const int run = kernel * in, groups = groups_of(in, kernel);
    memset(packed, 0, sqz_integer_packed_size(out, in, kernel));
    for (int o = 0; o < out; o++)
        for (int row = 0; row < kernel; row++, weights += run) {
            int panel = o / SQZ_INTEGER_PANEL;
            int8_t *to =
                packed + ((size_t)(panel * kernel + row) * (size_t)groups * SQZ_INTEGER_PANEL +
                          (size_t)(o % SQZ_INTEGER_PANEL)) *
                             4;
            for (int i = 0; i < run; i++)
                to[i / 4 * SQZ_INTEGER_PANEL * 4 + i % 4] = weights[i];
        }
}

size_t sqz_integer_winograd_size(int out, int in)
{
    return (size_t)out * (size_t)in * 16;
}

size_t sqz_integer_winograd_scratch(int channels)
{
    return 16 * SQZ_INTEGER_TILES *
           ((size_t)channels * sizeof(int16_t) + SQZ_INTEGER_PANEL * sizeof(int32_t));
}

// (2G) w (2G)' of 3 x 3 weights that lie `step` apart.
static void transform_weights(const int8_t *w, int step, int16_t u[16])
{
    static const int g[4][3] = {{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}};
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            int sum = 0;
            for (int y = 0; y < 3; y++)
                for (int x = 0; x < 3; x++)
                    sum += g[i][y] * g[j][x] * w[(y * 3 + x) * step];
            u[i * 4 + j] = (int16_t)sum;
        }
}

void sqz_integer_pack_winograd(const int8_t *weights, int out, int in, int16_t *packed)
{
    int16_t u[16];
    for (int o = 0; o < out; o++)
        for (int c = 0; c < in; c++) {
            transform_weights(weights + (size_t)o * (size_t)in * 9 + (size_t)c, in, u);
            for (int f = 0; f < 16; f++)
                packed[(((size_t)(o / SQZ_INTEGER_PANEL) * 16 + (size_t)f) * (size_t)(in / 2) +
                        (size_t)(c / 2)) *
                           SQZ_INTEGER_PANEL * 2 +
                       (size_t)(o % SQZ_INTEGER_PANEL * 2 + c % 2)] = u[f];
        }
}
