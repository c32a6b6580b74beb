// Mean and covariance of the input patches of every convolution, over some images.
#ifndef SQZ_COMPRESS_INPUT_STATISTICS_H
#define SQZ_COMPRESS_INPUT_STATISTICS_H

#include "base/threads.h"
#include "net/net.h"

// Fills `out` with the network inputs of images [first, first + n).
typedef enum sqz_status (*sqz_images_fn)(void *arg, int first, int n, float *out,
                                         struct sqz_error *err);
// Called from time to time; anything but SQZ_OK ends the work with that status.
typedef enum sqz_status (*sqz_progress_fn)(void *arg, const char *phase, int step, int steps,
                                           struct sqz_error *err);

// Those of one convolution. Columns are in the order of a row of its OIHW weights: (in, kh, kw).
struct sqz_input_statistics {
    int layer;
    int columns;
    double count;       // patches seen
    double *mean;       // [columns]
    double *covariance; // [columns][columns]
};
// One element per convolution of the net, in the order of the layers. Sums run in the order of the
// images, whatever the number of threads.
enum sqz_status sqz_input_statistics_new(const struct sqz_net *net, const float *weights,
                                         const struct sqz_kernels *kernels, struct sqz_pool *pool,
                                         sqz_images_fn images, void *images_arg, int n_images,
                                         sqz_progress_fn progress, void *progress_arg,
                                         struct sqz_input_statistics **out, int *n_out,
                                         struct sqz_error *err);
// The same without images: inputs of mean 0 and variance 1, independent of each other.
enum sqz_status sqz_input_statistics_white(const struct sqz_net *net,
                                           struct sqz_input_statistics **out, int *n_out,
                                           struct sqz_error *err);
void sqz_input_statistics_free(struct sqz_input_statistics *statistics, int n);

#endif
