// How an image file becomes a network's input: plain data, stored in every model file, carried out
// by data/preprocess.c and nowhere else.
#ifndef SQZ_BASE_PREPROCESS_H
#define SQZ_BASE_PREPROCESS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

enum sqz_resize_mode {
    SQZ_RESIZE_SHORTER, // shorter side to `resize`, longer = truncated resize*long/short
    SQZ_RESIZE_EXACT    // whole image squashed to resize x resize
};
// Names as in MindCV's option `interpolation`, plus Pillow's bilinear.
enum sqz_interpolation {
    SQZ_NEAREST,      // OpenCV INTER_NEAREST
    SQZ_BILINEAR,     // OpenCV INTER_LINEAR on 8 bits, no antialiasing
    SQZ_BICUBIC,      // OpenCV INTER_CUBIC
    SQZ_AREA,         // OpenCV INTER_AREA
    SQZ_PIL_BILINEAR, // Pillow BILINEAR, antialiased
    SQZ_PIL_BICUBIC   // Pillow BICUBIC, antialiased
};

struct sqz_preprocess {
    enum sqz_resize_mode resize_mode;
    int resize;     // pixels; see resize_mode
    int image_size; // side of the square network input after the centre crop
    enum sqz_interpolation interpolation;
    bool apply_exif;       // turn the image as its EXIF orientation says
    bool bgr;              // channel order of the network's input
    int channels;          // 1 (gray) or 3
    float mean[3], std[3]; // on the 0..255 scale, in the network's channel order: (x - mean) / std
};

// The pixel that became `value`, which is (pixel - mean) / std of its channel. Adding 1.5 * 2^23
// rounds as rintf does, for which older processors have no instruction.
static inline uint8_t sqz_preprocess_pixel(float value, float mean, float std)
{
    const float pixel = value * std + mean;
    const float bounded = pixel < 0 ? 0 : pixel > 255 ? 255 : pixel;
    return (uint8_t)(int32_t)((bounded + 12582912.0f) - 12582912.0f);
}

#endif
