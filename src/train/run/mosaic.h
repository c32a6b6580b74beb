// What the network will see: a batch as one image, each with its class below.
#ifndef SQZ_TRAIN_RUN_MOSAIC_H
#define SQZ_TRAIN_RUN_MOSAIC_H

#include "base/preprocess.h"
#include "data/loader/loader.h"

// The first images of the batch (64 at most), with the normalisation undone; small ones enlarged,
// large ones thinned out. `classes`: the labels' names.
enum sqz_status sqz_mosaic(const struct sqz_batch *batch, const struct sqz_preprocess *preprocess,
                           char *const *classes, struct sqz_image *out, struct sqz_error *err);

#endif
