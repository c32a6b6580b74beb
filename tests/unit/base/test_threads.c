// The pool: every task once, the caller sees all results, whatever the size and however busy.
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "base/memory.h"
#include "base/threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define MAX_TASKS 300

// Plain ints on purpose: TSan must see that the pool alone orders them.
struct job {
    int runs[MAX_TASKS];
    int inside[64]; // tasks on each worker now
    int size, bad;
    _Atomic int order;
    int started[MAX_TASKS];
};

static void count_task(void *arg, int task, int worker)
{
    struct job *job = arg;
    if (worker < 0 || worker >= job->size || job->inside[worker]++)
        job->bad++;
    job->started[task] = atomic_fetch_add(&job->order, 1);
    job->runs[task]++;
    job->inside[worker]--;
}

static struct sqz_pool *new_pool(int size)
{
    struct sqz_pool *pool = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_pool_new(size, &pool, &err), SQZ_OK);
    assert_int_equal(sqz_pool_size(pool), size);
    return pool;
}

static void every_task_once(void **state)
{
    (void)state;
    struct job *job = sqz_new_array(1, sizeof *job);
    for (int size = 1; size <= 8; size++) {
        struct sqz_pool *pool = new_pool(size);
        job->size = size;
        for (int run = 0; run < 300; run++) {
            int n = run % 7 == 0 ? run : run % 13;
            memset(job->runs, 0, sizeof job->runs);
            atomic_store(&job->order, 0);
            sqz_pool_run(pool, n, count_task, job);
            assert_int_equal(job->bad, 0);
            for (int task = 0; task < MAX_TASKS; task++)
                assert_int_equal(job->runs[task], task < n);
            assert_int_equal(atomic_load(&job->order), n);
        }
        sqz_pool_free(pool);
    }
    sqz_free(job);
}

static void one_thread_keeps_the_order(void **state)
{
    (void)state;
    struct job *job = sqz_new_array(1, sizeof *job);
    job->size = 1;
    struct sqz_pool *pool = new_pool(1);
    sqz_pool_run(pool, MAX_TASKS, count_task, job);
    for (int task = 0; task < MAX_TASKS; task++)
        assert_int_equal(job->started[task], task);
    sqz_pool_free(pool);
    sqz_free(job);
}

static void add_up(void *arg, int task, int worker)
{
    (void)worker;
    ((uint64_t *)arg)[task]++;
}

// Many short runs one after another with different functions and arguments: what a late worker
// still holds of an old run must never reach a new one.
static void runs_do_not_mix(void **state)
{
    (void)state;
    struct sqz_pool *pool = new_pool(4);
    uint64_t a[3] = {0}, b[5] = {0};
    for (int run = 0; run < 20000; run++) {
        sqz_pool_run(pool, 3, add_up, a);
        sqz_pool_run(pool, 5, add_up, b);
    }
    for (int i = 0; i < 5; i++) {
        assert_true(b[i] == 20000);
        assert_true(i >= 3 || a[i] == 20000);
    }
    sqz_pool_free(pool);
}

static void uneven(void *arg, int task, int worker)
{
    (void)worker;
    if (task % 3 == 0)
        usleep(2000); // long enough that the others go to sleep
    ((int *)arg)[task] = task;
}

static void sleepers_wake(void **state)
{
    (void)state;
    struct sqz_pool *pool = new_pool(3);
    for (int run = 0; run < 20; run++) {
        int out[7] = {-1, -1, -1, -1, -1, -1, -1};
        usleep(run % 2 ? 1000 : 0);
        sqz_pool_run(pool, 7, uneven, out);
        for (int i = 0; i < 7; i++)
            assert_int_equal(out[i], i);
    }
    sqz_pool_free(pool);
}

static void wait_for_partner(void *arg, int task, int worker)
{
    (void)task;
    (void)worker;
    pthread_barrier_wait(arg);
}

// Two tasks that wait for each other end only if two threads really run them.
static void tasks_run_side_by_side(void **state)
{
    (void)state;
    pthread_barrier_t barrier;
    struct sqz_pool *pool = new_pool(2);
    pthread_barrier_init(&barrier, NULL, 2);
    for (int run = 0; run < 50; run++)
        sqz_pool_run(pool, 2, wait_for_partner, &barrier);
    pthread_barrier_destroy(&barrier);
    sqz_pool_free(pool);
}

static void use_stack(void *arg, int task, int worker)
{
    (void)worker;
    volatile char big[4 << 20];
    for (size_t i = 0; i < sizeof big; i += 4096)
        big[i] = (char)task;
    ((int *)arg)[task] = big[4096];
}

static void workers_have_a_big_stack(void **state)
{
    (void)state;
    int out[8];
    struct sqz_pool *pool = new_pool(4);
    sqz_pool_run(pool, 8, use_stack, out);
    for (int i = 0; i < 8; i++)
        assert_int_equal(out[i], i);
    sqz_pool_free(pool);
}

static void blocked(void *arg, int task, int worker)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    ((int *)arg)[task] = worker == 0 || sigismember(&mask, SIGINT);
}

static void signals_stay_with_the_caller(void **state)
{
    (void)state;
    int out[50];
    struct sqz_pool *pool = new_pool(3);
    sqz_pool_run(pool, 50, blocked, out);
    for (int i = 0; i < 50; i++)
        assert_true(out[i]);
    sqz_pool_free(pool);
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, SIGINT));
}

struct caller {
    struct sqz_pool *pool;
    pthread_barrier_t *start;
    uint64_t done[11]; // plain: the pool alone orders the tasks of a run and their caller
    int bad;
};

static void *run_often(void *arg)
{
    struct caller *caller = arg;
    pthread_barrier_wait(caller->start);
    for (uint64_t run = 1; run <= 2000; run++) {
        sqz_pool_run(caller->pool, 11, add_up, caller->done);
        for (int i = 0; i < 11; i++)
            caller->bad += caller->done[i] != run;
    }
    return NULL;
}

// Without the pool's own order this hangs or loses tasks within a few hundred runs.
static void threads_share_a_pool(void **state)
{
    (void)state;
    enum { CALLERS = 3 };
    for (int size = 2; size <= 4; size++) {
        struct sqz_pool *pool = new_pool(size);
        struct caller callers[CALLERS];
        pthread_t threads[CALLERS];
        pthread_barrier_t start;
        pthread_barrier_init(&start, NULL, CALLERS);
        for (int i = 0; i < CALLERS; i++) {
            callers[i] = (struct caller){.pool = pool, .start = &start};
            assert_int_equal(pthread_create(&threads[i], NULL, run_often, &callers[i]), 0);
        }
        for (int i = 0; i < CALLERS; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(callers[i].bad, 0);
        }
        pthread_barrier_destroy(&start);
        sqz_pool_free(pool);
    }
}

struct held {
    struct sqz_pool *pool;
    pthread_barrier_t begun, release;
    struct job *job;
};

static void hold(void *arg, int task, int worker)
{
    struct held *held = arg;
    (void)worker;
    if (task == 0) {
        pthread_barrier_wait(&held->begun);
        pthread_barrier_wait(&held->release);
    }
}

static void *hold_pool(void *arg)
{
    struct held *held = arg;
    sqz_pool_run(held->pool, 2, hold, held);
    return NULL;
}

// A run that finds the workers taken does not wait for the other run: all of its tasks are done
// while that one still lasts, in order, by the thread that calls.
static void a_taken_pool_delays_nobody(void **state)
{
    (void)state;
    struct held held = {.pool = new_pool(3), .job = sqz_new_array(1, sizeof *held.job)};
    pthread_t thread;
    pthread_barrier_init(&held.begun, NULL, 2);
    pthread_barrier_init(&held.release, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, hold_pool, &held), 0);
    pthread_barrier_wait(&held.begun);
    held.job->size = 1; // worker 0 alone
    sqz_pool_run(held.pool, MAX_TASKS, count_task, held.job);
    for (int task = 0; task < MAX_TASKS; task++) {
        assert_int_equal(held.job->runs[task], 1);
        assert_int_equal(held.job->started[task], task);
    }
    assert_int_equal(held.job->bad, 0);
    pthread_barrier_wait(&held.release);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&held.begun);
    pthread_barrier_destroy(&held.release);
    sqz_pool_free(held.pool);
    sqz_free(held.job);
}

struct outer {
    struct sqz_pool *pool;
    uint64_t done[5][7];
};

static void run_inside(void *arg, int task, int worker)
{
    struct outer *outer = arg;
    (void)worker;
    sqz_pool_run(outer->pool, 7, add_up, outer->done[task]);
}

static void tasks_may_run_tasks(void **state)
{
    (void)state;
    for (int size = 1; size <= 4; size++) {
        struct outer outer = {.pool = new_pool(size)};
        for (int run = 0; run < 300; run++)
            sqz_pool_run(outer.pool, 5, run_inside, &outer);
        for (int i = 0; i < 5 * 7; i++)
            assert_true(outer.done[i / 7][i % 7] == 300);
        // The workers are free again: two tasks of one run meet.
        if (size == 2) {
            pthread_barrier_t barrier;
            pthread_barrier_init(&barrier, NULL, 2);
            sqz_pool_run(outer.pool, 2, wait_for_partner, &barrier);
            pthread_barrier_destroy(&barrier);
        }
        sqz_pool_free(outer.pool);
    }
}

static void bad_sizes(void **state)
{
    (void)state;
    struct sqz_pool *pool = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_pool_new(0, &pool, &err), SQZ_E_USAGE);
    assert_non_null(strstr(err.text, "0 threads"));
    assert_int_equal(sqz_pool_new(100000, &pool, &err), SQZ_E_USAGE);
    assert_null(pool);
    sqz_pool_free(NULL);
}

static void unused_pools_end(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++)
        sqz_pool_free(new_pool(1 + i % 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_once),
        cmocka_unit_test(one_thread_keeps_the_order),
        cmocka_unit_test(runs_do_not_mix),
        cmocka_unit_test(sleepers_wake),
        cmocka_unit_test(tasks_run_side_by_side),
        cmocka_unit_test(workers_have_a_big_stack),
        cmocka_unit_test(signals_stay_with_the_caller),
        cmocka_unit_test(threads_share_a_pool),
        cmocka_unit_test(a_taken_pool_delays_nobody),
        cmocka_unit_test(tasks_may_run_tasks),
        cmocka_unit_test(bad_sizes),
        cmocka_unit_test(unused_pools_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
