// Packed datasets: all images of a dataset, shrunk, in one file (docs/pack-format.md).
#ifndef SQZ_DATA_PACK_H
#define SQZ_DATA_PACK_H

#include "base/threads.h"
#include "data/sets/dataset.h"

#define SQZ_PACK_MAGIC "SQZPACK1"
#define SQZ_PACK_HEAD  64 // bytes before the first image

// One image. channels 0: an encoded JPEG or PNG file; else w x h x channels pixels.
struct sqz_pack_entry {
    uint64_t offset;
    uint32_t size, crc; // bytes, and zlib's CRC-32 of them
    uint16_t w, h;
    uint8_t channels;
};
struct sqz_pack; // an open file with the entries of one split

// Whether `path` is a regular file that begins with the magic.
enum sqz_status sqz_pack_detect(const char *path, bool *out, struct sqz_error *err);
enum sqz_status sqz_pack_layout(const char *path, struct sqz_dataset_layout *out,
                                struct sqz_error *err);
enum sqz_status sqz_pack_has_split(const char *path, const char *split, bool *out,
                                   struct sqz_error *err);
// Fills in the samples and classes of one split, and set->pack. Every number of the index is
// checked against the file before it is used.
enum sqz_status sqz_pack_open(const char *path, const char *split, struct sqz_dataset *set,
                              struct sqz_error *err);
void sqz_pack_close(struct sqz_pack *pack);
const struct sqz_pack_entry *sqz_pack_entry_of(const struct sqz_pack *pack, size_t index);
// Reads an entry's bytes into a buffer that grows (its size may be larger than the entry's), and
// zeroes SQZ_IMAGE_SLACK bytes after them. From any thread.
enum sqz_status sqz_pack_read(const struct sqz_pack *pack, size_t index, struct sqz_bytes *bytes,
                              struct sqz_error *err);
// Whether the bytes just read have the entry's checksum. It is computed until it was right once:
// the first use of an image tells, and later epochs do not pay for it. From any thread.
bool sqz_pack_is_intact(const struct sqz_pack *pack, size_t index, const uint8_t *data);

// Part of sqz_data_check.
enum sqz_status sqz_pack_check(const char *path, struct sqz_pool *pool, sqz_data_problem_fn problem,
                               void *arg, struct sqz_data_check_result *report,
                               struct sqz_error *err);

#endif
