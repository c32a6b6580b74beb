// Decodes an image of any kind that is read, with crop, scale and EXIF orientation.
#include "data/image/codec.h"

#include <string.h>

bool sqz_image_is_known(const uint8_t *data, size_t size)
{
    return sqz_image_kind_of(data, size)->codec != NULL;
}

static enum sqz_status probe(const uint8_t *data, size_t size, struct sqz_image_header *out,
                             const struct sqz_image_codec **codec, struct sqz_error *err)
{
    *out = (struct sqz_image_header){.orientation = 1};
    *codec = NULL;
    if (size == 0)
        return sqz_fail(err, SQZ_E_DATA, "is empty");
    const struct sqz_image_kind *kind = sqz_image_kind_of(data, size);
    *codec = kind->codec;
    if (!kind->codec)
        return sqz_fail(err, SQZ_E_DATA, "is %s: JPEG and PNG are read", kind->name);
    enum sqz_status status = kind->codec->probe(data, size, out, err);
    if (status)
        return status;
    if (out->w > SQZ_IMAGE_SIDE_MAX || out->h > SQZ_IMAGE_SIDE_MAX ||
        (int64_t)out->w * out->h > SQZ_IMAGE_PIXELS_MAX)
        return sqz_fail(err, SQZ_E_DATA,
                        "has %d x %d pixels: the limits are %d a side and %d in all", out->w,
                        out->h, SQZ_IMAGE_SIDE_MAX, SQZ_IMAGE_PIXELS_MAX);
    return SQZ_OK;
}

enum sqz_status sqz_image_probe(const uint8_t *data, size_t size, struct sqz_image_header *out,
                                struct sqz_error *err)
{
    struct sqz_image_header header;
    const struct sqz_image_codec *codec;
    enum sqz_status status = probe(data, size, &header, &codec, err);
    if (status == SQZ_OK)
        *out = header;
    return status;
}

static bool swaps_sides(int orientation)
{
    return orientation >= 5;
}

// The stored pixel that is shown at (x, y); w x h is the stored size.
static void stored_place(int orientation, int w, int h, int x, int y, int *sx, int *sy)
{
    int across = swaps_sides(orientation) ? y : x, down = swaps_sides(orientation) ? x : y;
    bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    *sx = from_right ? w - 1 - across : across;
    *sy = from_bottom ? h - 1 - down : down;
}

static struct sqz_rect stored_rect(int orientation, int w, int h, struct sqz_rect shown)
{
    int x0, y0, x1, y1;
    stored_place(orientation, w, h, shown.x, shown.y, &x0, &y0);
    stored_place(orientation, w, h, shown.x + shown.w - 1, shown.y + shown.h - 1, &x1, &y1);
    struct sqz_rect rect = {x0 < x1 ? x0 : x1, y0 < y1 ? y0 : y1, 0, 0};
    rect.w = (x0 < x1 ? x1 : x0) - rect.x + 1;
    rect.h = (y0 < y1 ? y1 : y0) - rect.y + 1;
    return rect;
}

static enum sqz_status turn(const struct sqz_image *in, int orientation, struct sqz_image *out,
                            struct sqz_error *err)
{
    bool swap = swaps_sides(orientation);
    enum sqz_status status =
        sqz_image_resize_buffer(out, swap ? in->h : in->w, swap ? in->w : in->h, in->c, err);
    if (status)
        return status;
    uint8_t *to = out->pixels;
    for (int y = 0; y < out->h; y++)
        for (int x = 0; x < out->w; x++, to += in->c) {
            int sx, sy;
            stored_place(orientation, in->w, in->h, x, y, &sx, &sy);
            memcpy(to, in->pixels + ((size_t)sy * (size_t)in->w + (size_t)sx) * (size_t)in->c,
                   (size_t)in->c);
        }
    return SQZ_OK;
}

static int divide_up(int a, int b)
{
    return a / b + (a % b != 0);
}

static int choose_denominator(const struct sqz_rect *crop, int least_w, int least_h, int most)
{
    int denominator = 1;
    if (least_w > 0 && least_h > 0)
        while (denominator < most && crop->w / (2 * denominator) >= least_w &&
               crop->h / (2 * denominator) >= least_h)
            denominator *= 2;
    return denominator;
}

static void scale_job(struct sqz_decode_job *job, int denominator)
{
    struct sqz_rect *crop = &job->crop;
    int right = divide_up(crop->x + crop->w, denominator);
    int bottom = divide_up(crop->y + crop->h, denominator);
    job->denominator = denominator;
    job->w = divide_up(job->w, denominator);
    job->h = divide_up(job->h, denominator);
    crop->x /= denominator;
    crop->y /= denominator;
    crop->w = right - crop->x;
    crop->h = bottom - crop->y;
}

void sqz_image_shown_size(const struct sqz_image_header *header, bool apply_exif, int *w, int *h)
{
    bool swap = apply_exif && swaps_sides(header->orientation);
    *w = swap ? header->h : header->w;
    *h = swap ? header->w : header->h;
}

// Turns the request, which is about the image as shown, into one about the stored image.
static enum sqz_status plan_job(const struct sqz_image_codec *codec,
                                const struct sqz_image_header *header, int orientation,
                                const struct sqz_decode *how, struct sqz_decode_job *job,
                                struct sqz_error *err)
{
    int w, h;
    sqz_image_shown_size(header, orientation != 1, &w, &h);
    struct sqz_rect crop = how->crop.w ? how->crop : (struct sqz_rect){0, 0, w, h};
    if (crop.x < 0 || crop.y < 0 || crop.w <= 0 || crop.h <= 0 || crop.x > w - crop.w ||
        crop.y > h - crop.h || (how->channels != 1 && how->channels != 3))
        return sqz_fail(err, SQZ_E_INTERNAL,
                        "The part %d x %d at (%d, %d) with %d channels was asked of %s, which has "
                        "%d x %d pixels.",
                        crop.w, crop.h, crop.x, crop.y, how->channels, job->name, w, h);
    job->w = header->w;
    job->h = header->h;
    job->crop = stored_rect(orientation, header->w, header->h, crop);
    job->denominator = 1;
    job->channels = how->channels;
    job->verify = how->verify;
    scale_job(job, choose_denominator(&crop, how->least_w, how->least_h, codec->most_denominator));
    return SQZ_OK;
}

enum sqz_status sqz_image_decode(const uint8_t *data, size_t size, const char *name,
                                 const struct sqz_decode *how, struct sqz_image *out,
                                 struct sqz_error *err)
{
    struct sqz_image_header header;
    const struct sqz_image_codec *codec;
    struct sqz_error why = {0};
    if (!name)
        name = "The image";
    enum sqz_status status = probe(data, size, &header, &codec, &why);
    if (status)
        return sqz_fail(err, status, "%s %s.", name, why.text);
    int orientation = how->apply_exif ? header.orientation : 1;
    struct sqz_decode_job job = {.data = data, .size = size, .slack = how->slack, .name = name};
    bool wide = how->part && orientation == 1 && codec->keeps_columns;
    job.part = wide ? how->part : NULL;
    status = plan_job(codec, &header, orientation, how, &job, err);
    if (status)
        return status;
    struct sqz_image stored = {0};
    struct sqz_image *target = orientation == 1 ? out : &stored;
    status = codec->decode(&job, target, err);
    if (status == SQZ_OK && orientation != 1)
        status = turn(&stored, orientation, out, err);
    if (status == SQZ_OK && how->part && !wide)
        *how->part = (struct sqz_rect){0, 0, out->w, out->h};
    sqz_image_release(&stored);
    return status;
}
