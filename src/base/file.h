// Files: read whole, written whole or not at all; a bounded little-endian cursor for parsers.
#ifndef SQZ_BASE_FILE_H
#define SQZ_BASE_FILE_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqz_bytes {
    uint8_t *data; // owned; sqz_bytes_release
    size_t size;
};
void sqz_bytes_release(struct sqz_bytes *bytes);

// Reads a regular file of at most `limit` bytes into the heap (no mmap: a cut is SIGBUS).
// A directory, a missing, too large or unreadable file is named in the error:
// SQZ_E_NOINPUT (missing), SQZ_E_DATA (not a regular file, too large), SQZ_E_IO.
enum sqz_status sqz_file_read(const char *path, size_t limit, struct sqz_bytes *out,
                              struct sqz_error *err);
// The same, but only the first `front` bytes are read; the others stay zeros, never touched,
// which take no memory. *fd, which the caller closes, reads the file.
enum sqz_status sqz_file_read_front(const char *path, size_t limit, size_t front,
                                    struct sqz_bytes *out, int *fd, struct sqz_error *err);
// Reads exactly `size` bytes at `offset`; a file that ends before is SQZ_E_IO.
enum sqz_status sqz_file_read_at(const char *path, int fd, size_t offset, void *out, size_t size,
                                 struct sqz_error *err);
// Reads at most `size` first bytes; *got may be smaller.
enum sqz_status sqz_file_read_head(const char *path, void *buffer, size_t size, size_t *got,
                                   struct sqz_error *err);

enum sqz_overwrite { SQZ_KEEP_EXISTING, SQZ_REPLACE_EXISTING };
// Writes through a temporary file in the same directory, fsync, rename, fsync of the directory.
// With SQZ_KEEP_EXISTING an existing file is an error (SQZ_E_CANTWRITE) that mentions --force.
// Errors: SQZ_E_CANTWRITE (cannot create, disk full), SQZ_E_IO. Nothing half-written stays.
enum sqz_status sqz_file_write(const char *path, const void *data, size_t size,
                               enum sqz_overwrite overwrite, struct sqz_error *err);

// The same without waiting for the disk, replacing what is there: for very many files, after which
// the caller synchronises once.
enum sqz_status sqz_file_write_unsynced(const char *path, const void *data, size_t size,
                                        struct sqz_error *err);

// The same, piece by piece, for files that are too large for memory. Commit and abort free the
// writer; before a commit nothing is at `path`.
struct sqz_writer;
enum sqz_status sqz_writer_open(const char *path, enum sqz_overwrite overwrite,
                                struct sqz_writer **out, struct sqz_error *err);
enum sqz_status sqz_writer_add(struct sqz_writer *writer, const void *data, size_t size,
                               struct sqz_error *err);
// Overwrites bytes that were added before.
enum sqz_status sqz_writer_replace(struct sqz_writer *writer, uint64_t offset, const void *data,
                                   size_t size, struct sqz_error *err);
// Reads back what has been added, from the file and as a reader will get it.
enum sqz_status sqz_writer_read(const struct sqz_writer *writer, size_t limit,
                                struct sqz_bytes *out, struct sqz_error *err);
enum sqz_status sqz_writer_commit(struct sqz_writer *writer, struct sqz_error *err);
void sqz_writer_abort(struct sqz_writer *writer); // NULL is fine

// What a path names, links followed. That nothing is there is an answer (SQZ_PATH_MISSING); that it
// cannot be looked at (no permission, a failing disk, no memory) is an error.
enum sqz_path_kind { SQZ_PATH_MISSING, SQZ_PATH_FILE, SQZ_PATH_DIR, SQZ_PATH_OTHER };
enum sqz_status sqz_path_look(const char *path, enum sqz_path_kind *out, struct sqz_error *err);
// The same for `name` in `dir`.
enum sqz_status sqz_path_look_in(const char *dir, const char *name, enum sqz_path_kind *out,
                                 struct sqz_error *err);
// SQZ_E_CANTWRITE when something is at `path`, with a sentence that names --force: to be asked
// before long work, which a writer's refusal would waste.
enum sqz_status sqz_path_refuse_existing(const char *path, struct sqz_error *err);
// mkdir -p. SQZ_E_CANTWRITE names the directory.
enum sqz_status sqz_dir_make(const char *path, struct sqz_error *err);
// Joins with one '/'; NULL when out of memory; free with sqz_free. An empty `directory` gives
// `name`.
char *sqz_path_join(const char *dir, const char *name);
const char *sqz_path_name(const char *path); // what follows the last '/'

// Opens a fresh file, squeezenet-WHAT-XXXXXX, in $TMPDIR (an absolute path) or /tmp, readable by
// its owner only. Returns its descriptor, -1 when that fails.
enum { SQZ_TEMPORARY_SIZE = 512 };
int sqz_temporary_open(const char *what, char path[SQZ_TEMPORARY_SIZE]);

// $XDG_CACHE_HOME/squeezenet, else ~/.cache/squeezenet; a relative XDG path counts as unset, as its
// specification says. NULL when neither is set or memory is out; free with sqz_free.
char *sqz_cache_dir(void);

// A directory's entries, sorted bytewise; "." and ".." left out, dot-files kept.
struct sqz_dir_entry {
    char *name;
    bool is_dir;  // symbolic links followed
    bool is_file; // a regular file
    uint64_t size;
    int64_t mtime_ns;
};
struct sqz_dir {
    struct sqz_dir_entry *entries;
    size_t count;
};
enum sqz_status sqz_dir_read(const char *path, struct sqz_dir *out, struct sqz_error *err);
void sqz_dir_release(struct sqz_dir *dir);

// A cursor over bytes that never reads past the end: every take_* returns false (and leaves the
// cursor where it is) when too few bytes are left.
struct sqz_cursor {
    const uint8_t *data;
    size_t size, at;
};
size_t sqz_cursor_left(const struct sqz_cursor *cursor);
bool sqz_take_u8(struct sqz_cursor *cursor, uint8_t *out);
bool sqz_take_u16(struct sqz_cursor *cursor, uint16_t *out);
bool sqz_take_u32(struct sqz_cursor *cursor, uint32_t *out);
bool sqz_take_u64(struct sqz_cursor *cursor, uint64_t *out);
// *span points into the cursor's data.
bool sqz_take_span(struct sqz_cursor *cursor, size_t size, const uint8_t **span);

#endif
