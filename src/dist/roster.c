// The roster that ranks share with their launcher.
#include "dist/roster.h"

#include "base/memory.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
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
    int file = path && *path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (file < 0)
        return NULL;
    if (fstat(file, &info) == 0 && info.st_uid == geteuid() &&
        (size_t)info.st_size == size_of(ranks))
        roster = map(file, ranks);
    close(file);
    return roster;
}

int sqz_roster_watch(const struct sqz_roster *roster, int *fds, int milliseconds)
{
    struct pollfd *polled = sqz_new_array((size_t)roster->n, sizeof *polled);
    int first = -1;
    for (int r = 0; polled && r < roster->n; r++) {
        if (fds[r] < 0 && roster->entries[r].pid > 0)
            fds[r] = (int)syscall(SYS_pidfd_open, roster->entries[r].pid, 0);
        polled[r] = (struct pollfd){.fd = fds[r], .events = POLLIN};
    }
    if (!polled || poll(polled, (nfds_t)roster->n, milliseconds) <= 0) {
        sqz_free(polled);
        return -1;
    }
    for (int r = 0; r < roster->n && first < 0; r++)
        if (polled[r].revents && !roster->entries[r].left)
            first = r;
    if (first < 0) // those that have left stay readable: no busy waiting
        usleep((useconds_t)milliseconds * 1000);
    sqz_free(polled);
    return first;
}
