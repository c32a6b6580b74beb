// Samples of a dataset, and thumbnails of images.
#include "api/samples.h"
#include "base/memory.h"
#include "data/resize/resize.h"

struct sqz_samples {
    struct sqz_dataset *set;
};

enum sqz_status sqz_samples_open(const char *dir, const char *split, struct sqz_samples **out,
                                 struct sqz_error *err)
{
    struct sqz_dataset_layout layout;
    enum sqz_status status = sqz_dataset_layout(dir, &layout, err);
    if (status)
        return status;
    struct sqz_samples *samples = sqz_new_array(1, sizeof *samples);
    if (!samples)
        return sqz_fail_memory(err, "a list of samples", sizeof *samples);
    struct sqz_dataset_request request = {.kind = layout.kind,
                                          .dir = dir,
                                          .split = split && split[0] ? split : layout.val,
                                          .threads = 1};
    status = sqz_dataset_open(&request, &samples->set, err);
    if (status)
        sqz_free(samples);
    else
        *out = samples;
    return status;
}

void sqz_samples_free(struct sqz_samples *samples)
{
    if (!samples)
        return;
    sqz_dataset_free(samples->set);
    sqz_free(samples);
}

size_t sqz_samples_count(const struct sqz_samples *samples)
{
    return samples->set->count;
}

const char *sqz_samples_class(const struct sqz_samples *samples, size_t index)
{
    if (index >= samples->set->count)
        return NULL;
    return samples->set->classes[samples->set->samples[index].label];
}

const char *sqz_samples_file(const struct sqz_samples *samples, size_t index)
{
    return index < samples->set->count ? samples->set->samples[index].path : NULL;
}

enum sqz_status sqz_samples_read(const struct sqz_samples *samples, size_t index,
                                 struct sqz_bytes *bytes, struct sqz_image *view,
                                 struct sqz_source *source, struct sqz_error *err)
{
    if (index >= samples->set->count)
        return sqz_fail(err, SQZ_E_USAGE, "There is no sample %zu: the dataset has %zu.", index,
                        samples->set->count);
    return sqz_dataset_read(samples->set, index, bytes, view, source, err);
}

// --- Images and thumbnails ---

enum sqz_status sqz_is_image_file(const char *path, bool *out, struct sqz_error *err)
{
    uint8_t head[64];
    size_t got = 0;
    enum sqz_status status = sqz_file_read_head(path, head, sizeof head, &got, err);
    *out = !status && sqz_image_is_known(head, got);
    return status == SQZ_E_DATA ? SQZ_OK : status; // a directory or a device is no image
}

enum sqz_status sqz_write_png(const char *path, const uint8_t *rgb, int w, int h, bool force,
                              struct sqz_error *err)
{
    const struct sqz_image image = {.w = w, .h = h, .c = 3, .pixels = (uint8_t *)rgb};
    if (w < 1 || h < 1 || w > SQZ_IMAGE_SIDE_MAX || h > SQZ_IMAGE_SIDE_MAX)
        return sqz_fail(err, SQZ_E_USAGE, "An image of %d x %d pixels cannot be written.", w, h);
    const enum sqz_status status = force ? SQZ_OK : sqz_path_refuse_existing(path, err);
    return status ? status : sqz_image_write_png(path, &image, err);
}

static enum sqz_status thumbnail(const struct sqz_source *source, int *w, int *h, uint8_t *rgb,
                                 size_t capacity, struct sqz_error *err)
{
    if (*w < 1 || *h < 1 || capacity / 3 / (size_t)*w < (size_t)*h)
        return sqz_fail(err, SQZ_E_USAGE,
                        "A thumbnail of at most %d x %d pixels does not fit into %zu bytes.", *w,
                        *h, capacity);
    struct sqz_transform_scratch scratch = {0};
    struct sqz_image decoded = {0}, small = {0};
    const struct sqz_image *image = source->image;
    enum sqz_status status = SQZ_OK;
    if (!image) {
        struct sqz_decode how = {.channels = 3, .apply_exif = true, .least_w = *w, .least_h = *h};
        status = sqz_image_decode(source->data, source->size, source->name, &how, &decoded, err);
        image = &decoded;
    }
    if (!status) {
        double scale = (double)*w / image->w;
        if (scale * image->h > *h)
            scale = (double)*h / image->h;
        int tw = (int)(scale * image->w + 0.5), th = (int)(scale * image->h + 0.5);
        tw = tw < 1 ? 1 : tw > *w ? *w : tw;
        th = th < 1 ? 1 : th > *h ? *h : th;
        status = sqz_image_resize(image, NULL, tw, th, SQZ_PIL_BILINEAR, &small, &scratch, err);
    }
    if (!status) {
        size_t pixels = (size_t)small.w * (size_t)small.h;
        for (size_t p = 0; p < pixels; p++)
            for (int c = 0; c < 3; c++)
                rgb[p * 3 + (size_t)c] =
                    small.pixels[p * (size_t)small.c + (size_t)(small.c == 3 ? c : 0)];
        *w = small.w;
        *h = small.h;
    }
    sqz_image_release(&decoded);
    sqz_image_release(&small);
    sqz_transform_scratch_release(&scratch);
    return status;
}

enum sqz_status sqz_thumbnail_file(const char *path, int *w, int *h, uint8_t *rgb, size_t capacity,
                                   struct sqz_error *err)
{
    struct sqz_bytes bytes = {0};
    enum sqz_status status = sqz_file_read(path, SQZ_IMAGE_FILE_LIMIT, &bytes, err);
    if (!status) {
        struct sqz_source source = {.data = bytes.data, .size = bytes.size, .name = path};
        status = thumbnail(&source, w, h, rgb, capacity, err);
    }
    sqz_bytes_release(&bytes);
    return status;
}

enum sqz_status sqz_thumbnail_sample(const struct sqz_samples *samples, size_t index, int *w,
                                     int *h, uint8_t *rgb, size_t capacity, struct sqz_error *err)
{
    struct sqz_bytes bytes = {0};
    struct sqz_image view = {0};
    struct sqz_source source = {0};
    enum sqz_status status = sqz_samples_read(samples, index, &bytes, &view, &source, err);
    if (!status)
        status = thumbnail(&source, w, h, rgb, capacity, err);
    sqz_bytes_release(&bytes);
    return status;
}
