// SVG charts and sparklines.
#include "train/run/plot.h"

#include <math.h>

enum {
    WIDTH = 720,
    PANEL = 210, // height, title and axis included
    LEFT = 64,
    RIGHT = 16,
    TOP = 40,
    TITLE = 26, // above a panel's frame
    AXIS = 28   // below it
};

struct range {
    double low, high;
};

static void include(struct range *range, double value)
{
    range->low = value < range->low ? value : range->low;
    range->high = value > range->high ? value : range->high;
}

// Rows come from a file, and a run that diverged has any losses: what is beyond this is left out,
// so that differences stay finite.
static bool is_shown(const struct sqz_curve *curve, size_t i)
{
    return fabs(curve->x[i]) < 1e100 && fabs(curve->y[i]) < 1e100;
}

// What the curves cover, widened where they are flat; 0..1 when there is nothing.
static void measure(const struct sqz_panel *panel, struct range *x, struct range *y)
{
    *x = (struct range){INFINITY, -INFINITY};
    *y = *x;
    for (int c = 0; c < panel->n_curves; c++)
        for (size_t i = 0; i < panel->curves[c].n; i++)
            if (is_shown(&panel->curves[c], i)) {
                include(x, panel->curves[c].x[i]);
                include(y, panel->curves[c].y[i]);
            }
    if (!(x->low <= x->high))
        *x = *y = (struct range){0, 1};
    if (panel->from_zero)
        include(y, 0);
    if (x->low == x->high)
        x->high = x->low + fmax(1, fabs(x->low));
    if (y->low == y->high)
        y->high = y->low + (y->low == 0 ? 1 : fabs(y->low));
}

// 1, 2 or 5 times a power of ten, so that about `parts` of them fill the range.
static double tick_step(const struct range *range, int parts)
{
    double raw = (range->high - range->low) / parts, power = pow(10, floor(log10(raw)));
    double lead = raw / power;
    return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
}

struct frame {
    struct range x, y;
    double left, top, width, height;
};

static double place_x(const struct frame *frame, double x)
{
    return frame->left + frame->width * (x - frame->x.low) / (frame->x.high - frame->x.low);
}

static double place_y(const struct frame *frame, double y)
{
    return frame->top + frame->height * (1 - (y - frame->y.low) / (frame->y.high - frame->y.low));
}

// Ticks from the first one in the range on. They are counted: adding a step to a number that is
// much larger changes nothing. A little beyond the end, for the last may have been rounded past it.
static int count_ticks(const struct range *range, double step, double *first)
{
    enum { MOST = 20 };
    *first = ceil(range->low / step - 1e-9) * step;
    const double n = floor((range->high - *first) / step + 1e-9) + 1;
    return n >= 1 ? (int)fmin(n, MOST) : 0;
}

static void draw_axes(const struct frame *frame, const char *x_name, struct sqz_text *out)
{
    double right = frame->left + frame->width, bottom = frame->top + frame->height;
    double step = tick_step(&frame->y, 4), first;
    for (int i = 0, n = count_ticks(&frame->y, step, &first); i < n; i++) {
        double y = first + i * step;
        double at = place_y(frame, y), shown = fabs(y) < step * 1e-6 ? 0 : y;
        sqz_text_add(out,
                     "<path class=\"g\" d=\"M%.1f %.1fH%.1f\"/><text x=\"%.1f\" y=\"%.1f\" "
                     "text-anchor=\"end\">%.4g</text>\n",
                     frame->left, at, right, frame->left - 6, at + 4, shown);
    }
    step = fmax(tick_step(&frame->x, 8), 1);
    for (int i = 0, n = count_ticks(&frame->x, step, &first); i < n; i++) {
        double x = first + i * step;
        sqz_text_add(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.6g</text>\n",
                     place_x(frame, x), bottom + 15, x);
    }
    sqz_text_add(out,
                 "<path class=\"a\" d=\"M%.1f %.1fV%.1fH%.1f\"/><text x=\"%.1f\" y=\"%.1f\" "
                 "text-anchor=\"end\">%s</text>\n",
                 frame->left, frame->top, bottom, right, right, bottom + 26, x_name);
}

static void draw_curve(const struct frame *frame, const struct sqz_curve *curve, int number,
                       struct sqz_text *out)
{
    size_t drawn = 0;
    sqz_text_add(out, "<path class=\"c%d\" d=\"", number);
    for (size_t i = 0; i < curve->n; i++)
        if (is_shown(curve, i))
            sqz_text_add(out, "%s%.1f %.1f", drawn++ ? "L" : "M", place_x(frame, curve->x[i]),
                         place_y(frame, curve->y[i]));
    sqz_text_add(out, "\"/>\n");
    // A single point has no line.
    for (size_t i = 0; drawn == 1 && i < curve->n; i++)
        if (is_shown(curve, i))
            sqz_text_add(out, "<circle class=\"c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"2\"/>\n", number,
                         place_x(frame, curve->x[i]), place_y(frame, curve->y[i]));
}

static void draw_panel(const struct sqz_panel *panel, int index, const char *x_name,
                       struct sqz_text *out)
{
    struct frame frame = {.left = LEFT,
                          .top = TOP + index * PANEL + TITLE,
                          .width = WIDTH - LEFT - RIGHT,
                          .height = PANEL - TITLE - AXIS - 14};
    measure(panel, &frame.x, &frame.y);
    sqz_text_add(out, "<text class=\"t\" x=\"%d\" y=\"%.1f\">%s</text>\n", LEFT, frame.top - 8,
                 panel->title);
    draw_axes(&frame, x_name, out);
    double legend = WIDTH - RIGHT;
    for (int c = panel->n_curves - 1; c >= 0; c--) {
        draw_curve(&frame, &panel->curves[c], c, out);
        sqz_text_add(out,
                     "<text class=\"l%d\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", c,
                     legend, frame.top - 8, panel->curves[c].name);
        legend -= 90;
    }
}

void sqz_plot_svg(const char *title, const char *x_name, const struct sqz_panel *panels,
                  int n_panels, struct sqz_text *out)
{
    static const char *const colors[] = {"#1f6fb4", "#d9730d", "#3a8a3a"};
    sqz_text_add(out,
                 "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                 "viewBox=\"0 0 %d %d\">\n<style>text{font:12px sans-serif;fill:#444}"
                 ".h{font-size:15px}.t{font-weight:bold}.g{stroke:#e4e4e4;fill:none}"
                 ".a{stroke:#888;fill:none}",
                 WIDTH, TOP + n_panels * PANEL, WIDTH, TOP + n_panels * PANEL);
    for (int c = 0; c < 3; c++)
        sqz_text_add(out, ".c%d{stroke:%s;fill:none;stroke-width:1.6}text.l%d{fill:%s}", c,
                     colors[c], c, colors[c]);
    sqz_text_add(out,
                 "</style>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
                 "<text class=\"h\" x=\"%d\" y=\"24\">%s</text>\n",
                 LEFT, title);
    for (int p = 0; p < n_panels; p++)
        draw_panel(&panels[p], p, x_name, out);
    sqz_text_add(out, "</svg>\n");
}

void sqz_sparkline(const double *values, size_t n, int width, bool from_zero, struct sqz_text *out)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    enum { WIDEST = 128 };
    double means[WIDEST];
    struct range range = {from_zero ? 0 : INFINITY, from_zero ? 0 : -INFINITY};
    size_t columns = n < (size_t)width ? n : (size_t)width;
    columns = columns < WIDEST ? columns : WIDEST;
    for (size_t x = 0; x < columns; x++) {
        double sum = 0;
        size_t used = 0;
        for (size_t i = n * x / columns; i < n * (x + 1) / columns; i++)
            if (fabs(values[i]) < 1e100) {
                sum += values[i];
                used++;
            }
        means[x] = used ? sum / (double)used : NAN;
        if (used)
            include(&range, means[x]);
    }
    for (size_t x = 0; x < columns; x++) {
        double span = range.high - range.low;
        int level = span > 0 ? (int)((means[x] - range.low) / span * 7.999) : 0;
        if (isfinite(means[x]))
            sqz_text_add(out, "%s", blocks[level]);
    }
}
