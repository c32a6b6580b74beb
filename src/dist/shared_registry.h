// The registry: a file in memory that the ranks of one machine share with the launcher that started
// them. In it the launcher reads who they are, what they are at, and which one went first.
#ifndef SQZ_DIST_SHARED_REGISTRY_H
#define SQZ_DIST_SHARED_REGISTRY_H

#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

#define SQZ_REGISTRY_VARIABLE "SQUEEZENET_REGISTRY" // its path, for the ranks

struct sqz_registry_entry {
    int32_t pid;  // 0: has not met the others (yet), or is on another machine
    int32_t left; // it went as it should
    char host[72], at[64];
};
struct sqz_registry { // as it lies in the file
    char machine[72]; // the launcher's
    char run[1024];   // the run directory; "" until rank 0 has one
    int32_t n;
    struct sqz_registry_entry entries[];
};

// For the launcher: a fresh one, whose path goes into the environment. Unmap with close, which also
// removes the file.
enum sqz_status sqz_registry_create(int ranks, struct sqz_registry **out, struct sqz_error *err);
void sqz_registry_close(struct sqz_registry *registry);
// For a rank: the launcher's; NULL when there is none or it is on another machine (which may share
// its /tmp).
struct sqz_registry *sqz_registry_find(int ranks);

// Whether a rank of this machine has met the others.
bool sqz_registry_has_met(const struct sqz_registry *registry);
// Whether there were ranks on this machine and all of them have ended; fds are watch's.
bool sqz_registry_all_ended(const struct sqz_registry *registry, const int *fds);
// Kills those that have not.
void sqz_registry_kill(const struct sqz_registry *registry, const int *fds);
// Waits up to `milliseconds` for ranks that end without having left; fds (one a rank and one more,
// first -1) is the caller's, to close. Returns the one that ended first, -1 for none.
int sqz_registry_watch(const struct sqz_registry *registry, int *fds, int milliseconds);

#endif
