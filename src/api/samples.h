// The samples of a dataset, for those who classify them.
#ifndef SQZ_API_SAMPLES_H
#define SQZ_API_SAMPLES_H

#include "data/sets/dataset.h"
#include "data/augment/transform.h"

enum { SQZ_IMAGE_FILE_LIMIT = 256 << 20 }; // bytes

// As sqz_dataset_read, with the index checked.
enum sqz_status sqz_samples_read(const struct sqz_samples *samples, size_t index,
                                 struct sqz_bytes *bytes, struct sqz_image *view,
                                 struct sqz_source *source, struct sqz_error *err);

#endif
