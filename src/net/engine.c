// The table of engines, and what they have in common: the choice of one, pixels that become floats,
// and packed weights that engines of one model share.
#include "net/engine_kind.h"

#include "base/memory.h"

#include <pthread.h>

// The first that takes the configuration runs it.
static const struct sqz_engine_kind *const engines[] = {&sqz_engine_stream, &sqz_engine_integer,
                                                        &sqz_engine_infer};

static const struct sqz_engine_kind *choose(const struct sqz_engine_config *config)
{
    int i = 0;
    while (!engines[i]->takes(config))
        i++;
    return engines[i];
}

// --- The cache ---

// The packed weights of one kind that engines of a model use now.
struct entry {
    const struct sqz_engine_kind *kind;
    const float *from; // the model's weights
    void *weights;     // held
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

static struct entry *find_entry(const struct sqz_engine_cache *cache,
                                const struct sqz_engine_kind *kind,
                                const struct sqz_engine_config *config)
{
    for (struct entry *e = cache->entries; e; e = e->next)
        if (e->kind == kind && e->from == config->weights &&
            kind->sharing->fits(e->weights, config))
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
        entry->kind->sharing->release(entry->weights);
        sqz_free(entry);
    }
    pthread_mutex_unlock(&cache->lock);
}

// --- Engines ---

struct sqz_engine {
    const struct sqz_engine_kind *kind;
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
    struct entry *entry = find_entry(cache, engine->kind, config), *made = NULL;
    enum sqz_status status = SQZ_OK;
    if (!entry) {
        entry = made = sqz_new_array(1, sizeof *made);
        if (!made)
            status = sqz_fail_memory(err, "inference", sizeof *made);
    }
    if (!status)
        status = engine->kind->create(config, made ? NULL : entry->weights, &engine->state, err);
    if (!status && made) {
        *made = (struct entry){engine->kind, config->weights,
                               engine->kind->sharing->of(engine->state), 0, cache->entries};
        engine->kind->sharing->hold(made->weights);
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
    engine->kind = choose(config);
    engine->image_floats = sqz_tensor_size(net, 0);
    engine->logit_floats = (size_t)net->spec.classes;
    engine->at_once = SQZ_PIXEL_IMAGES * sqz_pool_size(config->pool);
    engine->channels = preprocess ? net->spec.channels : 0;
    for (int c = 0; c < engine->channels; c++) {
        engine->mean[c] = preprocess->mean[c];
        engine->std[c] = preprocess->std[c];
    }
    enum sqz_status status = config->cache && engine->kind->sharing
                                 ? create_shared(engine, config, err)
                                 : engine->kind->create(config, NULL, &engine->state, err);
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
    engine->kind->free(engine->state);
    if (engine->entry)
        leave_entry(engine->cache, engine->entry);
    sqz_free(engine->floats);
    sqz_free(engine);
}

const char *sqz_engine_name(const struct sqz_engine *engine)
{
    return engine->kind->name;
}

bool sqz_engine_reads_pixels(const struct sqz_engine *engine)
{
    return engine->kind->reads_pixels;
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
        status = engine->kind->run(engine->state, &some, err);
    }
    return status;
}

enum sqz_status sqz_engine_run(struct sqz_engine *engine, const struct sqz_engine_job *job,
                               struct sqz_error *err)
{
    if (job->pixels && !engine->kind->reads_pixels)
        return run_pixels(engine, job, err);
    return engine->kind->run(engine->state, job, err);
}

enum sqz_status sqz_engine_memory(const struct sqz_engine_config *config, int threads,
                                  struct sqz_engine_memory *out, struct sqz_error *err)
{
    return choose(config)->memory(config, threads, out, err);
}
