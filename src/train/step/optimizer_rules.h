// The table of update rules; included by optimizer.c only.
#ifndef SQZ_TRAIN_STEP_OPTIMIZER_RULES_H
#define SQZ_TRAIN_STEP_OPTIMIZER_RULES_H

#include "train/step/optimizer.h"

extern const struct sqz_optimizer_rule sqz_optimizer_rules[];
extern const int sqz_optimizer_rule_count;
double sqz_nadam_mu(uint64_t k);

#endif
