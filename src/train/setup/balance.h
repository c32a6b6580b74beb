// Datasets with rare classes: weights for the loss, and a view that shows every class as often.
#ifndef SQZ_TRAIN_SETUP_BALANCE_H
#define SQZ_TRAIN_SETUP_BALANCE_H

#include "data/sets/dataset.h"
#include "train/options/train_config.h"

// The weights that option class_weights means, one for each of `classes` outputs (sqz_free); *out
// NULL when it is not given. "balanced": images / (classes * images of the class), so that the
// average image weighs 1; classes without images weigh 0.
enum sqz_status sqz_class_weights(const struct sqz_train_config *config,
                                  const struct sqz_dataset *set, int classes, float **out,
                                  struct sqz_error *err);
// A view of `set` in which the samples of rarer classes come again until every class that has any
// counts as many as the largest. It borrows everything but its list; free with sqz_free_view.
enum sqz_status sqz_balanced_view(const struct sqz_dataset *set, struct sqz_dataset **out,
                                  struct sqz_error *err);
void sqz_free_view(struct sqz_dataset *view);

#endif
