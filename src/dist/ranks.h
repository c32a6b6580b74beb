// Ranks: the processes, on one machine or many, that work on one thing together. One process alone
// is a NULL `ranks`, which every function here accepts.
#ifndef SQZ_DIST_RANKS_H
#define SQZ_DIST_RANKS_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqz_ranks;

// Which MPI's launcher (mpirun, srun) started this process as one of several: "openmpi", "mpich",
// NULL for none. From the environment; starts nothing.
const char *sqz_ranks_launcher(void);
// Processes of this job on this machine, as the launcher says; 1 when it says nothing.
int sqz_ranks_local(void);
// Whether it may use other processors than its launcher does, and so has its own.
bool sqz_ranks_bound(void);
// Whether the module for an MPI lies beside this program; its path (may be NULL) as text.
bool sqz_ranks_module(const char *mpi, char *path, size_t size);

// Joins the other processes that the launcher started; *out NULL when there are none. SQZ_E_CONFIG
// with what to install when the module is missing. timeout: seconds without any progress after
// which a rank counts as lost. MPI itself has none for ranks that do not come: after that time
// say(arg, a sentence), if not NULL, is called from a thread of its own, and this process ends by
// SIGTERM.
enum sqz_status sqz_ranks_open(double timeout, void (*say)(void *arg, const char *sentence),
                               void *arg, struct sqz_ranks **out, struct sqz_error *err);
// Leaves. All ranks come here; if one is lost the whole job is ended instead, which this process
// does not survive (exit status 75).
void sqz_ranks_close(struct sqz_ranks *ranks);

int sqz_ranks_rank(const struct sqz_ranks *ranks);
int sqz_ranks_size(const struct sqz_ranks *ranks);
const char *sqz_ranks_host(const struct sqz_ranks *ranks, int rank);
const char *sqz_ranks_library(const struct sqz_ranks *ranks); // of MPI, with its version
// Not answering, or an MPI error: the job can only be ended.
bool sqz_ranks_lost(const struct sqz_ranks *ranks);
// Whether the user should hear this rank's failure: rank 0's, or one that the others do not know.
bool sqz_ranks_is_reporter(const struct sqz_ranks *ranks);
// Marks the current error as known to all ranks, which learned of it without sqz_ranks_agree.
void sqz_ranks_mark_agreed(struct sqz_ranks *ranks);
// What a lost rank's sentence says it happened in: "step 7". At most 63 bytes are kept.
void sqz_ranks_at(struct sqz_ranks *ranks, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Tells a launcher of ours (launch.h) which run directory a later start may resume.
void sqz_ranks_publish_run_dir(struct sqz_ranks *ranks, const char *run);

// --- Messages. From one thread only; the bytes are borrowed until the message is done.

struct sqz_message {
    uint64_t request;
    int peer;
    bool done;
};
enum { SQZ_TAG_USER = 16 }; // tags from here on are free
void sqz_ranks_send(struct sqz_ranks *ranks, int to, int tag, const void *data, size_t bytes,
                    struct sqz_message *out);
void sqz_ranks_receive(struct sqz_ranks *ranks, int from, int tag, void *data, size_t bytes,
                       struct sqz_message *out);
// Looks whether it is done, and moves all messages on. Never waits.
bool sqz_ranks_done(struct sqz_ranks *ranks, struct sqz_message *message);
// Until all n are done. SQZ_E_STOPPED, with rank, host and step named, when nothing has moved for
// the time-out. `poll` (may be NULL) is called again and again, and says whether anything moved.
enum sqz_status sqz_ranks_wait(struct sqz_ranks *ranks, struct sqz_message *messages, size_t n,
                               bool (*poll)(void *arg), void *arg, struct sqz_error *err);

// --- What all ranks do together; each of them calls it, in the same order.

// `all` (size x bytes) becomes every rank's `mine`.
enum sqz_status sqz_ranks_gather(struct sqz_ranks *ranks, const void *mine, size_t bytes, void *all,
                                 struct sqz_error *err);
// One outcome for all: SQZ_OK if every rank brings that, else the lowest failing rank's status and
// sentence, which then names rank and host.
enum sqz_status sqz_ranks_agree(struct sqz_ranks *ranks, enum sqz_status status,
                                struct sqz_error *err);

#endif
