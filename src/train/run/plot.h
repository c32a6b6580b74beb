// Curves for people: an SVG with panels below each other, and one line of blocks for a terminal.
#ifndef SQZ_TRAIN_RUN_PLOT_H
#define SQZ_TRAIN_RUN_PLOT_H

#include "base/memory.h"

struct sqz_curve {
    const char *name;    // in the legend
    const double *x, *y; // n points; those with a y that is not finite are left out
    size_t n;
};
struct sqz_panel {
    const char *title;
    struct sqz_curve curves[3];
    int n_curves;
    bool from_zero; // the axis begins at 0
};
// A whole SVG document, appended to *out. x_name is what is counted along ("epoch").
void sqz_plot_svg(const char *title, const char *x_name, const struct sqz_panel *panels,
                  int n_panels, struct sqz_text *out);
// At most `width` blocks, each the mean of its part of the values; the lowest block is the smallest
// mean, or 0 when from_zero. Values that are not finite are left out.
void sqz_sparkline(const double *values, size_t n, int width, bool from_zero, struct sqz_text *out);

#endif
