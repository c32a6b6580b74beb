// Resizing: chooses the method, keeps the buffers, and does the one trivial method itself.
#include "data/resize/resize.h"

#include <math.h>
#include <string.h>

static int nearest_index(const struct sqz_resize_axis *axis, int d)
{
    double step = 1.0 / ((double)axis->out / axis->in);
    int i = (int)floor(d * step);
    return i < axis->in - 1 ? i : axis->in - 1;
}

static void nearest_span(const struct sqz_resize_axis *axis, int d, int *low, int *high)
{
    *low = nearest_index(axis, d);
    *high = *low + 1;
}

static enum sqz_status nearest(const struct sqz_resize *resize, const struct sqz_resize_source *in,
                               uint8_t *out, struct sqz_transform_scratch *scratch,
                               struct sqz_error *err)
{
    const struct sqz_resize_axis *x = &resize->x, *y = &resize->y;
    size_t c = (size_t)in->c, size = (size_t)x->count * sizeof(size_t);
    void *part = NULL;
    enum sqz_status status = sqz_scratch_cut(scratch, &size, 1, &part, err);
    if (status)
        return status;
    size_t *offsets = part;
    for (int i = 0; i < x->count; i++)
        offsets[i] = (size_t)(nearest_index(x, x->first + i) - x->held) * c;
    for (int j = 0; j < y->count; j++) {
        const uint8_t *row =
            in->pixels + (size_t)(nearest_index(y, y->first + j) - y->held) * in->stride;
        for (int i = 0; i < x->count; i++, out += c)
            memcpy(out, row + offsets[i], c);
    }
    return SQZ_OK;
}

static sqz_resize_span_fn choose_span(const struct sqz_resize *resize)
{
    switch (resize->interpolation) {
    case SQZ_NEAREST:
        return nearest_span;
    case SQZ_BICUBIC:
        return sqz_resize_cubic_span;
    case SQZ_AREA:
        return sqz_resize_is_shrinking(resize) ? sqz_resize_area_span : sqz_resize_enlarge_span;
    case SQZ_PIL_BILINEAR:
        return sqz_resize_pillow_linear_span;
    case SQZ_PIL_BICUBIC:
        return sqz_resize_pillow_cubic_span;
    default:
        return sqz_resize_linear_span;
    }
}

static sqz_resize_method_fn choose_method(const struct sqz_resize *resize)
{
    switch (resize->interpolation) {
    case SQZ_NEAREST:
        return nearest;
    case SQZ_BICUBIC:
        return sqz_resize_cubic;
    case SQZ_AREA:
        return sqz_resize_is_shrinking(resize) ? sqz_resize_area : sqz_resize_enlarge;
    case SQZ_PIL_BILINEAR:
    case SQZ_PIL_BICUBIC:
        return sqz_resize_pillow;
    default:
        return sqz_resize_linear;
    }
}

// Every method looks at source pixels that move forward with the result.
void sqz_resize_needs(const struct sqz_resize *resize, struct sqz_rect *out)
{
    sqz_resize_span_fn span = choose_span(resize);
    int low, high, unused;
    span(&resize->x, resize->x.first, &low, &unused);
    span(&resize->x, resize->x.first + resize->x.count - 1, &unused, &high);
    out->x = low;
    out->w = high - low;
    span(&resize->y, resize->y.first, &low, &unused);
    span(&resize->y, resize->y.first + resize->y.count - 1, &unused, &high);
    out->y = low;
    out->h = high - low;
}

enum sqz_status sqz_resize_run(const struct sqz_resize *resize, const struct sqz_resize_source *in,
                               struct sqz_image *out, struct sqz_transform_scratch *scratch,
                               struct sqz_error *err)
{
    enum sqz_status status =
        sqz_image_resize_buffer(out, resize->x.count, resize->y.count, in->c, err);
    if (status)
        return status;
    return choose_method(resize)(resize, in, out->pixels, scratch, err);
}

enum sqz_status sqz_image_resize(const struct sqz_image *in, const struct sqz_rect *crop, int w,
                                 int h, enum sqz_interpolation interpolation, struct sqz_image *out,
                                 struct sqz_transform_scratch *scratch, struct sqz_error *err)
{
    struct sqz_rect part = crop && crop->w ? *crop : (struct sqz_rect){0, 0, in->w, in->h};
    if (part.x < 0 || part.y < 0 || part.w <= 0 || part.h <= 0 || part.x > in->w - part.w ||
        part.y > in->h - part.h || w <= 0 || h <= 0)
        return sqz_fail(err, SQZ_E_INTERNAL,
                        "The part %d x %d at (%d, %d) of an image of %d x %d pixels was to be "
                        "resized to %d x %d.",
                        part.w, part.h, part.x, part.y, in->w, in->h, w, h);
    struct sqz_resize resize = {
        .interpolation = interpolation,
        .x = {.in = part.w, .out = w, .count = w},
        .y = {.in = part.h, .out = h, .count = h},
    };
    size_t stride = (size_t)in->w * (size_t)in->c;
    struct sqz_resize_source source = {
        .pixels = in->pixels + (size_t)part.y * stride + (size_t)part.x * (size_t)in->c,
        .stride = stride,
        .c = in->c,
    };
    return sqz_resize_run(&resize, &source, out, scratch, err);
}
