// What an engine is, for engine.c, which has the table of them.
#ifndef SQZ_NET_ENGINE_KIND_H
#define SQZ_NET_ENGINE_KIND_H

#include "net/engine.h"

enum { SQZ_PIXEL_IMAGES = 2 }; // per thread, that become floats, or bytes again, at a time

// Packed weights that engines of one kind share. They count their holders.
struct sqz_engine_sharing {
    void *(*of)(void *state);
    bool (*fits)(const void *weights, const struct sqz_engine_config *config);
    void (*hold)(void *weights);
    void (*release)(void *weights);
};

// An engine. `state` is its own.
struct sqz_engine_kind {
    const char *name;
    bool (*takes)(const struct sqz_engine_config *config);
    bool reads_pixels; // else they are made floats first
    // `shared`: the weights of another engine of the same kind, or NULL.
    enum sqz_status (*create)(const struct sqz_engine_config *config, void *shared, void **state,
                              struct sqz_error *err);
    const struct sqz_engine_sharing *sharing; // NULL: has no weights to share
    enum sqz_status (*run)(void *state, const struct sqz_engine_job *job, struct sqz_error *err);
    void (*free)(void *state);
    enum sqz_status (*memory)(const struct sqz_engine_config *config, int threads,
                              struct sqz_engine_memory *out, struct sqz_error *err);
};

extern const struct sqz_engine_kind sqz_engine_stream, sqz_engine_integer, sqz_engine_infer;

#endif
