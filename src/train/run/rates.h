// The learning rates of a whole run, as its updates take them from the schedule.
#ifndef SQZ_TRAIN_RUN_RATES_H
#define SQZ_TRAIN_RUN_RATES_H

#include "train/options/train_config.h"

struct sqz_rate_table {
    double *values; // one a batch of the whole run
    size_t n;
    double whole; // the sum over all steps of the rates that they take (sqz_rate_at)
};
// Free with sqz_rate_table_release. Notes and failures are those of sqz_schedule_new.
enum sqz_status sqz_rate_table_new(const struct sqz_train_config *config, int64_t steps_per_epoch,
                                   struct sqz_rate_table *out, struct sqz_text *notes,
                                   struct sqz_error *err);
void sqz_rate_table_release(struct sqz_rate_table *table);
// The rate of the update that the micro-batch after `counted` ones belongs to.
double sqz_rate_at(const struct sqz_train_config *config, const struct sqz_rate_table *table,
                   int64_t counted);

#endif
