// Looks up published weights and brings them to this machine.
#include "formats/published.h"

#include "base/file.h"
#include "base/memory.h"
#include "formats/fetch.h"

#include <string.h>

const struct sqz_published *sqz_published_at(int index)
{
    return index >= 0 && index < sqz_published_count ? &sqz_published_table[index] : NULL;
}

const struct sqz_published *sqz_published_find(const char *variant, const char *dialect)
{
    for (int i = 0; i < sqz_published_count; i++)
        if (strcmp(sqz_published_table[i].variant, variant) == 0 &&
            strcmp(sqz_published_table[i].dialect, dialect) == 0)
            return &sqz_published_table[i];
    return NULL;
}

bool sqz_published_is_url(const char *text)
{
    return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
}

// "squeezenet1_0-24010b28-910v2.ckpt" gives "24010b28"; other names give "".
static void hash_in_name(const char *name, char digits[9])
{
    digits[0] = 0;
    for (const char *dash = strchr(name, '-'); dash; dash = strchr(dash + 1, '-'))
        if (strspn(dash + 1, "0123456789abcdef") == 8 && strchr("-.", dash[9])) {
            memcpy(digits, dash + 1, 8);
            digits[8] = 0;
            return;
        }
}

// Where the file lies in the cache. A file that has no hash in its name shares it with others.
static char *path_in_cache(const char *url, const char *name, bool is_hashed)
{
    struct sqz_text path = {0};
    char hash[65], *dir = sqz_cache_dir();
    if (!dir)
        return NULL;
    sqz_text_add(&path, "%s/weights/", dir);
    sqz_fetch_hash(url, strlen(url), hash);
    if (!is_hashed)
        sqz_text_add(&path, "%.16s-", hash);
    sqz_text_add(&path, "%s", name);
    sqz_free(dir);
    if (path.failed)
        sqz_text_release(&path);
    return path.data;
}

static enum sqz_status get_local(const struct sqz_published_request *request, const char *name,
                                 const char *sha256, char **path, struct sqz_error *err)
{
    *path = sqz_path_join(request->dir, name);
    if (!*path)
        return sqz_fail_memory(err, "a path", strlen(request->dir));
    enum sqz_path_kind kind;
    const enum sqz_status status = sqz_path_look(*path, &kind, err);
    if (!status && kind == SQZ_PATH_MISSING)
        return sqz_fail(err, SQZ_E_NOINPUT,
                        "There is no %s in \"%s\"; it is published at %s and can be put there.",
                        name, request->dir, request->url);
    return status ? status : sqz_fetch_check(*path, sha256, err);
}

static enum sqz_status get_remote(const struct sqz_published_request *request, const char *name,
                                  const char *sha256, char **path, struct sqz_error *err)
{
    bool from_mirror = request->dir && *request->dir;
    char *url = from_mirror ? sqz_path_join(request->dir, name) : sqz_copy_string(request->url);
    *path = url ? path_in_cache(url, name, *sha256) : NULL;
    enum sqz_status status =
        *path ? SQZ_OK
              : sqz_fail(err, SQZ_E_CANTWRITE,
                         "There is no place for fetched weights: neither XDG_CACHE_HOME nor HOME "
                         "names a directory.");
    if (!status) {
        struct sqz_fetch fetch = {url, *path, sha256, request->on_progress, request->arg};
        status = sqz_fetch_file(&fetch, err);
    }
    sqz_free(url);
    return status;
}

enum sqz_status sqz_published_get(const struct sqz_published_request *request, char **path,
                                  struct sqz_error *err)
{
    size_t length = strcspn(request->url, "?#");
    char *bare = sqz_copy_string_n(request->url, length), digits[9];
    *path = NULL;
    if (!bare)
        return sqz_fail_memory(err, "an address", length);
    const char *name = sqz_path_name(bare), *sha256 = digits;
    enum sqz_status status = SQZ_OK;
    hash_in_name(name, digits);
    for (int i = 0; i < sqz_published_count; i++)
        if (strcmp(name, sqz_path_name(sqz_published_table[i].url)) == 0)
            sha256 = sqz_published_table[i].sha256;
    if (!sqz_published_is_url(bare) || !*name || strchr(bare, '/') + 2 == name)
        status = sqz_fail(err, SQZ_E_USAGE, "\"%s\" is not the address of a file.", request->url);
    else if (request->dir && *request->dir && !sqz_published_is_url(request->dir))
        status = get_local(request, name, sha256, path, err);
    else
        status = get_remote(request, name, sha256, path, err);
    if (status) {
        sqz_free(*path);
        *path = NULL;
    }
    sqz_free(bare);
    return status;
}
