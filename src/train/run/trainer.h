// A training run from options to a run directory: what sqz_train and sqz_train_dry_run call.
#ifndef SQZ_TRAIN_RUN_TRAINER_H
#define SQZ_TRAIN_RUN_TRAINER_H

#include "train/options/options.h"
#include "train/setup/environment.h"

// Trains, fine-tunes, or resumes (option `resume`), as the options say. `options` may be as loaded:
// the built-in recipe is merged here when no recipe file was given, and they are checked here.
// SQZ_E_STOPPED leaves a resumable run directory and fills *out, too.
enum sqz_status sqz_trainer_run(const struct sqz_environment *environment,
                                const struct sqz_options *options, struct sqz_train_result *out,
                                struct sqz_error *err);
// Describes the same run as text; the learning-rate curve as SVG and the first batch as PNG go into
// run_dir, if that is given, and no other file is written. Steps are timed on random data for the
// estimate. With option find_lr it instead looks for a learning rate, and says which one fits.
enum sqz_status sqz_trainer_dry_run(const struct sqz_environment *environment,
                                    const struct sqz_options *options, struct sqz_text *out,
                                    struct sqz_error *err);

#endif
