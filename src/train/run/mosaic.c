// Images in rows, with names in a small raster type.
#include "train/run/mosaic.h"

#include <math.h>
#include <string.h>

enum {
    MOST = 64,   // images
    SHOWN = 112, // pixels a side that an image has at most
    GAP = 4,
    DOT = 2, // pixels of a letter's dot
    ADVANCE = 4 * DOT,
    TEXT = 5 * DOT + 2 * GAP // height of the line below an image
};

// Letters of 3 x 5 dots: an octal digit a row, from the top.
static unsigned glyph(char c)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    static const unsigned rows[] = {025755, 065656, 034443, 065556, 074647, 074644, 034553, 055755,
                                    072227, 011152, 055655, 044447, 057755, 065555, 025552, 065644,
                                    025563, 065655, 034216, 072222, 055557, 055552, 055775, 055255,
                                    055222, 071247, 075557, 026227, 061247, 061216, 055711, 074616,
                                    034652, 071222, 025252, 025316, 000007, 000700, 000002};
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    const char *found = c ? strchr(letters, c) : NULL;
    return found ? rows[found - letters] : 0; // others are blanks
}

static void draw_dot(struct sqz_image *image, int x, int y)
{
    for (int dy = 0; dy < DOT; dy++)
        memset(image->pixels + ((size_t)(y + dy) * (size_t)image->w + (size_t)x) * 3, 0x30,
               (size_t)DOT * 3);
}

// Cut where the cell ends.
static void draw_text(struct sqz_image *image, int left, int top, int width, const char *text)
{
    for (int x = left; *text && x + ADVANCE <= left + width; text++, x += ADVANCE)
        for (int dot = 0; dot < 15; dot++)
            if (glyph(*text) >> (14 - dot) & 1)
                draw_dot(image, x + dot % 3 * DOT, top + dot / 3 * DOT);
}

static uint8_t pixel_of(const struct sqz_preprocess *preprocess, const float *pixel, int c)
{
    int channel = preprocess->channels == 1 ? 0 : preprocess->bgr ? 2 - c : c;
    float value = pixel[channel] * preprocess->std[channel] + preprocess->mean[channel];
    return (uint8_t)fminf(fmaxf(rintf(value), 0), 255); // a NaN becomes 0
}

static void draw_image(struct sqz_image *image, int left, int top, int shown,
                       const struct sqz_preprocess *preprocess, const float *pixels)
{
    int side = preprocess->image_size, channels = preprocess->channels;
    for (int y = 0; y < shown; y++) {
        uint8_t *out = image->pixels + ((size_t)(top + y) * (size_t)image->w + (size_t)left) * 3;
        for (int x = 0; x < shown; x++) {
            size_t from = (size_t)(y * side / shown) * (size_t)side + (size_t)(x * side / shown);
            for (int c = 0; c < 3; c++)
                *out++ = pixel_of(preprocess, pixels + from * (size_t)channels, c);
        }
    }
}

enum sqz_status sqz_mosaic(const struct sqz_batch *batch, const struct sqz_preprocess *preprocess,
                           char *const *classes, struct sqz_image *out, struct sqz_error *err)
{
    int n = batch->n < MOST ? batch->n : MOST, side = preprocess->image_size;
    int shown = side < SHOWN ? side * (SHOWN / side) : SHOWN;
    int columns = (int)ceil(sqrt(n)), rows = (n + columns - 1) / columns;
    int cell_w = shown + GAP, cell_h = shown + TEXT;
    size_t floats = (size_t)side * (size_t)side * (size_t)preprocess->channels;
    enum sqz_status status =
        sqz_image_resize_buffer(out, GAP + columns * cell_w, GAP + rows * cell_h, 3, err);
    if (status)
        return status;
    memset(out->pixels, 0xff, (size_t)out->w * (size_t)out->h * 3);
    for (int i = 0; i < n; i++) {
        int left = GAP + i % columns * cell_w, top = GAP + i / columns * cell_h;
        draw_image(out, left, top, shown, preprocess, batch->images + (size_t)i * floats);
        draw_text(out, left, top + shown + GAP, shown, classes[batch->labels[i]]);
    }
    return SQZ_OK;
}
