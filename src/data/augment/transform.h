// From images to network inputs: the evaluation transform and the training augmentation.
#ifndef SQZ_DATA_TRANSFORM_H
#define SQZ_DATA_TRANSFORM_H

#include "base/preprocess.h"
#include "base/random.h"
#include "data/image/image.h"
#include "data/augment/policy.h"
#include "data/resize/scratch.h"

// Evaluation: decode, resize, centre crop (zero padding), normalise.
// out: image_size x image_size x channels floats, NHWC.
enum sqz_status sqz_preprocess_run(const struct sqz_preprocess *preprocess,
                                   const struct sqz_source *source, float *out,
                                   struct sqz_transform_scratch *scratch, struct sqz_error *err);

// The same without the normalisation: bytes, in the network's channel order.
enum sqz_status sqz_preprocess_pixels(const struct sqz_preprocess *preprocess,
                                      const struct sqz_source *source, uint8_t *out,
                                      struct sqz_transform_scratch *scratch, struct sqz_error *err);

// The shape of the evaluation's resize, for callers that say what they will do.
enum sqz_status sqz_preprocess_resized_size(const struct sqz_preprocess *preprocess, int w, int h,
                                            int *resized_w, int *resized_h, struct sqz_error *err);
// (x - mean) / std of image_size x image_size pixels (RGB or gray), mirrored if asked, in the
// network's channel order. Unless it is read soon, a large image may be stored past the caches.
void sqz_normalize(const struct sqz_preprocess *preprocess, const uint8_t *pixels, bool hflip,
                   bool vflip, bool soon, float *out);

enum sqz_erase_value { SQZ_ERASE_CONSTANT, SQZ_ERASE_RANDOM };
// The training transforms, in the order in which they run. Zero turns an operation off.
struct sqz_augment {
    int pad_crop;              // > 0: instead of the random resized crop, pad the image by this
                               // many zero pixels, cut its own size at a random place, resize
    bool whole;                // no random crop at all: resize the whole image (MNIST preset)
    double scale[2], ratio[2]; // random resized crop
    enum sqz_interpolation interpolation;
    double hflip, vflip; // probabilities
    struct sqz_policy policy;
    struct sqz_operation_style style; // of the policy
    int splits;                       // 3: a clean view and two that the policy changes; else 0
    double brightness, contrast, saturation, hue; // jitter; without a policy
    double erase_prob, erase_scale[2], erase_ratio[2];
    int erase_attempts;
    enum sqz_erase_value erase_mode;
    float erase_value[3]; // of the normalised result, in the network's channel order
    bool scaled_decode;   // let JPEG decode at a smaller scale where the crop allows
};
// What is drawn for one sample. The draws are made in the order of the fields, from the size that
// the file's header tells, so that only the crop has to be decoded.
enum sqz_jitter { SQZ_BRIGHTNESS, SQZ_CONTRAST, SQZ_SATURATION, SQZ_HUE, SQZ_JITTERS };
struct sqz_augment_draw {
    struct sqz_rect crop; // of the image; reaches beyond its edges with pad_crop
    bool hflip, vflip;
    enum sqz_jitter order[SQZ_JITTERS];
    float factor[SQZ_JITTERS]; // by kind; hue: a shift of -0.5 .. 0.5 turns
    bool jitter[SQZ_JITTERS];  // not drawn: whether that one is on
    struct sqz_rect erase;     // of the result; w = 0: none
    struct sqz_random noise;   // what SQZ_ERASE_RANDOM continues with
    struct sqz_random more;    // where the streams of the policy and of further views branch off
};
// w x h: the image as shown (after EXIF orientation if that is applied).
void sqz_augment_draw(const struct sqz_augment *augment, const struct sqz_preprocess *preprocess,
                      int w, int h, struct sqz_random *random, struct sqz_augment_draw *out);
// View v of the result (there is one without splits) goes to out + v * view_floats.
enum sqz_status sqz_augment_apply(const struct sqz_augment *augment,
                                  const struct sqz_preprocess *preprocess,
                                  const struct sqz_source *source,
                                  const struct sqz_augment_draw *draw, size_t view_floats,
                                  float *out, struct sqz_transform_scratch *scratch,
                                  struct sqz_error *err);
// The colour operations, in place on RGB (on gray, saturation and hue do nothing).
void sqz_jitter_run(enum sqz_jitter kind, float factor, struct sqz_image *image);

// Random erasing. The rectangle's size for an area (a fraction of w x h) and a ratio; false when it
// does not fit strictly inside.
bool sqz_erase_size(double area, double ratio, int w, int h, struct sqz_rect *out);
// Fills `rect` of w pixels wide, normalised, interleaved pixels.
void sqz_erase_run(const struct sqz_augment *augment, const struct sqz_rect *rect,
                   struct sqz_random noise, int w, int channels, float *pixels);

// A rectangle for a square image, or none (w = 0).
struct sqz_rect sqz_erase_draw(const struct sqz_augment *augment, int side,
                               struct sqz_random *random);

// Carries out a policy's operations on scratch->view and normalises the result into `out`. That
// image has its final size and direction.
enum sqz_status sqz_policy_run(const struct sqz_augment *augment, struct sqz_random *random,
                               const struct sqz_preprocess *preprocess, float *out,
                               struct sqz_transform_scratch *scratch, struct sqz_error *err);

// Draws and applies. `preprocess` gives size, channels, order, mean, std and EXIF handling. Draws
// come from `random` only, in a fixed order.
enum sqz_status sqz_augment_run(const struct sqz_augment *augment,
                                const struct sqz_preprocess *preprocess,
                                const struct sqz_source *source, struct sqz_random *random,
                                size_t view_floats, float *out,
                                struct sqz_transform_scratch *scratch, struct sqz_error *err);

#endif
