// Pixel formats: one table tells what each is made of, one function converts a row.
#include "api/pixels.h"
#include "api/struct_size.h"
#include <string.h>

enum { LARGEST_SIDE = 65500, LARGEST_IMAGE = 100000000 }; // as for image files

// One row of an image: where each plane's row begins.
typedef void (*convert_fn)(const uint8_t *const *rows, int width, uint8_t *out);

static uint8_t clamp(int value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

// BT.601, video range, with OpenCV's constants of 20 bits after the point.
static void put_yuv(int y, int u, int v, uint8_t *out)
{
    enum { SHIFT = 20, HALF = 1 << (SHIFT - 1) };
    enum { Y_SCALE = 1220542, U_BLUE = 2116026, U_GREEN = -409993, V_GREEN = -852492 };
    enum { V_RED = 1673527 };
    int luma = (y > 16 ? y - 16 : 0) * Y_SCALE + HALF;
    u -= 128;
    v -= 128;
    out[0] = clamp((luma + V_RED * v) >> SHIFT);
    out[1] = clamp((luma + V_GREEN * v + U_GREEN * u) >> SHIFT);
    out[2] = clamp((luma + U_BLUE * u) >> SHIFT);
}

static void from_bytes(const uint8_t *in, int width, int bytes, int red, uint8_t *out)
{
    for (int x = 0; x < width; x++, in += bytes, out += 3) {
        out[0] = in[red];
        out[1] = in[1];
        out[2] = in[2 - red];
    }
}

static void from_rgb(const uint8_t *const *rows, int width, uint8_t *out)
{
    memcpy(out, rows[0], 3 * (size_t)width);
}

static void from_bgr(const uint8_t *const *rows, int width, uint8_t *out)
{
    from_bytes(rows[0], width, 3, 2, out);
}

static void from_rgba(const uint8_t *const *rows, int width, uint8_t *out)
{
    from_bytes(rows[0], width, 4, 0, out);
}

static void from_bgra(const uint8_t *const *rows, int width, uint8_t *out)
{
    from_bytes(rows[0], width, 4, 2, out);
}

static void from_gray(const uint8_t *const *rows, int width, uint8_t *out)
{
    memcpy(out, rows[0], (size_t)width);
}

static void from_nv12(const uint8_t *const *rows, int width, uint8_t *out)
{
    for (int x = 0; x < width; x++) {
        const uint8_t *uv = rows[1] + x / 2 * 2;
        put_yuv(rows[0][x], uv[0], uv[1], out + 3 * x);
    }
}

static void from_i420(const uint8_t *const *rows, int width, uint8_t *out)
{
    for (int x = 0; x < width; x++)
        put_yuv(rows[0][x], rows[1][x / 2], rows[2][x / 2], out + 3 * x);
}

static void from_yuyv(const uint8_t *const *rows, int width, uint8_t *out)
{
    for (int x = 0; x < width; x++) {
        const uint8_t *pair = rows[0] + x / 2 * 4;
        put_yuv(pair[x % 2 * 2], pair[1], pair[3], out + 3 * x);
    }
}

// bytes: of `unit` pixels in a row of each plane; halved: planes after the first have half the
// rows.
static const struct pixel_format {
    const char *name;
    int channels, planes, unit, bytes[3];
    bool halved;
    convert_fn convert;
} formats[] = {
    [SQZ_PIXELS_RGB] = {"RGB", 3, 1, 1, {3}, false, from_rgb},
    [SQZ_PIXELS_BGR] = {"BGR", 3, 1, 1, {3}, false, from_bgr},
    [SQZ_PIXELS_RGBA] = {"RGBA", 3, 1, 1, {4}, false, from_rgba},
    [SQZ_PIXELS_BGRA] = {"BGRA", 3, 1, 1, {4}, false, from_bgra},
    [SQZ_PIXELS_GRAY] = {"gray", 1, 1, 1, {1}, false, from_gray},
    [SQZ_PIXELS_NV12] = {"NV12", 3, 2, 2, {2, 2}, true, from_nv12},
    [SQZ_PIXELS_I420] = {"I420", 3, 3, 2, {2, 1, 1}, true, from_i420},
    [SQZ_PIXELS_YUYV] = {"YUYV", 3, 1, 2, {4}, false, from_yuyv},
};

// Bytes that a row of plane p holds. Y has one for each pixel of an odd width, too.
static ptrdiff_t row_bytes(const struct pixel_format *format, int p, int width)
{
    if (format->halved && p == 0)
        return width;
    return (ptrdiff_t)((width + format->unit - 1) / format->unit) * format->bytes[p];
}

static enum sqz_status check(const struct sqz_pixels *pixels, const char *name,
                             struct sqz_error *err)
{
    if ((unsigned)pixels->format >= sizeof formats / sizeof *formats)
        return sqz_fail(err, SQZ_E_USAGE, "%s: %d is no pixel format.", name, (int)pixels->format);
    const struct pixel_format *format = &formats[pixels->format];
    int w = pixels->width, h = pixels->height;
    if (w < 1 || h < 1 || w > LARGEST_SIDE || h > LARGEST_SIDE || (int64_t)w * h > LARGEST_IMAGE)
        return sqz_fail(err, SQZ_E_USAGE,
                        "%s: an image of %d x %d pixels cannot be classified; sides of 1 to %d and "
                        "%d million pixels can.",
                        name, w, h, LARGEST_SIDE, LARGEST_IMAGE / 1000000);
    if (pixels->format == SQZ_PIXELS_YUYV && w % 2)
        return sqz_fail(err, SQZ_E_USAGE, "%s: the width of YUYV pixels is even, not %d.", name, w);
    for (int p = 0; p < format->planes; p++) {
        ptrdiff_t stride = pixels->strides[p], least = row_bytes(format, p, w);
        if (!pixels->planes[p])
            return sqz_fail(err, SQZ_E_USAGE, "%s: plane %d of %s pixels is missing.", name, p,
                            format->name);
        if (stride && (stride < 0 ? -stride : stride) < least)
            return sqz_fail(err, SQZ_E_USAGE,
                            "%s: a stride of %td bytes is less than the %td of a row of %d %s "
                            "pixels.",
                            name, stride, least, w, format->name);
    }
    return SQZ_OK;
}

enum sqz_status sqz_pixels_view(const struct sqz_pixels *theirs, const char *name,
                                struct sqz_image *converted, struct sqz_image *out,
                                struct sqz_error *err)
{
    struct sqz_pixels pixels;
    enum sqz_status status = SQZ_STRUCT_IN(sqz_pixels, &pixels, theirs, err);
    if (!status)
        status = check(&pixels, name, err);
    if (status)
        return status;
    const struct pixel_format *format = &formats[pixels.format];
    for (int p = 0; p < format->planes; p++)
        if (!pixels.strides[p])
            pixels.strides[p] = row_bytes(format, p, pixels.width);
    bool dense = pixels.format == SQZ_PIXELS_RGB || pixels.format == SQZ_PIXELS_GRAY;
    if (dense && pixels.strides[0] == row_bytes(format, 0, pixels.width)) {
        *out = (struct sqz_image){.w = pixels.width,
                                  .h = pixels.height,
                                  .c = format->channels,
                                  .pixels = (uint8_t *)pixels.planes[0]};
        return SQZ_OK;
    }
    status = sqz_image_resize_buffer(converted, pixels.width, pixels.height, format->channels, err);
    for (int y = 0; !status && y < pixels.height; y++) {
        const uint8_t *rows[3] = {NULL};
        for (int p = 0; p < format->planes; p++)
            rows[p] = pixels.planes[p] + (p && format->halved ? y / 2 : y) * pixels.strides[p];
        format->convert(rows, pixels.width,
                        converted->pixels +
                            (size_t)y * (size_t)pixels.width * (size_t)format->channels);
    }
    if (!status)
        *out = *converted; // a view: the buffer stays with `converted`
    return status;
}
