// A network made ready to run. Everybody who runs a network for its answers goes through this
// interface; engine.c has the table of the engines that do it.
//
// Thread safety: an engine belongs to one thread at a time. Engines of one model may run in several
// threads at once, on one pool or on several; with a common cache they share packed weights.
#ifndef SQZ_NET_ENGINE_H
#define SQZ_NET_ENGINE_H

#include "base/threads.h"
#include "net/feature.h"
#include "net/integer.h"
#include "net/weight_source.h"

// What engines of one model share. It has to outlive them. Safe to use from several threads.
struct sqz_engine_cache;
enum sqz_status sqz_engine_cache_new(struct sqz_engine_cache **out, struct sqz_error *err);
void sqz_engine_cache_free(struct sqz_engine_cache *cache); // may be NULL

struct sqz_engine_config { // everything is borrowed, but nothing is read of `weights` after _new
    const struct sqz_net *net;
    const float *weights;                   // net->n_weights; NULL: they come from
    const struct sqz_weight_source *source; // this, again in every run
    const struct sqz_kernels *kernels;
    struct sqz_pool *pool;
    bool low_memory; // no enlarged weights
    // Runs instead of the weights, if it is not NULL; needs preprocess, and has no features yet.
    const struct sqz_integer_net *integer;
    // How pixels become the network's input; NULL: runs get floats only.
    const struct sqz_preprocess *preprocess;
    struct sqz_engine_cache *cache; // NULL: nothing is shared
};

struct sqz_engine;
// Memory is all taken here, but for pixels and features, whose buffers come with the first run that
// needs them.
enum sqz_status sqz_engine_new(const struct sqz_engine_config *config, struct sqz_engine **out,
                               struct sqz_error *err);
void sqz_engine_free(struct sqz_engine *engine);              // may be NULL
const char *sqz_engine_name(const struct sqz_engine *engine); // "infer", "stream", "integer"
// Whether it computes on bytes, so that a job had better bring pixels than images.
bool sqz_engine_reads_pixels(const struct sqz_engine *engine);

// n images and what is wanted of them. An image's results are the same bits for every n, for every
// number of threads, and whether or not a feature is wanted.
struct sqz_engine_job {
    const float *images;   // n x H x W x C, normalised; or NULL and
    const uint8_t *pixels; // the same in bytes, in the network's channel order
    int n;
    float *logits;                     // n x classes
    const struct sqz_feature *feature; // NULL: none is wanted
    float *features;                   // n x sqz_feature_size
};
// Fails where weights cannot be read, and without memory for pixels or a feature.
enum sqz_status sqz_engine_run(struct sqz_engine *engine, const struct sqz_engine_job *job,
                               struct sqz_error *err);

// Known before anything is allocated; equal to what sqz_engine_new takes. Bytes. Of config, weights
// and pool are not looked at.
struct sqz_engine_memory {
    size_t activations; // one worker's arena
    size_t workers;     // arenas (threads)
    size_t packed_weights, scratch;
    size_t total;
};
enum sqz_status sqz_engine_memory(const struct sqz_engine_config *config, int threads,
                                  struct sqz_engine_memory *out, struct sqz_error *err);

#endif
