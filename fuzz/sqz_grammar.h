// A grammar that turns any bytes into a legal but odd .sqz file, so that the fuzzer does not have
// to guess lengths and SHA-256 sums.
#ifndef SQZ_FUZZ_SQZ_GRAMMAR_H
#define SQZ_FUZZ_SQZ_GRAMMAR_H

#include "base/file.h"
#include "base/memory.h"
#include "compress/encoder.h"
#include "compress/sha256.h"

#include <stdlib.h>
#include <string.h>

static inline void sign(uint8_t *data, size_t size)
{
    for (int i = 0; i < 4; i++)
        data[16 + i] = (uint8_t)(size >> (8 * i));
    sqz_sha256_of(data, size - SQZ_PACKED_TRAILER, data + size - SQZ_PACKED_TRAILER);
}

static inline uint8_t next(struct sqz_cursor *from)
{
    uint8_t byte = 0;
    sqz_take_u8(from, &byte);
    return byte;
}

// A tensor of a few values: shape, coding and values as the bytes say. False when out of memory.
static inline bool make_tensor(struct sqz_cursor *from, struct sqz_coded *out)
{
    static const float scales[4] = {1, 0.1f, 1e-30f, 3e30f};
    size_t dims[4], n = 1;
    uint8_t how = next(from), shape = next(from);
    int rank = how % 5;
    for (int i = 0; i < rank; i++) {
        dims[i] = 1 + (size_t)(shape >> 2 * i & 3);
        n *= dims[i];
    }
    float *values = sqz_new_array(n, sizeof *values);
    if (!values)
        return false;
    for (size_t i = 0; i < n; i++) {
        int8_t small = (int8_t)next(from);
        uint32_t bits;
        if (how & 0x80 && sqz_take_u32(from, &bits)) // any float at all
            memcpy(&values[i], &bits, sizeof bits);
        else
            values[i] = small ? (float)small * scales[how >> 5 & 3] : 0;
    }
    enum sqz_coder coder = how & 0x08 ? SQZ_CODER_HUFFMAN : SQZ_CODER_RANGE;
    bool ok = sqz_coded_from_floats(values, rank, dims, coder, out, NULL) == SQZ_OK;
    sqz_free(values);
    return ok;
}

// A whole file of up to 3 tensors and 2 texts.
static inline bool make_file(struct sqz_cursor *from, struct sqz_text *out)
{
    static const char *const names[3] = {"a.weight", "a.bias", "b"};
    static const struct sqz_key_value texts[2] = {{"variant", "x"}, {"key", ""}};
    struct sqz_coded coded[3] = {{0}};
    struct sqz_named tensors[3];
    size_t n = next(from) % 4, made = 0;
    while (made < n && make_tensor(from, &coded[made])) {
        tensors[made] = (struct sqz_named){names[made], &coded[made]};
        made++;
    }
    bool ok = made == n && sqz_encode_file(tensors, n, texts, next(from) % 3, out, NULL) == SQZ_OK;
    for (size_t i = 0; i < made; i++)
        sqz_coded_release(&coded[i]);
    return ok;
}

// Bytes of `data` changed as the rest of the input says: position, value.
static inline void damage(struct sqz_cursor *from, uint8_t *data, size_t size)
{
    uint16_t at;
    while (size && sqz_take_u16(from, &at))
        data[at % size] ^= next(from);
}

#endif
