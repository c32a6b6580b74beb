// Threads that decode and transform samples a few batches ahead of the trainer.
//
// Batches live in a ring. Workers take the samples of an epoch one by one, in order, as long as the
// batch that a sample belongs to has a place in the ring. What a sample becomes depends on its
// place in the epoch only, so neither the number of workers nor their pace can change a batch.
#include "data/loader.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "data/loader_sample.h"
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#define AHEAD   3           // batches made ready while the trainer computes
#define RING    (AHEAD + 1) // and the one that it holds
#define NO_STEP SIZE_MAX

struct slot {
    float *images;
    int *labels;
    size_t *samples;
    size_t step; // the batch that it holds or is being filled with; NO_STEP: none
    int n, done; // samples of this batch; those that are ready
    size_t substituted;
    int failed; // the first sample that failed, -1: none
    struct sqz_error error;
};

struct sqz_loader {
    struct sqz_loader_config config;
    struct sqz_augment augment;
    struct slot slots[RING];
    size_t ring;
    int *order; // of the whole data set
    size_t rows, steps, image_floats;
    int epoch;
    pthread_t *threads;
    struct sqz_sample_worker *workers;
    int started;

    pthread_mutex_t mutex; // guards all below, and the slots' counts
    pthread_cond_t work, ready, idle;
    size_t ticket;   // the next sample to be taken, a position in the epoch
    size_t end;      // no tickets from here on
    size_t released; // batches before this one have left the ring
    size_t taken;    // the next batch to hand out
    int in_flight;
    int next_worker;
    bool quit;
    size_t substituted;
    double wait_seconds;
};

static size_t count_rows(const struct sqz_loader_config *config)
{
    size_t rows = config->dataset->count;
    return config->num_samples && config->num_samples < rows ? config->num_samples : rows;
}

static size_t count_steps(const struct sqz_loader_config *config)
{
    size_t rows = count_rows(config), batch = (size_t)config->batch;
    return config->drop_remainder ? rows / batch : (rows + batch - 1) / batch;
}

static size_t count_ring(const struct sqz_loader_config *config)
{
    size_t steps = count_steps(config);
    return steps < RING ? steps : RING;
}

// false: too large for a size_t.
static bool count_floats(const struct sqz_loader_config *config, size_t *image, size_t *batch)
{
    size_t side = (size_t)config->preprocess.image_size;
    return sqz_size_mul(side, side, image) &&
           sqz_size_mul(*image, (size_t)config->preprocess.channels, image) &&
           sqz_size_mul(*image, (size_t)config->batch, batch);
}

size_t sqz_loader_memory(const struct sqz_loader_config *config)
{
    size_t image, total, order;
    if (!count_floats(config, &image, &total) || !sqz_size_mul(total, sizeof(float), &total) ||
        !sqz_size_add(total, (size_t)config->batch * (sizeof(int) + sizeof(size_t)), &total) ||
        !sqz_size_mul(total, count_ring(config), &total) ||
        !sqz_size_mul(config->dataset->count, sizeof(int), &order) ||
        !sqz_size_add(total, order, &total) ||
        !sqz_size_add(total, sizeof(struct sqz_loader), &total))
        return SIZE_MAX;
    return total;
}

// With the mutex held: takes the next sample, or waits for one. false: time to quit.
static bool take_ticket(struct sqz_loader *loader, size_t *position)
{
    size_t batch = (size_t)loader->config.batch;
    for (;;) {
        if (loader->quit)
            return false;
        if (loader->ticket < loader->end &&
            loader->ticket / batch - loader->released < loader->ring)
            break;
        pthread_cond_wait(&loader->work, &loader->mutex);
    }
    *position = loader->ticket++;
    size_t step = *position / batch, left = loader->rows - step * batch;
    struct slot *slot = &loader->slots[step % loader->ring];
    if (slot->step != step) {
        slot->step = step;
        slot->n = (int)(left < batch ? left : batch);
        slot->done = 0;
        slot->substituted = 0;
        slot->failed = -1;
    }
    loader->in_flight++;
    return true;
}

static void *run_worker(void *arg)
{
    struct sqz_loader *loader = arg;
    size_t position, batch = (size_t)loader->config.batch;
    pthread_mutex_lock(&loader->mutex);
    struct sqz_sample_worker *worker = &loader->workers[loader->next_worker++];
    while (take_ticket(loader, &position)) {
        struct sqz_sample_job job = {&loader->config, loader->epoch,
                                     (size_t)loader->order[position], 0};
        struct slot *slot = &loader->slots[position / batch % loader->ring];
        int at = (int)(position % batch);
        struct sqz_error error = {0};
        pthread_mutex_unlock(&loader->mutex);

        float *out = slot->images + (size_t)at * loader->image_floats;
        bool failed = sqz_sample_load(&job, worker, out, &error) != SQZ_OK;
        slot->labels[at] = loader->config.dataset->samples[job.used].label;
        slot->samples[at] = job.used;

        pthread_mutex_lock(&loader->mutex);
        if (failed && (slot->failed < 0 || at < slot->failed)) {
            slot->failed = at;
            slot->error = error;
        }
        slot->substituted += job.used != job.index;
        if (++slot->done == slot->n)
            pthread_cond_signal(&loader->ready);
        if (--loader->in_flight == 0)
            pthread_cond_signal(&loader->idle);
    }
    pthread_mutex_unlock(&loader->mutex);
    return NULL;
}

static enum sqz_status check_config(const struct sqz_loader_config *config, struct sqz_error *err)
{
    size_t image, batch;
    if (config->batch < 1 || config->workers < 1)
        return sqz_fail(
            err, SQZ_E_USAGE,
            "A batch of %d images with %d loader threads is not possible: both must be at "
            "least 1.",
            config->batch, config->workers);
    if (config->preprocess.image_size < 1 ||
        (config->preprocess.channels != 1 && config->preprocess.channels != 3))
        return sqz_fail(err, SQZ_E_USAGE, "Images of %d pixels and %d channels cannot be made.",
                        config->preprocess.image_size, config->preprocess.channels);
    if (config->dataset->count == 0 || config->dataset->count > INT_MAX)
        return sqz_fail(err, SQZ_E_DATA, "\"%s\" holds no images.", config->dataset->name);
    if (!count_floats(config, &image, &batch) || sqz_loader_memory(config) == SIZE_MAX)
        return sqz_fail_memory(err, "batches of images", SIZE_MAX);
    if (count_steps(config) == 0)
        return sqz_fail(err, SQZ_E_USAGE,
                        "The %zu images of \"%s\" do not fill one batch of %d: choose a smaller "
                        "--batch_size, or --drop_remainder false.",
                        count_rows(config), config->dataset->name, config->batch);
    return SQZ_OK;
}

static enum sqz_status allocate(struct sqz_loader *loader, struct sqz_error *err)
{
    size_t n = (size_t)loader->config.batch, floats = 0;
    count_floats(&loader->config, &loader->image_floats, &floats);
    loader->order = sqz_new_array(loader->config.dataset->count, sizeof *loader->order);
    loader->threads = sqz_new_array((size_t)loader->config.workers, sizeof *loader->threads);
    loader->workers = sqz_new_array((size_t)loader->config.workers, sizeof *loader->workers);
    bool whole = loader->order && loader->threads && loader->workers;
    for (size_t i = 0; whole && i < loader->ring; i++) {
        struct slot *slot = &loader->slots[i];
        slot->images = sqz_new_aligned(floats, sizeof *slot->images);
        slot->labels = sqz_new_array(n, sizeof *slot->labels);
        slot->samples = sqz_new_array(n, sizeof *slot->samples);
        slot->step = NO_STEP;
        whole = slot->images && slot->labels && slot->samples;
    }
    return whole ? SQZ_OK
                 : sqz_fail_memory(err, "batches of images", sqz_loader_memory(&loader->config));
}

// Signals are for the program's own threads: a worker must not run their handlers.
static enum sqz_status start_workers(struct sqz_loader *loader, struct sqz_error *err)
{
    sigset_t all, old;
    int code = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (code == 0 && loader->started < loader->config.workers) {
        code = pthread_create(&loader->threads[loader->started], NULL, run_worker, loader);
        loader->started += code == 0;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (code)
        return sqz_fail_errno(err, SQZ_E_NOMEM, code, "Loader thread %d of %d cannot be started",
                              loader->started + 1, loader->config.workers);
    return SQZ_OK;
}

enum sqz_status sqz_loader_new(const struct sqz_loader_config *config, struct sqz_loader **out,
                               struct sqz_error *err)
{
    enum sqz_status status = check_config(config, err);
    if (status)
        return status;
    struct sqz_loader *loader = sqz_new_array(1, sizeof *loader);
    if (!loader)
        return sqz_fail_memory(err, "the loader", sizeof *loader);
    loader->config = *config;
    if (config->augment) {
        loader->augment = *config->augment;
        loader->config.augment = &loader->augment;
    }
    loader->rows = count_rows(config);
    loader->steps = loader->taken = loader->released = count_steps(config);
    loader->ring = count_ring(config);
    pthread_mutex_init(&loader->mutex, NULL);
    pthread_cond_init(&loader->work, NULL);
    pthread_cond_init(&loader->ready, NULL);
    pthread_cond_init(&loader->idle, NULL);
    status = allocate(loader, err);
    if (!status)
        status = start_workers(loader, err);
    if (status)
        sqz_loader_free(loader);
    else
        *out = loader;
    return status;
}

void sqz_loader_free(struct sqz_loader *loader)
{
    if (!loader)
        return;
    pthread_mutex_lock(&loader->mutex);
    loader->quit = true;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    for (int i = 0; i < loader->started; i++)
        pthread_join(loader->threads[i], NULL);
    for (int i = 0; loader->workers && i < loader->config.workers; i++)
        sqz_sample_worker_release(&loader->workers[i]);
    for (int i = 0; i < RING; i++) {
        sqz_free(loader->slots[i].images);
        sqz_free(loader->slots[i].labels);
        sqz_free(loader->slots[i].samples);
    }
    sqz_free(loader->order);
    sqz_free(loader->threads);
    sqz_free(loader->workers);
    pthread_cond_destroy(&loader->work);
    pthread_cond_destroy(&loader->ready);
    pthread_cond_destroy(&loader->idle);
    pthread_mutex_destroy(&loader->mutex);
    sqz_free(loader);
}

size_t sqz_loader_steps(const struct sqz_loader *loader)
{
    return loader->steps;
}

size_t sqz_loader_samples(const struct sqz_loader *loader)
{
    return loader->config.drop_remainder ? loader->steps * (size_t)loader->config.batch
                                         : loader->rows;
}

enum sqz_status sqz_loader_start(struct sqz_loader *loader, int epoch, size_t first,
                                 struct sqz_error *err)
{
    struct sqz_random random;
    size_t count = loader->config.dataset->count;
    if (epoch < 0 || first > loader->steps)
        return sqz_fail(err, SQZ_E_INTERNAL, "Epoch %d has no batch %zu (of %zu).", epoch, first,
                        loader->steps);
    pthread_mutex_lock(&loader->mutex);
    loader->end = 0;
    while (loader->in_flight > 0)
        pthread_cond_wait(&loader->idle, &loader->mutex);
    for (size_t i = 0; i < count; i++)
        loader->order[i] = (int)i;
    if (loader->config.shuffle) {
        sqz_random_init(&random, loader->config.seed, (uint64_t)epoch, 0, SQZ_RANDOM_SHUFFLE);
        sqz_random_shuffle(&random, loader->order, (int)count);
    }
    for (size_t i = 0; i < loader->ring; i++)
        loader->slots[i].step = NO_STEP;
    loader->epoch = epoch;
    loader->taken = loader->released = first;
    loader->ticket = first * (size_t)loader->config.batch;
    loader->end = sqz_loader_samples(loader);
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    return SQZ_OK;
}

// With the mutex held: the slot of the batch that comes next, once all of it is there.
static struct slot *wait_for_batch(struct sqz_loader *loader)
{
    struct slot *slot = &loader->slots[loader->taken % loader->ring];
    if (loader->released < loader->taken) {
        loader->released = loader->taken;
        pthread_cond_broadcast(&loader->work);
    }
    if (slot->step == loader->taken && slot->done == slot->n)
        return slot;
    double start = sqz_clock_seconds();
    while (slot->step != loader->taken || slot->done < slot->n)
        pthread_cond_wait(&loader->ready, &loader->mutex);
    loader->wait_seconds += sqz_clock_seconds() - start;
    return slot;
}

enum sqz_status sqz_loader_next(struct sqz_loader *loader, struct sqz_batch *out,
                                struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&loader->mutex);
    if (loader->taken < loader->steps) {
        struct slot *slot = wait_for_batch(loader);
        if (slot->failed >= 0) {
            status = sqz_fail(err, slot->error.status, "%s", slot->error.text);
        } else {
            *out = (struct sqz_batch){slot->images, slot->labels, slot->samples, slot->n};
            loader->substituted += slot->substituted;
            loader->taken++;
        }
    }
    pthread_mutex_unlock(&loader->mutex);
    return status;
}

size_t sqz_loader_substituted(const struct sqz_loader *loader)
{
    return loader->substituted; // changed by the thread that calls `next` alone
}

double sqz_loader_wait_seconds(const struct sqz_loader *loader)
{
    return loader->wait_seconds;
}
