// Makes the integer network of a trained one: ranges of the activations and second-order rounding
// from some hundred images without labels.
#ifndef SQZ_COMPRESS_INTEGER_CALIBRATE_H
#define SQZ_COMPRESS_INTEGER_CALIBRATE_H

#include "compress/input_statistics.h"
#include "net/integer.h"

struct sqz_calibration {
    const struct sqz_net *net;
    const float *weights;
    const struct sqz_preprocess *preprocess; // mean and deviation are folded into conv1
    const struct sqz_kernels *kernels;
    struct sqz_pool *pool;
    sqz_images_fn images; // network inputs, as preprocess makes them
    void *images_arg;
    int n_images; // at least 1; 64 are enough for ranges, some hundred for the rounding
    sqz_progress_fn progress;
    void *progress_arg;
};
// *out borrows calibration->net. The same result for any number of threads. SQZ_E_USAGE for
// networks without an integer form; what images and progress return ends the work.
enum sqz_status sqz_integer_calibrate(const struct sqz_calibration *calibration,
                                      struct sqz_integer_net **out, struct sqz_error *err);

#endif
