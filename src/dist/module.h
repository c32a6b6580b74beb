// What a module (src/dist/mpi, one shared object for each MPI that the build found) offers to
// ranks.c, which opens it at run time: nothing else links MPI or starts it.
#ifndef SQZ_DIST_MODULE_H
#define SQZ_DIST_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQZ_TRANSPORT_VERSION 1
#define SQZ_TRANSPORT_SYMBOL  "sqz_transport"

// All calls come from one thread. A function that returns bool leaves false when MPI reports an
// error.
struct sqz_transport {
    int version;
    bool (*start)(int *rank, int *size, char *error, size_t error_size);
    void (*library)(char *out, size_t size); // name and version, e.g. "Open MPI v4.1.4"
    // Both borrow `data` until the request is done. Messages of one sender and tag arrive in order.
    bool (*send)(const void *data, size_t bytes, int to, int tag, uint64_t *request);
    bool (*receive)(void *data, size_t bytes, int from, int tag, uint64_t *request);
    int (*test)(uint64_t *request); // 1: done, 0: not yet, -1: failed; drives all messages
    void (*finish)(void);
    void (*abort)(int status); // ends all processes of the job
};

#endif
