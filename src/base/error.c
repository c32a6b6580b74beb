// Fills struct sqz_error.
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// Formats beside *err first: an argument may be err->text itself, when a caller adds to a sentence.
static void put(struct sqz_error *err, enum sqz_status status, const char *format, va_list args,
                const char *tail)
{
    char text[sizeof err->text];
    int written = vsnprintf(text, sizeof text, format, args);
    size_t length = written < 0 ? 0 : (size_t)written;
    if (length < sizeof text && tail)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s", tail);
    if (length >= sizeof text)
        memcpy(text + sizeof text - 4, "...", 4);
    err->status = status;
    memcpy(err->text, text, sizeof text);
}

enum sqz_status sqz_fail(struct sqz_error *err, enum sqz_status status, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        put(err, status, format, args, NULL);
        va_end(args);
    }
    return status;
}

enum sqz_status sqz_fail_errno(struct sqz_error *err, enum sqz_status otherwise, int errno_value,
                               const char *format, ...)
{
    enum sqz_status status = otherwise;
    if (errno_value == ENOENT || errno_value == ENOTDIR)
        status = SQZ_E_NOINPUT;
    else if (errno_value == ENOMEM)
        status = SQZ_E_NOMEM;
    else if (errno_value == EIO) // a failing disk, whatever was tried with it
        status = SQZ_E_IO;
    if (err) {
        char reason[128], tail[160];
        snprintf(tail, sizeof tail, ": %s.", strerror_r(errno_value, reason, sizeof reason));
        va_list args;
        va_start(args, format);
        put(err, status, format, args, tail);
        va_end(args);
    }
    return status;
}

enum sqz_status sqz_fail_memory(struct sqz_error *err, const char *what, size_t bytes)
{
    return sqz_fail(err, SQZ_E_NOMEM, "Out of memory: cannot get %zu bytes (%.1f MB) for %s.",
                    bytes, (double)bytes / 1e6, what);
}
