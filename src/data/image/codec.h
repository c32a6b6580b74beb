// What image.c and the two decoders behind it share. Private to the image code of this directory.
#ifndef SQZ_DATA_CODEC_H
#define SQZ_DATA_CODEC_H

#include "data/image/image.h"

#define SQZ_IMAGE_SIDE_MAX   65500
#define SQZ_IMAGE_PIXELS_MAX 100000000
#define SQZ_JPEG_SCANS_MAX   100

// One decoding, in the coordinates of the stored image (EXIF is image.c's business).
struct sqz_decode_job {
    const uint8_t *data;
    size_t size, slack; // as in struct sqz_decode
    const char *name;
    int w, h;             // of the whole image at this scale
    struct sqz_rect crop; // never empty, inside w x h
    int denominator;      // JPEG scale: 1, 2, 4, 8
    int channels;         // 1 or 3
    bool verify;
    struct sqz_rect *part; // as in struct sqz_decode; filled in when not NULL
};

// Where the first scan's data begin, after its header; 0 when that is not within `size` bytes.
struct sqz_jpeg_layout {
    size_t scan_data;
};

// The errors of the probes begin with a verb ("is truncated ..."): the caller knows the file's
// name.
enum sqz_status sqz_jpeg_probe(const uint8_t *data, size_t size, struct sqz_image_header *out,
                               struct sqz_jpeg_layout *layout, struct sqz_error *err);
enum sqz_status sqz_jpeg_decode(const struct sqz_decode_job *job, struct sqz_image *out,
                                struct sqz_error *err);
enum sqz_status sqz_png_probe(const uint8_t *data, size_t size, struct sqz_image_header *out,
                              struct sqz_error *err);
enum sqz_status sqz_png_decode(const struct sqz_decode_job *job, struct sqz_image *out,
                               struct sqz_error *err);

// 1..8 from a TIFF structure (what follows "Exif\0\0" in a JPEG); 1 when it says nothing usable.
int sqz_exif_orientation(const uint8_t *tiff, size_t size);

#endif
