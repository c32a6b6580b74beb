// The decoders of the kinds of images that are read: one row a kind. Private to this directory.
#ifndef SQZ_DATA_CODEC_H
#define SQZ_DATA_CODEC_H

#include "data/image/image.h"

// One decoding, in the coordinates of the stored image (EXIF is image.c's business).
struct sqz_decode_job {
    const uint8_t *data;
    size_t size, slack; // as in struct sqz_decode
    const char *name;
    int w, h;             // of the whole image at this scale
    struct sqz_rect crop; // never empty, inside w x h
    int denominator;      // the scale; 1 unless the codec can do others
    int channels;         // 1 or 3
    bool verify;
    struct sqz_rect *part; // as in struct sqz_decode, of a codec that `keeps_columns`; filled in
};

struct sqz_image_codec {
    // The header alone. Its errors begin with a verb ("is truncated ..."): the caller knows the
    // file's name.
    enum sqz_status (*probe)(const uint8_t *data, size_t size, struct sqz_image_header *out,
                             struct sqz_error *err);
    enum sqz_status (*decode)(const struct sqz_decode_job *job, struct sqz_image *out,
                              struct sqz_error *err);
    int most_denominator; // decodes at 1/2, 1/4, ... down to this part; 1: at full size only
    bool keeps_columns;   // may deliver columns beside the crop
};
extern const struct sqz_image_codec sqz_jpeg_codec, sqz_png_codec;

// A kind of file, known by `length` bytes at `at`; the first row that fits counts.
struct sqz_image_kind {
    size_t at, length;
    const char *magic, *name;            // "a GIF image"
    const struct sqz_image_codec *codec; // NULL: only named, for an error that helps
};
// Never NULL: the last resort is a kind without a codec.
const struct sqz_image_kind *sqz_image_kind_of(const uint8_t *data, size_t size);

// 1..8 from a TIFF structure (what follows "Exif\0\0" in a JPEG); 1 when it says nothing usable.
int sqz_exif_orientation(const uint8_t *tiff, size_t size);

#endif
