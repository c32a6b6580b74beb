// Ranks: a context that joins others, and the start of ranks.
#include "api/context.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "dist/launch/hosts.h"
#include "train/options/transforms.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool wants_ranks(const struct sqz_options *options)
{
    // Who starts several processes means it; only a spoken "no" is one.
    return !options || options->distribute ||
           sqz_options_origin(options, "distribute") <= SQZ_FROM_BUILTIN_RECIPE;
}

// The processors that this process may use, as the kernel lists them: "0-3,8".
static void list_cpus(char *out, size_t size)
{
    static const char field[] = "Cpus_allowed_list:";
    char line[256];
    FILE *file = fopen("/proc/self/status", "re");
    snprintf(out, size, "?");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, field, sizeof field - 1) == 0) {
            const char *at = line + sizeof field - 1;
            at += strspn(at, " \t");
            snprintf(out, size, "%.*s", (int)strcspn(at, "\n"), at);
        }
    if (file)
        fclose(file);
}

// Tells where everybody is. All compute on the lowest SIMD level that one of them has, for levels
// differ in the last bits.
static enum sqz_status exchange_places(struct sqz_context *context, struct sqz_error *err)
{
    size_t size = (size_t)sqz_ranks_size(context->ranks);
    enum sqz_cpu_level lowest = context->kernels->level;
    struct sqz_rank_info mine = {.threads = sqz_pool_size(context->pool), .level = (int)lowest};
    list_cpus(mine.cpus, sizeof mine.cpus);
    snprintf(mine.host, sizeof mine.host, "%s",
             sqz_ranks_host(context->ranks, sqz_ranks_rank(context->ranks)));
    context->places = sqz_new_array(size, sizeof *context->places);
    if (!context->places)
        return sqz_fail_memory(err, "the ranks", size * sizeof *context->places);
    enum sqz_status status =
        sqz_ranks_gather(context->ranks, &mine, sizeof mine, context->places, err);
    for (size_t r = 0; r < size && !status; r++)
        lowest = sqz_cpu_common_level(lowest, (enum sqz_cpu_level)context->places[r].level);
    if (!status)
        context->kernels = sqz_kernels_get(lowest);
    return status;
}

static void say_late(void *context, const char *sentence)
{
    sqz_context_say(context, SQZ_EVENT_WARNING, sentence);
}

enum sqz_status sqz_context_join(struct sqz_context *context, const struct sqz_options *options,
                                 struct sqz_error *err)
{
    if (context->ranks || !sqz_ranks_launcher() || !wants_ranks(options))
        return SQZ_OK;
    double timeout = options ? options->comm_timeout : 300;
    enum sqz_status status = sqz_ranks_open(timeout, say_late, context, &context->ranks, err);
    if (!status && context->ranks)
        status = exchange_places(context, err);
    return status;
}

const struct sqz_rank_info *sqz_context_rank_info(const struct sqz_context *context, int rank)
{
    if (!context->ranks || rank < 0 || rank >= sqz_ranks_size(context->ranks))
        return NULL;
    return &context->places[rank];
}

bool sqz_context_is_reporter(const struct sqz_context *context)
{
    return sqz_ranks_is_reporter(context->ranks);
}

int sqz_context_rank(const struct sqz_context *context, int *ranks)
{
    *ranks = sqz_ranks_size(context->ranks);
    return sqz_ranks_rank(context->ranks);
}

bool sqz_is_rank(void)
{
    return sqz_ranks_launcher() != NULL;
}

bool sqz_has_mpi(const char *mpi)
{
    return sqz_ranks_module(mpi, NULL, 0);
}

// --- Starting them ---

// Whether a status is one that this program ends with, and so no sign of a lost rank.
static bool is_own_status(int status)
{
    static const int own[] = {SQZ_OK,         SQZ_E_USAGE, SQZ_E_DATA, SQZ_E_NOINPUT,
                              SQZ_E_INTERNAL, SQZ_E_NOMEM, SQZ_E_IO,   SQZ_E_CANTWRITE,
                              SQZ_E_DIVERGED, SQZ_E_CONFIG};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (own[i] == status)
            return true;
    return false;
}

static int threads_of_rank(const struct sqz_options *options)
{
    int cores = sqz_cpu_default_threads();
    if (options->threads > 0)
        return (int)options->threads;
    return options->worker_num < cores ? cores / (int)options->worker_num : 1;
}

static void say_command(struct sqz_context *context, const struct sqz_launch *launch)
{
    struct sqz_text text = {0};
    if (!sqz_launch_describe(launch, &text, NULL)) {
        struct sqz_text note = {0};
        sqz_text_add(&note, "Starting  %s", sqz_text_get(&text));
        sqz_context_say(context, SQZ_EVENT_NOTE, sqz_text_get(&note));
        sqz_text_release(&note);
    }
    sqz_text_release(&text);
}

// Before a restart: goes on without the machines that do not answer. The run directory has the
// batch of all ranks, whatever their number.
static enum sqz_status leave_lost_hosts(struct sqz_context *context, struct sqz_launch *launch,
                                        struct sqz_hosts *hosts, struct sqz_error *err)
{
    struct sqz_hosts now;
    enum sqz_status status = sqz_hosts_find(launch, &now, err);
    if (status || !*now.hostfile) {
        sqz_hosts_release(&now);
        return status;
    }
    struct sqz_text note = {0};
    sqz_text_add(&note, "No answer from %s: the run goes on with %d instead of %d ranks.",
                 sqz_text_get(&now.lost), now.ranks, launch->ranks);
    sqz_context_say(context, SQZ_EVENT_WARNING, sqz_text_get(&note));
    sqz_text_release(&note);
    sqz_hosts_release(hosts);
    *hosts = now;
    launch->hostfile = hosts->hostfile;
    launch->ranks = hosts->ranks;
    return SQZ_OK;
}

static void describe_end(const struct sqz_launch *launch, const struct sqz_launch_end *end,
                         char *out, size_t size)
{
    if (end->lost >= 0)
        snprintf(out, size, "Rank %d on %s was lost in %s", end->lost, end->host, end->at);
    else if (end->late)
        snprintf(out, size, "The ranks had not all started after %.3g s%s%s", launch->timeout,
                 *end->silent ? ": no answer from " : "", end->silent);
    else
        snprintf(out, size, "The ranks were stopped");
}

enum sqz_status sqz_launch_ranks(struct sqz_context *context, const struct sqz_options *options,
                                 const char *const *arguments, const char **resume_slot,
                                 const char *const *resume_arguments, struct sqz_error *err)
{
    struct sqz_launch launch = {.mpi = options->mpi,
                                .ranks = (int)options->worker_num,
                                .threads = threads_of_rank(options),
                                .bind = options->bind_core,
                                .hostfile = options->hostfile,
                                .timeout = options->comm_timeout,
                                .arguments = arguments,
                                .stop = &context->stop};
    struct sqz_launch_end end = {0};
    struct sqz_hosts hosts = {0};
    char run[sizeof end.run] = "", resume[sizeof run + 16], what[400] = "";
    enum sqz_status status = *launch.hostfile ? sqz_hosts_check(launch.hostfile, err) : SQZ_OK;
    for (int64_t restart = 0; !status; restart++) {
        say_command(context, &launch);
        status = sqz_launch_run(&launch, &end, err);
        if (status || end.exit_status == SQZ_OK)
            goto done;
        if (*end.run)
            snprintf(run, sizeof run, "%s", end.run);
        describe_end(&launch, &end, what, sizeof what);
        if (is_own_status(end.exit_status) && !end.late) {
            status = sqz_fail(err, (enum sqz_status)end.exit_status, "%s", "");
            goto done;
        }
        if (sqz_stop_asked(&context->stop) || restart == options->max_restarts)
            break;
        char note[500];
        snprintf(note, sizeof note, "%s; restart %lld of %lld.", what, (long long)restart + 1,
                 (long long)options->max_restarts);
        sqz_context_say(context, SQZ_EVENT_WARNING, note);
        if (*run) {
            snprintf(resume, sizeof resume, "--resume=%s", run);
            *resume_slot = resume;
            launch.arguments = resume_arguments;
        }
        if (*run && *launch.hostfile)
            status = leave_lost_hosts(context, &launch, &hosts, err);
        if (status)
            goto done;
    }
    if (!status)
        status =
            sqz_fail(err, SQZ_E_STOPPED,
                     *run ? "%s; continue with: squeezenet train --resume %s" : "%s.", what, run);
done:
    sqz_hosts_release(&hosts);
    return sqz_context_end(context, status);
}
