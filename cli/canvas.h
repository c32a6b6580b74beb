// Drawings in memory: rectangles, pixels and text, for images that a command writes.
#ifndef CLI_CANVAS_H
#define CLI_CANVAS_H

#include <stdbool.h>
#include <stdint.h>

struct cli_color {
    uint8_t r, g, b;
};
struct cli_canvas {
    int w, h;
    uint8_t *rgb; // owned
};
// White. false without memory. cli_canvas_release.
bool cli_canvas_init(struct cli_canvas *canvas, int w, int h);
void cli_canvas_release(struct cli_canvas *canvas);
// What lies outside of the canvas is not drawn.
void cli_canvas_set(struct cli_canvas *canvas, int x, int y, struct cli_color color);
void cli_canvas_fill(struct cli_canvas *canvas, int x, int y, int w, int h, struct cli_color color);

// canvas_text.c: text of capital height `size` pixels, its upper left corner at (x, y). What is not
// ASCII becomes '?'. Text wider than `room` ends in dots (room 0: any width).
void cli_canvas_text(struct cli_canvas *canvas, double x, double y, double size,
                     struct cli_color color, double room, const char *text);
double cli_canvas_text_width(double size, const char *text);

#endif
