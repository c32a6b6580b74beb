// The real MindCV's values (mindcv-golden): just enough of .npy, stored .npz and MindSpore's .ckpt,
// for trusted files and apart from the library's own readers. Any trouble is a failed check.
#ifndef SQZ_TESTS_GOLDEN_H
#define SQZ_TESTS_GOLDEN_H

#include "testdata.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct golden_file {
    uint8_t *data;
    size_t size;
};

static inline void golden_require(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "golden values: %s\n", what);
        abort();
    }
}

// `data` is NULL, after a loud note, when the file is not there.
static inline struct golden_file golden_read(const char *name)
{
    struct golden_file file = {0};
    char relative[512];
    snprintf(relative, sizeof relative, "mindcv-golden/%s", name);
    const char *path = test_data(relative);
    FILE *stream = path ? fopen(path, "rb") : NULL;
    if (!stream)
        return file;
    fseek(stream, 0, SEEK_END);
    file.size = (size_t)ftell(stream);
    rewind(stream);
    file.data = malloc(file.size + 1);
    golden_require(file.data && fread(file.data, 1, file.size, stream) == file.size, path);
    fclose(stream);
    return file;
}

// The payload of a .npy (version 1: 10 bytes, then a header whose length is at offset 8).
static inline const void *golden_npy(const uint8_t *npy, size_t size, size_t payload)
{
    golden_require(size > 10 && memcmp(npy, "\x93NUMPY\x01", 7) == 0, "not a .npy file");
    size_t start = 10u + npy[8] + 256u * npy[9];
    golden_require(start + payload == size, "a .npy file has another size than expected");
    return npy + start;
}

// A stored member "<name>.npy" of a .npz, by its local headers; sizes are in the zip64 field.
static inline const void *golden_npz(const struct golden_file *file, const char *name,
                                     size_t payload)
{
    size_t at = 0, length = strlen(name);
    while (at + 50 < file->size && memcmp(file->data + at, "PK\x03\x04", 4) == 0) {
        const uint8_t *head = file->data + at;
        size_t name_size = head[26] + 256u * head[27], extra = head[28] + 256u * head[29];
        uint64_t size;
        golden_require(head[8] == 0 && extra >= 20 && head[30 + name_size] == 1, "odd .npz");
        memcpy(&size, head + 30 + name_size + 4, 8);
        const uint8_t *member = head + 30 + name_size + extra;
        golden_require(at + 30 + name_size + extra + size <= file->size, "a cut .npz");
        if (name_size == length + 4 && memcmp(head + 30, name, length) == 0)
            return golden_npy(member, size, payload);
        at += 30 + name_size + extra + size;
    }
    golden_require(false, name);
    return NULL;
}

static inline uint64_t golden_varint(const uint8_t **at, const uint8_t *end)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        golden_require(*at < end, "a cut .ckpt");
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            break;
    }
    return value;
}

// One field of a protobuf message: its number, and its bytes if it has any (else *size is 0).
static inline int golden_field(const uint8_t **at, const uint8_t *end, const uint8_t **bytes,
                               size_t *size)
{
    uint64_t key = golden_varint(at, end);
    *bytes = NULL;
    *size = 0;
    if (key % 8 == 0) {
        golden_varint(at, end);
    } else {
        golden_require(key % 8 == 2, "an odd .ckpt");
        *size = golden_varint(at, end);
        golden_require(*size <= (size_t)(end - *at), "a cut .ckpt");
        *bytes = *at;
        *at += *size;
    }
    return (int)(key / 8);
}

// The content of the entry `name` of a .ckpt: Checkpoint.value { tag, tensor { ..., content } }.
static inline const void *golden_ckpt(const struct golden_file *file, const char *name,
                                      size_t payload)
{
    const uint8_t *at = file->data, *end = file->data + file->size;
    while (at < end) {
        const uint8_t *value, *part, *tensor = NULL, *bytes;
        size_t value_size, part_size, tensor_size = 0, size;
        bool found = false;
        golden_field(&at, end, &value, &value_size);
        for (const uint8_t *v = value; v < value + value_size;) {
            int field = golden_field(&v, value + value_size, &part, &part_size);
            if (field == 1)
                found = part_size == strlen(name) && memcmp(part, name, part_size) == 0;
            if (field == 2) {
                tensor = part;
                tensor_size = part_size;
            }
        }
        for (const uint8_t *t = tensor; found && t && t < tensor + tensor_size;) {
            if (golden_field(&t, tensor + tensor_size, &bytes, &size) == 3) {
                golden_require(size == payload, name);
                return bytes;
            }
        }
    }
    golden_require(false, name);
    return NULL;
}

#endif
