// What the files of this directory share.
#ifndef SQZ_DIST_PRIVATE_H
#define SQZ_DIST_PRIVATE_H

#include "dist/module.h"
#include "dist/ranks.h"
#include "dist/roster.h"
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
    struct sqz_roster *roster; // NULL: no launcher of ours on this machine
    char *hosts;               // size x SQZ_HOST_SIZE
    struct sqz_alive *alive;   // size
    bool lost, agreed;         // agreed: the last failure is known to all
};

// launch.c: the program's --version, run by mpirun on one of the hostfile's machines; its process
// group is its own. It writes nothing.
struct sqz_launch;
enum sqz_status sqz_launch_probe(const struct sqz_launch *launch, const char *hostfile,
                                 pid_t *child, struct sqz_error *err);

// ranks.c: what this rank calls its machine.
void sqz_ranks_own_host(char own[SQZ_HOST_SIZE]);
// The daemon that started this rank for a launcher on another machine waits for ever if that
// cannot be reached. A process of its own, which holds nothing open, ends it if need be.
void sqz_ranks_outlive_daemon(void);

// start_watch.c: what sqz_ranks_open says about ranks that do not come.
struct sqz_start_watch {
    double seconds;
    void (*say)(void *arg, const char *sentence);
    void *arg;
    sem_t over;
    pthread_t thread;
    bool runs;
};
// seconds, say and arg are set.
void sqz_start_watch_begin(struct sqz_start_watch *watch);
void sqz_start_watch_end(struct sqz_start_watch *watch);

// module.c: opens the module of this launcher's MPI and starts it, watched.
enum sqz_status sqz_module_open(struct sqz_ranks *ranks, struct sqz_start_watch *watch,
                                struct sqz_error *err);

#endif
