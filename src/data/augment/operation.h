// The image operations of the augmentation policies, on 8-bit pixels, bit for bit as
// MindCV computes them (through Pillow's formulas and OpenCV 4).
#ifndef SQZ_DATA_OPERATION_H
#define SQZ_DATA_OPERATION_H

#include "base/preprocess.h"
#include "data/image/image.h"

enum sqz_operation_kind {
    SQZ_AUTO_CONTRAST, // every channel's smallest..largest value to 0..255
    SQZ_EQUALIZE,      // every channel's histogram made flat
    SQZ_INVERT,
    SQZ_ROTATE,          // counter-clockwise, degrees
    SQZ_POSTERIZE,       // a: the max(8 - a, 1) most significant bits stay
    SQZ_SOLARIZE,        // values >= the argument are inverted
    SQZ_COLOR,           // factor: 0 gray, 1 unchanged
    SQZ_ADJUST_CONTRAST, // factor: 0 the mean gray everywhere, 1 unchanged
    SQZ_ADJUST_BRIGHTNESS,
    SQZ_SHARPNESS,   // factor: 0 smoothed, 1 unchanged
    SQZ_SHEAR_X,     // degrees
    SQZ_SHEAR_Y,     // degrees
    SQZ_TRANSLATE_X, // fraction of the width
    SQZ_TRANSLATE_Y, // fraction of the height
    SQZ_DESATURATE,  // 1: gray, 0: unchanged
    SQZ_BLUR,        // sigma of a 3 x 3 Gaussian, above 0
    SQZ_OPERATIONS
};
#define SQZ_OPERATION_SIDE 16384 // no larger images
struct sqz_operation {
    enum sqz_operation_kind kind;
    double argument;
};
// How rotations, shears and translations look up pixels, and what they show beyond the edges.
struct sqz_operation_style {
    enum sqz_interpolation interpolation; // SQZ_AREA and Pillow's kinds: bilinear or bicubic
    uint8_t fill[3];                      // gray images: the first
};
// In place, on RGB or gray (where colour operations do nothing). `spare` is a second buffer that
// may change places with the image's.
enum sqz_status sqz_operation_run(const struct sqz_operation *operation,
                                  const struct sqz_operation_style *style, struct sqz_image *image,
                                  struct sqz_image *spare, struct sqz_error *err);

// The three groups of operations, private to the image code of this directory.
void sqz_operation_point(const struct sqz_operation *operation, struct sqz_image *image);
// `out` has the size of `in` already.
void sqz_operation_geometry(const struct sqz_operation *operation,
                            const struct sqz_operation_style *style, const struct sqz_image *in,
                            struct sqz_image *out);
// The 3 x 3 mean with the centre counted five times, by 13; border pixels stay.
void sqz_smooth(const struct sqz_image *in, struct sqz_image *out);
// OpenCV's 8-bit 3 x 3 Gaussian, edges mirrored without repeating them.
void sqz_blur(double sigma, const struct sqz_image *in, struct sqz_image *out);

#endif
