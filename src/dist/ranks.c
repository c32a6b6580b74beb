// Messages between ranks, and how a rank that does not answer any more is found out.
//
// A rank that waits sends a sign of life to all others every second. When nothing has moved for the
// time-out, the ranks that messages are missing from are the suspects; those that were heard lately
// wait themselves, so the others are to blame.
#include "dist/private.h"

#include "base/cpu.h"
#include "base/memory.h"

#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPIN_SECONDS  2e-3 // of waiting, before a rank sleeps between its looks
#define ALIVE_SECONDS 1.0

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

bool sqz_ranks_speaks(const struct sqz_ranks *ranks)
{
    return !ranks || ranks->rank == 0 || !ranks->agreed;
}

void sqz_ranks_known(struct sqz_ranks *ranks)
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
    if (ranks->roster)
        memcpy(ranks->roster->entries[ranks->rank].at, ranks->at, sizeof ranks->at);
}

void sqz_ranks_tell_run(struct sqz_ranks *ranks, const char *run)
{
    if (ranks->roster)
        snprintf(ranks->roster->run, sizeof ranks->roster->run, "%s", run);
}

static void sign_roster(struct sqz_ranks *ranks)
{
    ranks->roster = sqz_roster_find(ranks->size);
    if (!ranks->roster)
        return;
    struct sqz_roster_entry *own = &ranks->roster->entries[ranks->rank];
    snprintf(own->host, sizeof own->host, "%s", sqz_ranks_host(ranks, ranks->rank));
    snprintf(own->at, sizeof own->at, "the start");
    own->pid = (int32_t)getpid();
}

// --- Messages ---

void sqz_ranks_send(struct sqz_ranks *ranks, int to, int tag, const void *data, size_t bytes,
                    struct sqz_message *out)
{
    *out = (struct sqz_message){.peer = to};
    if (!ranks->lost && !ranks->transport->send(data, bytes, to, tag, &out->request))
        ranks->lost = true;
}

void sqz_ranks_receive(struct sqz_ranks *ranks, int from, int tag, void *data, size_t bytes,
                       struct sqz_message *out)
{
    *out = (struct sqz_message){.peer = from};
    if (!ranks->lost && !ranks->transport->receive(data, bytes, from, tag, &out->request))
        ranks->lost = true;
}

bool sqz_ranks_done(struct sqz_ranks *ranks, struct sqz_message *message)
{
    if (message->done || ranks->lost)
        return message->done;
    int outcome = ranks->transport->test(&message->request);
    message->done = outcome > 0;
    ranks->lost = outcome < 0;
    return message->done;
}

static void listen_to(struct sqz_ranks *ranks, int rank)
{
    struct sqz_alive *alive = &ranks->alive[rank];
    sqz_ranks_receive(ranks, rank, SQZ_TAG_ALIVE, &alive->in, 1, &alive->received);
}

// Takes a sign of life, and waits for the next one unless it was the last.
static void hear(struct sqz_ranks *ranks, int rank)
{
    struct sqz_alive *alive = &ranks->alive[rank];
    if (alive->parted || !sqz_ranks_done(ranks, &alive->received))
        return;
    alive->heard = sqz_clock_seconds();
    alive->parted = alive->in == 1;
    if (!alive->parted)
        listen_to(ranks, rank);
}

static void exchange_alive(struct sqz_ranks *ranks, bool send)
{
    for (int r = 0; r < ranks->size && !ranks->lost; r++) {
        struct sqz_alive *alive = &ranks->alive[r];
        if (r == ranks->rank)
            continue;
        hear(ranks, r);
        if (send && sqz_ranks_done(ranks, &alive->sent))
            sqz_ranks_send(ranks, r, SQZ_TAG_ALIVE, &alive->out, 1, &alive->sent);
    }
}

static bool is_missing(const struct sqz_message *messages, size_t n, int rank)
{
    for (size_t i = 0; i < n; i++)
        if (!messages[i].done && messages[i].peer == rank)
            return true;
    return false;
}

static enum sqz_status name_lost(struct sqz_ranks *ranks, const struct sqz_message *messages,
                                 size_t n, double since, struct sqz_error *err)
{
    char names[600] = "";
    size_t length = 0;
    // Second round: all that are missing have been heard, so none is more suspect than another.
    for (int round = 0; round < 2 && length == 0; round++)
        for (int r = 0; r < ranks->size && length + 100 < sizeof names; r++)
            if (r != ranks->rank && is_missing(messages, n, r) &&
                (round > 0 || ranks->alive[r].heard < since))
                length += (size_t)snprintf(names + length, sizeof names - length, "%srank %d on %s",
                                           length ? ", " : "", r, sqz_ranks_host(ranks, r));
    if (length == 0)
        snprintf(names, sizeof names, "another rank");
    ranks->lost = true;
    ranks->agreed = false;
    return sqz_fail(err, SQZ_E_STOPPED,
                    "In %s, rank %d on %s has waited %.3g s without an answer from %s; the job "
                    "ends, and --resume goes on from the last checkpoint.",
                    *ranks->at ? ranks->at : "the start", ranks->rank,
                    sqz_ranks_host(ranks, ranks->rank), sqz_clock_seconds() - since, names);
}

static enum sqz_status fail_lost(struct sqz_ranks *ranks, const struct sqz_message *messages,
                                 size_t n, struct sqz_error *err)
{
    char name[128] = "another rank";
    for (size_t i = 0; i < n; i++)
        if (!messages[i].done) {
            snprintf(name, sizeof name, "rank %d on %s", messages[i].peer,
                     sqz_ranks_host(ranks, messages[i].peer));
            break;
        }
    ranks->agreed = false;
    return sqz_fail(err, SQZ_E_STOPPED,
                    "In %s, rank %d on %s cannot reach %s any more; the job ends, and --resume "
                    "goes on from the last checkpoint.",
                    *ranks->at ? ranks->at : "the start", ranks->rank,
                    sqz_ranks_host(ranks, ranks->rank), name);
}

static bool test_all(struct sqz_ranks *ranks, struct sqz_message *messages, size_t n, bool *moved)
{
    bool all = true;
    for (size_t i = 0; i < n; i++) {
        if (messages[i].done)
            continue;
        bool done = sqz_ranks_done(ranks, &messages[i]);
        *moved = *moved || done;
        all = all && done;
    }
    return all;
}

enum sqz_status sqz_ranks_wait(struct sqz_ranks *ranks, struct sqz_message *messages, size_t n,
                               bool (*poll)(void *arg), void *arg, struct sqz_error *err)
{
    double begin = sqz_clock_seconds(), since = begin, told = begin;
    for (;;) {
        bool moved = poll && poll(arg);
        if (test_all(ranks, messages, n, &moved))
            return SQZ_OK;
        if (ranks->lost)
            return fail_lost(ranks, messages, n, err);
        double now = sqz_clock_seconds();
        if (moved)
            since = now;
        if (now - since > ranks->timeout)
            return name_lost(ranks, messages, n, since, err);
        bool tell = now - told > ALIVE_SECONDS;
        if (tell)
            told = now;
        if (now - begin > SPIN_SECONDS)
            exchange_alive(ranks, tell);
        // Another rank or a loader's thread may need this core more.
        if (now - since < SPIN_SECONDS)
            sched_yield();
        else
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
}

// --- Beginning and end ---

void sqz_ranks_own_host(char own[SQZ_HOST_SIZE])
{
    memset(own, 0, SQZ_HOST_SIZE);
    gethostname(own, SQZ_HOST_SIZE - 1);
    // Names may be alike in containers and test networks; whoever tells them apart may say how.
    const char *given = getenv("SQUEEZENET_HOST");
    if (given && *given)
        snprintf(own, SQZ_HOST_SIZE, "%s", given);
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
    struct sqz_start_watch watch = {.seconds = timeout, .say = say, .arg = arg};
    *out = NULL;
    if (!sqz_ranks_launcher())
        return SQZ_OK;
    struct sqz_ranks *ranks = sqz_new_array(1, sizeof *ranks);
    if (!ranks)
        return sqz_fail_memory(err, "the ranks", sizeof *ranks);
    ranks->timeout = timeout;
    enum sqz_status status = sqz_module_open(ranks, &watch, err);
    if (status) {
        sqz_free(ranks); // the module stays open: MPI does not like to be unloaded
        return status;
    }
    ranks->hosts = sqz_new_array((size_t)ranks->size, SQZ_HOST_SIZE);
    ranks->alive = sqz_new_array((size_t)ranks->size, sizeof *ranks->alive);
    if (!ranks->hosts || !ranks->alive)
        status = sqz_fail_memory(err, "the ranks", (size_t)ranks->size * sizeof *ranks->alive);
    for (int r = 0; r < ranks->size && !status; r++) {
        ranks->alive[r].sent.done = true;
        if (r != ranks->rank)
            listen_to(ranks, r);
    }
    if (!status)
        status = exchange_hosts(ranks, err);
    if (!status)
        sign_roster(ranks);
    if (status)
        ranks->lost = true;
    if (status || ranks->size == 1) {
        sqz_ranks_close(ranks);
        return status;
    }
    *out = ranks;
    return SQZ_OK;
}

void sqz_ranks_outlive_daemon(void)
{
    enum { WAIT_SECONDS = 6 };
    char path[32], name[32] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", (int)getppid());
    FILE *file = fopen(path, "re");
    bool known = file && fgets(name, sizeof name, file) &&
                 (strcmp(name, "orted\n") == 0 || strcmp(name, "hydra_pmi_proxy\n") == 0);
    if (file)
        fclose(file);
    int daemon = known ? (int)syscall(SYS_pidfd_open, getppid(), 0) : -1;
    if (daemon < 0 || fork() != 0)
        return;
    setsid();
    if (daemon > 0)
        close_range(0, (unsigned)daemon - 1, 0);
    close_range((unsigned)daemon + 1, ~0U, 0);
    sleep(WAIT_SECONDS);
    syscall(SYS_pidfd_send_signal, daemon, SIGKILL, NULL, 0);
    raise(SIGKILL); // it has nothing to go back to
}

// MPI_Abort itself may hang where the network is gone; the alarm ends this process all the same.
// What this rank has said must have reached the launcher before: it reads no more afterwards.
static void end_job(const struct sqz_ranks *ranks)
{
    signal(SIGALRM, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    if (ranks->roster) // it is not the one that was lost
        ranks->roster->entries[ranks->rank].left = 1;
    else
        sqz_ranks_outlive_daemon();
    alarm(5);
    usleep(300000);
    ranks->transport->abort(SQZ_E_STOPPED);
    for (;;)
        pause();
}

// The last sign of life, to and from one rank. True when both have come.
static bool part_from(struct sqz_ranks *ranks, int rank)
{
    struct sqz_alive *alive = &ranks->alive[rank];
    if (!alive->parting && sqz_ranks_done(ranks, &alive->sent)) {
        alive->parting = true;
        alive->out = 1;
        sqz_ranks_send(ranks, rank, SQZ_TAG_ALIVE, &alive->out, 1, &alive->sent);
    }
    hear(ranks, rank);
    return alive->parting && alive->parted && sqz_ranks_done(ranks, &alive->sent);
}

// Nothing may be under way when MPI ends: receives that wait for signs of life are given a last
// one.
static void part(struct sqz_ranks *ranks)
{
    double begin = sqz_clock_seconds();
    for (bool all = false; !all && !ranks->lost;) {
        all = true;
        for (int r = 0; r < ranks->size; r++)
            if (r != ranks->rank)
                all = part_from(ranks, r) && all;
        if (!all && sqz_clock_seconds() - begin > ranks->timeout)
            ranks->lost = true;
        sched_yield();
    }
}

void sqz_ranks_close(struct sqz_ranks *ranks)
{
    if (!ranks)
        return;
    if (!ranks->lost)
        part(ranks);
    if (ranks->lost)
        end_job(ranks);
    if (ranks->roster)
        ranks->roster->entries[ranks->rank].left = 1;
    ranks->transport->finish();
    sqz_free(ranks->hosts);
    sqz_free(ranks->alive);
    sqz_free(ranks);
}
