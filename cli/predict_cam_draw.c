// The drawing of `predict --cam`: every image, beside it the image under its class map, and one
// legend for all.
#include "cli/predict.h"
#include <math.h>
#include <string.h>

enum { MARGIN = 24, GAP = 6, CAPTION = 56, LEGEND = 104, BAR_H = 18, TEXT = 11, LINE = 22 };
#define COLOR_SHARE 0.66 // of an overlay; the rest is the image in gray

static const struct cli_color black = {24, 24, 28}, gray = {112, 112, 120};

struct sheet {
    const struct predict_cam *cam;
    struct cli_canvas canvas;
    int size, columns, rows; // pixels of a square; pairs of squares
    double largest, tick;    // of all maps
};

static struct cli_color mix(struct cli_color a, struct cli_color b, double share)
{
    return (struct cli_color){(uint8_t)lround(a.r + share * (b.r - a.r)),
                              (uint8_t)lround(a.g + share * (b.g - a.g)),
                              (uint8_t)lround(a.b + share * (b.b - a.b))};
}

// The view at a place between its pixels.
static struct cli_color sample(const uint8_t *view, int side, double x, double y)
{
    double limit = side - 1;
    x = fmax(0, fmin(limit, x));
    y = fmax(0, fmin(limit, y));
    int left = (int)x, top = (int)y, right = left + (left < side - 1), low = top + (top < side - 1);
    const uint8_t *p[4] = {view + (top * side + left) * 3, view + (top * side + right) * 3,
                           view + (low * side + left) * 3, view + (low * side + right) * 3};
    struct cli_color colors[4];
    for (int i = 0; i < 4; i++)
        colors[i] = (struct cli_color){p[i][0], p[i][1], p[i][2]};
    return mix(mix(colors[0], colors[1], x - left), mix(colors[2], colors[3], x - left), y - top);
}

static struct cli_color in_gray(struct cli_color c)
{
    uint8_t luma = (uint8_t)((299 * c.r + 587 * c.g + 114 * c.b + 500) / 1000);
    return (struct cli_color){luma, luma, luma};
}

static struct cli_color overlay(const struct sheet *sheet, struct cli_color image, double value)
{
    double share = sheet->largest > 0 ? value / sheet->largest : 0;
    return mix(in_gray(image), cli_heatmap_color(share), COLOR_SHARE);
}

// Whether a line of equal values, one at each tick of the legend, passes here.
static bool is_contour(const struct sheet *sheet, const struct cli_heatmap *map, double x, double y,
                       double pixel)
{
    double here = floor(cli_heatmap_at(map, x, y, true) / sheet->tick);
    return here != floor(cli_heatmap_at(map, x + pixel, y, true) / sheet->tick) ||
           here != floor(cli_heatmap_at(map, x, y + pixel, true) / sheet->tick);
}

static void draw_pair(struct sheet *sheet, const struct predict_cam_image *image, int left, int top)
{
    const struct predict_cam *cam = sheet->cam;
    const struct cli_color white = {255, 255, 255};
    const struct cli_heatmap map = {.cells = image->cells,
                                    .h = cam->h - 2 * cam->border,
                                    .w = cam->w - 2 * cam->border,
                                    .start = cam->start,
                                    .step = cam->step};
    double pixel = (double)cam->side / sheet->size;
    for (int row = 0; row < sheet->size; row++)
        for (int column = 0; column < sheet->size; column++) {
            double x = (column + 0.5) * pixel - 0.5, y = (row + 0.5) * pixel - 0.5;
            struct cli_color color = sample(image->view, cam->side, x, y);
            cli_canvas_set(&sheet->canvas, left + column, top + row, color);
            color = overlay(sheet, color, cli_heatmap_at(&map, x, y, cam->smooth));
            if (cam->smooth && sheet->tick > 0 && is_contour(sheet, &map, x, y, pixel))
                color = mix(color, white, 0.45);
            cli_canvas_set(&sheet->canvas, left + sheet->size + GAP + column, top + row, color);
        }
}

static void draw_caption(struct sheet *sheet, const struct predict_cam_image *image, int left,
                         int top)
{
    char text[512];
    const char *slash = strrchr(image->title, '/');
    double room = 2 * sheet->size + GAP, x = left;
    snprintf(text, sizeof text, "logit %.2f, %.1f %%", image->logit, 100 * image->probability);
    double numbers = cli_canvas_text_width(TEXT, text);
    cli_canvas_text(&sheet->canvas, left + room - numbers, top, TEXT, black, 0, text);
    cli_canvas_text(&sheet->canvas, x, top, TEXT, black, room - numbers - 2 * TEXT, image->class);
    cli_canvas_text(&sheet->canvas, x, top + LINE, TEXT, gray, room,
                    slash ? slash + 1 : image->title);
}

static void draw_legend(struct sheet *sheet, int top)
{
    const struct cli_color middle = {128, 128, 128};
    int left = MARGIN, width = sheet->canvas.w - 2 * MARGIN;
    char text[64];
    width = width > 560 ? 560 : width;
    cli_canvas_text(&sheet->canvas, left, top, TEXT, black, sheet->canvas.w - 2 * MARGIN,
                    sheet->cam->border
                        ? "evidence in logit units: the mean of the cells is the logit. "
                          "The outer ring of cells (padding, bias alone) is not drawn."
                        : "evidence in logit units: the mean of the cells is the logit");
    top += LINE;
    for (int x = 0; x < width; x++) {
        double value = sheet->largest * x / (width - 1);
        struct cli_color color = overlay(sheet, middle, value);
        cli_canvas_fill(&sheet->canvas, left + x, top, 1, BAR_H, color);
    }
    for (int i = 0; sheet->tick > 0 && i * sheet->tick <= sheet->largest * 1.0001; i++) {
        int x = left + (int)lround(i * sheet->tick / sheet->largest * (width - 1));
        snprintf(text, sizeof text, "%g", i * sheet->tick);
        double half = cli_canvas_text_width(TEXT, text) / 2;
        cli_canvas_fill(&sheet->canvas, x, top + BAR_H, 1, 6, gray);
        cli_canvas_text(&sheet->canvas, fmax(left, x - half), top + BAR_H + 11, TEXT, black, 0,
                        text);
    }
}

static void plan(struct sheet *sheet)
{
    int n = sheet->cam->n;
    sheet->columns = n == 1 ? 1 : n <= 6 ? 2 : 3;
    sheet->rows = (n + sheet->columns - 1) / sheet->columns;
    sheet->size = n == 1 ? 448 : n <= 6 ? 320 : 224;
    for (int i = 0; i < n; i++) {
        const struct cli_heatmap map = {.cells = sheet->cam->images[i].cells,
                                        .h = sheet->cam->h - 2 * sheet->cam->border,
                                        .w = sheet->cam->w - 2 * sheet->cam->border};
        sheet->largest = fmax(sheet->largest, cli_heatmap_largest(&map));
    }
    if (sheet->largest > 0)
        sheet->tick = cli_heatmap_tick(sheet->largest, 6);
}

enum sqz_status predict_cam_draw(const struct predict_cam *cam, bool force)
{
    struct sheet sheet = {.cam = cam};
    struct sqz_error err = {0};
    plan(&sheet);
    int pair_w = 2 * sheet.size + GAP + MARGIN, pair_h = sheet.size + CAPTION + 8;
    int w = MARGIN + sheet.columns * pair_w, h = MARGIN + sheet.rows * pair_h + LEGEND;
    if (!cli_canvas_init(&sheet.canvas, w, h))
        return cli_complain(SQZ_E_NOMEM, "There is not enough memory for the drawing.");
    for (int i = 0; i < cam->n; i++) {
        int left = MARGIN + i % sheet.columns * pair_w, top = MARGIN + i / sheet.columns * pair_h;
        draw_pair(&sheet, &cam->images[i], left, top);
        draw_caption(&sheet, &cam->images[i], left, top + sheet.size + 10);
    }
    draw_legend(&sheet, h - LEGEND + 14);
    enum sqz_status status = SQZ_OK;
    if (sqz_write_png(cam->path, sheet.canvas.rgb, w, h, force, &err))
        status = cli_fail(&err);
    cli_canvas_release(&sheet.canvas);
    return status;
}
