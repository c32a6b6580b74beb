// Errors: one sentence and one status, handed up to whoever can tell the user.
#ifndef SQZ_BASE_ERROR_H
#define SQZ_BASE_ERROR_H

#include <squeezenet.h>

// Fills *err (may be NULL) with a full sentence that names the file, option, layer or byte offset,
// and returns `status`, so that callers write `return sqz_fail(err, SQZ_E_DATA, "...", ...)`.
enum sqz_status sqz_fail(struct sqz_error *err, enum sqz_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Like sqz_fail, but appends strerror(errno_value); chooses the status from the errno:
// ENOENT/ENOTDIR -> SQZ_E_NOINPUT, ENOMEM -> SQZ_E_NOMEM, else `otherwise`.
enum sqz_status sqz_fail_errno(struct sqz_error *err, enum sqz_status otherwise, int errno_value,
                               const char *format, ...) __attribute__((format(printf, 4, 5)));

// SQZ_E_NOMEM with the size that was asked for and what it was for ("activations").
enum sqz_status sqz_fail_memory(struct sqz_error *err, const char *what, size_t bytes);

#endif
