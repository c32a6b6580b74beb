// A part of a sample's image, wherever it comes from. Private to the image code of this directory.
#ifndef SQZ_DATA_TRANSFORM_SOURCE_H
#define SQZ_DATA_TRANSFORM_SOURCE_H

#include "data/augment/transform.h"
#include "data/resize/resize.h"

// The size of the image as shown.
enum sqz_status sqz_source_size(const struct sqz_source *source, bool apply_exif, int *w, int *h,
                                struct sqz_error *err);
struct sqz_source_part {
    struct sqz_rect rect;
    bool apply_exif, verify;
    int channels;
    int least_w, least_h; // as in struct sqz_decode
};
struct sqz_source_pixels {
    struct sqz_resize_source from;
    int w, h; // less than the rect's when a JPEG was decoded at a smaller scale
};
// Decodes into scratch->decoded, or points into pixels that are already there.
enum sqz_status sqz_source_fetch(const struct sqz_source *source,
                                 const struct sqz_source_part *part, struct sqz_source_pixels *out,
                                 struct sqz_transform_scratch *scratch, struct sqz_error *err);
// Copies `from` (w x h pixels) to (x, y) of `out`, which is black elsewhere and may cut it off.
enum sqz_status sqz_source_pad(const struct sqz_source_pixels *in, int x, int y, int w, int h,
                               struct sqz_image *out, struct sqz_error *err);

#endif
