// Paths and directories.
#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum sqz_status sqz_path_look(const char *path, enum sqz_path_kind *out, struct sqz_error *err)
{
    struct stat info;
    if (stat(path, &info) == 0) {
        *out = S_ISREG(info.st_mode)   ? SQZ_PATH_FILE
               : S_ISDIR(info.st_mode) ? SQZ_PATH_DIR
                                       : SQZ_PATH_OTHER;
        return SQZ_OK;
    }
    *out = SQZ_PATH_MISSING;
    return errno == ENOENT || errno == ENOTDIR
               ? SQZ_OK
               : sqz_fail_errno(err, SQZ_E_IO, errno, "Cannot look at %s", path);
}

enum sqz_status sqz_path_look_in(const char *dir, const char *name, enum sqz_path_kind *out,
                                 struct sqz_error *err)
{
    char *path = sqz_path_join(dir, name);
    *out = SQZ_PATH_MISSING;
    enum sqz_status status = path ? sqz_path_look(path, out, err)
                                  : sqz_fail_memory(err, "a path", strlen(dir) + strlen(name));
    sqz_free(path);
    return status;
}

enum sqz_status sqz_path_refuse_existing(const char *path, struct sqz_error *err)
{
    enum sqz_path_kind kind;
    const enum sqz_status status = sqz_path_look(path, &kind, err);
    return status || kind == SQZ_PATH_MISSING
               ? status
               : sqz_fail(err, SQZ_E_CANTWRITE, "%s exists; --force replaces it.", path);
}

char *sqz_path_join(const char *dir, const char *name)
{
    struct sqz_text path = {0};
    size_t length = strlen(dir);
    const char *between = length > 0 && dir[length - 1] != '/' ? "/" : "";
    sqz_text_add(&path, "%s%s%s", dir, between, name);
    if (path.failed) {
        sqz_text_release(&path);
        return NULL;
    }
    return path.data;
}

const char *sqz_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// Makes one directory; one that is there already is fine.
static int make_one(const char *path)
{
    if (mkdir(path, 0777) == 0)
        return 0;
    int reason = errno;
    struct stat info;
    if (stat(path, &info) == 0)
        return S_ISDIR(info.st_mode) ? 0 : reason == EEXIST ? ENOTDIR : reason;
    return reason == EEXIST && errno != ENOENT ? errno : reason == EEXIST ? ENOTDIR : reason;
}

enum sqz_status sqz_dir_make(const char *path, struct sqz_error *err)
{
    if (!*path)
        return sqz_fail(err, SQZ_E_CANTWRITE, "Cannot make a directory with an empty name.");
    char *partial = sqz_copy_string(path);
    if (!partial)
        return sqz_fail_memory(err, "a path", strlen(path) + 1);
    int reason = 0;
    for (char *at = partial + 1; *at && !reason; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        reason = make_one(partial);
        *at = '/';
    }
    if (!reason)
        reason = make_one(path);
    sqz_free(partial);
    if (!reason)
        return SQZ_OK;
    if (reason == ENOTDIR)
        return sqz_fail(err, SQZ_E_CANTWRITE,
                        "Cannot make the directory %s: a file of that name is in the way.", path);
    if (reason == ENOSPC || reason == EDQUOT)
        return sqz_fail(err, SQZ_E_CANTWRITE, "Cannot make the directory %s: the disk is full.",
                        path);
    if (reason == ENOENT)
        return sqz_fail(err, SQZ_E_CANTWRITE,
                        "Cannot make the directory %s: its path leads nowhere.", path);
    return sqz_fail_errno(err, SQZ_E_CANTWRITE, reason, "Cannot make the directory %s", path);
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct sqz_dir_entry *)a)->name, ((const struct sqz_dir_entry *)b)->name);
}

// Whether an entry that cannot be followed is a link to a place where nobody may look. In a
// directory without the right to search it nothing can be looked at, and that is no answer.
static bool is_closed_link(int fd, const char *name)
{
    struct stat info;
    return errno == EACCES && fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISLNK(info.st_mode);
}

// Appends one entry; returns 0 or an errno. A link that leads nowhere, in a circle or where nobody
// may look is neither a file nor a directory.
static int add_entry(struct sqz_dir *dir, size_t *capacity, int fd, const char *name)
{
    if (dir->count == *capacity) {
        size_t more = *capacity ? *capacity * 2 : 64;
        struct sqz_dir_entry *entries =
            sqz_grow_array(dir->entries, *capacity, more, sizeof *entries);
        if (!entries)
            return ENOMEM;
        dir->entries = entries;
        *capacity = more;
    }
    struct sqz_dir_entry *entry = &dir->entries[dir->count];
    entry->name = sqz_copy_string(name);
    if (!entry->name)
        return ENOMEM;
    dir->count++;
    struct stat info;
    if (fstatat(fd, name, &info, 0) == 0) {
        entry->is_dir = S_ISDIR(info.st_mode);
        entry->is_file = S_ISREG(info.st_mode);
        entry->size = (uint64_t)info.st_size;
        entry->mtime_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    } else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) {
        int reason = errno;
        return is_closed_link(fd, name) ? 0 : reason;
    }
    return 0;
}

enum sqz_status sqz_dir_read(const char *path, struct sqz_dir *out, struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    struct sqz_dir dir = {0};
    size_t capacity = 0;
    DIR *stream = opendir(path);
    if (!stream) {
        enum sqz_path_kind kind;
        const int reason = errno;
        if (reason == ENOTDIR && !sqz_path_look(path, &kind, NULL) && kind != SQZ_PATH_MISSING)
            return sqz_fail(err, SQZ_E_DATA, "%s is a file, but a directory is wanted here.", path);
        errno = reason;
        return sqz_fail_errno(err, SQZ_E_IO, errno, "Cannot read the directory %s", path);
    }
    for (;;) {
        errno = 0;
        const struct dirent *found = readdir(stream);
        if (!found)
            break;
        if (!strcmp(found->d_name, ".") || !strcmp(found->d_name, ".."))
            continue;
        int reason = add_entry(&dir, &capacity, dirfd(stream), found->d_name);
        if (reason) {
            status =
                sqz_fail_errno(err, SQZ_E_IO, reason, "Cannot look at %s/%s", path, found->d_name);
            goto done;
        }
    }
    if (errno) {
        status = sqz_fail_errno(err, SQZ_E_IO, errno, "Cannot read the directory %s", path);
        goto done;
    }
    if (dir.count)
        qsort(dir.entries, dir.count, sizeof *dir.entries, compare_entries);
    *out = dir;
    dir = (struct sqz_dir){0};
done:
    closedir(stream);
    sqz_dir_release(&dir);
    return status;
}

void sqz_dir_release(struct sqz_dir *dir)
{
    for (size_t i = 0; i < dir->count; i++)
        sqz_free(dir->entries[i].name);
    sqz_free(dir->entries);
    *dir = (struct sqz_dir){0};
}

int sqz_temporary_open(const char *what, char path[SQZ_TEMPORARY_SIZE])
{
    const char *given = getenv("TMPDIR");
    bool usable = given && given[0] == '/';
    int length = snprintf(path, SQZ_TEMPORARY_SIZE, "%s/squeezenet-%s-XXXXXX",
                          usable ? given : "/tmp", what);
    int fd = length < SQZ_TEMPORARY_SIZE ? mkostemp(path, O_CLOEXEC) : -1;
    if (fd < 0)
        path[0] = '\0';
    return fd;
}

char *sqz_cache_dir(void)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (xdg && xdg[0] == '/')
        return sqz_path_join(xdg, "squeezenet");
    if (home && home[0] == '/')
        return sqz_path_join(home, ".cache/squeezenet");
    return NULL;
}
