// One sample of a batch; private to the loader.
#ifndef SQZ_DATA_LOADER_SAMPLE_H
#define SQZ_DATA_LOADER_SAMPLE_H

#include "data/loader/loader.h"

// Buffers of one worker, reused from sample to sample. Zero-initialise.
struct sqz_sample_worker {
    struct sqz_bytes bytes;
    struct sqz_transform_scratch scratch;
};
void sqz_sample_worker_release(struct sqz_sample_worker *worker);

struct sqz_sample_job {
    const struct sqz_loader_config *config;
    int epoch;
    size_t index;       // wanted
    size_t repetition;  // of this sample in this epoch
    size_t view_floats; // from one view of it to the next in `out`
    size_t used;        // out: the same, or its substitute
};
enum sqz_status sqz_sample_load(struct sqz_sample_job *job, struct sqz_sample_worker *worker,
                                float *out, struct sqz_error *err);

#endif
