// Rectangles and pixels.
#include "cli/canvas.h"
#include <stdlib.h>
#include <string.h>

bool cli_canvas_init(struct cli_canvas *canvas, int w, int h)
{
    size_t bytes = (size_t)w * (size_t)h * 3;
    *canvas = (struct cli_canvas){.w = w, .h = h, .rgb = malloc(bytes)};
    if (canvas->rgb)
        memset(canvas->rgb, 255, bytes);
    return canvas->rgb != NULL;
}

void cli_canvas_release(struct cli_canvas *canvas)
{
    free(canvas->rgb);
    *canvas = (struct cli_canvas){0};
}

void cli_canvas_set(struct cli_canvas *canvas, int x, int y, struct cli_color color)
{
    if (x < 0 || y < 0 || x >= canvas->w || y >= canvas->h)
        return;
    uint8_t *pixel = canvas->rgb + ((size_t)y * (size_t)canvas->w + (size_t)x) * 3;
    pixel[0] = color.r;
    pixel[1] = color.g;
    pixel[2] = color.b;
}

void cli_canvas_fill(struct cli_canvas *canvas, int x, int y, int w, int h, struct cli_color color)
{
    for (int row = y; row < y + h; row++)
        for (int column = x; column < x + w; column++)
            cli_canvas_set(canvas, column, row, color);
}
