// The machines of a hostfile: which of them answer, before ranks are started again.
#ifndef SQZ_DIST_LAUNCH_LAUNCH_HOSTS_H
#define SQZ_DIST_LAUNCH_LAUNCH_HOSTS_H

#include "base/file.h"
#include "dist/launch/launch.h"

struct sqz_hosts {
    char hostfile[SQZ_TEMPORARY_SIZE]; // a file of those that answered; "": all did
    int ranks;                         // for them, in proportion to their slots, at least one
    struct sqz_text lost;              // the others' names
};
// Refuses a hostfile (SQZ_E_DATA) with a name that mpirun's ssh could take for an option. Every
// hostfile passes here before mpirun sees it.
enum sqz_status sqz_hosts_check(const char *hostfile, struct sqz_error *err);
// Lets mpirun run something on each machine of launch->hostfile by itself. Fails with SQZ_E_STOPPED
// when none answers. Release removes the file.
enum sqz_status sqz_hosts_find(const struct sqz_launch *launch, struct sqz_hosts *out,
                               struct sqz_error *err);
void sqz_hosts_release(struct sqz_hosts *hosts);

#endif
