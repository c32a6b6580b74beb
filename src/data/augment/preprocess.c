// The evaluation transform: resize, centre crop, normalise. Only the pixels that the crop is made
// from are kept of the decoded image, and only the crop of the resized one is computed.
#include "data/augment/transform_source.h"

#include <limits.h>
#include <string.h>

enum sqz_status sqz_preprocess_resized_size(const struct sqz_preprocess *preprocess, int w, int h,
                                            int *resized_w, int *resized_h, struct sqz_error *err)
{
    int shorter = w < h ? w : h, longer = w < h ? h : w, side = preprocess->resize;
    *resized_w = *resized_h = side;
    if (preprocess->resize_mode == SQZ_RESIZE_EXACT || shorter <= 0)
        return SQZ_OK;
    int64_t length = (int64_t)side * longer / shorter;
    if (length > INT_MAX)
        return sqz_fail(err, SQZ_E_DATA, "An image of %d x %d pixels is too narrow to be resized.",
                        w, h);
    *(w < h ? resized_h : resized_w) = (int)length;
    return SQZ_OK;
}

// Where the crop lies in `length` pixels, or how much black comes before them.
static void centre(int length, int side, struct sqz_resize_axis *axis, int *padding)
{
    bool covers = length >= side;
    axis->first = covers ? (length - side) / 2 : 0;
    axis->count = covers ? side : length;
    *padding = covers ? 0 : (side - length + 1) / 2;
}

static enum sqz_status check(const struct sqz_preprocess *preprocess, struct sqz_error *err)
{
    if (preprocess->resize > 0 && preprocess->image_size > 0 &&
        (preprocess->channels == 1 || preprocess->channels == 3))
        return SQZ_OK;
    return sqz_fail(err, SQZ_E_INTERNAL,
                    "A preprocessing with resize %d, image size %d and %d channels was asked for.",
                    preprocess->resize, preprocess->image_size, preprocess->channels);
}

// Decodes, resizes and crops. *out: image_size x image_size pixels in the scratch.
static enum sqz_status fit(const struct sqz_preprocess *preprocess, const struct sqz_source *source,
                           struct sqz_transform_scratch *scratch, const uint8_t **out,
                           struct sqz_error *err)
{
    int side = preprocess->image_size, left, top;
    struct sqz_resize resize = {.interpolation = preprocess->interpolation};
    struct sqz_resize_axis *x = &resize.x, *y = &resize.y;
    enum sqz_status status = check(preprocess, err);
    if (status == SQZ_OK)
        status = sqz_source_size(source, preprocess->apply_exif, &x->in, &y->in, err);
    if (status == SQZ_OK)
        status = sqz_preprocess_resized_size(preprocess, x->in, y->in, &x->out, &y->out, err);
    if (status)
        return status;
    centre(x->out, side, x, &left);
    centre(y->out, side, y, &top);
    struct sqz_source_part part = {
        .apply_exif = preprocess->apply_exif, .verify = true, .channels = preprocess->channels};
    sqz_resize_needs(&resize, &part.rect);
    x->held = part.rect.x;
    y->held = part.rect.y;
    struct sqz_source_pixels pixels;
    struct sqz_image *resized = &scratch->resized;
    status = sqz_source_fetch(source, &part, &pixels, scratch, err);
    if (status == SQZ_OK)
        status = sqz_resize_run(&resize, &pixels.from, resized, scratch, err);
    if (status)
        return status;
    if (resized->w < side || resized->h < side) {
        struct sqz_source_pixels inner = {
            {resized->pixels, (size_t)resized->w * (size_t)resized->c, resized->c},
            resized->w,
            resized->h};
        status = sqz_source_pad(&inner, left, top, side, side, &scratch->padded, err);
        if (status)
            return status;
        resized = &scratch->padded;
    }
    *out = resized->pixels;
    return SQZ_OK;
}

enum sqz_status sqz_preprocess_run(const struct sqz_preprocess *preprocess,
                                   const struct sqz_source *source, float *out,
                                   struct sqz_transform_scratch *scratch, struct sqz_error *err)
{
    const uint8_t *pixels = NULL;
    enum sqz_status status = fit(preprocess, source, scratch, &pixels, err);
    if (!status)
        sqz_normalize(preprocess, pixels, false, false, true, out);
    return status;
}

enum sqz_status sqz_preprocess_pixels(const struct sqz_preprocess *preprocess,
                                      const struct sqz_source *source, uint8_t *out,
                                      struct sqz_transform_scratch *scratch, struct sqz_error *err)
{
    const uint8_t *pixels = NULL;
    enum sqz_status status = fit(preprocess, source, scratch, &pixels, err);
    if (status)
        return status;
    const size_t c = (size_t)preprocess->channels;
    const size_t n = (size_t)preprocess->image_size * (size_t)preprocess->image_size * c;
    const bool swap = preprocess->bgr && c == 3;
    for (size_t i = 0; swap && i < n; i += 3) {
        out[i] = pixels[i + 2];
        out[i + 1] = pixels[i + 1];
        out[i + 2] = pixels[i];
    }
    if (!swap)
        memcpy(out, pixels, n);
    return SQZ_OK;
}
