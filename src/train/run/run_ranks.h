// What a run does because of other ranks; nothing for one process.
#ifndef SQZ_TRAIN_RUN_RUN_RANKS_H
#define SQZ_TRAIN_RUN_RUN_RANKS_H

#include "train/run/run.h"

// `status` is that of this rank's preparations. Makes sure that all ranks are about to do the same
// from the same state, and lets only rank 0 write.
enum sqz_status sqz_run_agree_on_start(struct sqz_run *run, enum sqz_status status,
                                       struct sqz_error *err);
void sqz_run_report_ranks(struct sqz_run *run);
// max_steps as rank 0 has planned it: a clock is nothing that ranks agree on.
enum sqz_status sqz_ranks_share_limit(struct sqz_ranks *ranks, int64_t *limit,
                                      struct sqz_error *err);

void sqz_rank_account_add(struct sqz_rank_account *account, const struct sqz_ranks *ranks,
                          const struct sqz_step_result *result);
void sqz_rank_account_fill(const struct sqz_rank_account *account, const struct sqz_ranks *ranks,
                           const struct sqz_run_clocks *clocks, struct sqz_train_result *out);
// The last step's columns after those of steps.csv's row, and its part of the log line.
void sqz_rank_columns(const struct sqz_setup *setup, const struct sqz_step_result *result,
                      double seconds, struct sqz_text *row, struct sqz_text *log);

#endif
