// What Winograd's tiles read: windows of the input, or of the four phases of an image.
#include "kernels/winograd/plan.h"

#include <string.h>

// One value of a padded image, or the padding.
static float padded(const struct sqz_conv *source, const float *image, ptrdiff_t ldx, int y, int x,
                    int channel)
{
    y -= source->pad;
    x -= source->pad;
    bool inside = y >= 0 && y < source->in_h && x >= 0 && x < source->in_w;
    return inside ? image[((ptrdiff_t)y * source->in_w + x) * ldx + channel] : 0;
}

// One row of the four phases (sqz_conv_is_polyphase): pixels of 4 * in_c channels, of which each
// half lies in one piece in the image.
static void split_row(const struct sqz_conv *source, const float *image, ptrdiff_t ldx, int row,
                      int width, float *to)
{
    const int half = 2 * source->in_c;
    for (int y = 2 * row; y < 2 * row + 2; y++, to += half) {
        const int line = y - source->pad;
        const bool plain = line >= 0 && line < source->in_h && ldx == 3 && half == 6;
        for (int x = 0; x < width; x++) {
            const int pixel = 2 * x - source->pad;
            float *pair = to + (ptrdiff_t)2 * half * x;
            if (plain && pixel >= 0 && pixel + 1 < source->in_w)
                memcpy(pair, image + ((ptrdiff_t)line * source->in_w + pixel) * 3,
                       6 * sizeof *pair); // a constant size becomes plain moves
            else
                for (int c = 0; c < half; c++)
                    pair[c] =
                        padded(source, image, ldx, y, 2 * x + c / source->in_c, c % source->in_c);
        }
    }
}

struct sqz_winograd_map sqz_winograd_map_take(const struct sqz_winograd_plan *plan,
                                              struct sqz_scratch *scratch)
{
    struct sqz_winograd_map map = {0};
    map.zeros = sqz_scratch_take(scratch, (size_t)plan->depth, sizeof *map.zeros);
    map.phases = sqz_scratch_take(
        scratch, (size_t)plan->phase_rows * (size_t)(plan->conv.in_w * plan->conv.in_c),
        sizeof *map.phases);
    return map;
}

void sqz_winograd_map_set(const struct sqz_winograd_plan *plan, struct sqz_winograd_map *map,
                          const float *x, ptrdiff_t ldx, int tile0, int tile1)
{
    const struct sqz_conv *conv = &plan->conv;
    memset(map->zeros, 0, (size_t)plan->depth * sizeof *map->zeros);
    map->x = x;
    map->ldx = ldx;
    map->row = 0;
    if (!sqz_conv_is_polyphase(&plan->source))
        return;
    map->row = tile0 / plan->across * plan->m;
    int end = ((tile1 - 1) / plan->across) * plan->m + plan->side;
    end = end < conv->in_h ? end : conv->in_h;
    const ptrdiff_t row_floats = (ptrdiff_t)conv->in_w * conv->in_c;
    for (int y = map->row; y < end; y++)
        split_row(&plan->source, x, ldx, y, conv->in_w, map->phases + (y - map->row) * row_floats);
    map->x = map->phases;
    map->ldx = conv->in_c;
}

void sqz_winograd_transform(const struct sqz_kernels *k, const struct sqz_winograd_plan *plan,
                            const struct sqz_winograd_map *map, int tile0, int tile1, int depth0,
                            int depth, float *values)
{
    const struct sqz_conv *conv = &plan->conv;
    const float *window[SQZ_WINOGRAD_SIDE_MOST * SQZ_WINOGRAD_SIDE_MOST];
    struct sqz_winograd_input tile = {
        .x = window, .v = values, .ldv = plan->ldv, .side = plan->side, .channels = depth};
    for (int t = tile0; t < tile1; t++, tile.v += plan->depth) {
        int row = t / plan->across, image = row / plan->down;
        int y0 = (row - image * plan->down) * plan->m - conv->pad;
        int x0 = t % plan->across * plan->m - conv->pad;
        const float *map_x =
            map->x + ((ptrdiff_t)image * conv->in_h - map->row) * conv->in_w * map->ldx + depth0;
        const bool inside =
            y0 >= 0 && y0 + plan->side <= conv->in_h && x0 >= 0 && x0 + plan->side <= conv->in_w;
        for (int i = 0; i < plan->side; i++)
            for (int j = 0; j < plan->side; j++) {
                int y = y0 + i, x = x0 + j;
                window[i * plan->side + j] =
                    inside || (y >= 0 && y < conv->in_h && x >= 0 && x < conv->in_w)
                        ? map_x + ((ptrdiff_t)y * conv->in_w + x) * map->ldx
                        : map->zeros;
            }
        k->winograd_input(&tile);
    }
}
