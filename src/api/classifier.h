// What a classifier is made of.
#ifndef SQZ_API_CLASSIFIER_H
#define SQZ_API_CLASSIFIER_H

#include "api/context.h"
#include "data/augment/transform.h"

// Buffers of one worker thread.
struct sqz_classify_worker {
    struct sqz_transform_scratch scratch;
    struct sqz_image converted; // pixels of a caller
};

enum { SQZ_EMBEDDING, SQZ_CLASS_MAPS, SQZ_N_FEATURES };

// One image of a run.
struct sqz_classify_slot {
    enum sqz_status status;
    struct sqz_error error;
    size_t row; // of inputs and logits
    bool wants[SQZ_N_FEATURES];
    bool exif_ignored;
};

struct sqz_classifier {
    struct sqz_context *context;
    const struct sqz_model *model;
    struct sqz_model *own; // the same, without weights, where the classifier opened it; else NULL
    struct sqz_engine *engine;
    struct sqz_streamed *streamed;       // where the engine's weights are; NULL: it has them
    struct sqz_classify_worker *workers; // one a thread of the context
    size_t capacity;                     // images that slots, inputs and logits hold
    struct sqz_classify_slot *slots;
    // The network's inputs: pixels where the engine reads them, else normalised floats.
    unsigned char *inputs;
    size_t input_size; // bytes of one
    float *logits;
    struct sqz_feature features[SQZ_N_FEATURES];
    float *values[SQZ_N_FEATURES]; // of a run's images; NULL before the first that wants them
    size_t room[SQZ_N_FEATURES];   // images that they hold
    float *probabilities;          // of one image
    int *order;
    char (*numbers)[32]; // names for classes without any
};

// Memory for runs of n images.
enum sqz_status sqz_classifier_reserve(struct sqz_classifier *classifier, size_t n,
                                       struct sqz_error *err);

// What preprocessing has made of an image, as image_size x image_size pixels of 3 channels (RGB)
// or, for a network of one channel, 1.
void sqz_view_from_input(const struct sqz_preprocess *preprocess, const float *input, int channels,
                         uint8_t *pixels);
// The same of an input that is pixels.
void sqz_view_from_pixels(const struct sqz_preprocess *preprocess, const uint8_t *input,
                          int channels, uint8_t *pixels);

#endif
