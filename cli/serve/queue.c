// The queue, the compute thread, and batches.
#include "cli/serve/queue.h"
#include "cli/serve/http.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct serve_queue {
    struct serve_queue_options options;
    pthread_mutex_t lock; // guards all that follows
    pthread_cond_t changed;
    pthread_t thread;
    struct serve_job *waiting, **waiting_end, *done, **done_end;
    int n_waiting, n_jobs;
    bool stops, reloads;
};

struct serve_job *serve_job_new(struct serve_model *model, int n)
{
    struct serve_job *job = calloc(1, sizeof *job);
    if (job)
        job->images = calloc((size_t)n, sizeof *job->images);
    if (!job || !job->images) {
        free(job);
        return NULL;
    }
    job->model = model;
    job->n = n;
    job->wants = SERVE_PROBABILITIES;
    for (int i = 0; i < n; i++)
        snprintf(job->images[i].name, sizeof job->images[i].name, n > 1 ? "Image %d" : "The image",
                 i);
    return job;
}

void serve_job_free(struct serve_job *job)
{
    if (!job)
        return;
    for (int i = 0; job->decoded && i < job->n; i++)
        free(job->decoded[i]);
    serve_model_drop(job->model);
    free(job->decoded);
    free(job->images);
    free(job->results);
    free(job->body);
    free(job->details);
    free(job);
}

// Gives every image of a job its buffers.
static bool reserve(struct serve_job *job)
{
    const struct sqz_model_info *info = &job->model->info;
    size_t classes = (size_t)info->classes, features = (size_t)info->embedding_size;
    size_t maps = (size_t)info->class_map_height * (size_t)info->class_map_width * classes;
    size_t top = (size_t)job->top;
    size_t n_probabilities = job->wants & SERVE_PROBABILITIES ? classes : 0;
    size_t n_logits = job->wants & SERVE_LOGITS ? classes : 0;
    size_t n_features = job->wants & SERVE_FEATURES ? features : 0;
    size_t n_maps = job->wants & SERVE_MAPS ? maps : 0;
    size_t floats = n_probabilities + n_logits + n_features + n_maps;
    size_t bytes = top * sizeof(struct sqz_class_score) + (floats + floats % 2) * sizeof(float);
    size_t view = (size_t)info->image_size * (size_t)info->image_size * 3, n_view = 0;
    if (job->wants & SERVE_VIEW)
        n_view = (view + 7) / 8 * 8; // what follows stays aligned
    bytes += n_view;
    char *at = calloc((size_t)job->n, bytes ? bytes : 1);
    job->results = at;
    for (int i = 0; at && i < job->n; i++, at += bytes) {
        float *values = (float *)(void *)(at + top * sizeof(struct sqz_class_score));
        struct sqz_classify_result result = SQZ_INIT(sqz_classify_result);
        result.error = &job->images[i].error;
        result.best = top ? (struct sqz_class_score *)(void *)at : NULL;
        result.best_count = job->top;
        result.probabilities = n_probabilities ? values : NULL;
        result.logits = n_logits ? values + n_probabilities : NULL;
        result.embedding = n_features ? values + n_probabilities + n_logits : NULL;
        result.class_maps = n_maps ? values + n_probabilities + n_logits + n_features : NULL;
        result.view = n_view ? (uint8_t *)(values + floats + floats % 2) : NULL;
        result.view_size = view;
        result.probability_count = result.logit_count = classes;
        result.embedding_count = features;
        result.class_map_count = maps;
        job->images[i].result = result;
    }
    return job->results != NULL;
}

static void fail_job(struct serve_job *job, enum sqz_status status, const char *text)
{
    for (int i = 0; i < job->n; i++) {
        job->images[i].result.status = job->images[i].error.status = status;
        snprintf(job->images[i].error.text, sizeof job->images[i].error.text, "%s", text);
    }
}

// Takes from the front what the first job's model can run together. Called with the lock held.
static struct serve_job *take_batch(struct serve_queue *queue, int *n)
{
    struct serve_job *first = NULL, **end = &first, **at = &queue->waiting;
    *n = 0;
    while (*at) {
        struct serve_job *job = *at;
        bool fits = !first || (job->model == first->model && *n + job->n <= SERVE_BATCH_MAX);
        if (!fits) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        job->next = NULL;
        *end = job;
        end = &job->next;
        *n += job->n;
    }
    queue->waiting_end = at;
    queue->n_waiting -= *n;
    return first;
}

static void run_batch(struct serve_queue *queue, struct serve_job *first)
{
    static const struct sqz_input no_input = SQZ_INIT(sqz_input);
    struct sqz_input inputs[SERVE_BATCH_MAX];
    struct sqz_pixels pixels[SERVE_BATCH_MAX];
    struct sqz_classify_result results[SERVE_BATCH_MAX];
    struct serve_image *images[SERVE_BATCH_MAX];
    int n = 0;
    double now = serve_now();
    for (struct serve_job *job = first; job; job = job->next) {
        job->is_expired = now - job->queued > queue->options.max_age;
        if (job->is_expired || __atomic_load_n(&job->is_gone, __ATOMIC_ACQUIRE))
            continue;
        if (!reserve(job)) {
            fail_job(job, SQZ_E_NOMEM, "There is not enough memory for the results.");
            continue;
        }
        job->is_first = n == 0;
        for (int i = 0; i < job->n; i++, n++) {
            struct serve_image *image = images[n] = &job->images[i];
            inputs[n] = no_input;
            inputs[n].name = image->name;
            inputs[n].data = image->data;
            inputs[n].size = image->size;
            results[n] = image->result;
            if (image->data)
                continue;
            pixels[n] = (struct sqz_pixels)SQZ_INIT(sqz_pixels);
            pixels[n].format = SQZ_PIXELS_RGB;
            pixels[n].width = image->width;
            pixels[n].height = image->height;
            pixels[n].planes[0] = image->pixels;
            inputs[n].pixels = &pixels[n];
        }
    }
    if (n == 0)
        return;
    sqz_classify_batch(first->model->classifier, inputs, results, (size_t)n, NULL, NULL);
    for (int i = 0; i < n; i++)
        images[i]->result = results[i];
    for (struct serve_job *job = first; job; job = job->next)
        job->batch = n;
}

static void *compute(void *arg)
{
    struct serve_queue *queue = arg;
    pthread_mutex_lock(&queue->lock);
    while (!queue->stops) {
        int n;
        if (queue->reloads) {
            queue->reloads = false;
            pthread_mutex_unlock(&queue->lock);
            serve_models_reload(queue->options.models, queue->options.tell);
            pthread_mutex_lock(&queue->lock);
            continue;
        }
        struct serve_job *jobs = take_batch(queue, &n);
        if (!jobs) {
            pthread_cond_wait(&queue->changed, &queue->lock);
            continue;
        }
        pthread_mutex_unlock(&queue->lock);
        run_batch(queue, jobs);
        pthread_mutex_lock(&queue->lock);
        *queue->done_end = jobs;
        while (*queue->done_end)
            queue->done_end = &(*queue->done_end)->next;
        queue->options.wake(queue->options.arg);
    }
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}

enum sqz_status serve_queue_new(const struct serve_queue_options *options, struct serve_queue **out,
                                struct sqz_error *err)
{
    sigset_t all, before;
    struct serve_queue *queue = calloc(1, sizeof *queue);
    bool runs = false;
    if (queue) {
        queue->options = *options;
        queue->waiting_end = &queue->waiting;
        queue->done_end = &queue->done;
        pthread_mutex_init(&queue->lock, NULL);
        pthread_cond_init(&queue->changed, NULL);
        sigfillset(&all); // signals belong to the loop thread
        pthread_sigmask(SIG_SETMASK, &all, &before);
        runs = pthread_create(&queue->thread, NULL, compute, queue) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (runs) {
        *out = queue;
        return SQZ_OK;
    }
    free(queue);
    err->status = SQZ_E_NOMEM;
    snprintf(err->text, sizeof err->text, "There is not enough memory for the compute thread.");
    return SQZ_E_NOMEM;
}

static void free_list(struct serve_job *job)
{
    while (job) {
        struct serve_job *next = job->next;
        serve_job_free(job);
        job = next;
    }
}

void serve_queue_free(struct serve_queue *queue)
{
    if (!queue)
        return;
    pthread_mutex_lock(&queue->lock);
    queue->stops = true;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    pthread_join(queue->thread, NULL);
    free_list(queue->waiting);
    free_list(queue->done);
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

bool serve_queue_add(struct serve_queue *queue, struct serve_job *job)
{
    pthread_mutex_lock(&queue->lock);
    bool fits = queue->n_waiting + job->n <= queue->options.max_waiting;
    if (fits) {
        job->queued = serve_now();
        job->next = NULL;
        *queue->waiting_end = job;
        queue->waiting_end = &job->next;
        queue->n_waiting += job->n;
        queue->n_jobs++;
        pthread_cond_signal(&queue->changed);
    }
    pthread_mutex_unlock(&queue->lock);
    return fits;
}

void serve_queue_reload(struct serve_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->reloads = true;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

struct serve_job *serve_queue_done(struct serve_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    struct serve_job *jobs = queue->done;
    for (struct serve_job *job = jobs; job; job = job->next)
        queue->n_jobs--;
    queue->done = NULL;
    queue->done_end = &queue->done;
    pthread_mutex_unlock(&queue->lock);
    return jobs;
}

int serve_queue_waiting(struct serve_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    int n = queue->n_waiting;
    pthread_mutex_unlock(&queue->lock);
    return n;
}

int serve_queue_unanswered(struct serve_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    int n = queue->n_jobs;
    pthread_mutex_unlock(&queue->lock);
    return n;
}
