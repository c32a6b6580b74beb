// Learning-rate schedules: a table with one entry per update.
#ifndef SQZ_TRAIN_STEP_SCHEDULE_H
#define SQZ_TRAIN_STEP_SCHEDULE_H

#include "train/options/train_config.h"

// *rates: steps_per_epoch * epochs doubles, sqz_free. Warnings (warm-up + decay beyond the run, a
// stair that trains at 0) are appended to *notes. SQZ_E_CONFIG for a schedule that cannot be.
enum sqz_status sqz_schedule_new(const struct sqz_train_config *config, size_t steps_per_epoch,
                                 double **rates, size_t *count, struct sqz_text *notes,
                                 struct sqz_error *err);

#endif
