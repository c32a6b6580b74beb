// The buffers that a worker reuses from image to image.
#ifndef SQZ_DATA_SCRATCH_H
#define SQZ_DATA_SCRATCH_H

#include "data/image/image.h"

// Buffers of one worker, reused from image to image. Zero-initialise.
struct sqz_transform_scratch {
    struct sqz_image decoded, resized, padded;
    struct sqz_image view, spare; // of the augmentation policy
    void *buffer;
    size_t buffer_size;
};
void sqz_transform_scratch_release(struct sqz_transform_scratch *scratch);

// Cuts the scratch buffer into aligned parts of the given sizes.
enum sqz_status sqz_scratch_cut(struct sqz_transform_scratch *scratch, const size_t *sizes, int n,
                                void **parts, struct sqz_error *err);

#endif
