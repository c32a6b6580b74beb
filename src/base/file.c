// Reading whole files, and writing them so that they appear whole or not at all.
#include "base/file.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void sqz_bytes_release(struct sqz_bytes *bytes)
{
    sqz_free(bytes->data);
    *bytes = (struct sqz_bytes){0};
}

// Opens a regular file. O_NONBLOCK so that a named pipe is refused instead of waited for.
static enum sqz_status open_regular(const char *path, int *fd, uint64_t *size,
                                    struct sqz_error *err)
{
    struct stat info;
    int opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (opened < 0 && errno == ENXIO) // a socket, or a device without its driver
        return sqz_fail(err, SQZ_E_DATA, "%s is not a regular file.", path);
    if (opened < 0)
        return sqz_fail_errno(err, SQZ_E_IO, errno, "Cannot open %s", path);
    enum sqz_status status = SQZ_OK;
    if (fstat(opened, &info) != 0)
        status = sqz_fail_errno(err, SQZ_E_IO, errno, "Cannot look at %s", path);
    else if (S_ISDIR(info.st_mode))
        status = sqz_fail(err, SQZ_E_DATA, "%s is a directory, but a file is wanted here.", path);
    else if (!S_ISREG(info.st_mode))
        status = sqz_fail(err, SQZ_E_DATA, "%s is not a regular file.", path);
    if (status) {
        close(opened);
        return status;
    }
    *fd = opened;
    *size = (uint64_t)info.st_size;
    return SQZ_OK;
}

// Reads until `size` bytes or the end of the file.
static int read_fully(int fd, uint8_t *data, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size) {
        ssize_t n = read(fd, data + *got, size - *got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return 0;
}

enum sqz_status sqz_file_read_front(const char *path, size_t limit, size_t front,
                                    struct sqz_bytes *out, int *fd, struct sqz_error *err)
{
    uint64_t size = 0;
    int opened = -1;
    enum sqz_status status = open_regular(path, &opened, &size, err);
    if (status)
        return status;
    struct sqz_bytes bytes = {0};
    if (size > limit) {
        status = sqz_fail(err, SQZ_E_DATA,
                          "%s is too large: %llu bytes, but at most %zu are accepted here.", path,
                          (unsigned long long)size, limit);
        goto fail;
    }
    bytes.size = (size_t)size;
    bytes.data = front < bytes.size ? sqz_new_untouched(bytes.size) : sqz_new_array(bytes.size, 1);
    if (!bytes.data) {
        status = sqz_fail_memory(err, path, bytes.size);
        goto fail;
    }
    size_t got;
    int reason = read_fully(opened, bytes.data, front < bytes.size ? front : bytes.size, &got);
    if (reason) {
        status = sqz_fail_errno(err, SQZ_E_IO, reason, "Cannot read %s", path);
        goto fail;
    }
    if (got < front) // it has been cut in the meantime
        bytes.size = got;
    *out = bytes;
    *fd = opened;
    return SQZ_OK;
fail:
    close(opened);
    sqz_bytes_release(&bytes);
    return status;
}

enum sqz_status sqz_file_read(const char *path, size_t limit, struct sqz_bytes *out,
                              struct sqz_error *err)
{
    int fd = -1;
    enum sqz_status status = sqz_file_read_front(path, limit, SIZE_MAX, out, &fd, err);
    if (!status)
        close(fd);
    return status;
}

enum sqz_status sqz_file_read_at(const char *path, int fd, size_t offset, void *out, size_t size,
                                 struct sqz_error *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(fd, (char *)out + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sqz_fail_errno(err, SQZ_E_IO, errno, "Cannot read %s", path);
        if (n == 0)
            return sqz_fail(err, SQZ_E_IO, "%s has become shorter while it was in use.", path);
        done += (size_t)n;
    }
    return SQZ_OK;
}

enum sqz_status sqz_file_read_head(const char *path, void *buffer, size_t size, size_t *got,
                                   struct sqz_error *err)
{
    int fd = -1;
    uint64_t total = 0;
    enum sqz_status status = open_regular(path, &fd, &total, err);
    if (status)
        return status;
    int reason = read_fully(fd, buffer, size, got);
    if (reason)
        status = sqz_fail_errno(err, SQZ_E_IO, reason, "Cannot read %s", path);
    close(fd);
    return status;
}

static enum sqz_status fail_write(struct sqz_error *err, const char *path, int reason)
{
    switch (reason) {
    case ENOSPC:
    case EDQUOT:
        return sqz_fail(err, SQZ_E_CANTWRITE,
                        "Cannot write %s: the disk is full. Nothing was changed.", path);
    case EEXIST:
        return sqz_fail(err, SQZ_E_CANTWRITE,
                        "%s exists already; use --force to replace it, or choose another name.",
                        path);
    case ENOENT:
        return sqz_fail(err, SQZ_E_CANTWRITE, "Cannot write %s: its directory does not exist.",
                        path);
    case EIO:
        return sqz_fail(err, SQZ_E_IO, "Cannot write %s: the disk reports an error.", path);
    default:
        // ENOTDIR means here, too, that the target cannot be written.
        if (sqz_fail_errno(err, SQZ_E_CANTWRITE, reason, "Cannot write %s", path) == SQZ_E_NOMEM)
            return SQZ_E_NOMEM;
        if (err)
            err->status = SQZ_E_CANTWRITE;
        return SQZ_E_CANTWRITE;
    }
}

// A temporary file beside `path`, under a name that nobody else has. *name is the caller's to free.
static int open_temporary(const char *dir, char **name, int *fd)
{
    struct sqz_random random;
    uint64_t now = (uint64_t)(sqz_clock_seconds() * 1e9);
    // The address of a local differs between threads of one process.
    sqz_random_init(&random, now, (uint64_t)getpid(), (uint64_t)(uintptr_t)&random,
                    SQZ_RANDOM_INIT);
    for (int attempt = 0; attempt < 100; attempt++) {
        char file[40];
        snprintf(file, sizeof file, ".sqz-%016llx.tmp",
                 (unsigned long long)sqz_random_u64(&random));
        *name = sqz_path_join(dir, file);
        if (!*name)
            return ENOMEM;
        *fd = open(*name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*fd >= 0)
            return 0;
        int reason = errno;
        sqz_free(*name);
        *name = NULL;
        if (reason != EEXIST && reason != EINTR)
            return reason;
    }
    return EBUSY;
}

static int write_fully(int fd, const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = write(fd, data + at, size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            return ENOSPC;
        at += (size_t)n;
    }
    return 0;
}

// Some file systems cannot sync; that is no reason to refuse to write there.
static int sync_checked(int fd)
{
    int failed;
    while ((failed = fsync(fd)) != 0 && errno == EINTR) {
    }
    if (!failed || errno == EINVAL || errno == ENOTSUP || errno == EROFS)
        return 0;
    return errno;
}

// Moves without ever replacing: two writers cannot both win. A hard link where the file system does
// not know RENAME_NOREPLACE.
static int move_new(const char *from, const char *to)
{
    int failed;
    while ((failed = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE)) != 0 &&
           errno == EINTR) {
    }
    if (!failed)
        return 0;
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
        return errno;
    if (link(from, to) != 0)
        return errno;
    unlink(from);
    return 0;
}

static int move_over(const char *from, const char *to)
{
    int failed;
    while ((failed = rename(from, to)) != 0 && errno == EINTR) {
    }
    return failed ? errno : 0;
}

// The part of `path` that names its directory, "." if it names none.
static char *dir_of(const char *path)
{
    size_t length = (size_t)(sqz_path_name(path) - path);
    return length ? sqz_copy_string_n(path, length) : sqz_copy_string(".");
}

static int sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return 0; // a directory may be writable and not readable
    int reason = sync_checked(fd);
    close(fd);
    return reason;
}

struct sqz_writer {
    char *path, *dir, *temporary;
    enum sqz_overwrite overwrite;
    bool unsynced;
    int fd;
};

void sqz_writer_abort(struct sqz_writer *writer)
{
    if (!writer)
        return;
    if (writer->fd >= 0)
        close(writer->fd);
    if (writer->temporary)
        unlink(writer->temporary);
    sqz_free(writer->temporary);
    sqz_free(writer->dir);
    sqz_free(writer->path);
    sqz_free(writer);
}

enum sqz_status sqz_writer_open(const char *path, enum sqz_overwrite overwrite,
                                struct sqz_writer **out, struct sqz_error *err)
{
    struct stat info;
    bool exists = stat(path, &info) == 0;
    if (exists && S_ISDIR(info.st_mode))
        return sqz_fail(err, SQZ_E_CANTWRITE, "Cannot write %s: it is a directory.", path);
    if (exists && overwrite == SQZ_KEEP_EXISTING)
        return fail_write(err, path, EEXIST);
    if (exists && !S_ISREG(info.st_mode)) // renaming over /dev/null would take it from everybody
        return sqz_fail(err, SQZ_E_CANTWRITE, "Cannot write %s: it is not a regular file.", path);
    struct sqz_writer *writer = sqz_new_array(1, sizeof *writer);
    if (!writer)
        return fail_write(err, path, ENOMEM);
    *writer = (struct sqz_writer){sqz_copy_string(path), dir_of(path), NULL, overwrite, false, -1};
    int reason = writer->path && writer->dir
                     ? open_temporary(writer->dir, &writer->temporary, &writer->fd)
                     : ENOMEM;
    if (reason) {
        sqz_writer_abort(writer);
        return fail_write(err, path, reason);
    }
    // A file that only its owner may read stays so when it is replaced. Where the file system keeps
    // no permissions there are none to keep.
    if (exists && fchmod(writer->fd, info.st_mode & 0777) != 0 && errno != EPERM &&
        errno != ENOTSUP) {
        reason = errno;
        sqz_writer_abort(writer);
        return fail_write(err, path, reason);
    }
    *out = writer;
    return SQZ_OK;
}

enum sqz_status sqz_writer_add(struct sqz_writer *writer, const void *data, size_t size,
                               struct sqz_error *err)
{
    int reason = write_fully(writer->fd, data, size);
    return reason ? fail_write(err, writer->path, reason) : SQZ_OK;
}

enum sqz_status sqz_writer_replace(struct sqz_writer *writer, uint64_t offset, const void *data,
                                   size_t size, struct sqz_error *err)
{
    int reason = 0;
    for (size_t at = 0; at < size && !reason;) {
        ssize_t n = pwrite(writer->fd, (const char *)data + at, size - at, (off_t)(offset + at));
        if (n > 0)
            at += (size_t)n;
        else if (n == 0)
            reason = ENOSPC;
        else if (errno != EINTR)
            reason = errno;
    }
    return reason ? fail_write(err, writer->path, reason) : SQZ_OK;
}

enum sqz_status sqz_writer_read(const struct sqz_writer *writer, size_t limit,
                                struct sqz_bytes *out, struct sqz_error *err)
{
    struct sqz_error problem = {0};
    enum sqz_status status = sqz_file_read(writer->temporary, limit, out, &problem);
    if (status == SQZ_E_NOMEM)
        return sqz_fail(err, status, "%s", problem.text);
    return status ? sqz_fail(err, SQZ_E_IO, "What was written for %s cannot be read back: %s",
                             writer->path, problem.text)
                  : SQZ_OK;
}

enum sqz_status sqz_writer_commit(struct sqz_writer *writer, struct sqz_error *err)
{
    int reason = writer->unsynced ? 0 : sync_checked(writer->fd);
    if (close(writer->fd) != 0 && !reason && errno != EINTR)
        reason = errno;
    writer->fd = -1;
    if (!reason && writer->overwrite == SQZ_KEEP_EXISTING)
        reason = move_new(writer->temporary, writer->path);
    else if (!reason)
        reason = move_over(writer->temporary, writer->path);
    enum sqz_status status = reason ? fail_write(err, writer->path, reason) : SQZ_OK;
    if (!reason) {
        sqz_free(writer->temporary);
        writer->temporary = NULL;
        reason = writer->unsynced ? 0 : sync_dir(writer->dir);
        if (reason) {
            char why[128];
            status = sqz_fail(err, SQZ_E_IO,
                              "%s is written and in its place, but its directory could not be "
                              "synchronized (%s): a power cut may undo it.",
                              writer->path, strerror_r(reason, why, sizeof why));
        }
    }
    sqz_writer_abort(writer);
    return status;
}

static enum sqz_status write_whole(const char *path, const void *data, size_t size,
                                   enum sqz_overwrite overwrite, bool unsynced,
                                   struct sqz_error *err)
{
    struct sqz_writer *writer = NULL;
    enum sqz_status status = sqz_writer_open(path, overwrite, &writer, err);
    if (!status) {
        writer->unsynced = unsynced;
        status = sqz_writer_add(writer, data, size, err);
    }
    if (!status)
        return sqz_writer_commit(writer, err);
    sqz_writer_abort(writer);
    return status;
}

enum sqz_status sqz_file_write(const char *path, const void *data, size_t size,
                               enum sqz_overwrite overwrite, struct sqz_error *err)
{
    return write_whole(path, data, size, overwrite, false, err);
}

enum sqz_status sqz_file_write_unsynced(const char *path, const void *data, size_t size,
                                        struct sqz_error *err)
{
    return write_whole(path, data, size, SQZ_REPLACE_EXISTING, true, err);
}
