// What training, validation and fetching need from their caller: kernels, threads, ranks, events.
#ifndef SQZ_TRAIN_SETUP_ENVIRONMENT_H
#define SQZ_TRAIN_SETUP_ENVIRONMENT_H

#include "base/memory.h"
#include "base/threads.h"
#include "dist/ranks.h"
#include "kernels/kernels.h"
#include "base/stop.h"
#include <squeezenet_train.h>

// Everything is borrowed.
struct sqz_environment {
    const struct sqz_kernels *kernels;
    struct sqz_pool *pool;
    sqz_event_fn on_event; // NULL: silent; called from the calling thread only
    void *event_arg;
    const int *stop;              // NULL: never; non-zero asks to stop at the next step
    struct sqz_ranks *ranks;      // who works on the same; NULL: nobody else
    enum sqz_precision precision; // of models that are validated
};

#endif
