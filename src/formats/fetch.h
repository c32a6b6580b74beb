// Files from the web: libcurl, opened only when something is fetched.
#ifndef SQZ_FORMATS_FETCH_H
#define SQZ_FORMATS_FETCH_H

#include "base/error.h"

struct sqz_fetch {
    const char *url;    // http:// or https://; an https address is never left for http
    const char *path;   // where the file goes; its directory is made
    const char *sha256; // the first 8 to 64 hex digits of the content's SHA-256; "": not known
    // May be NULL. Called now and then with the bytes so far and in all (0: not known yet); false
    // stops the transfer.
    bool (*on_progress)(void *arg, uint64_t got, uint64_t all);
    void *arg;
};
// The file appears at `path` whole and checked, or not at all; one that is there with the right
// hash is not fetched again. What arrived of an interrupted transfer stays in "PATH.part" and is
// continued by the next call (where the hash is known; without one, only within the same call).
// Two processes that want the same file: the second waits for the first.
// Errors: SQZ_E_NOINPUT (404 and the like; libcurl is not installed), SQZ_E_DATA (wrong hash, too
// large), SQZ_E_IO (no network, a cut connection), SQZ_E_CANTWRITE, SQZ_E_STOPPED (on_progress).
enum sqz_status sqz_fetch_file(const struct sqz_fetch *fetch, struct sqz_error *err);

// SQZ_OK when the file's SHA-256 begins with the digits; else SQZ_E_DATA, or what reading it gave.
enum sqz_status sqz_fetch_check(const char *path, const char *sha256, struct sqz_error *err);
// SHA-256 as 64 lower-case hex digits and a zero.
void sqz_fetch_hash(const void *data, size_t size, char hex[65]);

#endif
