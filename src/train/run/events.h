// TensorBoard's event files: scalars that its reader shows as curves.
#ifndef SQZ_TRAIN_RUN_EVENTS_H
#define SQZ_TRAIN_RUN_EVENTS_H

#include "base/error.h"
#include <stdint.h>
#include <stdio.h>

struct sqz_scalar {
    const char *tag;
    double value; // left out when not finite
};
// Makes directory and file ("events.out.tfevents.<seconds>.<name>"); each process that goes on with
// a run gets a file of its own, which the reader puts after the others.
enum sqz_status sqz_events_open(const char *dir, FILE **out, struct sqz_error *err);
// One event at `step`, on disk at once. A disk that is full is told by the checkpoints.
void sqz_events_add(FILE *file, int64_t step, const struct sqz_scalar *scalars, int n);

#endif
