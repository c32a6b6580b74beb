// The pixels of an image: a buffer that is reused from image to image.
#include "data/image/image.h"

#include "base/memory.h"

void sqz_image_release(struct sqz_image *image)
{
    if (!image)
        return;
    sqz_free(image->pixels);
    *image = (struct sqz_image){0};
}

void sqz_image_swap(struct sqz_image *a, struct sqz_image *b)
{
    struct sqz_image kept = *a;
    *a = *b;
    *b = kept;
}

enum sqz_status sqz_image_resize_buffer(struct sqz_image *image, int w, int h, int c,
                                        struct sqz_error *err)
{
    size_t bytes;
    if (w <= 0 || h <= 0 || c <= 0 || !sqz_size_mul((size_t)w, (size_t)h, &bytes) ||
        !sqz_size_mul(bytes, (size_t)c, &bytes))
        return sqz_fail(err, SQZ_E_DATA, "An image of %d x %d pixels cannot be held.", w, h);
    if (bytes > image->capacity) {
        uint8_t *pixels = sqz_new_aligned(bytes, 1);
        if (!pixels)
            return sqz_fail_memory(err, "an image", bytes);
        sqz_free(image->pixels);
        image->pixels = pixels;
        image->capacity = bytes;
    }
    image->w = w;
    image->h = h;
    image->c = c;
    return SQZ_OK;
}
