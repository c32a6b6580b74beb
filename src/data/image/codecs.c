// The table of the kinds of files: those that are read, and those that people keep beside them.
#include "data/image/codec.h"

#include <ctype.h>
#include <string.h>

static const struct sqz_image_kind kinds[] = {
    {0, 3, "\xFF\xD8\xFF", "a JPEG image", &sqz_jpeg_codec},
    {0, 4, "\x89PNG", "a PNG image", &sqz_png_codec},
    {0, 4, "GIF8", "a GIF image", NULL},
    {8, 4, "WEBP", "a WebP image", NULL},
    {0, 2, "BM", "a BMP image", NULL},
    {0, 4, "MM\0*", "a TIFF image", NULL},
    {0, 3, "II*", "a TIFF image", NULL},
    {4, 8, "ftypheic", "a HEIC image", NULL},
    {4, 8, "ftypmif1", "a HEIC image", NULL},
    {4, 8, "ftypavif", "an AVIF image", NULL},
    {4, 4, "ftyp", "a video", NULL},
    {4, 4, "jP  ", "a JPEG 2000 image", NULL},
    {0, 4, "8BPS", "a Photoshop image", NULL},
    {0, 4, "%PDF", "a PDF document", NULL},
    {0, 4, "PK\3\4", "a ZIP archive", NULL},
    {0, 2, "\x1F\x8B", "a gzip file", NULL},
    {0, 5, "<?xml", "XML text", NULL},
    {0, 4, "<svg", "an SVG drawing", NULL},
    {0, 1, "<", "HTML text", NULL},
};

static bool is_text(const uint8_t *data, size_t size)
{
    size_t n = size < 64 ? size : 64;
    for (size_t i = 0; i < n; i++)
        if (data[i] < 128 && !isprint(data[i]) && !isspace(data[i]))
            return false;
    return true;
}

const struct sqz_image_kind *sqz_image_kind_of(const uint8_t *data, size_t size)
{
    static const struct sqz_image_kind text = {.name = "text"};
    static const struct sqz_image_kind unknown = {.name = "no image of a kind that is known here"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (size >= kinds[i].at && size - kinds[i].at >= kinds[i].length &&
            memcmp(data + kinds[i].at, kinds[i].magic, kinds[i].length) == 0)
            return &kinds[i];
    return is_text(data, size) ? &text : &unknown;
}
