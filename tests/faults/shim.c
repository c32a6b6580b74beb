// Preloaded into the program under test (LD_PRELOAD): fails allocations, and moves the clock.
//   FAULT_MEMORY=N    the N-th allocation after the program's start fails; with FAULT_LASTING=1 all
//   later ones do, too FAULT_CLOCK=S     every third look at a clock is S seconds off (S may be
//   negative) FAULT_COUNT=FILE  at exit, the number of allocations is written there
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

// What glibc's own functions of these names do, under names that this file does not replace.
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

// The same number is in trace.c: a call of prctl that says that the loader is done.
#define STARTED 0x53515a46

static atomic_long n_allocations, n_looks;
static long fail_at, clock_offset;
static bool counting, lasting;

static long number_of(const char *name)
{
    const char *value = getenv(name);
    return value ? atol(value) : 0;
}

__attribute__((constructor)) static void begin(void)
{
    fail_at = number_of("FAULT_MEMORY");
    lasting = number_of("FAULT_LASTING") != 0;
    clock_offset = number_of("FAULT_CLOCK");
    prctl(STARTED, 0, 0, 0, 0);
    counting = true;
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("FAULT_COUNT");
    counting = false;
    if (!path)
        return;
    char text[32];
    int length = snprintf(text, sizeof text, "%ld\n", atomic_load(&n_allocations));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, (size_t)length) != length)
        _exit(99);
    close(fd);
}

static bool must_fail(void)
{
    if (!counting)
        return false;
    long n = atomic_fetch_add(&n_allocations, 1) + 1;
    if (fail_at == 0 || (lasting ? n < fail_at : n != fail_at))
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return must_fail() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return must_fail() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    return must_fail() ? NULL : __libc_realloc(old, size);
}

void *reallocarray(void *old, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, bytes);
}

void *memalign(size_t alignment, size_t size)
{
    return must_fail() ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *data = memalign(alignment, size);
    if (!data)
        return ENOMEM;
    *out = data;
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, out);
    if (!failed && clock_offset && atomic_fetch_add(&n_looks, 1) % 3 == 2)
        out->tv_sec += clock_offset;
    return failed;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}
