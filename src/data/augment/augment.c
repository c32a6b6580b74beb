// Training augmentation: first everything random is drawn, then it is carried out.
#include "data/resize/pixel_ops.h"
#include "data/augment/transform_source.h"

#include <math.h>
#include <string.h>

#define CROP_ATTEMPTS 10

// Halves away from zero, at least 1.
static int round_side(double side)
{
    long rounded = lround(side);
    return rounded < 1 ? 1 : (int)rounded;
}

// 0..room, both included.
static int draw_place(int room, struct sqz_random *random)
{
    return (int)sqz_random_uniform(random, 0, room + 1.0);
}

// When no attempt fits: the largest centred part of an allowed shape.
static struct sqz_rect fallback_crop(const struct sqz_augment *augment, int w, int h)
{
    double shape = (double)w / h;
    struct sqz_rect crop = {0, 0, w, h};
    if (shape < augment->ratio[0])
        crop.h = round_side(w / augment->ratio[0]);
    else if (shape > augment->ratio[1])
        crop.w = round_side(h * augment->ratio[1]);
    crop.h = crop.h < h ? crop.h : h;
    crop.w = crop.w < w ? crop.w : w;
    crop.x = (int)lround((w - crop.w) / 2.0);
    crop.y = (int)lround((h - crop.h) / 2.0);
    return crop;
}

static struct sqz_rect draw_crop(const struct sqz_augment *augment, int w, int h,
                                 struct sqz_random *random)
{
    double low = log(augment->ratio[0]), high = log(augment->ratio[1]);
    for (int attempt = 0; attempt < CROP_ATTEMPTS; attempt++) {
        double area = sqz_random_uniform(random, augment->scale[0], augment->scale[1]);
        double ratio = exp(sqz_random_uniform(random, low, high));
        double wide = sqrt((double)w * h * area * ratio);
        if (wide > w + 1.0)
            continue;
        struct sqz_rect crop = {.w = round_side(wide)};
        double tall = crop.w / ratio;
        if (crop.w > w || tall > h + 1.0)
            continue;
        crop.h = round_side(tall);
        if (crop.h > h)
            continue;
        crop.x = draw_place(w - crop.w, random);
        crop.y = draw_place(h - crop.h, random);
        return crop;
    }
    return fallback_crop(augment, w, h);
}

static void draw_jitter(const struct sqz_augment *augment, struct sqz_random *random,
                        struct sqz_augment_draw *out)
{
    const double strength[SQZ_JITTERS] = {augment->brightness, augment->contrast,
                                          augment->saturation, augment->hue};
    int order[SQZ_JITTERS] = {SQZ_BRIGHTNESS, SQZ_CONTRAST, SQZ_SATURATION, SQZ_HUE};
    sqz_random_shuffle(random, order, SQZ_JITTERS);
    for (int i = 0; i < SQZ_JITTERS; i++) {
        double v = strength[i];
        double low = i == SQZ_HUE ? -v : v < 1 ? 1 - v : 0, high = i == SQZ_HUE ? v : 1 + v;
        out->order[i] = (enum sqz_jitter)order[i];
        out->factor[i] = (float)sqz_random_uniform(random, low, high);
        out->jitter[i] = v > 0;
    }
}

bool sqz_erase_size(double area, double ratio, int w, int h, struct sqz_rect *out)
{
    double wide = rint(sqrt(area * w * h * ratio)), tall = rint(wide / ratio);
    if (!(wide < w && tall < h))
        return false;
    out->w = (int)wide;
    out->h = (int)tall;
    return true;
}

struct sqz_rect sqz_erase_draw(const struct sqz_augment *augment, int side,
                               struct sqz_random *random)
{
    struct sqz_rect none = {0, 0, 0, 0};
    if (sqz_random_uniform(random, 0, 1) >= augment->erase_prob)
        return none;
    for (int attempt = 0; attempt < augment->erase_attempts; attempt++) {
        double area = sqz_random_uniform(random, augment->erase_scale[0], augment->erase_scale[1]);
        double ratio = sqz_random_uniform(random, augment->erase_ratio[0], augment->erase_ratio[1]);
        struct sqz_rect erase;
        if (!sqz_erase_size(area, ratio, side, side, &erase))
            continue;
        erase.y = draw_place(side - erase.h, random);
        erase.x = draw_place(side - erase.w, random);
        return erase;
    }
    return none;
}

void sqz_augment_draw(const struct sqz_augment *augment, const struct sqz_preprocess *preprocess,
                      int w, int h, struct sqz_random *random, struct sqz_augment_draw *out)
{
    *out = (struct sqz_augment_draw){.crop = {0, 0, w, h}};
    if (augment->pad_crop > 0) {
        out->crop.x = draw_place(2 * augment->pad_crop, random) - augment->pad_crop;
        out->crop.y = draw_place(2 * augment->pad_crop, random) - augment->pad_crop;
    } else if (!augment->whole) {
        out->crop = draw_crop(augment, w, h, random);
    }
    // Drawn even when switched off, so that one option does not shift the draws of another.
    out->hflip = sqz_random_uniform(random, 0, 1) < augment->hflip;
    out->vflip = sqz_random_uniform(random, 0, 1) < augment->vflip;
    draw_jitter(augment, random, out);
    out->erase = sqz_erase_draw(augment, preprocess->image_size, random);
    out->noise = out->more = *random;
}

static enum sqz_status fetch_crop(const struct sqz_augment *augment,
                                  const struct sqz_preprocess *preprocess,
                                  const struct sqz_source *source,
                                  const struct sqz_augment_draw *draw,
                                  struct sqz_source_pixels *out,
                                  struct sqz_transform_scratch *scratch, struct sqz_error *err)
{
    int least = augment->scaled_decode ? preprocess->image_size : 0;
    struct sqz_rect crop = draw->crop;
    struct sqz_source_part part = {
        .rect = crop,
        .apply_exif = preprocess->apply_exif,
        .channels = preprocess->channels,
        .least_w = least,
        .least_h = least,
    };
    if (augment->pad_crop <= 0)
        return sqz_source_fetch(source, &part, out, scratch, err);
    part.rect.x = part.rect.y = part.least_w = part.least_h = 0;
    enum sqz_status status = sqz_source_fetch(source, &part, out, scratch, err);
    struct sqz_image *padded = &scratch->padded;
    if (status == SQZ_OK)
        status = sqz_source_pad(out, -crop.x, -crop.y, crop.w, crop.h, padded, err);
    if (status == SQZ_OK)
        out->from = (struct sqz_resize_source){padded->pixels,
                                               (size_t)padded->w * (size_t)padded->c, padded->c};
    return status;
}

void sqz_erase_run(const struct sqz_augment *augment, const struct sqz_rect *rect,
                   struct sqz_random noise, int w, int channels, float *pixels)
{
    for (int y = rect->y; y < rect->y + rect->h; y++) {
        float *row = pixels + ((size_t)y * (size_t)w + (size_t)rect->x) * (size_t)channels;
        for (int i = 0; i < rect->w * channels; i++)
            row[i] = augment->erase_mode == SQZ_ERASE_RANDOM ? (float)sqz_random_normal(&noise)
                                                             : augment->erase_value[i % channels];
    }
}

// A view beyond the first erases by draws of its own.
static void erase(const struct sqz_augment *augment, const struct sqz_preprocess *preprocess,
                  const struct sqz_augment_draw *draw, int view, float *pixels)
{
    int side = preprocess->image_size;
    struct sqz_rect rect = draw->erase;
    struct sqz_random noise = draw->noise;
    if (view > 0) {
        sqz_random_branch(&draw->more, SQZ_RANDOM_AUGMENT, (uint64_t)view, &noise);
        rect = sqz_erase_draw(augment, side, &noise);
    }
    sqz_erase_run(augment, &rect, noise, side, preprocess->channels, pixels);
}

#define MIRROR_PIXELS 64 // pixels that change sides at a time

// Exchanges both ends of a row until they meet.
static void mirror_row(uint8_t *row, int w)
{
    const struct sqz_pixel_ops *ops = sqz_pixel_ops();
    uint8_t left[3 * MIRROR_PIXELS], right[3 * MIRROR_PIXELS];
    for (int first = 0, end = w; end - first > 1;) {
        int n = (end - first) / 2 < MIRROR_PIXELS ? (end - first) / 2 : MIRROR_PIXELS;
        size_t bytes = 3 * (size_t)n;
        uint8_t *a = row + 3 * (size_t)first, *b = row + 3 * (size_t)(end - n);
        ops->mirror(a, n, left);
        ops->mirror(b, n, right);
        memcpy(a, right, bytes);
        memcpy(b, left, bytes);
        first += n;
        end -= n;
    }
}

static void exchange(uint8_t *a, uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
}

static void mirror(struct sqz_image *image, bool across, bool down)
{
    size_t row = (size_t)image->w * (size_t)image->c;
    for (int y = 0; across && y < image->h; y++) {
        uint8_t *left = image->pixels + (size_t)y * row, *right = left + image->w - 1;
        if (image->c == 3)
            mirror_row(left, image->w);
        else
            for (; left < right; left++, right--)
                exchange(left, right, 1);
    }
    for (int y = 0; down && y < image->h / 2; y++)
        exchange(image->pixels + (size_t)y * row, image->pixels + (size_t)(image->h - 1 - y) * row,
                 row);
}

// What the operations of a view begin with: the image itself where no later view needs it.
static enum sqz_status begin_view(bool last, struct sqz_transform_scratch *scratch,
                                  struct sqz_error *err)
{
    struct sqz_image *resized = &scratch->resized, *view = &scratch->view;
    if (last) {
        sqz_image_swap(resized, view);
        return SQZ_OK;
    }
    enum sqz_status status = sqz_image_resize_buffer(view, resized->w, resized->h, resized->c, err);
    if (!status)
        memcpy(view->pixels, resized->pixels, (size_t)view->w * (size_t)view->h * (size_t)view->c);
    return status;
}

// Every view begins with the same crop, in the same direction.
static enum sqz_status run_views(const struct sqz_augment *augment,
                                 const struct sqz_preprocess *preprocess,
                                 const struct sqz_augment_draw *draw, size_t view_floats,
                                 float *out, struct sqz_transform_scratch *scratch,
                                 struct sqz_error *err)
{
    int views = augment->splits > 1 ? augment->splits : 1;
    enum sqz_status status = SQZ_OK;
    mirror(&scratch->resized, draw->hflip, draw->vflip);
    for (int v = 0; v < views && !status; v++, out += view_floats) {
        struct sqz_random random;
        if (views > 1 && v == 0) {
            sqz_normalize(preprocess, scratch->resized.pixels, false, false, false, out);
        } else {
            sqz_random_branch(&draw->more, SQZ_RANDOM_POLICY, (uint64_t)v, &random);
            status = begin_view(v == views - 1, scratch, err);
            if (!status)
                status = sqz_policy_run(augment, &random, preprocess, out, scratch, err);
        }
        if (!status)
            erase(augment, preprocess, draw, v, out);
    }
    return status;
}

enum sqz_status sqz_augment_apply(const struct sqz_augment *augment,
                                  const struct sqz_preprocess *preprocess,
                                  const struct sqz_source *source,
                                  const struct sqz_augment_draw *draw, size_t view_floats,
                                  float *out, struct sqz_transform_scratch *scratch,
                                  struct sqz_error *err)
{
    int side = preprocess->image_size;
    struct sqz_source_pixels pixels;
    enum sqz_status status = fetch_crop(augment, preprocess, source, draw, &pixels, scratch, err);
    if (status)
        return status;
    struct sqz_resize resize = {
        .interpolation = augment->interpolation,
        .x = {.in = pixels.w, .out = side, .count = side},
        .y = {.in = pixels.h, .out = side, .count = side},
    };
    struct sqz_image *resized = &scratch->resized;
    status = sqz_resize_run(&resize, &pixels.from, resized, scratch, err);
    if (status)
        return status;
    if (augment->policy.kind != SQZ_POLICY_NONE)
        return run_views(augment, preprocess, draw, view_floats, out, scratch, err);
    for (int i = 0; i < SQZ_JITTERS; i++)
        if (draw->jitter[draw->order[i]])
            sqz_jitter_run(draw->order[i], draw->factor[draw->order[i]], resized);
    sqz_normalize(preprocess, resized->pixels, draw->hflip, draw->vflip, false, out);
    erase(augment, preprocess, draw, 0, out);
    return SQZ_OK;
}

enum sqz_status sqz_augment_run(const struct sqz_augment *augment,
                                const struct sqz_preprocess *preprocess,
                                const struct sqz_source *source, struct sqz_random *random,
                                size_t view_floats, float *out,
                                struct sqz_transform_scratch *scratch, struct sqz_error *err)
{
    int w, h;
    struct sqz_augment_draw draw;
    enum sqz_status status = sqz_source_size(source, preprocess->apply_exif, &w, &h, err);
    if (status)
        return status;
    sqz_augment_draw(augment, preprocess, w, h, random, &draw);
    return sqz_augment_apply(augment, preprocess, source, &draw, view_floats, out, scratch, err);
}
