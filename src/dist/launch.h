// Starts ranks through an installed mpirun, as `train --worker_num` does.
#ifndef SQZ_DIST_LAUNCH_H
#define SQZ_DIST_LAUNCH_H

#include "base/memory.h"
#include "dist/ranks.h"
#include <signal.h>

struct sqz_launch {
    const char *mpi; // "openmpi", "mpich" or "auto"
    int ranks, threads; // threads: of a rank; for binding
    bool bind;
    const char *hostfile;         // "": this machine
    const char *const *arguments; // of this program, ended by NULL
    const volatile sig_atomic_t *stop; // handed on to the ranks once; may be NULL
};
// The command line, for the user to see.
enum sqz_status sqz_launch_describe(const struct sqz_launch *launch, struct sqz_text *out,
                                    struct sqz_error *err);
// Runs it to its end. *exit_status is mpirun's, 128 + n when signal n ended it.
enum sqz_status sqz_launch_run(const struct sqz_launch *launch, int *exit_status,
                               struct sqz_error *err);

#endif
