// Messages between ranks, and how a rank that does not answer any more is found out.
//
// A rank that waits sends a sign of life to all others every second. When nothing has moved for the
// time-out, the ranks that messages are missing from are the suspects; those that were heard lately
// wait themselves, so the others are to blame.
#include "dist/private.h"

#include "base/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <time.h>

#define SPIN_SECONDS  2e-3 // of waiting, before a rank sleeps between its looks
#define ALIVE_SECONDS 1.0

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

void sqz_ranks_listen(struct sqz_ranks *ranks)
{
    for (int r = 0; r < ranks->size; r++) {
        ranks->alive[r].sent.done = true;
        if (r != ranks->rank)
            listen_to(ranks, r);
    }
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

void sqz_ranks_part(struct sqz_ranks *ranks)
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
