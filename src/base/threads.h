// A pool of threads that runs numbered tasks. Work is cut by the problem, never by the number of
// threads; which worker runs which task must not change any result.
#ifndef SQZ_BASE_THREADS_H
#define SQZ_BASE_THREADS_H

#include "base/error.h"

struct sqz_pool;

// `threads` counts the calling thread: threads - 1 are started. 1 starts none.
enum sqz_status sqz_pool_new(int threads, struct sqz_pool **out, struct sqz_error *err);
void sqz_pool_free(struct sqz_pool *pool);
int sqz_pool_size(const struct sqz_pool *pool);

// worker is 0..size-1 (0 = the caller). No two tasks of one run are on one worker at once.
typedef void (*sqz_task_fn)(void *arg, int task, int worker);
// Runs tasks 0..n-1, handed out in ascending order, and returns when all are done. The caller takes
// part. Waiting threads spin briefly, then sleep.
//
// Thread safety: legal from several threads at once and from inside a task. The workers help one
// run at a time; a run that finds them taken does all its tasks on the calling thread, as worker 0,
// and neither waits for the other run nor delays it. Two runs that overlap both have a worker 0:
// memory that tasks choose by their worker has to belong to one run. A task must not wait for
// another task of its run.
void sqz_pool_run(struct sqz_pool *pool, int n, sqz_task_fn fn, void *arg);

#endif
