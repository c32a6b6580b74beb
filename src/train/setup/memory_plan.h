// What a run will take, known before it is taken.
#ifndef SQZ_TRAIN_SETUP_MEMORY_PLAN_H
#define SQZ_TRAIN_SETUP_MEMORY_PLAN_H

#include "net/gradient.h"
#include "train/setup/setup.h"

struct sqz_memory_plan {               // bytes
    struct sqz_gradient_memory engine; // part of `step`
    size_t weights, optimizer, step, images, validation, dataset;
    size_t total; // decoding buffers come on top: about a decoded image a loader thread
};
// For the setup's configuration as it is.
enum sqz_status sqz_memory_plan(const struct sqz_environment *environment,
                                const struct sqz_setup *setup, struct sqz_memory_plan *out,
                                struct sqz_error *err);
// Option memory: cuts batch_size of `config` (the setup's, still being made) into equal parts and
// multiplies gradient_accumulation_steps by their number, until the plan fits. SQZ_E_CONFIG names
// what the smallest batch needs.
enum sqz_status sqz_memory_fit(const struct sqz_environment *environment, struct sqz_setup *setup,
                               struct sqz_train_config *config, struct sqz_error *err);

#endif
