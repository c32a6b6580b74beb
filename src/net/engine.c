// The table of engines, and what they have in common: the choice of one, pixels that become floats,
// and packed weights that engines of one model share.
#include "net/engine.h"

#include "base/memory.h"
#include "net/infer.h"
#include "net/integer_engine.h"
#include "net/packed_weights.h"
#include "net/stream.h"

#include <math.h>
#include <pthread.h>

enum { PIXEL_IMAGES = 2 }; // per thread, that become floats at a time

// An engine. `state` is its own.
struct row {
    const char *name;
    bool (*takes)(const struct sqz_engine_config *config);
    bool reads_pixels; // else they are made floats first
    // `shared`: the weights of another engine of the same kind, or NULL.
    enum sqz_status (*create)(const struct sqz_engine_config *config,
                              struct sqz_packed_weights *shared, void **state,
                              struct sqz_error *err);
    struct sqz_packed_weights *(*weights)(void *state); // NULL: has none to share
    enum sqz_status (*run)(void *state, const struct sqz_engine_job *job, struct sqz_error *err);
    void (*free)(void *state);
    enum sqz_status (*memory)(const struct sqz_engine_config *config, int threads,
                              struct sqz_engine_memory *out, struct sqz_error *err);
};

// --- infer ---

static bool infer_takes(const struct sqz_engine_config *config)
{
    return !config->source;
}

static enum sqz_status infer_create(const struct sqz_engine_config *config,
                                    struct sqz_packed_weights *shared, void **state,
                                    struct sqz_error *err)
{
    struct sqz_infer *infer = NULL;
    enum sqz_status status = shared ? sqz_infer_share(shared, config->pool, &infer, err)
                                    : sqz_infer_new(config->net, config->weights, config->kernels,
                                                    config->pool, config->low_memory, &infer, err);
    *state = infer;
    return status;
}

static struct sqz_packed_weights *infer_weights(void *state)
{
    return sqz_infer_weights(state);
}

static enum sqz_status infer_run(void *state, const struct sqz_engine_job *job,
                                 struct sqz_error *err)
{
    if (job->feature)
        return sqz_infer_run_feature(state, job->images, job->n, job->logits, job->feature,
                                     job->features, err);
    sqz_infer_run(state, job->images, job->n, job->logits);
    return SQZ_OK;
}

static void infer_free(void *state)
{
    sqz_infer_free(state);
}

static enum sqz_status infer_memory(const struct sqz_engine_config *config, int threads,
                                    struct sqz_engine_memory *out, struct sqz_error *err)
{
    struct sqz_infer_memory memory;
    enum sqz_status status =
        sqz_infer_memory(config->net, config->kernels, threads, config->low_memory, &memory, err);
    if (!status)
        *out = (struct sqz_engine_memory){memory.activations, memory.workers, memory.packed_weights,
                                          memory.scratch, memory.total};
    return status;
}

// --- stream ---

struct streaming {
    struct sqz_stream *stream;
    size_t image, classes; // floats
};

static bool stream_takes(const struct sqz_engine_config *config)
{
    return config->source != NULL;
}

static void stream_free(void *state)
{
    struct streaming *streaming = state;
    if (streaming)
        sqz_stream_free(streaming->stream);
    sqz_free(streaming);
}

static enum sqz_status stream_create(const struct sqz_engine_config *config,
                                     struct sqz_packed_weights *shared, void **state,
                                     struct sqz_error *err)
{
    (void)shared; // there are none
    struct streaming *streaming = *state = sqz_new_array(1, sizeof *streaming);
    if (!streaming)
        return sqz_fail_memory(err, "inference", sizeof *streaming);
    streaming->image = sqz_tensor_size(config->net, 0);
    streaming->classes = (size_t)config->net->spec.classes;
    return sqz_stream_new(config->net, config->kernels, config->source, &streaming->stream, err);
}

static enum sqz_status stream_run(void *state, const struct sqz_engine_job *job,
                                  struct sqz_error *err)
{
    const struct streaming *streaming = state;
    const size_t feature = job->feature ? sqz_feature_size(job->feature) : 0;
    enum sqz_status status = SQZ_OK;
    for (size_t i = 0; !status && i < (size_t)job->n; i++) {
        const float *image = job->images + i * streaming->image;
        float *logits = job->logits + i * streaming->classes;
        status = job->feature
                     ? sqz_stream_run_feature(streaming->stream, image, logits, job->feature,
                                              job->features + i * feature, err)
                     : sqz_stream_run(streaming->stream, image, logits, err);
    }
    return status;
}

static enum sqz_status stream_memory(const struct sqz_engine_config *config, int threads,
                                     struct sqz_engine_memory *out, struct sqz_error *err)
{
    (void)threads; // it runs on one
    *out = (struct sqz_engine_memory){.workers = 1};
    enum sqz_status status =
        sqz_stream_memory(config->net, config->kernels, &out->activations, &out->scratch, err);
    out->total = out->activations + out->scratch;
    return status;
}

// --- integer ---

struct integers {
    struct sqz_integer_engine *engine;
    float mean[3], std[3];
    size_t image, channels, classes;
    int at_once;     // images whose floats become pixels together
    uint8_t *pixels; // they; NULL before the first
    int32_t *logits; // of at_once images
};

static bool integers_take(const struct sqz_engine_config *config)
{
    return config->integer != NULL && !config->source;
}

static void integers_free(void *state)
{
    struct integers *integers = state;
    if (!integers)
        return;
    sqz_integer_engine_free(integers->engine);
    sqz_free(integers->pixels);
    sqz_free(integers->logits);
    sqz_free(integers);
}

static enum sqz_status integers_create(const struct sqz_engine_config *config,
                                       struct sqz_packed_weights *shared, void **state,
                                       struct sqz_error *err)
{
    (void)shared; // there are none
    struct integers *integers = *state = sqz_new_array(1, sizeof *integers);
    if (!integers)
        return sqz_fail_memory(err, "inference", sizeof *integers);
    if (!config->preprocess)
        return sqz_fail(err, SQZ_E_INTERNAL, "An integer engine needs to know how pixels enter.");
    integers->image = sqz_tensor_size(config->net, 0);
    integers->channels = (size_t)config->net->spec.channels;
    integers->classes = (size_t)config->net->spec.classes;
    integers->at_once = PIXEL_IMAGES * sqz_pool_size(config->pool);
    for (size_t c = 0; c < integers->channels; c++) {
        integers->mean[c] = config->preprocess->mean[c];
        integers->std[c] = config->preprocess->std[c];
    }
    integers->logits =
        sqz_new_array((size_t)integers->at_once * integers->classes, sizeof *integers->logits);
    if (!integers->logits)
        return sqz_fail_memory(err, "logits", integers->classes * sizeof *integers->logits);
    return sqz_integer_engine_new(config->integer, config->kernels->level, config->pool,
                                  &integers->engine, err);
}

// Normalised floats came from bytes, and become the same bytes.
static enum sqz_status find_pixels(struct integers *integers, const float *images, size_t n,
                                   struct sqz_error *err)
{
    const size_t all = (size_t)integers->at_once * integers->image;
    if (!integers->pixels && !(integers->pixels = sqz_new_array(all, 1)))
        return sqz_fail_memory(err, "images", all);
    for (size_t i = 0; i < n * integers->image; i++) {
        const size_t c = i % integers->channels;
        const float value = rintf(images[i] * integers->std[c] + integers->mean[c]);
        integers->pixels[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
    return SQZ_OK;
}

static enum sqz_status integers_run(void *state, const struct sqz_engine_job *job,
                                    struct sqz_error *err)
{
    struct integers *integers = state;
    enum sqz_status status = SQZ_OK;
    if (job->feature)
        return sqz_fail(err, SQZ_E_USAGE,
                        "An integer network gives logits only; features and class maps come with "
                        "precision fp32.");
    for (size_t first = 0; !status && first < (size_t)job->n; first += (size_t)integers->at_once) {
        const size_t left = (size_t)job->n - first, at = first * integers->image;
        const size_t n = left < (size_t)integers->at_once ? left : (size_t)integers->at_once;
        const uint8_t *pixels = job->pixels ? job->pixels + at : NULL;
        if (!pixels) {
            status = find_pixels(integers, job->images + at, n, err);
            pixels = integers->pixels;
        }
        if (status)
            break;
        sqz_integer_engine_run(integers->engine, pixels, (int)n, integers->logits);
        for (size_t i = 0; i < n * integers->classes; i++)
            job->logits[first * integers->classes + i] = (float)integers->logits[i] / 65536;
    }
    return status;
}

static enum sqz_status integers_memory(const struct sqz_engine_config *config, int threads,
                                       struct sqz_engine_memory *out, struct sqz_error *err)
{
    *out = (struct sqz_engine_memory){.workers = (size_t)threads};
    enum sqz_status status = sqz_integer_engine_memory(
        config->integer, config->kernels->level, &out->activations, &out->packed_weights, err);
    out->total = out->workers * out->activations + out->packed_weights;
    return status;
}

// The first that takes the configuration runs it.
static const struct row engines[] = {
    {"stream", stream_takes, false, stream_create, NULL, stream_run, stream_free, stream_memory},
    {"integer", integers_take, true, integers_create, NULL, integers_run, integers_free,
     integers_memory},
    {"infer", infer_takes, false, infer_create, infer_weights, infer_run, infer_free, infer_memory},
};

static const struct row *choose(const struct sqz_engine_config *config)
{
    const struct row *row = engines;
    while (!row->takes(config))
        row++;
    return row;
}

// --- The cache ---

// The packed weights of one kind that engines of a model use now.
struct entry {
    const struct row *row;
    const float *from;                  // the model's weights
    struct sqz_packed_weights *weights; // held
    int engines;
    struct entry *next;
};

struct sqz_engine_cache {
    pthread_mutex_t lock;
    struct entry *entries;
};

enum sqz_status sqz_engine_cache_new(struct sqz_engine_cache **out, struct sqz_error *err)
{
    struct sqz_engine_cache *cache = sqz_new_array(1, sizeof *cache);
    if (!cache)
        return sqz_fail_memory(err, "a model", sizeof *cache);
    pthread_mutex_init(&cache->lock, NULL);
    *out = cache;
    return SQZ_OK;
}

void sqz_engine_cache_free(struct sqz_engine_cache *cache)
{
    if (!cache)
        return;
    pthread_mutex_destroy(&cache->lock);
    sqz_free(cache);
}

static struct entry *find_entry(const struct sqz_engine_cache *cache, const struct row *row,
                                const struct sqz_engine_config *config)
{
    for (struct entry *e = cache->entries; e; e = e->next)
        if (e->row == row && e->from == config->weights && e->weights->net == config->net &&
            e->weights->kernels == config->kernels && e->weights->low_memory == config->low_memory)
            return e;
    return NULL;
}

static void leave_entry(struct sqz_engine_cache *cache, struct entry *entry)
{
    struct entry **at = &cache->entries;
    pthread_mutex_lock(&cache->lock);
    if (--entry->engines == 0) {
        while (*at != entry)
            at = &(*at)->next;
        *at = entry->next;
        sqz_packed_weights_release(entry->weights);
        sqz_free(entry);
    }
    pthread_mutex_unlock(&cache->lock);
}

// --- Engines ---

struct sqz_engine {
    const struct row *row;
    void *state;
    struct sqz_engine_cache *cache; // NULL: shares nothing
    struct entry *entry;
    float mean[3], std[3];
    int channels; // of pixels; 0: they are not taken
    size_t image_floats, logit_floats;
    int at_once;   // images whose pixels become floats together
    float *floats; // they
};

// Creates the state. The lock is held until the weights are there, so that nobody packs them twice.
static enum sqz_status create_shared(struct sqz_engine *engine,
                                     const struct sqz_engine_config *config, struct sqz_error *err)
{
    struct sqz_engine_cache *cache = config->cache;
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = find_entry(cache, engine->row, config), *made = NULL;
    enum sqz_status status = SQZ_OK;
    if (!entry) {
        entry = made = sqz_new_array(1, sizeof *made);
        if (!made)
            status = sqz_fail_memory(err, "inference", sizeof *made);
    }
    if (!status)
        status = engine->row->create(config, made ? NULL : entry->weights, &engine->state, err);
    if (!status && made) {
        struct sqz_packed_weights *weights = engine->row->weights(engine->state);
        *made = (struct entry){engine->row, config->weights, sqz_packed_weights_hold(weights), 0,
                               cache->entries};
        cache->entries = made;
    } else if (status) {
        sqz_free(made);
    }
    if (!status) {
        entry->engines++;
        engine->cache = cache;
        engine->entry = entry;
    }
    pthread_mutex_unlock(&cache->lock);
    return status;
}

enum sqz_status sqz_engine_new(const struct sqz_engine_config *config, struct sqz_engine **out,
                               struct sqz_error *err)
{
    const struct sqz_net *net = config->net;
    const struct sqz_preprocess *preprocess = config->preprocess;
    struct sqz_engine *engine = sqz_new_array(1, sizeof *engine);
    if (!engine)
        return sqz_fail_memory(err, "inference", sizeof *engine);
    engine->row = choose(config);
    engine->image_floats = sqz_tensor_size(net, 0);
    engine->logit_floats = (size_t)net->spec.classes;
    engine->at_once = PIXEL_IMAGES * sqz_pool_size(config->pool);
    engine->channels = preprocess ? net->spec.channels : 0;
    for (int c = 0; c < engine->channels; c++) {
        engine->mean[c] = preprocess->mean[c];
        engine->std[c] = preprocess->std[c];
    }
    enum sqz_status status = config->cache && engine->row->weights
                                 ? create_shared(engine, config, err)
                                 : engine->row->create(config, NULL, &engine->state, err);
    if (status)
        sqz_engine_free(engine);
    else
        *out = engine;
    return status;
}

void sqz_engine_free(struct sqz_engine *engine)
{
    if (!engine)
        return;
    engine->row->free(engine->state);
    if (engine->entry)
        leave_entry(engine->cache, engine->entry);
    sqz_free(engine->floats);
    sqz_free(engine);
}

const char *sqz_engine_name(const struct sqz_engine *engine)
{
    return engine->row->name;
}

// As data/ normalises: the same operations, hence the same bits.
static void normalise(const struct sqz_engine *engine, const uint8_t *pixels, size_t n, float *out)
{
    const size_t channels = (size_t)engine->channels;
    for (size_t i = 0; i < n; i += channels)
        for (size_t c = 0; c < channels; c++)
            out[i + c] = ((float)pixels[i + c] - engine->mean[c]) / engine->std[c];
}

static enum sqz_status run_pixels(struct sqz_engine *engine, const struct sqz_engine_job *job,
                                  struct sqz_error *err)
{
    const size_t image = engine->image_floats, all = (size_t)engine->at_once * image;
    const size_t feature = job->feature ? sqz_feature_size(job->feature) : 0;
    if (engine->channels == 0)
        return sqz_fail(err, SQZ_E_INTERNAL, "This engine knows no mean and deviation of pixels.");
    if (!engine->floats && !(engine->floats = sqz_new_aligned(all, sizeof(float))))
        return sqz_fail_memory(err, "images", all * sizeof(float));
    enum sqz_status status = SQZ_OK;
    for (int first = 0; !status && first < job->n; first += engine->at_once) {
        const int left = job->n - first, n = left < engine->at_once ? left : engine->at_once;
        const size_t at = (size_t)first;
        normalise(engine, job->pixels + at * image, (size_t)n * image, engine->floats);
        const struct sqz_engine_job some = {.images = engine->floats,
                                            .n = n,
                                            .logits = job->logits + at * engine->logit_floats,
                                            .feature = job->feature,
                                            .features =
                                                job->feature ? job->features + at * feature : NULL};
        status = engine->row->run(engine->state, &some, err);
    }
    return status;
}

enum sqz_status sqz_engine_run(struct sqz_engine *engine, const struct sqz_engine_job *job,
                               struct sqz_error *err)
{
    if (job->pixels && !engine->row->reads_pixels)
        return run_pixels(engine, job, err);
    return engine->row->run(engine->state, job, err);
}

enum sqz_status sqz_engine_memory(const struct sqz_engine_config *config, int threads,
                                  struct sqz_engine_memory *out, struct sqz_error *err)
{
    return choose(config)->memory(config, threads, out, err);
}
