// The thread pool.
//
// All that is shared while tasks run is one word, the ticket: a run number in its high half and the
// count of tasks not yet handed out in its low half. A thread takes a task by lowering the count
// with compare-and-swap. A thread that read a ticket, then fell asleep, then read the fields of a
// later run cannot use them: those are written only after every task of its run was taken, so its
// compare-and-swap fails. Therefore nobody has to wait for sleepers, only for tasks.
//
// The workers serve one run at a time. A run that begins while another one is under way (of another
// thread, or of a task of this one) takes no place in a queue, where it could wait for itself: the
// thread that calls runs all of its tasks.
#include "base/threads.h"
#include "base/cpu.h"
#include "base/memory.h"

#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>

#define SPIN_SECONDS 300e-6 // longer than a stage's last work item, for which the others wait
#define STACK_BYTES  ((size_t)8 << 20)

struct worker {
    struct sqz_pool *pool;
    pthread_t thread;
    int index;
};

struct sqz_pool {
    alignas(SQZ_ALIGNMENT) _Atomic uint64_t ticket; // run number << 32 | tasks not handed out
    _Atomic(sqz_task_fn) fn;
    _Atomic(void *) arg;
    _Atomic uint32_t tasks;
    alignas(SQZ_ALIGNMENT) _Atomic uint32_t unfinished; // on its own line: every task's end hits it
    alignas(SQZ_ALIGNMENT) _Atomic int sleepers;
    _Atomic bool caller_sleeps, quit;
    _Atomic bool busy; // the workers belong to a run
    pthread_mutex_t lock;
    pthread_cond_t work, finished;
    struct worker *workers; // size - 1
    int size, started;
    bool spin;
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static uint32_t left_in(uint64_t ticket)
{
    return (uint32_t)ticket;
}

static bool has_work(struct sqz_pool *pool)
{
    return left_in(atomic_load(&pool->ticket)) > 0 || atomic_load(&pool->quit);
}

static bool is_finished(struct sqz_pool *pool)
{
    return atomic_load(&pool->unfinished) == 0;
}

// True when `ready` came true within the spinning time.
static bool spin_until(struct sqz_pool *pool, bool (*ready)(struct sqz_pool *))
{
    if (!pool->spin)
        return ready(pool);
    double end = sqz_clock_seconds() + SPIN_SECONDS;
    do {
        for (int i = 0; i < 16; i++) {
            if (ready(pool))
                return true;
            relax();
        }
    } while (sqz_clock_seconds() < end);
    return false;
}

// Takes and runs one task; false when none is left.
static bool run_one(struct sqz_pool *pool, int worker)
{
    uint64_t ticket = atomic_load(&pool->ticket);
    sqz_task_fn fn;
    void *arg;
    uint32_t tasks;
    do {
        if (!left_in(ticket))
            return false;
        fn = atomic_load(&pool->fn);
        arg = atomic_load(&pool->arg);
        tasks = atomic_load(&pool->tasks);
    } while (!atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket - 1));
    fn(arg, (int)(tasks - left_in(ticket)), worker);
    // Sequential consistency on both sides: either the caller sees 0 or this thread sees it asleep.
    if (atomic_fetch_sub(&pool->unfinished, 1) == 1 && atomic_load(&pool->caller_sleeps)) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_signal(&pool->finished);
        pthread_mutex_unlock(&pool->lock);
    }
    return true;
}

static void *work(void *arg)
{
    struct worker *self = arg;
    struct sqz_pool *pool = self->pool;
    while (!atomic_load(&pool->quit)) {
        while (run_one(pool, self->index))
            ;
        if (spin_until(pool, has_work))
            continue;
        pthread_mutex_lock(&pool->lock);
        atomic_fetch_add(&pool->sleepers, 1);
        while (!has_work(pool))
            pthread_cond_wait(&pool->work, &pool->lock);
        atomic_fetch_sub(&pool->sleepers, 1);
        pthread_mutex_unlock(&pool->lock);
    }
    return NULL;
}

// Wakes as many sleepers as there is work for; the caller takes a task itself.
static void wake(struct sqz_pool *pool, int n)
{
    int sleepers = atomic_load(&pool->sleepers);
    if (!sleepers)
        return;
    pthread_mutex_lock(&pool->lock);
    if (n - 1 >= sleepers)
        pthread_cond_broadcast(&pool->work);
    else
        for (int i = 0; i < n - 1; i++)
            pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

static void run_alone(int n, sqz_task_fn fn, void *arg)
{
    for (int task = 0; task < n; task++)
        fn(arg, task, 0);
}

static void run_with_workers(struct sqz_pool *pool, int n, sqz_task_fn fn, void *arg)
{
    atomic_store(&pool->fn, fn);
    atomic_store(&pool->arg, arg);
    atomic_store(&pool->tasks, (uint32_t)n);
    atomic_store(&pool->unfinished, (uint32_t)n);
    uint64_t run = (atomic_load(&pool->ticket) >> 32) + 1;
    atomic_store(&pool->ticket, run << 32 | (uint32_t)n);
    wake(pool, n);
    while (run_one(pool, 0))
        ;
    if (spin_until(pool, is_finished))
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->caller_sleeps, true);
    while (!is_finished(pool))
        pthread_cond_wait(&pool->finished, &pool->lock);
    atomic_store(&pool->caller_sleeps, false);
    pthread_mutex_unlock(&pool->lock);
}

void sqz_pool_run(struct sqz_pool *pool, int n, sqz_task_fn fn, void *arg)
{
    if (n < 1)
        return;
    if (n == 1 || pool->size == 1 || atomic_exchange(&pool->busy, true)) {
        run_alone(n, fn, arg);
        return;
    }
    run_with_workers(pool, n, fn, arg);
    atomic_store(&pool->busy, false);
}

// Signals stay with the program's own threads: a worker must not be the one that handles SIGINT.
static int start_worker(struct worker *worker, const pthread_attr_t *attributes)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int reason = pthread_create(&worker->thread, attributes, work, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return reason;
}

enum sqz_status sqz_pool_new(int threads, struct sqz_pool **out, struct sqz_error *err)
{
    if (threads < 1 || threads > SQZ_MAX_THREADS)
        return sqz_fail(err, SQZ_E_USAGE, "%d threads are not possible; use 1 to %d.", threads,
                        SQZ_MAX_THREADS);
    struct sqz_pool *pool = sqz_new_aligned(1, sizeof *pool);
    struct worker *workers = sqz_new_array((size_t)threads, sizeof *workers);
    if (!pool || !workers) {
        sqz_free(pool);
        sqz_free(workers);
        return sqz_fail_memory(err, "the thread pool",
                               sizeof *pool + (size_t)threads * sizeof *workers);
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->finished, NULL);
    pool->workers = workers;
    pool->size = threads;
    // With more threads than processors a spinning one keeps a working one from running. One alone
    // waits for nobody, and counting processors opens files.
    pool->spin = threads > 1 && threads <= sqz_cpu_usable();

    pthread_attr_t attributes;
    int reason = pthread_attr_init(&attributes);
    if (!reason) {
        pthread_attr_setstacksize(&attributes, STACK_BYTES);
        while (!reason && pool->started < threads - 1) {
            struct worker *worker = &workers[pool->started];
            worker->pool = pool;
            worker->index = pool->started + 1;
            reason = start_worker(worker, &attributes);
            pool->started += !reason;
        }
        pthread_attr_destroy(&attributes);
    }
    if (reason) {
        sqz_pool_free(pool);
        return sqz_fail(err, SQZ_E_NOMEM, "Cannot start %d threads: %s.", threads,
                        strerror(reason));
    }
    *out = pool;
    return SQZ_OK;
}

void sqz_pool_free(struct sqz_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->quit, true);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->finished);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    sqz_free(pool->workers);
    sqz_free(pool);
}

int sqz_pool_size(const struct sqz_pool *pool)
{
    return pool->size;
}
