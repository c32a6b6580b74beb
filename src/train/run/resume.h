// The run that option `resume` names.
#ifndef SQZ_TRAIN_RUN_RESUME_H
#define SQZ_TRAIN_RUN_RESUME_H

#include "train/run/checkpoint.h"
#include "train/run/run_dir.h"

struct sqz_resumed {
    struct sqz_options *options;  // its own, with what the command line may change
    char *checkpoint;             // the file; NULL: there is none yet, and nothing of the following
    struct sqz_archive archive;   // its arrays, for sqz_checkpoint_restore
    struct sqz_model *model;      // its network; may be taken
    struct sqz_train_state state; // where it stands; may be taken
};
// Release *out also on failure. `dir` is the run's directory (sqz_run_dir_release).
enum sqz_status sqz_resume_open(const struct sqz_options *given, struct sqz_run_dir *dir,
                                struct sqz_resumed *out, struct sqz_error *err);
void sqz_resumed_release(struct sqz_resumed *resumed);

#endif
