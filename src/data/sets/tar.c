// Tar archives: 512-byte headers with numbers in octal. Directories, links and extended headers are
// passed over; the names in ImageNet's archives are short.
#include "data/sets/tar.h"

#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 512

static enum sqz_status read_at(const struct sqz_tar_source *source, uint64_t offset, void *out,
                               size_t size, struct sqz_error *err)
{
    if (source->fd < 0) {
        memcpy(out, source->data + offset, size);
        return SQZ_OK;
    }
    for (size_t at = 0; at < size;) {
        ssize_t n = pread(source->fd, (uint8_t *)out + at, size - at, (off_t)(offset + at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sqz_fail_errno(err, SQZ_E_IO, errno, "Cannot read %s", source->path);
        if (n == 0)
            return sqz_fail(err, SQZ_E_DATA, "%s is cut off.", source->path);
        at += (size_t)n;
    }
    return SQZ_OK;
}

// Octal, or GNU's base 256 for large numbers; false when it is neither.
static bool number(const uint8_t *text, size_t length, uint64_t *out)
{
    uint64_t value = 0;
    size_t i = 0;
    if (text[0] & 0x80) {
        if (text[0] != 0x80)
            return false;
        for (i = 1; i < length; i++) {
            if (value >> 55)
                return false;
            value = value << 8 | text[i];
        }
        *out = value;
        return true;
    }
    while (i < length && text[i] == ' ')
        i++;
    size_t first = i;
    for (; i < length && text[i] >= '0' && text[i] <= '7'; i++)
        value = value << 3 | (uint64_t)(text[i] - '0');
    *out = value;
    return i > first && (i == length || text[i] == 0 || text[i] == ' ');
}

static bool is_header(const uint8_t *block)
{
    uint64_t stored, sum = 0;
    for (int i = 0; i < BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : block[i];
    return number(block + 148, 8, &stored) && stored == sum;
}

static void take_name(const uint8_t *block, char out[256])
{
    int prefix = (int)strnlen((const char *)block + 345, 155);
    int length = (int)strnlen((const char *)block, 100);
    bool ustar = memcmp(block + 257, "ustar", 6) == 0; // GNU's old form has other fields there
    if (ustar && prefix > 0)
        snprintf(out, 256, "%.*s/%.*s", prefix, (const char *)block + 345, length,
                 (const char *)block);
    else
        snprintf(out, 256, "%.*s", length, (const char *)block);
    if (strncmp(out, "./", 2) == 0)
        memmove(out, out + 2, strlen(out + 2) + 1);
}

enum sqz_status sqz_tar_next(struct sqz_tar *tar, struct sqz_tar_file *out, bool *found,
                             struct sqz_error *err)
{
    static const uint8_t nothing[BLOCK];
    uint8_t block[BLOCK];
    *found = false;
    for (;;) {
        uint64_t size;
        if (tar->end - tar->at < BLOCK)
            return sqz_fail(err, SQZ_E_DATA, "%s is cut off: the mark of its end is missing.",
                            tar->source->path);
        enum sqz_status status = read_at(tar->source, tar->at, block, BLOCK, err);
        if (status)
            return status;
        if (memcmp(block, nothing, BLOCK) == 0)
            return SQZ_OK;
        if (!is_header(block) || !number(block + 124, 12, &size))
            return sqz_fail(err, SQZ_E_DATA, "%s is not a tar archive, or is damaged at byte %llu.",
                            tar->source->path, (unsigned long long)tar->at);
        uint64_t offset = tar->at + BLOCK, left = tar->end - offset;
        // In blocks, so that rounding up cannot overflow.
        if (size > left)
            return sqz_fail(err, SQZ_E_DATA, "%s is cut off at byte %llu.", tar->source->path,
                            (unsigned long long)tar->end);
        uint64_t padded = (size + BLOCK - 1) / BLOCK * BLOCK;
        tar->at = offset + (padded < left ? padded : left);
        if (block[156] == '0' || block[156] == 0) {
            take_name(block, out->name);
            out->offset = offset;
            out->size = size;
            *found = true;
            return SQZ_OK;
        }
    }
}

enum sqz_status sqz_tar_read(const struct sqz_tar_source *source, const struct sqz_tar_file *file,
                             size_t limit, struct sqz_bytes *out, struct sqz_error *err)
{
    if (file->size > limit)
        return sqz_fail(err, SQZ_E_DATA, "\"%s\" in %s is larger than it can be.", file->name,
                        source->path);
    sqz_bytes_release(out);
    out->data = sqz_new_array((size_t)file->size, 1);
    if (!out->data)
        return sqz_fail_memory(err, "a file of an archive", (size_t)file->size);
    out->size = (size_t)file->size;
    return read_at(source, file->offset, out->data, out->size, err);
}
