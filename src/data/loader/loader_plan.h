// The sizes of a loader, known before anything is allocated; private to the loader.
#ifndef SQZ_DATA_LOADER_PLAN_H
#define SQZ_DATA_LOADER_PLAN_H

#include "data/loader/loader.h"

#define SQZ_LOADER_AHEAD 3                      // batches made ready while the trainer computes
#define SQZ_LOADER_RING  (SQZ_LOADER_AHEAD + 1) // and the one that it holds

struct sqz_loader_plan {
    size_t samples, steps; // an epoch
    size_t ring;           // batches in memory
    int views;             // rows a sample (augmentation splits)
    size_t rows;           // of a full batch
    size_t image_rows;     // those whose images are loaded
    size_t image_floats;   // a row
    size_t classes;        // columns of the targets
    size_t target_floats;  // a batch; 0: nothing is ever mixed
    size_t memory;         // bytes
};
// The samples of a batch whose images a rank loads: its own and, where batches are mixed, their
// partners. Two ranges, the second of which may be empty. With augmentation splits it loads all,
// because the views of one sample are rows far apart.
struct sqz_need {
    int first, own;          // rows that are its own
    int begin[2], end[2], n; // samples
};
void sqz_loader_need(const struct sqz_loader_config *config, int samples, struct sqz_need *out);
// The place of sample `at` among those that are loaded, -1 if it is not.
int sqz_need_place(const struct sqz_need *need, int at);

enum sqz_status sqz_loader_plan(const struct sqz_loader_config *config, struct sqz_loader_plan *out,
                                struct sqz_error *err);

#endif
