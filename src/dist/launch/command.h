// The command line of mpirun that starts ranks, for the files of this directory.
#ifndef SQZ_DIST_LAUNCH_COMMAND_H
#define SQZ_DIST_LAUNCH_COMMAND_H

#include "dist/launch/launch.h"
#include <limits.h>
#include <sys/types.h>

enum { SQZ_LAUNCH_WORDS = 512 }; // at most

struct sqz_launch_command {
    const char *words[SQZ_LAUNCH_WORDS + 1];
    int n;
    char program[PATH_MAX], mpirun[PATH_MAX], hostfile[PATH_MAX], ranks[16], cores[32];
};

// The words point into the struct, into launch and into the environment.
enum sqz_status sqz_launch_build(const struct sqz_launch *launch,
                                 struct sqz_launch_command *command, struct sqz_error *err);
// Forks and executes it in a process group of its own; quiet: it writes nothing.
enum sqz_status sqz_launch_start(struct sqz_launch_command *command, bool quiet, pid_t *child,
                                 struct sqz_error *err);
// Starts the program's --version through mpirun on one of the hostfile's machines, quietly.
enum sqz_status sqz_launch_probe(const struct sqz_launch *launch, const char *hostfile,
                                 pid_t *child, struct sqz_error *err);

#endif
