// Ends a rank that waits too long for the others to start.
#include "dist/private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

// "rank 3" where the launcher says which one this is.
static void name_rank(char *out, size_t size)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"};
    snprintf(out, size, "a rank");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *rank = getenv(names[i]);
        if (rank && *rank) {
            snprintf(out, size, "rank %.16s", rank);
            return;
        }
    }
}

static void *watch_start(void *arg)
{
    const struct sqz_start_timeout *timeout = arg;
    struct timespec until;
    char rank[32], host[SQZ_HOST_SIZE], sentence[256];
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)timeout->seconds + 1;
    while (sem_clockwait((sem_t *)&timeout->over, CLOCK_MONOTONIC, &until) != 0)
        if (errno == ETIMEDOUT) {
            name_rank(rank, sizeof rank);
            sqz_ranks_own_host(host);
            snprintf(sentence, sizeof sentence,
                     "At the start, %s on %s has waited %.3g s for the other ranks; the job ends.",
                     rank, host, timeout->seconds);
            if (timeout->say)
                timeout->say(timeout->arg, sentence);
            sqz_reap_orphan_daemon();
            signal(SIGTERM, SIG_DFL);
            kill(getpid(), SIGTERM);
        }
    return NULL;
}

void sqz_start_timeout_begin(struct sqz_start_timeout *timeout)
{
    timeout->runs = sem_init(&timeout->over, 0, 0) == 0 &&
                    pthread_create(&timeout->thread, NULL, watch_start, timeout) == 0;
}

void sqz_start_timeout_end(struct sqz_start_timeout *timeout)
{
    if (!timeout->runs)
        return;
    sem_post(&timeout->over);
    pthread_join(timeout->thread, NULL);
    sem_destroy(&timeout->over);
}
