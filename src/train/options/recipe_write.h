// The configuration of a run as YAML, for recipe.yaml, for the training state and for the user.
// What the memory plan changed in the options (batch_size, gradient_accumulation_steps) is written
// as it is in the configuration.
#ifndef SQZ_TRAIN_OPTIONS_RECIPE_WRITE_H
#define SQZ_TRAIN_OPTIONS_RECIPE_WRITE_H

#include "train/options/train_config.h"

// recipe.yaml, from which the run can be repeated from any working directory: with absolute paths
// and without the orders of this one command. max_steps is that of the run, 0: no limit.
enum sqz_status sqz_recipe_of_run(const struct sqz_options *options,
                                  const struct sqz_train_config *config, int64_t max_steps,
                                  struct sqz_text *out, struct sqz_error *err);
// The part that decides the result: no paths, threads or limits.
enum sqz_status sqz_recipe_portable(const struct sqz_options *options,
                                    const struct sqz_train_config *config, struct sqz_text *out,
                                    struct sqz_error *err);
// All of it, each line with where its value came from.
enum sqz_status sqz_recipe_annotated(const struct sqz_options *options,
                                     const struct sqz_train_config *config, struct sqz_text *out,
                                     struct sqz_error *err);

#endif
