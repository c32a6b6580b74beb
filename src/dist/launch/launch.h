// Starts ranks through an installed mpirun, as `train --worker_num` does.
#ifndef SQZ_DIST_LAUNCH_LAUNCH_H
#define SQZ_DIST_LAUNCH_LAUNCH_H

#include "base/memory.h"
#include "base/stop.h"
#include "dist/ranks.h"

struct sqz_launch {
    const char *mpi;    // "openmpi", "mpich" or "auto"
    int ranks, threads; // threads: of a rank; for binding
    bool bind;
    const char *hostfile;         // "": this machine
    double timeout;               // seconds for the ranks to meet
    const char *const *arguments; // of this program, ended by NULL
    const int *stop;              // handed on to the ranks once; may be NULL
};
// The command line, for the user to see.
enum sqz_status sqz_launch_describe(const struct sqz_launch *launch, struct sqz_text *out,
                                    struct sqz_error *err);
struct sqz_launch_end {
    int exit_status;       // mpirun's; 128 + n when signal n ended it
    int lost;              // the rank of this machine that went first without having left; -1: none
    char host[72], at[64]; // where it was, and at what
    char run[1024];        // the run directory; "": none yet
    bool late;             // the ranks had not met in time, and were ended
    char silent[256];      // then: machines of the hostfile that do not answer
};
// Runs it to its end.
enum sqz_status sqz_launch_run(const struct sqz_launch *launch, struct sqz_launch_end *out,
                               struct sqz_error *err);

#endif
