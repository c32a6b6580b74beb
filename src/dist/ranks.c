// Who this rank is, where it is, and what it is doing.
#include "dist/ranks.h"

#include "dist/private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int sqz_ranks_rank(const struct sqz_ranks *ranks)
{
    return ranks ? ranks->rank : 0;
}

int sqz_ranks_size(const struct sqz_ranks *ranks)
{
    return ranks ? ranks->size : 1;
}

const char *sqz_ranks_host(const struct sqz_ranks *ranks, int rank)
{
    return ranks ? ranks->hosts + (size_t)rank * SQZ_HOST_SIZE : "localhost";
}

const char *sqz_ranks_library(const struct sqz_ranks *ranks)
{
    return ranks ? ranks->library : "";
}

bool sqz_ranks_lost(const struct sqz_ranks *ranks)
{
    return ranks && ranks->lost;
}

bool sqz_ranks_is_reporter(const struct sqz_ranks *ranks)
{
    return !ranks || ranks->rank == 0 || !ranks->agreed;
}

void sqz_ranks_mark_agreed(struct sqz_ranks *ranks)
{
    ranks->agreed = true;
}

void sqz_ranks_at(struct sqz_ranks *ranks, const char *format, ...)
{
    va_list args;
    if (!ranks)
        return;
    va_start(args, format);
    vsnprintf(ranks->at, sizeof ranks->at, format, args);
    va_end(args);
    if (ranks->registry)
        memcpy(ranks->registry->entries[ranks->rank].at, ranks->at, sizeof ranks->at);
}

void sqz_ranks_publish_run_dir(struct sqz_ranks *ranks, const char *run)
{
    if (ranks->registry)
        snprintf(ranks->registry->run, sizeof ranks->registry->run, "%s", run);
}

void sqz_ranks_own_host(char own[SQZ_HOST_SIZE])
{
    memset(own, 0, SQZ_HOST_SIZE);
    gethostname(own, SQZ_HOST_SIZE - 1);
    // Names may be alike in containers and test networks; whoever tells them apart may say how.
    const char *given = getenv("SQUEEZENET_HOST");
    if (given && *given)
        snprintf(own, SQZ_HOST_SIZE, "%s", given);
}
