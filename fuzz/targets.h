// Readers of bytes that strangers may have written, as functions for a fuzzer and for the replay of
// a corpus. targets.c has the one table; SECURITY.md lists what has no target yet.
#ifndef SQZ_FUZZ_TARGETS_H
#define SQZ_FUZZ_TARGETS_H

#include <stddef.h>
#include <stdint.h>

struct fuzz_target {
    const char *name;
    void (*run)(const uint8_t *data, size_t size); // never fails; what is wrong ends the process
    // Makes the check-sum right, so that the fuzzer gets past it; NULL: there is none.
    void (*sign)(uint8_t *data, size_t size);
    size_t longest; // bytes that are worth trying
};
extern const struct fuzz_target fuzz_targets[];               // ends with a NULL name
const struct fuzz_target *fuzz_target_find(const char *name); // NULL if unknown

// A file in memory that holds the data; its path is valid until fuzz_file_close.
struct fuzz_file {
    int fd;
    char path[64];
};
struct fuzz_file fuzz_file_open(const uint8_t *data, size_t size);
void fuzz_file_close(const struct fuzz_file *file);

// With a grammar, in files of their own.
void fuzz_sqz(const uint8_t *data, size_t size);
void fuzz_patch(const uint8_t *data, size_t size);

// target_run.c: what a run directory, the cache and a hostfile hold.
void fuzz_checkpoint(const uint8_t *data, size_t size);
void fuzz_kept(const uint8_t *data, size_t size);
void fuzz_history(const uint8_t *data, size_t size);
void fuzz_events(const uint8_t *data, size_t size);
void fuzz_headers(const uint8_t *data, size_t size);
void fuzz_sign_headers(uint8_t *data, size_t size);
void fuzz_hostfile(const uint8_t *data, size_t size);

#endif
