// A request to stop: an int that a signal handler or another thread sets while a long call reads
// it. The compiler's atomic operations are safe in both, which volatile alone is only in the first.
#ifndef SQZ_BASE_STOP_H
#define SQZ_BASE_STOP_H

#include <stdbool.h>
#include <stddef.h>

static inline void sqz_stop_set(int *stop, bool asked)
{
    __atomic_store_n(stop, asked, __ATOMIC_RELEASE);
}

// stop may be NULL: nobody can ask.
static inline bool sqz_stop_asked(const int *stop)
{
    return stop && __atomic_load_n(stop, __ATOMIC_ACQUIRE) != 0;
}

#endif
