// The table of learning rates, and which entry an update takes.
#include "train/run/rates.h"

#include "train/step/optimizer.h"
#include "train/step/schedule.h"

double sqz_rate_at(const struct sqz_train_config *config, const struct sqz_rate_table *table,
                   int64_t counted)
{
    // The table counts batches. With accumulation an update takes the entry of its group's first
    // batch, so that the schedule still ends with the run, whether or not groups fill an epoch.
    int64_t group = config->gradient_accumulation_steps, index = counted / group * group;
    if (config->mindcv_accumulation)
        index = sqz_optimizer_rule_at((int)config->opt)->counts_batches ? counted : counted / group;
    return table->values[index < (int64_t)table->n ? index : (int64_t)table->n - 1];
}

enum sqz_status sqz_rate_table_new(const struct sqz_train_config *config, int64_t steps_per_epoch,
                                   struct sqz_rate_table *out, struct sqz_text *notes,
                                   struct sqz_error *err)
{
    *out = (struct sqz_rate_table){0};
    enum sqz_status status =
        sqz_schedule_new(config, (size_t)steps_per_epoch, &out->values, &out->n, notes, err);
    for (int64_t i = 0; !status && i < config->epoch_size * steps_per_epoch; i++)
        out->whole += sqz_rate_at(config, out, i);
    return status;
}

void sqz_rate_table_release(struct sqz_rate_table *table)
{
    sqz_free(table->values);
    *table = (struct sqz_rate_table){0};
}
