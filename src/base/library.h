// Libraries that are opened when they are first needed. Linked, some bring thirty others into every
// run, and the start of `predict` is counted in milliseconds and megabytes.
#ifndef SQZ_BASE_LIBRARY_H
#define SQZ_BASE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

struct sqz_symbol {
    const char *name;
    void **function; // where the function's address goes
};
// Opens the first of `names` (ended by NULL) that is installed, for the life of the process. False
// when none is, or when it lacks a function.
bool sqz_library_open(const char *const *names, const struct sqz_symbol *symbols, size_t n);

#endif
