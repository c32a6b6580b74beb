// Threads that decode and transform samples a few batches ahead of the trainer.
//
// Batches live in a ring. Workers take the samples of an epoch one by one, in order, as long as the
// batch that a sample belongs to has a place in the ring. What a sample becomes depends on its
// place in the epoch only, so neither the number of workers nor their pace can change a batch.
#include "data/loader/loader.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "data/loader/loader_plan.h"
#include "data/loader/loader_sample.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>

#define NO_STEP SIZE_MAX

struct slot {
    float *images, *targets;
    int *labels;
    size_t *samples;
    size_t step;   // the batch that it holds or is being filled with; NO_STEP: none
    int n, loaded; // samples of this batch; of those to be loaded, the ones that are there
    struct sqz_need need;
    bool done;  // all are, and are mixed
    bool mixed; // `targets` count
    size_t substituted;
    int failed; // the first sample that failed, -1: none
    struct sqz_error error;
};

struct sqz_loader {
    struct sqz_loader_config config;
    struct sqz_augment augment;
    struct slot slots[SQZ_LOADER_RING];
    struct sqz_loader_plan plan;
    int *order; // of the whole dataset
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

// Sample and repetition at a position of the epoch.
static void find_sample(const struct sqz_loader *loader, size_t position,
                        struct sqz_sample_job *job)
{
    size_t repeats = loader->config.repeats > 1 ? (size_t)loader->config.repeats : 1;
    *job = (struct sqz_sample_job){.config = &loader->config,
                                   .epoch = loader->epoch,
                                   .index = (size_t)loader->order[position / repeats],
                                   .repetition = position % repeats};
}

// Labels of all rows: every view of a sample has the sample's.
static void label(struct slot *slot, int at, int views, int label, size_t sample)
{
    for (int view = 0; view < views; view++) {
        slot->labels[view * slot->n + at] = label;
        slot->samples[view * slot->n + at] = sample;
    }
}

// With the mutex held: the slot of a batch that begins. Other ranks' samples get their labels here.
static void begin_batch(struct sqz_loader *loader, struct slot *slot, size_t step)
{
    size_t batch = (size_t)loader->config.batch, left = loader->plan.samples - step * batch;
    struct sqz_sample_job job;
    slot->step = step;
    slot->n = (int)(left < batch ? left : batch);
    slot->loaded = 0;
    slot->done = slot->mixed = false;
    slot->substituted = 0;
    slot->failed = -1;
    sqz_loader_need(&loader->config, slot->n, &slot->need);
    for (int at = 0; slot->need.n < slot->n && at < slot->n; at++) {
        find_sample(loader, step * batch + (size_t)at, &job);
        label(slot, at, loader->plan.views, loader->config.dataset->samples[job.index].label,
              job.index);
    }
}

// Mixes a batch that is complete, and makes the targets of it.
static void mix(const struct sqz_loader *loader, struct slot *slot)
{
    const struct sqz_loader_config *config = &loader->config;
    int views = loader->plan.views, n = slot->n * views, side = config->preprocess.image_size;
    size_t classes = loader->plan.classes;
    struct sqz_random random;
    struct sqz_mix_draw draw;
    sqz_random_init(&random, config->seed, (uint64_t)loader->epoch, slot->step, SQZ_RANDOM_MIX);
    sqz_mix_draw(&config->mix, side, side, &random, &draw);
    slot->mixed = n > 1 && draw.share < 1;
    if (!slot->mixed)
        return;
    sqz_mix_run(&draw, slot->need.n * views, side, side, config->preprocess.channels, slot->images);
    memset(slot->targets, 0, (size_t)n * classes * sizeof *slot->targets);
    for (int i = 0; i < n; i++) {
        float *target = slot->targets + (size_t)i * classes;
        target[slot->labels[i]] += (float)draw.share;
        target[slot->labels[n - 1 - i]] += (float)(1 - draw.share);
    }
}

// With the mutex held: all samples of the batch that are loaded here are there.
static void finish_batch(struct sqz_loader *loader, struct slot *slot)
{
    loader->in_flight++; // of what it mixes, nobody may take the place
    if (slot->failed < 0 && slot->targets) {
        pthread_mutex_unlock(&loader->mutex);
        mix(loader, slot);
        pthread_mutex_lock(&loader->mutex);
    }
    slot->done = true;
    pthread_cond_signal(&loader->ready);
    if (--loader->in_flight == 0)
        pthread_cond_signal(&loader->idle);
}

// With the mutex held: takes the next sample, or waits for one. false: time to quit.
static bool take_ticket(struct sqz_loader *loader, size_t *position)
{
    size_t batch = (size_t)loader->config.batch;
    for (;;) {
        if (loader->quit)
            return false;
        if (loader->ticket < loader->end &&
            loader->ticket / batch - loader->released < loader->plan.ring) {
            *position = loader->ticket++;
            size_t step = *position / batch;
            struct slot *slot = &loader->slots[step % loader->plan.ring];
            bool begins = slot->step != step;
            if (begins)
                begin_batch(loader, slot, step);
            if (sqz_need_place(&slot->need, (int)(*position % batch)) >= 0) {
                loader->in_flight++;
                return true;
            }
            if (begins && slot->need.n == 0)
                finish_batch(loader, slot);
            continue;
        }
        pthread_cond_wait(&loader->work, &loader->mutex);
    }
}

// Loads one sample and writes it into its batch; the last one of a batch finishes it.
static void load(struct sqz_loader *loader, struct sqz_sample_worker *worker, size_t position)
{
    size_t batch = (size_t)loader->config.batch;
    struct slot *slot = &loader->slots[position / batch % loader->plan.ring];
    int at = (int)(position % batch);
    struct sqz_sample_job job;
    struct sqz_error error = {0};
    find_sample(loader, position, &job);
    job.view_floats = (size_t)slot->need.n * loader->plan.image_floats;
    size_t place = (size_t)sqz_need_place(&slot->need, at);
    float *out = slot->images + place * loader->plan.image_floats;
    bool failed = sqz_sample_load(&job, worker, out, &error) != SQZ_OK;
    label(slot, at, loader->plan.views, loader->config.dataset->samples[job.used].label, job.used);

    pthread_mutex_lock(&loader->mutex);
    if (failed && (slot->failed < 0 || at < slot->failed)) {
        slot->failed = at;
        slot->error = error;
    }
    // One rank alone counts a partner or a view that others load as well.
    bool own = at >= slot->need.first && at < slot->need.first + slot->need.own;
    slot->substituted += own && job.used != job.index;
    if (++slot->loaded == slot->need.n)
        finish_batch(loader, slot);
    if (--loader->in_flight == 0)
        pthread_cond_signal(&loader->idle);
}

static void *run_worker(void *arg)
{
    struct sqz_loader *loader = arg;
    size_t position;
    pthread_mutex_lock(&loader->mutex);
    struct sqz_sample_worker *worker = &loader->workers[loader->next_worker++];
    while (take_ticket(loader, &position)) {
        pthread_mutex_unlock(&loader->mutex);
        load(loader, worker, position); // comes back with the mutex held
    }
    pthread_mutex_unlock(&loader->mutex);
    return NULL;
}

static enum sqz_status allocate(struct sqz_loader *loader, struct sqz_error *err)
{
    const struct sqz_loader_plan *plan = &loader->plan;
    loader->order = sqz_new_array(loader->config.dataset->count, sizeof *loader->order);
    loader->threads = sqz_new_array((size_t)loader->config.workers, sizeof *loader->threads);
    loader->workers = sqz_new_array((size_t)loader->config.workers, sizeof *loader->workers);
    bool whole = loader->order && loader->threads && loader->workers;
    for (size_t i = 0; whole && i < plan->ring; i++) {
        struct slot *slot = &loader->slots[i];
        slot->images = sqz_new_aligned(plan->image_rows, plan->image_floats * sizeof *slot->images);
        slot->labels = sqz_new_array(plan->rows, sizeof *slot->labels);
        slot->samples = sqz_new_array(plan->rows, sizeof *slot->samples);
        slot->step = NO_STEP;
        whole = slot->images && slot->labels && slot->samples;
        if (whole && plan->target_floats > 0)
            whole = (slot->targets = sqz_new_array(plan->target_floats, sizeof(float)));
    }
    return whole ? SQZ_OK : sqz_fail_memory(err, "batches of images", plan->memory);
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
    struct sqz_loader_plan plan;
    enum sqz_status status = sqz_loader_plan(config, &plan, err);
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
    loader->plan = plan;
    loader->taken = loader->released = plan.steps;
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
    for (int i = 0; i < SQZ_LOADER_RING; i++) {
        sqz_free(loader->slots[i].images);
        sqz_free(loader->slots[i].targets);
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

size_t sqz_loader_batch(const struct sqz_loader *loader)
{
    return (size_t)loader->config.batch;
}

size_t sqz_loader_steps(const struct sqz_loader *loader)
{
    return loader->plan.steps;
}

size_t sqz_loader_samples(const struct sqz_loader *loader)
{
    return loader->config.drop_remainder ? loader->plan.steps * (size_t)loader->config.batch
                                         : loader->plan.samples;
}

enum sqz_status sqz_loader_start(struct sqz_loader *loader, int epoch, size_t first,
                                 struct sqz_error *err)
{
    struct sqz_random random;
    size_t count = loader->config.dataset->count;
    if (epoch < 0 || first > loader->plan.steps)
        return sqz_fail(err, SQZ_E_INTERNAL, "Epoch %d has no batch %zu (of %zu).", epoch, first,
                        loader->plan.steps);
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
    for (size_t i = 0; i < loader->plan.ring; i++)
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
    struct slot *slot = &loader->slots[loader->taken % loader->plan.ring];
    if (loader->released < loader->taken) {
        loader->released = loader->taken;
        pthread_cond_broadcast(&loader->work);
    }
    if (slot->step == loader->taken && slot->done)
        return slot;
    double start = sqz_clock_seconds();
    while (slot->step != loader->taken || !slot->done)
        pthread_cond_wait(&loader->ready, &loader->mutex);
    loader->wait_seconds += sqz_clock_seconds() - start;
    return slot;
}

static void hand_out(const struct sqz_loader *loader, const struct slot *slot,
                     struct sqz_batch *out)
{
    int views = loader->plan.views, first = slot->need.first;
    int place = slot->need.own == 0 ? 0 : views > 1 ? first : sqz_need_place(&slot->need, first);
    *out = (struct sqz_batch){.images = slot->images + (size_t)place * loader->plan.image_floats,
                              .labels = slot->labels,
                              .targets = slot->mixed ? slot->targets : NULL,
                              .samples = slot->samples,
                              .n = slot->n * views,
                              .first = first,
                              .own = slot->need.own};
}

enum sqz_status sqz_loader_next(struct sqz_loader *loader, struct sqz_batch *out,
                                struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&loader->mutex);
    if (loader->taken < loader->plan.steps) {
        struct slot *slot = wait_for_batch(loader);
        if (slot->failed >= 0) {
            status = sqz_fail(err, slot->error.status, "%s", slot->error.text);
            out->n = slot->n * loader->plan.views;
        } else {
            hand_out(loader, slot, out);
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
