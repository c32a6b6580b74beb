// What a recipe means on other hardware, and what in it looks like a mistake.
#ifndef SQZ_TRAIN_OPTIONS_RECIPE_TOOLS_H
#define SQZ_TRAIN_OPTIONS_RECIPE_TOOLS_H

#include "train/options/train_config.h"

// Fits a recipe made for several devices to `ranks`: accumulation (keep_global_batch) or a scaled
// rate (scale_lr) is written into the options, which then mean the same again when they are read
// back; in any case one line on the global batch goes to *notes when it is not the recipe's.
enum sqz_status sqz_recipe_fit_batch(struct sqz_options *options, int ranks, struct sqz_text *notes,
                                     struct sqz_error *err);

// With norm batch, where nobody chose norm_group: the largest divisor of a batch that 32 does not
// divide, unless that is below 8 and too few. Written into the options, and said in *notes.
enum sqz_status sqz_recipe_fit_norm(struct sqz_options *options, struct sqz_text *notes,
                                    struct sqz_error *err);

struct sqz_recipe_facts {
    int64_t train_images, steps_per_epoch;
};
// A sentence in *notes for each thing that looks like a mistake.
void sqz_recipe_lint(const struct sqz_train_config *config, const struct sqz_recipe_facts *facts,
                     struct sqz_text *notes);

#endif
