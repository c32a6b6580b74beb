// Reading tar archives, also one inside another. Private to src/data.
#ifndef SQZ_DATA_TAR_H
#define SQZ_DATA_TAR_H

#include "base/file.h"

// Bytes to read an archive from: a file, or memory (fd -1).
struct sqz_tar_source {
    const char *path; // for messages
    int fd;
    const uint8_t *data;
};
struct sqz_tar {
    const struct sqz_tar_source *source;
    uint64_t at, end; // of the archive within the source
};
struct sqz_tar_file {
    char name[256];        // without leading "./"
    uint64_t offset, size; // of its bytes within the source
};
// The next regular file; *found false past the end. SQZ_E_DATA when the archive is cut off or is
// none.
enum sqz_status sqz_tar_next(struct sqz_tar *tar, struct sqz_tar_file *out, bool *found,
                             struct sqz_error *err);
enum sqz_status sqz_tar_read(const struct sqz_tar_source *source, const struct sqz_tar_file *file,
                             size_t limit, struct sqz_bytes *out, struct sqz_error *err);

#endif
