// Which code carries out which operation, and the operations that look at one pixel at a time.
#include "data/augment/operation.h"
#include "data/augment/transform.h"
#include "data/augment/operation_ops.h"

#include <math.h>
#include <string.h>

typedef uint8_t table[256];

static size_t count_values(const struct sqz_image *image)
{
    return (size_t)image->w * (size_t)image->h * (size_t)image->c;
}

// Two counts a channel: an increment need not wait for the one before it, of an equal value.
static void count(const struct sqz_image *image, uint32_t histograms[3][256])
{
    uint32_t even[3][256] = {{0}}, odd[3][256] = {{0}};
    const uint8_t *p = image->pixels, *end = p + count_values(image);
    int c = image->c;
    for (; end - p >= 2 * c; p += 2 * c)
        for (int k = 0; k < c; k++) {
            even[k][p[k]]++;
            odd[k][p[k + c]]++;
        }
    for (int k = 0; p < end; k++, p++)
        even[k][*p]++;
    for (int k = 0; k < c; k++)
        for (int i = 0; i < 256; i++)
            histograms[k][i] = even[k][i] + odd[k][i];
}

static void keep(table out)
{
    for (int i = 0; i < 256; i++)
        out[i] = (uint8_t)i;
}

// Pillow's: in double, truncated.
static void stretch(int low, int high, table out)
{
    keep(out);
    if (high <= low)
        return;
    double scale = 255.0 / (high - low), offset = -low * scale;
    for (int i = 0; i < 256; i++) {
        int value = (int)(i * scale + offset);
        out[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

// OpenCV's: in float32, halves to even; the first value that occurs becomes 0.
static void flatten(const uint32_t histogram[256], table out)
{
    uint32_t total = 0, sum = 0;
    int first = 0;
    keep(out);
    for (int i = 0; i < 256; i++)
        total += histogram[i];
    while (first < 256 && !histogram[first])
        first++;
    if (first == 256 || histogram[first] == total)
        return;
    float scale = 255.0f / (float)(total - histogram[first]);
    memset(out, 0, (size_t)first + 1);
    for (int i = first + 1; i < 256; i++) {
        sum += histogram[i];
        long value = lrintf((float)sum * scale);
        out[i] = (uint8_t)(value > 255 ? 255 : value);
    }
}

static void look_up(const table *tables, struct sqz_image *image)
{
    size_t n = count_values(image);
    uint8_t *p = image->pixels;
    if (image->c == 1)
        for (size_t i = 0; i < n; i++)
            p[i] = tables[0][p[i]];
    else
        for (size_t i = 0; i < n; i += 3) {
            p[i] = tables[0][p[i]];
            p[i + 1] = tables[1][p[i + 1]];
            p[i + 2] = tables[2][p[i + 2]];
        }
}

static void stretch_contrast(struct sqz_image *image)
{
    table tables[3];
    uint8_t low[3], high[3];
    sqz_operation_ops()->extremes(image->pixels, count_values(image), (size_t)image->c, low, high);
    for (int k = 0; k < image->c; k++)
        stretch(low[k], high[k], tables[k]);
    look_up(tables, image);
}

static void equalize(struct sqz_image *image)
{
    table tables[3];
    uint32_t histograms[3][256];
    count(image, histograms);
    for (int k = 0; k < image->c; k++)
        flatten(histograms[k], tables[k]);
    look_up(tables, image);
}

static void posterize(int argument, struct sqz_image *image)
{
    int bits = 8 - argument;
    bits = bits < 1 ? 1 : bits > 8 ? 8 : bits;
    sqz_operation_ops()->mask(image->pixels, count_values(image), (uint8_t)(0xFF << (8 - bits)));
}

void sqz_operation_point(const struct sqz_operation *operation, struct sqz_image *image)
{
    double argument = operation->argument;
    switch (operation->kind) {
    case SQZ_AUTO_CONTRAST:
        stretch_contrast(image);
        break;
    case SQZ_EQUALIZE:
        equalize(image);
        break;
    case SQZ_INVERT:
        sqz_operation_ops()->invert_from(image->pixels, count_values(image), 0);
        break;
    case SQZ_POSTERIZE:
        posterize((int)argument, image);
        break;
    case SQZ_SOLARIZE:
        if (argument < 256)
            sqz_operation_ops()->invert_from(image->pixels, count_values(image),
                                             (uint8_t)(argument < 0 ? 0 : argument));
        break;
    case SQZ_COLOR:
        sqz_jitter_run(SQZ_SATURATION, (float)argument, image);
        break;
    case SQZ_DESATURATE:
        sqz_jitter_run(SQZ_SATURATION, (float)(1 - argument), image);
        break;
    case SQZ_ADJUST_CONTRAST:
        sqz_jitter_run(SQZ_CONTRAST, (float)argument, image);
        break;
    case SQZ_ADJUST_BRIGHTNESS:
        sqz_jitter_run(SQZ_BRIGHTNESS, (float)argument, image);
        break;
    default:
        break;
    }
}

enum sqz_status sqz_operation_run(const struct sqz_operation *operation,
                                  const struct sqz_operation_style *style, struct sqz_image *image,
                                  struct sqz_image *spare, struct sqz_error *err)
{
    bool turns = operation->kind == SQZ_ROTATE ||
                 (operation->kind >= SQZ_SHEAR_X && operation->kind <= SQZ_TRANSLATE_Y);
    if (!turns && operation->kind != SQZ_SHARPNESS && operation->kind != SQZ_BLUR) {
        sqz_operation_point(operation, image);
        return SQZ_OK;
    }
    if (image->w > SQZ_OPERATION_SIDE || image->h > SQZ_OPERATION_SIDE)
        return sqz_fail(err, SQZ_E_INTERNAL, "An image of %d x %d pixels was to be augmented.",
                        image->w, image->h);
    enum sqz_status status = sqz_image_resize_buffer(spare, image->w, image->h, image->c, err);
    if (status)
        return status;
    if (operation->kind == SQZ_SHARPNESS) {
        sqz_smooth(image, spare);
        sqz_operation_ops()->mix(image->pixels, spare->pixels, count_values(image),
                                 (float)operation->argument);
        return SQZ_OK;
    }
    if (operation->kind == SQZ_BLUR)
        sqz_blur(operation->argument, image, spare);
    else
        sqz_operation_geometry(operation, style, image, spare);
    sqz_image_swap(image, spare);
    return SQZ_OK;
}
