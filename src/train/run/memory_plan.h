// What a run will take, known before it is taken.
#ifndef SQZ_TRAIN_RUN_MEMORY_PLAN_H
#define SQZ_TRAIN_RUN_MEMORY_PLAN_H

#include "net/gradient.h"

struct sqz_run;

struct sqz_memory_plan {               // bytes
    struct sqz_gradient_memory engine; // part of `step`
    size_t weights, optimizer, step, images, validation, dataset;
    size_t total; // decoding buffers come on top: about a decoded image a loader thread
};
// For the run's options as they are; `n_states`: the optimizer's buffers of the weights' size.
enum sqz_status sqz_memory_plan(const struct sqz_run *run, int n_states,
                                struct sqz_memory_plan *out, struct sqz_error *err);
// Option memory: cuts batch_size into equal parts and multiplies gradient_accumulation_steps by
// their number, until the plan fits. SQZ_E_CONFIG names what the smallest batch needs.
enum sqz_status sqz_memory_fit(struct sqz_run *run, struct sqz_error *err);

#endif
