// Images in memory, and their decoding from JPEG and PNG bytes (type found by content).
#ifndef SQZ_DATA_IMAGE_H
#define SQZ_DATA_IMAGE_H

#include "base/error.h"
#include "base/file.h"
#include <stdbool.h>
#include <stdint.h>

struct sqz_image {
    int w, h, c;     // c: 1 (gray) or 3 (RGB)
    uint8_t *pixels; // h x w x c, dense; owned by the image; sqz_image_release
    size_t capacity; // bytes allocated at `pixels`, which a worker reuses from image to image
};
void sqz_image_release(struct sqz_image *image);
void sqz_image_swap(struct sqz_image *a, struct sqz_image *b); // with their buffers
enum sqz_status sqz_image_resize_buffer(struct sqz_image *image, int w, int h, int c,
                                        struct sqz_error *err);

// A sample's source: encoded bytes (data, size), or pixels that are already there.
struct sqz_source {
    const uint8_t *data;
    size_t size, slack;            // as in struct sqz_decode
    const struct sqz_image *image; // if not NULL, data is ignored
    const char *name;              // for errors
};

struct sqz_image_header {
    int w, h;        // as stored, before EXIF orientation
    int orientation; // EXIF 1..8; 1 if absent
};
// Whether the data begin as an image of a kind that is read, if only a damaged one.
bool sqz_image_is_known(const uint8_t *data, size_t size);
// Signature and header only; the first 64 KiB of a file usually suffice. SQZ_E_DATA with the reason
// as what follows the file's name ("is a GIF image: JPEG and PNG are read").
enum sqz_status sqz_image_probe(const uint8_t *data, size_t size, struct sqz_image_header *out,
                                struct sqz_error *err);

// The size after orientation, if that is applied.
void sqz_image_shown_size(const struct sqz_image_header *header, bool apply_exif, int *w, int *h);

struct sqz_rect {
    int x, y, w, h;
};
struct sqz_decode {
    int channels; // 1 or 3: gray is replicated, colour reduced, alpha dropped, 16 bits to 8
    bool apply_exif;
    struct sqz_rect crop;  // w = 0: the whole image; else only this part (after orientation)
    int least_w, least_h;  // > 0: JPEG may be decoded at 1/2, 1/4, 1/8 while the (cropped) image
                           // stays at least this large; 0: full size
    struct sqz_rect *part; // not NULL: columns beside the crop may come, too (they are not copied
                           // away); out: where in *out it lies
    bool verify;           // also decode what follows the crop, so that damage there is an error
    // Zeroed bytes that can be read past the end of the data. With SQZ_IMAGE_SLACK of them a JPEG's
    // last bytes are decoded as fast as the others; an image that needs them is truncated.
    size_t slack;
};
#define SQZ_IMAGE_SLACK 4096
// The largest image has room for a photo of 108 megapixels (12000 x 9000); its pixels take 403 MB.
#define SQZ_IMAGE_SIDE_MAX   65500
#define SQZ_IMAGE_PIXELS_MAX (1 << 27)
// Decodes into *out (its buffer is reused). `name` is for the error text. A crop is cut from the
// decoded image; with scaling, from the scaled one (rounded outward). Pixels equal
// libjpeg-turbo's default decoder (Pillow, OpenCV) when not scaled. Truncated data is an error
// (SQZ_E_DATA), and so is what exceeds the limits: a few bytes can describe a very large image.
enum sqz_status sqz_image_decode(const uint8_t *data, size_t size, const char *name,
                                 const struct sqz_decode *how, struct sqz_image *out,
                                 struct sqz_error *err);
// MindSpore's and OpenCV's gray of a colour, on 8 bits.
static inline uint8_t sqz_luma(unsigned r, unsigned g, unsigned b)
{
    return (uint8_t)((4899 * r + 9617 * g + 1868 * b + 8192) >> 14);
}

// JPEG bytes of an RGB or gray image (sqz_bytes_release); `orientation` other than 1 is written
// as EXIF.
enum sqz_status sqz_jpeg_write(const struct sqz_image *image, int quality, int orientation,
                               struct sqz_bytes *out, struct sqz_error *err);

// 8-bit PNG of an image (atomic write), for mosaics and synthetic data.
enum sqz_status sqz_image_write_png(const char *path, const struct sqz_image *image,
                                    struct sqz_error *err);

#endif
