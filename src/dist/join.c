// Joins the other ranks at the start and leaves them at the end.
#include "dist/private.h"

#include "base/memory.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void sign_registry(struct sqz_ranks *ranks)
{
    ranks->registry = sqz_registry_find(ranks->size);
    if (!ranks->registry)
        return;
    struct sqz_registry_entry *own = &ranks->registry->entries[ranks->rank];
    snprintf(own->host, sizeof own->host, "%s", sqz_ranks_host(ranks, ranks->rank));
    snprintf(own->at, sizeof own->at, "the start");
    own->pid = (int32_t)getpid();
}

static enum sqz_status exchange_hosts(struct sqz_ranks *ranks, struct sqz_error *err)
{
    char own[SQZ_HOST_SIZE];
    sqz_ranks_own_host(own);
    return sqz_ranks_gather(ranks, own, sizeof own, ranks->hosts, err);
}

enum sqz_status sqz_ranks_open(double timeout, void (*say)(void *arg, const char *sentence),
                               void *arg, struct sqz_ranks **out, struct sqz_error *err)
{
    struct sqz_start_timeout start = {.seconds = timeout, .say = say, .arg = arg};
    *out = NULL;
    if (!sqz_ranks_launcher())
        return SQZ_OK;
    struct sqz_ranks *ranks = sqz_new_array(1, sizeof *ranks);
    if (!ranks)
        return sqz_fail_memory(err, "the ranks", sizeof *ranks);
    ranks->timeout = timeout;
    enum sqz_status status = sqz_module_open(ranks, &start, err);
    if (status) {
        sqz_free(ranks); // the module stays open: MPI does not like to be unloaded
        return status;
    }
    ranks->hosts = sqz_new_array((size_t)ranks->size, SQZ_HOST_SIZE);
    ranks->alive = sqz_new_array((size_t)ranks->size, sizeof *ranks->alive);
    if (!ranks->hosts || !ranks->alive)
        status = sqz_fail_memory(err, "the ranks", (size_t)ranks->size * sizeof *ranks->alive);
    if (!status) {
        sqz_ranks_listen(ranks);
        status = exchange_hosts(ranks, err);
    }
    if (!status)
        sign_registry(ranks);
    if (status)
        ranks->lost = true;
    if (status || ranks->size == 1) {
        sqz_ranks_close(ranks);
        return status;
    }
    *out = ranks;
    return SQZ_OK;
}

// MPI_Abort itself may hang where the network is gone; the alarm ends this process all the same.
// What this rank has said must have reached the launcher before: it reads no more afterwards.
static void end_job(const struct sqz_ranks *ranks)
{
    signal(SIGALRM, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    if (ranks->registry) // it is not the one that was lost
        ranks->registry->entries[ranks->rank].left = 1;
    else
        sqz_reap_orphan_daemon();
    alarm(5);
    usleep(300000);
    ranks->transport->abort(SQZ_E_STOPPED);
    for (;;)
        pause();
}

void sqz_ranks_close(struct sqz_ranks *ranks)
{
    if (!ranks)
        return;
    if (!ranks->lost)
        sqz_ranks_part(ranks);
    if (ranks->lost)
        end_job(ranks);
    if (ranks->registry)
        ranks->registry->entries[ranks->rank].left = 1;
    ranks->transport->finish();
    sqz_free(ranks->hosts);
    sqz_free(ranks->alive);
    sqz_free(ranks);
}
