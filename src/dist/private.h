// What the files of this directory share.
#ifndef SQZ_DIST_PRIVATE_H
#define SQZ_DIST_PRIVATE_H

#include "dist/module.h"
#include "dist/ranks.h"
#include "dist/shared_registry.h"
#include <pthread.h>
#include <semaphore.h>
#include <sys/types.h>

enum { SQZ_TAG_GATHER = 1, SQZ_TAG_ALIVE = 2 };
enum { SQZ_HOST_SIZE = 72 };

struct sqz_alive { // the signs of life between this rank and another
    struct sqz_message sent, received;
    char out, in; // 1: the last one
    bool parting, parted;
    double heard; // clock; 0: never
};

struct sqz_ranks {
    const struct sqz_transport *transport;
    void *module; // dlopen's
    int rank, size;
    double timeout; // seconds
    char library[64], at[64];
    struct sqz_registry *registry; // NULL: no launcher of ours on this machine
    char *hosts;                   // size x SQZ_HOST_SIZE
    struct sqz_alive *alive;       // size
    bool lost, agreed;             // agreed: the last failure is known to all
};

// ranks.c: what this rank calls its machine.
void sqz_ranks_own_host(char own[SQZ_HOST_SIZE]);

// messages.c: begins to listen for the others' signs of life; the last ones, both ways, for nothing
// may be under way when MPI ends.
void sqz_ranks_listen(struct sqz_ranks *ranks);
void sqz_ranks_part(struct sqz_ranks *ranks);

// orphan_daemon.c: the daemon that started this rank for a launcher on another machine waits
// forever if that cannot be reached. Forks a process that holds nothing open and kills the daemon
// after some seconds.
void sqz_reap_orphan_daemon(void);

// start_timeout.c: what sqz_ranks_open says about ranks that do not come.
struct sqz_start_timeout {
    double seconds;
    void (*say)(void *arg, const char *sentence);
    void *arg;
    sem_t over;
    pthread_t thread;
    bool runs;
};
// seconds, say and arg are set.
void sqz_start_timeout_begin(struct sqz_start_timeout *timeout);
void sqz_start_timeout_end(struct sqz_start_timeout *timeout);

// module.c: opens the module of this launcher's MPI and starts it, watched.
enum sqz_status sqz_module_open(struct sqz_ranks *ranks, struct sqz_start_timeout *timeout,
                                struct sqz_error *err);

#endif
