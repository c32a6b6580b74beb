// Reads packed datasets: the index as a whole, images one by one with pread.
#include "base/memory.h"
#include "base/random.h"
#include "data/sets/pack.h"
#include "data/image/codec.h"
#include "data/sets/sets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define INDEX_LIMIT ((size_t)1 << 34)
#define ENTRY_BYTES 27 // of a sample in the index, without its name

struct sqz_pack {
    char *path;
    int fd;
    struct sqz_pack_entry *entries;
    atomic_bool *verified; // per entry: its checksum was found right
    size_t count;
};

void sqz_pack_close(struct sqz_pack *pack)
{
    if (!pack)
        return;
    if (pack->fd >= 0)
        close(pack->fd);
    sqz_free(pack->verified);
    sqz_free(pack->entries);
    sqz_free(pack->path);
    sqz_free(pack);
}

const struct sqz_pack_entry *sqz_pack_entry_of(const struct sqz_pack *pack, size_t index)
{
    return &pack->entries[index];
}

enum sqz_status sqz_pack_detect(const char *path, bool *out, struct sqz_error *err)
{
    enum sqz_path_kind kind;
    char magic[8];
    size_t got = 0;
    enum sqz_status status = sqz_path_look(path, &kind, err);
    if (!status && kind == SQZ_PATH_FILE)
        status = sqz_file_read_head(path, magic, sizeof magic, &got, err);
    *out = !status && got == 8 && memcmp(magic, SQZ_PACK_MAGIC, 8) == 0;
    return status;
}

// 0 or an errno; EIO when the file ends too early.
static int read_at(int fd, uint8_t *data, size_t size, uint64_t offset)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = pread(fd, data + at, size - at, (off_t)(offset + at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        at += (size_t)n;
    }
    return 0;
}

static enum sqz_status damaged(const char *path, const char *what, struct sqz_error *err)
{
    return sqz_fail(err, SQZ_E_DATA, "%s is a damaged packed dataset: %s.", path, what);
}

struct index {
    struct sqz_bytes bytes;
    struct sqz_cursor cursor;
    uint64_t data_end; // where the images end
    uint32_t n_splits;
};

static enum sqz_status read_index(const char *path, int fd, struct index *out,
                                  struct sqz_error *err)
{
    struct stat info;
    uint8_t head[SQZ_PACK_HEAD];
    uint64_t at, size, length;
    uint32_t crc;
    if (fstat(fd, &info) != 0)
        return sqz_fail_errno(err, SQZ_E_IO, errno, "Cannot look at %s", path);
    length = (uint64_t)info.st_size;
    int reason = length < SQZ_PACK_HEAD ? EIO : read_at(fd, head, sizeof head, 0);
    struct sqz_cursor cursor = {head, sizeof head, 8};
    if (reason || memcmp(head, SQZ_PACK_MAGIC, 8) != 0 || !sqz_take_u64(&cursor, &at) ||
        !sqz_take_u64(&cursor, &size) || !sqz_take_u32(&cursor, &crc))
        return damaged(path, "its header is not whole", err);
    if (at < SQZ_PACK_HEAD || at > length || size != length - at || size > INDEX_LIMIT)
        return damaged(path, "it was cut off, or its index lies elsewhere", err);
    out->bytes.data = sqz_new_array((size_t)size, 1);
    out->bytes.size = (size_t)size;
    if (!out->bytes.data)
        return sqz_fail_memory(err, "the index of a packed dataset", (size_t)size);
    reason = read_at(fd, out->bytes.data, (size_t)size, at);
    if (reason)
        return sqz_fail_errno(err, SQZ_E_IO, reason, "Cannot read %s", path);
    if (crc32_z(0, out->bytes.data, (size_t)size) != crc)
        return damaged(path, "the checksum of its index is wrong", err);
    out->cursor = (struct sqz_cursor){out->bytes.data, out->bytes.size, 0};
    out->data_end = at;
    return sqz_take_u32(&out->cursor, &out->n_splits)
               ? SQZ_OK
               : damaged(path, "its index is too short", err);
}

struct name {
    const char *text; // not terminated
    size_t length;
};

// A name without "/" and NUL, of 1 (or 0, if it may be empty) to 255 bytes.
static bool take_name(struct sqz_cursor *cursor, bool may_be_empty, struct name *out)
{
    uint16_t length;
    const uint8_t *bytes;
    if (!sqz_take_u16(cursor, &length) || length > 255 || (length == 0 && !may_be_empty) ||
        !sqz_take_span(cursor, length, &bytes) || memchr(bytes, 0, length) ||
        memchr(bytes, '/', length))
        return false;
    *out = (struct name){(const char *)bytes, length};
    return true;
}

static enum sqz_status take_name_copy(struct sqz_cursor *cursor, bool may_be_empty, char **out)
{
    struct name name;
    if (!take_name(cursor, may_be_empty, &name))
        return SQZ_E_DATA;
    *out = sqz_copy_string_n(name.text, name.length);
    return *out ? SQZ_OK : SQZ_E_NOMEM;
}

static enum sqz_status refuse_index(const char *path, enum sqz_status status, struct sqz_error *err)
{
    return status == SQZ_E_NOMEM ? sqz_fail_memory(err, "the index of a packed dataset", 0)
                                 : damaged(path, "its index makes no sense", err);
}

struct split {
    char *name;
    char **classes;
    uint32_t n_classes;
    uint64_t count;
    size_t entries_at; // in the index
};

static void split_release(struct split *split)
{
    for (uint32_t i = 0; split->classes && i < split->n_classes; i++)
        sqz_free(split->classes[i]);
    sqz_free(split->classes);
    sqz_free(split->name);
    *split = (struct split){0};
}

// Takes a split's head. SQZ_E_DATA: it is damaged; SQZ_E_NOMEM.
static enum sqz_status take_split(struct sqz_cursor *cursor, struct split *out)
{
    *out = (struct split){0};
    enum sqz_status status = take_name_copy(cursor, true, &out->name);
    if (status)
        return status;
    // A class takes at least three bytes, so that the count cannot ask for more than there is.
    uint32_t n_classes;
    if (!sqz_take_u32(cursor, &n_classes) || n_classes == 0 || n_classes > INT_MAX ||
        n_classes > sqz_cursor_left(cursor) / 3)
        return SQZ_E_DATA;
    out->n_classes = n_classes;
    out->classes = sqz_new_array(n_classes, sizeof *out->classes);
    if (!out->classes)
        return SQZ_E_NOMEM;
    for (uint32_t i = 0; !status && i < n_classes; i++)
        status = take_name_copy(cursor, false, &out->classes[i]);
    if (status)
        return status;
    out->entries_at = cursor->at + 8;
    return sqz_take_u64(cursor, &out->count) && out->count <= INT_MAX &&
                   out->count <= sqz_cursor_left(cursor) / ENTRY_BYTES
               ? SQZ_OK
               : SQZ_E_DATA;
}

// One sample of the index; false when it is damaged.
static bool take_entry(struct sqz_cursor *cursor, const struct split *split, uint64_t data_end,
                       struct sqz_pack_entry *entry, uint32_t *label, struct name *name)
{
    if (!sqz_take_u64(cursor, &entry->offset) || !sqz_take_u32(cursor, &entry->size) ||
        !sqz_take_u32(cursor, &entry->crc) || !sqz_take_u32(cursor, label) ||
        !sqz_take_u16(cursor, &entry->w) || !sqz_take_u16(cursor, &entry->h) ||
        !sqz_take_u8(cursor, &entry->channels) || !take_name(cursor, false, name))
        return false;
    uint64_t pixels = (uint64_t)entry->w * entry->h * entry->channels;
    bool raw = entry->channels == 1 || entry->channels == 3;
    return *label < split->n_classes && entry->offset >= SQZ_PACK_HEAD &&
           entry->offset <= data_end && entry->size <= data_end - entry->offset &&
           entry->size > 0 && (raw ? pixels == entry->size : entry->channels == 0);
}

static bool skip_entries(struct sqz_cursor *cursor, const struct split *split, uint64_t data_end)
{
    for (uint64_t i = 0; i < split->count; i++) {
        struct sqz_pack_entry entry;
        uint32_t label;
        struct name name;
        if (!take_entry(cursor, split, data_end, &entry, &label, &name))
            return false;
    }
    return true;
}

static enum sqz_status open_index(const char *path, int *fd, struct index *index,
                                  struct sqz_error *err)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return sqz_fail_errno(err, SQZ_E_IO, errno, "Cannot open %s", path);
    return read_index(path, *fd, index, err);
}

enum sqz_status sqz_pack_layout(const char *path, struct sqz_dataset_layout *out,
                                struct sqz_error *err)
{
    struct index index = {0};
    int fd = -1;
    enum sqz_status status = open_index(path, &fd, &index, err);
    memset(out, 0, sizeof *out);
    out->kind = "imagenet";
    out->is_pack = true;
    for (uint32_t i = 0; !status && i < index.n_splits; i++) {
        struct split split = {0};
        status = take_split(&index.cursor, &split);
        if (!status && !skip_entries(&index.cursor, &split, index.data_end))
            status = SQZ_E_DATA;
        if (status) {
            refuse_index(path, status, err);
        } else if (*split.name) {
            char *target = strcmp(split.name, "train") == 0 ? out->train : out->val;
            out->has_splits = true;
            if (!*target && strlen(split.name) < sizeof out->val)
                snprintf(target, sizeof out->val, "%s", split.name);
        }
        split_release(&split);
    }
    sqz_bytes_release(&index.bytes);
    if (fd >= 0)
        close(fd);
    return status;
}

enum sqz_status sqz_pack_has_split(const char *path, const char *split, bool *out,
                                   struct sqz_error *err)
{
    struct sqz_dataset_layout layout;
    enum sqz_status status = sqz_pack_layout(path, &layout, err);
    *out = !status && (strcmp(layout.train, split) == 0 || strcmp(layout.val, split) == 0);
    return status;
}

// "PACK/class/name", for messages and for the division by names.
static char *shown_path(const char *pack, const char *class_name, const struct name *name)
{
    struct sqz_text text = {0};
    sqz_text_add(&text, "%s/%s/%.*s", pack, class_name, (int)name->length, name->text);
    if (!text.failed)
        return text.data;
    sqz_text_release(&text);
    return NULL;
}

static enum sqz_status take_samples(struct index *index, struct split *split, struct sqz_pack *pack,
                                    struct sqz_dataset *set, struct sqz_error *err)
{
    size_t count = (size_t)split->count;
    pack->entries = sqz_new_array(count, sizeof *pack->entries);
    pack->verified = sqz_new_array(count, sizeof *pack->verified);
    set->samples = sqz_new_array(count, sizeof *set->samples);
    if (!pack->entries || !pack->verified || !set->samples)
        return sqz_fail_memory(err, "the list of samples", count * sizeof *set->samples);
    for (; pack->count < count; pack->count++) {
        struct sqz_pack_entry *entry = &pack->entries[pack->count];
        struct sqz_sample *sample = &set->samples[set->count];
        uint32_t label;
        struct name name;
        if (!take_entry(&index->cursor, split, index->data_end, entry, &label, &name))
            return damaged(pack->path, "its index makes no sense", err);
        sample->path = shown_path(pack->path, split->classes[label], &name);
        if (!sample->path)
            return sqz_fail_memory(err, "the list of samples", count * sizeof *set->samples);
        sample->label = (int)label;
        sample->offset = pack->count;
        uint64_t hash = sqz_hash_bytes(SQZ_HASH_START, name.text, name.length);
        sample->hash = sqz_random_hash(sqz_hash_bytes(hash, "", 1), // as sqz_hash_string
                                       (uint64_t)entry->crc << 32 | entry->size);
        set->count++;
    }
    set->classes = split->classes;
    set->n_classes = (int)split->n_classes;
    split->classes = NULL;
    return SQZ_OK;
}

enum sqz_status sqz_pack_open(const char *path, const char *name, struct sqz_dataset *set,
                              struct sqz_error *err)
{
    struct index index = {0};
    struct split split = {0};
    struct sqz_pack *pack = sqz_new_array(1, sizeof *pack);
    enum sqz_status status = SQZ_OK;
    if (!pack || !(pack->path = sqz_copy_string(path))) {
        sqz_free(pack);
        return sqz_fail_memory(err, "a packed dataset", sizeof *pack);
    }
    set->pack = pack;
    status = open_index(path, &pack->fd, &index, err);
    for (uint32_t i = 0; !status; i++) {
        split_release(&split);
        if (i == index.n_splits)
            status = sqz_fail(err, SQZ_E_NOINPUT, "The packed dataset %s has no split \"%s\".",
                              path, name);
        else if ((status = take_split(&index.cursor, &split)))
            refuse_index(path, status, err);
        else if (strcmp(split.name, name) == 0)
            break;
        else if (!skip_entries(&index.cursor, &split, index.data_end))
            status = damaged(path, "its index makes no sense", err);
    }
    if (!status)
        status = take_samples(&index, &split, pack, set, err);
    split_release(&split);
    sqz_bytes_release(&index.bytes);
    return status;
}

enum sqz_status sqz_pack_read(const struct sqz_pack *pack, size_t index, struct sqz_bytes *bytes,
                              struct sqz_error *err)
{
    const struct sqz_pack_entry *entry = &pack->entries[index];
    size_t needed = (size_t)entry->size + SQZ_IMAGE_SLACK;
    if (bytes->size < needed) {
        sqz_bytes_release(bytes);
        bytes->data = sqz_new_array(needed, 1);
        if (!bytes->data)
            return sqz_fail_memory(err, "an image", needed);
        bytes->size = needed;
    }
    int reason = read_at(pack->fd, bytes->data, entry->size, entry->offset);
    // A larger image may have left its bytes there.
    memset(bytes->data + entry->size, 0, SQZ_IMAGE_SLACK);
    return reason ? sqz_fail_errno(err, SQZ_E_IO, reason, "Cannot read %s", pack->path) : SQZ_OK;
}

bool sqz_pack_is_intact(const struct sqz_pack *pack, size_t index, const uint8_t *data)
{
    const struct sqz_pack_entry *entry = &pack->entries[index];
    if (atomic_load_explicit(&pack->verified[index], memory_order_relaxed))
        return true;
    bool intact = crc32_z(0, data, entry->size) == entry->crc;
    if (intact)
        atomic_store_explicit(&pack->verified[index], true, memory_order_relaxed);
    return intact;
}
