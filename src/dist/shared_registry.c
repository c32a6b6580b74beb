// The registry that ranks share with their launcher.
#include "dist/shared_registry.h"

#include "base/file.h"

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
    return sizeof(struct sqz_registry) + (size_t)ranks * sizeof(struct sqz_registry_entry);
}

static struct sqz_registry *map(int file, int ranks)
{
    void *memory = mmap(NULL, size_of(ranks), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

enum sqz_status sqz_registry_create(int ranks, struct sqz_registry **out, struct sqz_error *err)
{
    char path[SQZ_TEMPORARY_SIZE];
    int file = sqz_temporary_open("registry", path);
    *out = file < 0 || ftruncate(file, (off_t)size_of(ranks)) ? NULL : map(file, ranks);
    if (file >= 0)
        close(file);
    if (!*out)
        return sqz_fail(err, SQZ_E_CANTWRITE, "Cannot make a file in $TMPDIR or /tmp.");
    (*out)->n = ranks;
    gethostname((*out)->machine, sizeof(*out)->machine - 1);
    setenv(SQZ_REGISTRY_VARIABLE, path, 1);
    return SQZ_OK;
}

void sqz_registry_close(struct sqz_registry *registry)
{
    const char *path = getenv(SQZ_REGISTRY_VARIABLE);
    if (!registry)
        return;
    if (path)
        unlink(path);
    unsetenv(SQZ_REGISTRY_VARIABLE);
    munmap(registry, size_of(registry->n));
}

struct sqz_registry *sqz_registry_find(int ranks)
{
    const char *path = getenv(SQZ_REGISTRY_VARIABLE);
    struct stat info;
    struct sqz_registry *registry = NULL;
    char machine[sizeof registry->machine] = "";
    int file = path && *path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (file < 0)
        return NULL;
    if (fstat(file, &info) == 0 && info.st_uid == geteuid() &&
        (size_t)info.st_size == size_of(ranks))
        registry = map(file, ranks);
    close(file);
    gethostname(machine, sizeof machine - 1);
    if (registry && strcmp(machine, registry->machine) != 0) {
        munmap(registry, size_of(ranks));
        registry = NULL;
    }
    return registry;
}

bool sqz_registry_has_met(const struct sqz_registry *registry)
{
    for (int r = 0; r < registry->n; r++)
        if (registry->entries[r].pid > 0)
            return true;
    return false;
}

static bool has_ended(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, 0) == 1;
}

bool sqz_registry_all_ended(const struct sqz_registry *registry, const int *fds)
{
    int here = 0, ended = 0;
    for (int r = 0; r < registry->n; r++)
        if (fds[r] >= 0) {
            here++;
            ended += has_ended(fds[r]);
        }
    return here > 0 && ended == here;
}

void sqz_registry_kill(const struct sqz_registry *registry, const int *fds)
{
    for (int r = 0; r < registry->n; r++)
        if (fds[r] >= 0)
            syscall(SYS_pidfd_send_signal, fds[r], SIGKILL, NULL, 0);
}

// An epoll instance lists its events in the order in which they came: who died first is told right
// even when the launcher looks after another rank has been killed for it.
static void watch_new(const struct sqz_registry *registry, int *fds)
{
    const int n = registry->n;
    if (fds[n] < 0)
        fds[n] = epoll_create1(EPOLL_CLOEXEC);
    for (int r = 0; r < n; r++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)r};
        if (fds[r] >= 0 || registry->entries[r].pid <= 0)
            continue;
        fds[r] = (int)syscall(SYS_pidfd_open, registry->entries[r].pid, 0);
        if (fds[r] >= 0)
            epoll_ctl(fds[n], EPOLL_CTL_ADD, fds[r], &event);
    }
}

int sqz_registry_watch(const struct sqz_registry *registry, int *fds, int milliseconds)
{
    enum { AT_ONCE = 64 };
    struct epoll_event events[AT_ONCE];
    watch_new(registry, fds);
    int n = epoll_wait(fds[registry->n], events, AT_ONCE, milliseconds);
    for (int i = 0; i < n; i++) {
        const int r = (int)events[i].data.u32;
        if (!registry->entries[r].left)
            return r;
        epoll_ctl(fds[registry->n], EPOLL_CTL_DEL, fds[r], NULL); // or it would always be ready
    }
    return -1;
}
