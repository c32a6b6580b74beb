// Elementwise passes over buffers of the parameters' size.
#include "train/step/passes.h"

enum { CHUNK = 1 << 15 }; // floats per task

struct pass {
    const float *in;
    float *out;
    size_t n;
    float factor;
    int not_finite; // set by any task
};

static size_t pass_end(const struct pass *pass, int task)
{
    size_t end = ((size_t)task + 1) * CHUNK;
    return end < pass->n ? end : pass->n;
}

static void run(struct sqz_pool *pool, void (*task)(void *arg, int task, int worker),
                struct pass *pass)
{
    sqz_pool_run(pool, (int)((pass->n + CHUNK - 1) / CHUNK), task, pass);
}

static void scale_task(void *arg, int task, int worker)
{
    const struct pass *pass = arg;
    (void)worker;
    for (size_t i = (size_t)task * CHUNK, end = pass_end(pass, task); i < end; i++)
        pass->out[i] *= pass->factor;
}

static void accumulate_task(void *arg, int task, int worker)
{
    const struct pass *pass = arg;
    (void)worker;
    for (size_t i = (size_t)task * CHUNK, end = pass_end(pass, task); i < end; i++)
        pass->out[i] += pass->in[i] / pass->factor;
}

static void average_task(void *arg, int task, int worker)
{
    const struct pass *pass = arg;
    (void)worker;
    for (size_t i = (size_t)task * CHUNK, end = pass_end(pass, task); i < end; i++)
        pass->out[i] += (1 - pass->factor) * (pass->in[i] - pass->out[i]); // exact when equal
}

static void finite_task(void *arg, int task, int worker)
{
    struct pass *pass = arg;
    (void)worker;
    // x - x is 0 for finite x and NaN otherwise, and one NaN poisons the sum.
    float sum = 0;
    for (size_t i = (size_t)task * CHUNK, end = pass_end(pass, task); i < end; i++)
        sum += pass->in[i] - pass->in[i];
    if (sum != 0)
        __atomic_store_n(&pass->not_finite, 1, __ATOMIC_RELAXED);
}

void sqz_scale_all(struct sqz_pool *pool, float *values, size_t n, float factor)
{
    run(pool, scale_task, &(struct pass){.out = values, .n = n, .factor = factor});
}

void sqz_accumulate_all(struct sqz_pool *pool, const float *values, float *sum, size_t n,
                        float parts)
{
    run(pool, accumulate_task, &(struct pass){.in = values, .out = sum, .n = n, .factor = parts});
}

void sqz_average_all(struct sqz_pool *pool, const float *values, float *average, size_t n,
                     float decay)
{
    run(pool, average_task, &(struct pass){.in = values, .out = average, .n = n, .factor = decay});
}

bool sqz_all_finite(struct sqz_pool *pool, const float *values, size_t n)
{
    struct pass pass = {.in = values, .n = n};
    run(pool, finite_task, &pass);
    return !pass.not_finite;
}
