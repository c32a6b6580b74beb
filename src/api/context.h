// What a context and a model handle are made of.
#ifndef SQZ_API_CONTEXT_H
#define SQZ_API_CONTEXT_H

#include "base/stop.h"
#include "base/threads.h"
#include "dist/ranks.h"
#include "formats/streamed.h"
#include "net/engine.h"
#include <squeezenet_ranks.h>

struct sqz_context {
    struct sqz_pool *pool;
    const struct sqz_kernels *kernels;
    sqz_event_fn on_event; // NULL: nobody listens
    void *event_arg;
    int stop; // see base/stop.h
    enum sqz_mode mode;
    enum sqz_precision precision;
    struct sqz_ranks *ranks;      // NULL: alone
    struct sqz_rank_info *places; // one a rank
    char tile[16];                // "6x16"
};

// Sends one NOTE or WARNING.
void sqz_context_say(const struct sqz_context *context, enum sqz_event_kind kind, const char *text);

// Ends a long call with `status`: the one that a request to stop has ended takes the request with
// it.
enum sqz_status sqz_context_end(struct sqz_context *context, enum sqz_status status);

// sqz_model_open, with the weights left in the file; both results are the caller's.
enum sqz_status sqz_model_open_streamed(const char *path, const struct sqz_model_options *options,
                                        struct sqz_model **out, struct sqz_streamed **streamed,
                                        struct sqz_error *err);

#endif
