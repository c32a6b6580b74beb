// Class maps as colours: how strong a map is at a place, and the colour of a strength.
#ifndef CLI_HEATMAP_H
#define CLI_HEATMAP_H

#include "cli/canvas.h"

// One map, its rim left out.
struct cli_heatmap {
    const float *cells; // h x w
    int h, w;
    double start, step; // pixels of the image: the centre of cell (0, 0), the distance of cells
};
// The value at a pixel of the image: that of the nearest cell, or smooth: between neighbours by
// Catmull-Rom splines, never above the largest or below the smallest cell around.
double cli_heatmap_at(const struct cli_heatmap *map, double x, double y, bool smooth);
double cli_heatmap_largest(const struct cli_heatmap *map);

// 0 (dark) to 1 (bright). Equal distances look equal: they are so in OKLab, whose lightness grows
// along the way.
struct cli_color cli_heatmap_color(double share);

// 1, 2 or 5 times a power of ten, of which about `parts` make `largest`.
double cli_heatmap_tick(double largest, int parts);

#endif
