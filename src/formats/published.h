// The weights that others have published for SqueezeNet, and how one gets them.
#ifndef SQZ_FORMATS_PUBLISHED_H
#define SQZ_FORMATS_PUBLISHED_H

#include "base/error.h"

struct sqz_published {
    const char *variant, *dialect;
    const char *sha256; // as many of its first hex digits as are known
    const char *url;
    const char *summary; // who trained it, and the accuracy that is claimed
};
extern const struct sqz_published sqz_published_table[]; // published_table.c; tests bring their own
extern const int sqz_published_count;
const struct sqz_published *sqz_published_at(int index); // NULL past the end
// The one that stands for "pretrained" in a dialect; NULL when nobody published any.
const struct sqz_published *sqz_published_find(const char *variant, const char *dialect);

struct sqz_published_request {
    const char *url;
    // NULL or "": the web and the user's cache. A directory: the file must lie there, nothing is
    // fetched. An http(s) address: the file is fetched from there instead.
    const char *dir;
    bool (*on_progress)(void *arg, uint64_t got, uint64_t all); // as of struct sqz_fetch
    void *arg;
};
// Sees to it that the file of a URL (any URL) lies on this machine, checked: against the table's
// hash, else against the one in its name ("-eb911778.ckpt", as everybody names weights), if any.
// *path: free with sqz_free. Errors: those of sqz_fetch_file.
enum sqz_status sqz_published_get(const struct sqz_published_request *request, char **path,
                                  struct sqz_error *err);
bool sqz_published_is_url(const char *text); // begins with http:// or https://

#endif
