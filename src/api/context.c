// The context: threads, SIMD level, and where messages go.
#include "api/context.h"
#include "api/struct_size.h"
#include "base/memory.h"
#include "kernels/integer/integer.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *sqz_version(void)
{
    return SQZ_VERSION;
}

int sqz_version_number(void)
{
    return SQZ_VERSION_NUMBER;
}

const char *sqz_status_name(enum sqz_status status)
{
#define NAME(status) \
    case status: \
        return #status
    switch (status) {
        NAME(SQZ_OK);
        NAME(SQZ_BELOW_BOUND);
        NAME(SQZ_E_USAGE);
        NAME(SQZ_E_DATA);
        NAME(SQZ_E_NOINPUT);
        NAME(SQZ_E_INTERNAL);
        NAME(SQZ_E_NOMEM);
        NAME(SQZ_E_CANTWRITE);
        NAME(SQZ_E_IO);
        NAME(SQZ_E_STOPPED);
        NAME(SQZ_E_DIVERGED);
        NAME(SQZ_E_CONFIG);
    }
#undef NAME
    return "unknown status";
}

// The cores of one rank: those that it is bound to, else its part of all.
static int default_threads(void)
{
    int cores = sqz_cpu_default_threads(), ranks = sqz_ranks_bound() ? 1 : sqz_ranks_local();
    return ranks < cores ? cores / ranks : 1;
}

// More threads than processors only take turns, and wait for each other at every layer.
// SQUEEZENET_OVERSUBSCRIBE=1 lets them, so that tests see many threads on any machine.
static int sensible_threads(int asked)
{
    const char *oversubscribe = getenv("SQUEEZENET_OVERSUBSCRIBE");
    int threads = asked ? asked : default_threads(), usable = sqz_cpu_usable();
    return threads <= usable || (oversubscribe && *oversubscribe == '1') ? threads : usable;
}

enum sqz_status sqz_context_new(int threads, struct sqz_context **out, struct sqz_error *err)
{
    if (threads < 0 || threads > 1024)
        return sqz_fail(err, SQZ_E_USAGE,
                        "The number of threads must be between 1 and 1024, not %d.", threads);
    struct sqz_context *context = sqz_new_array(1, sizeof *context);
    if (!context)
        return sqz_fail_memory(err, "the context", sizeof *context);
    context->kernels = sqz_kernels_get(sqz_cpu_level(NULL));
    snprintf(context->tile, sizeof context->tile, "%dx%d", context->kernels->mr,
             context->kernels->nr);
    enum sqz_status status = sqz_pool_new(sensible_threads(threads), &context->pool, err);
    if (status) {
        sqz_free(context);
        return status;
    }
    *out = context;
    return SQZ_OK;
}

void sqz_context_free(struct sqz_context *context)
{
    if (!context)
        return;
    sqz_ranks_close(context->ranks);
    sqz_free(context->places);
    sqz_pool_free(context->pool);
    sqz_free(context);
}

void sqz_context_on_event(struct sqz_context *context, sqz_event_fn fn, void *arg)
{
    context->on_event = fn;
    context->event_arg = arg;
}

void sqz_context_set_mode(struct sqz_context *context, enum sqz_mode mode)
{
    context->mode = mode;
}

void sqz_context_set_precision(struct sqz_context *context, enum sqz_precision precision)
{
    context->precision = precision;
}

void sqz_context_stop(struct sqz_context *context)
{
    sqz_stop_set(&context->stop, true);
}

enum sqz_status sqz_context_end(struct sqz_context *context, enum sqz_status status)
{
    if (status == SQZ_E_STOPPED)
        sqz_stop_set(&context->stop, false);
    return status;
}

enum sqz_status sqz_context_machine(const struct sqz_context *context, struct sqz_machine_info *out,
                                    struct sqz_error *err)
{
    struct sqz_machine_info info = {
        .cpu = sqz_cpu_name(),
        .simd = sqz_cpu_level_name(sqz_integer_level(context->kernels->level)),
        .threads = sqz_pool_size(context->pool),
        .kernel = context->tile};
    enum sqz_status status = SQZ_STRUCT_CHECK(sqz_machine_info, out, err);
    if (!status)
        SQZ_STRUCT_OUT(sqz_machine_info, out, &info);
    return status;
}

void sqz_context_say(const struct sqz_context *context, enum sqz_event_kind kind, const char *text)
{
    if (!context->on_event)
        return;
    struct sqz_event event = {.kind = kind,
                              .text = text,
                              .loss = NAN,
                              .lr = NAN,
                              .items_per_second = NAN,
                              .seconds_left = NAN};
    context->on_event(context->event_arg, &event);
}

void sqz_text_free(char *text)
{
    sqz_free(text);
}
