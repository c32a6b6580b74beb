// The roster that ranks share with their launcher.
#include "dist/roster.h"

#include "base/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static size_t size_of(int ranks)
{
    return sizeof(struct sqz_roster) + (size_t)ranks * sizeof(struct sqz_roster_entry);
}

static struct sqz_roster *map(int file, int ranks)
{
    void *memory = mmap(NULL, size_of(ranks), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

enum sqz_status sqz_roster_create(int ranks, struct sqz_roster **out, struct sqz_error *err)
{
    char path[] = "/tmp/squeezenet-roster-XXXXXX";
    int file = mkstemp(path);
    *out = file < 0 || ftruncate(file, (off_t)size_of(ranks)) ? NULL : map(file, ranks);
    if (file >= 0)
        close(file);
    if (!*out)
        return sqz_fail(err, SQZ_E_CANTWRITE, "Cannot make a file in /tmp.");
    (*out)->n = ranks;
    gethostname((*out)->machine, sizeof(*out)->machine - 1);
    setenv(SQZ_ROSTER_VARIABLE, path, 1);
    return SQZ_OK;
}

void sqz_roster_close(struct sqz_roster *roster)
{
    const char *path = getenv(SQZ_ROSTER_VARIABLE);
    if (!roster)
        return;
    if (path)
        unlink(path);
    unsetenv(SQZ_ROSTER_VARIABLE);
    munmap(roster, size_of(roster->n));
}

struct sqz_roster *sqz_roster_find(int ranks)
{
    const char *path = getenv(SQZ_ROSTER_VARIABLE);
    struct stat info;
    struct sqz_roster *roster = NULL;
    char machine[sizeof roster->machine] = "";
    int file = path && *path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (file < 0)
        return NULL;
    if (fstat(file, &info) == 0 && info.st_uid == geteuid() &&
        (size_t)info.st_size == size_of(ranks))
        roster = map(file, ranks);
    close(file);
    gethostname(machine, sizeof machine - 1);
    if (roster && strcmp(machine, roster->machine) != 0) {
        munmap(roster, size_of(ranks));
        roster = NULL;
    }
    return roster;
}

bool sqz_roster_has_met(const struct sqz_roster *roster)
{
    for (int r = 0; r < roster->n; r++)
        if (roster->entries[r].pid > 0)
            return true;
    return false;
}

static bool has_ended(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, 0) == 1;
}

bool sqz_roster_all_ended(const struct sqz_roster *roster, const int *fds)
{
    int here = 0, ended = 0;
    for (int r = 0; r < roster->n; r++)
        if (fds[r] >= 0) {
            here++;
            ended += has_ended(fds[r]);
        }
    return here > 0 && ended == here;
}

void sqz_roster_kill(const struct sqz_roster *roster, const int *fds)
{
    for (int r = 0; r < roster->n; r++)
        if (fds[r] >= 0)
            syscall(SYS_pidfd_send_signal, fds[r], SIGKILL, NULL, 0);
}

// An epoll instance lists its events in the order in which they came: who died first is told right
// even when the launcher looks after another rank has been killed for it.
static void watch_new(const struct sqz_roster *roster, int *fds)
{
    const int n = roster->n;
    if (fds[n] < 0)
        fds[n] = epoll_create1(EPOLL_CLOEXEC);
    for (int r = 0; r < n; r++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)r};
        if (fds[r] >= 0 || roster->entries[r].pid <= 0)
            continue;
        fds[r] = (int)syscall(SYS_pidfd_open, roster->entries[r].pid, 0);
        if (fds[r] >= 0)
            epoll_ctl(fds[n], EPOLL_CTL_ADD, fds[r], &event);
    }
}

int sqz_roster_watch(const struct sqz_roster *roster, int *fds, int milliseconds)
{
    enum { AT_ONCE = 64 };
    struct epoll_event events[AT_ONCE];
    watch_new(roster, fds);
    int n = epoll_wait(fds[roster->n], events, AT_ONCE, milliseconds);
    for (int i = 0; i < n; i++) {
        const int r = (int)events[i].data.u32;
        if (!roster->entries[r].left)
            return r;
        epoll_ctl(fds[roster->n], EPOLL_CTL_DEL, fds[r], NULL); // or it would always be ready
    }
    return -1;
}
