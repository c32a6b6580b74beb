// What both ways from an image to a network input share: fetching a part of the image, black
// borders, and normalising.
#include "data/resize/pixel_ops.h"
#include "data/augment/transform_source.h"

#include <string.h>

enum sqz_status sqz_source_size(const struct sqz_source *source, bool apply_exif, int *w, int *h,
                                struct sqz_error *err)
{
    if (source->image) {
        *w = source->image->w;
        *h = source->image->h;
        return SQZ_OK;
    }
    struct sqz_image_header header;
    struct sqz_error why = {0};
    enum sqz_status status = sqz_image_probe(source->data, source->size, &header, &why);
    if (status)
        return sqz_fail(err, status, "%s %s.", source->name ? source->name : "The image", why.text);
    sqz_image_shown_size(&header, apply_exif, w, h);
    return SQZ_OK;
}

static void convert_row(const uint8_t *in, int n, int have, int wanted, uint8_t *out)
{
    for (int i = 0; i < n; i++)
        if (have == 3 && wanted == 1)
            out[i] = sqz_luma(in[3 * i], in[3 * i + 1], in[3 * i + 2]);
        else
            memset(out + 3 * i, in[i], 3);
}

// Pixels that are already there, with another number of channels.
static enum sqz_status convert(const struct sqz_image *in, const struct sqz_rect *rect,
                               int channels, struct sqz_image *out, struct sqz_error *err)
{
    enum sqz_status status = sqz_image_resize_buffer(out, rect->w, rect->h, channels, err);
    if (status)
        return status;
    for (int y = 0; y < rect->h; y++) {
        size_t first = (size_t)(rect->y + y) * (size_t)in->w + (size_t)rect->x;
        convert_row(in->pixels + first * (size_t)in->c, rect->w, in->c, channels,
                    out->pixels + (size_t)y * (size_t)rect->w * (size_t)channels);
    }
    return SQZ_OK;
}

enum sqz_status sqz_source_fetch(const struct sqz_source *source,
                                 const struct sqz_source_part *part, struct sqz_source_pixels *out,
                                 struct sqz_transform_scratch *scratch, struct sqz_error *err)
{
    const struct sqz_image *image = source->image;
    const struct sqz_rect *rect = &part->rect;
    if (image && image->c == part->channels) {
        size_t stride = (size_t)image->w * (size_t)image->c;
        const uint8_t *first =
            image->pixels + (size_t)rect->y * stride + (size_t)rect->x * (size_t)image->c;
        *out = (struct sqz_source_pixels){{first, stride, image->c}, rect->w, rect->h};
        return SQZ_OK;
    }
    struct sqz_image *decoded = &scratch->decoded;
    struct sqz_rect within;
    enum sqz_status status;
    if (image) {
        status = convert(image, rect, part->channels, decoded, err);
        within = (struct sqz_rect){0, 0, rect->w, rect->h};
    } else {
        struct sqz_decode how = {
            .channels = part->channels,
            .apply_exif = part->apply_exif,
            .crop = *rect,
            .least_w = part->least_w,
            .least_h = part->least_h,
            .part = &within,
            .verify = part->verify,
            .slack = source->slack,
        };
        status = sqz_image_decode(source->data, source->size, source->name, &how, decoded, err);
    }
    if (status == SQZ_OK) {
        size_t c = (size_t)decoded->c, stride = (size_t)decoded->w * c;
        *out = (struct sqz_source_pixels){
            {decoded->pixels + (size_t)within.x * c, stride, decoded->c}, within.w, within.h};
    }
    return status;
}

enum sqz_status sqz_source_pad(const struct sqz_source_pixels *in, int x, int y, int w, int h,
                               struct sqz_image *out, struct sqz_error *err)
{
    size_t c = (size_t)in->from.c;
    enum sqz_status status = sqz_image_resize_buffer(out, w, h, in->from.c, err);
    if (status)
        return status;
    memset(out->pixels, 0, (size_t)w * (size_t)h * c);
    int left = x < 0 ? -x : 0, top = y < 0 ? -y : 0;
    int right = in->w < w - x ? in->w : w - x, bottom = in->h < h - y ? in->h : h - y;
    if (right <= left)
        return SQZ_OK;
    for (int row = top; row < bottom; row++)
        memcpy(out->pixels + ((size_t)(y + row) * (size_t)w + (size_t)(x + left)) * c,
               in->from.pixels + (size_t)row * in->from.stride + (size_t)left * c,
               (size_t)(right - left) * c);
    return SQZ_OK;
}

// `n` pixels that end (mirror) or begin at `in`, in the order in which they are stored.
static void arrange(const uint8_t *in, int n, int c, bool mirror, bool bgr, uint8_t *out)
{
    for (int i = 0; i < n; i++) {
        const uint8_t *p = mirror ? in - (ptrdiff_t)(i + 1) * c : in + (ptrdiff_t)i * c;
        if (c == 1) {
            out[i] = p[0];
            continue;
        }
        out[3 * i] = p[bgr ? 2 : 0];
        out[3 * i + 1] = p[1];
        out[3 * i + 2] = p[bgr ? 0 : 2];
    }
}

#define FAR_FLOATS (1 << 16) // in an image whose batch does not stay in a cache

void sqz_normalize(const struct sqz_preprocess *preprocess, const uint8_t *pixels, bool hflip,
                   bool vflip, bool soon, float *out)
{
    const struct sqz_pixel_ops *ops = sqz_pixel_ops();
    int side = preprocess->image_size, c = preprocess->channels, block = SQZ_NORMALIZE_BLOCK / c;
    bool far = !soon && (int64_t)side * side * c >= FAR_FLOATS;
    bool bgr = preprocess->bgr && c == 3;
    float mean[SQZ_NORMALIZE_BLOCK], std[SQZ_NORMALIZE_BLOCK];
    for (int i = 0; i < SQZ_NORMALIZE_BLOCK; i++) {
        mean[i] = preprocess->mean[i % c];
        std[i] = preprocess->std[i % c];
    }
    for (int y = 0; y < side; y++) {
        size_t row_bytes = (size_t)side * (size_t)c;
        const uint8_t *row = pixels + (size_t)(vflip ? side - 1 - y : y) * row_bytes;
        for (int x = 0; x < side; x += block) {
            int n = side - x < block ? side - x : block;
            const uint8_t *in = row + (size_t)x * (size_t)c;
            uint8_t arranged[SQZ_NORMALIZE_BLOCK];
            if (hflip && c == 3 && !bgr) {
                ops->mirror(row + (size_t)(side - x - n) * 3, n, arranged);
                in = arranged;
            } else if (hflip || bgr) {
                const uint8_t *from = hflip ? row + (size_t)(side - x) * (size_t)c : in;
                arrange(from, n, c, hflip, bgr, arranged);
                in = arranged;
            }
            (far ? ops->normalize_far : ops->normalize)(in, n * c, mean, std, out);
            out += n * c;
        }
    }
    if (far)
        ops->settle();
}
