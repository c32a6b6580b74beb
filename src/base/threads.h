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

// worker is 0..size-1 (0 = the caller), and no two tasks run on one worker at once.
typedef void (*sqz_task_fn)(void *arg, int task, int worker);
// Runs tasks 0..n-1, handed out in ascending order, and returns when all are done. The caller takes
// part. Waiting threads spin briefly, then sleep. Not to be called from inside a task, nor from two
// threads at once.
void sqz_pool_run(struct sqz_pool *pool, int n, sqz_task_fn fn, void *arg);

#endif
