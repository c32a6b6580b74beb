// From pictures to network inputs: the evaluation transform and the training augmentation.
#ifndef SQZ_DATA_TRANSFORM_H
#define SQZ_DATA_TRANSFORM_H

#include "base/preprocess.h"
#include "base/random.h"
#include "data/image.h"

// Buffers of one worker, reused from image to image. Zero-initialise.
struct sqz_transform_scratch {
    struct sqz_image decoded, resized;
    void *buffer;
    size_t buffer_size;
};
void sqz_transform_scratch_release(struct sqz_transform_scratch *scratch);

// Resizes to w x h with one of the interpolations of base/preprocess.h, on 8 bits. `crop` (w = 0:
// whole image) is the source region. Equal to OpenCV 4 / Pillow bit for bit.
enum sqz_status sqz_image_resize(const struct sqz_image *in, const struct sqz_rect *crop, int w, int h,
                                 enum sqz_interpolation interpolation, struct sqz_image *out,
                                 struct sqz_transform_scratch *scratch, struct sqz_error *err);

// A sample's source: encoded bytes (data, size), or pixels that are already there.
struct sqz_source {
    const uint8_t *data;
    size_t size;
    const struct sqz_image *image; // if not NULL, data is ignored
    const char *name;              // for errors
};

// Evaluation (spec 4): decode, resize, centre crop (zero padding), normalise.
// out: image_size x image_size x channels floats, NHWC.
enum sqz_status sqz_preprocess_run(const struct sqz_preprocess *preprocess,
                                   const struct sqz_source *source, float *out,
                                   struct sqz_transform_scratch *scratch, struct sqz_error *err);

enum sqz_erase_value { SQZ_ERASE_CONSTANT, SQZ_ERASE_RANDOM };
// The training transforms of spec 3 in their order. Zero turns an operation off.
struct sqz_augment {
    int pad_crop;                  // > 0: instead of the random resized crop, pad the picture by this
                                   // many zero pixels, cut its own size at a random place, resize
    bool whole;                    // no random crop at all: resize the whole picture (MNIST preset)
    double scale[2], ratio[2];     // random resized crop
    enum sqz_interpolation interpolation;
    double hflip, vflip;           // probabilities
    double brightness, contrast, saturation, hue;
    double erase_prob, erase_scale[2], erase_ratio[2];
    int erase_attempts;
    enum sqz_erase_value erase_mode;
    float erase_value[3];
    bool scaled_decode;            // let JPEG decode at a smaller scale where the crop allows
};
// `preprocess` gives size, channels, order, mean, std and EXIF handling. Draws come from `random`
// only, in a fixed order.
enum sqz_status sqz_augment_run(const struct sqz_augment *augment,
                                const struct sqz_preprocess *preprocess,
                                const struct sqz_source *source, struct sqz_random *random, float *out,
                                struct sqz_transform_scratch *scratch, struct sqz_error *err);

#endif
