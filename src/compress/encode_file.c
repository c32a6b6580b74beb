// A .sqz file from its parts: header, directory, texts, payloads, trailer.
#include "base/bytes.h"
#include "compress/encoder.h"
#include "compress/sha256.h"

#include <string.h>

void sqz_identity_add(struct sqz_sha256 *hash, const char *name, const struct sqz_coded *coded,
                      const uint32_t *bits)
{
    uint8_t shape[17] = {(uint8_t)coded->rank}, block[4096];
    for (int i = 0; i < 4; i++)
        sqz_put_le(shape + 1 + 4 * i, coded->dims[i], 4);
    sqz_sha256_add(hash, name, strlen(name) + 1);
    sqz_sha256_add(hash, shape, 1 + 4 * (size_t)coded->rank);
    size_t n = coded->rows * coded->columns, used = 0;
    for (size_t i = 0; i < n; i++) {
        sqz_put_le(block + used, bits[i], 4);
        used += 4;
        if (used == sizeof block || i + 1 == n) {
            sqz_sha256_add(hash, block, used);
            used = 0;
        }
    }
}

static bool hash_tensor(struct sqz_sha256 *hash, const struct sqz_named *tensor)
{
    uint32_t *bits = sqz_new_array(tensor->coded->rows * tensor->coded->columns, sizeof *bits);
    if (bits) {
        sqz_coded_to_bits(tensor->coded, bits);
        sqz_identity_add(hash, tensor->name, tensor->coded, bits);
    }
    sqz_free(bits);
    return bits != NULL;
}

static void put_entry(struct sqz_text *out, const char *before, const struct sqz_named *tensor,
                      uint32_t payload, uint32_t check)
{
    const struct sqz_coded *coded = tensor->coded;
    size_t shared = 0, length = strlen(tensor->name);
    while (before[shared] && before[shared] == tensor->name[shared])
        shared++;
    sqz_text_add_le(out, (uint32_t)shared, 1);
    sqz_text_add_le(out, (uint32_t)(length - shared), 1);
    sqz_text_add_bytes(out, tensor->name + shared, length - shared);
    sqz_text_add_le(out, coded->coding, 1);
    sqz_text_add_le(out, coded->coder, 1);
    sqz_text_add_le(out, (uint32_t)coded->rank, 1);
    for (int i = 0; i < coded->rank; i++)
        sqz_text_add_le(out, (uint32_t)coded->dims[i], 2);
    sqz_text_add_le(out, coded->parameter, 4);
    sqz_text_add_le(out, payload, 4);
    sqz_text_add_le(out, check, 4);
}

struct parts {
    struct sqz_text directory, texts, payloads;
};

static enum sqz_status make_parts(const struct sqz_named *tensors, size_t n, struct parts *parts,
                                  uint8_t identity[32], struct sqz_error *err)
{
    struct sqz_sha256 hash;
    size_t elements = 0;
    sqz_sha256_init(&hash);
    for (size_t i = 0; i < n; i++) {
        const struct sqz_named *tensor = &tensors[i];
        size_t length = strlen(tensor->name), before = parts->payloads.length;
        uint32_t check;
        elements += tensor->coded->rows * tensor->coded->columns;
        if (length < 1 || length > 255 || elements > SQZ_PACKED_ELEMENTS)
            return sqz_fail(err, SQZ_E_DATA,
                            "The tensor %.100s does not fit into a .sqz file: names have 1 to 255 "
                            "bytes, all tensors together at most %u elements.",
                            tensor->name, (unsigned)SQZ_PACKED_ELEMENTS);
        sqz_coded_encode(tensor->coded, &parts->payloads, &check);
        put_entry(&parts->directory, i ? tensors[i - 1].name : "", tensor,
                  (uint32_t)(parts->payloads.length - before), check);
        if (!hash_tensor(&hash, tensor))
            return sqz_fail_memory(err, tensor->name, elements * sizeof(float));
    }
    sqz_sha256_end(&hash, identity);
    return SQZ_OK;
}

static void put_texts(struct sqz_text *out, const struct sqz_key_value *texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t key = strlen(texts[i].key), value = strlen(texts[i].value);
        sqz_text_add_le(out, (uint32_t)key, 1);
        sqz_text_add_bytes(out, texts[i].key, key);
        sqz_text_add_le(out, (uint32_t)value, 4);
        sqz_text_add_bytes(out, texts[i].value, value);
    }
}

static enum sqz_status assemble(const struct parts *parts, size_t n, const uint8_t identity[32],
                                struct sqz_text *out, struct sqz_error *err)
{
    size_t size = SQZ_PACKED_HEADER + parts->directory.length + parts->texts.length +
                  parts->payloads.length + SQZ_PACKED_TRAILER;
    if (size > SQZ_PACKED_LIMIT)
        return sqz_fail(err, SQZ_E_DATA, "A .sqz file may have %zu bytes, this one would have %zu.",
                        SQZ_PACKED_LIMIT, size);
    sqz_text_add_bytes(out, SQZ_PACKED_MAGIC, 8);
    sqz_text_add_le(out, SQZ_PACKED_MAJOR, 4); // and minor version 0
    sqz_text_add_le(out, 0, 4);
    sqz_text_add_le(out, (uint32_t)size, 4);
    sqz_text_add_le(out, (uint32_t)n, 4);
    sqz_text_add_le(out, (uint32_t)parts->directory.length, 4);
    sqz_text_add_le(out, (uint32_t)parts->texts.length, 4);
    sqz_text_add_bytes(out, identity, 32);
    sqz_text_add_bytes(out, sqz_text_get(&parts->directory), parts->directory.length);
    sqz_text_add_bytes(out, sqz_text_get(&parts->texts), parts->texts.length);
    sqz_text_add_bytes(out, sqz_text_get(&parts->payloads), parts->payloads.length);
    uint8_t digest[32];
    sqz_sha256_of(sqz_text_get(out), out->length, digest);
    sqz_text_add_bytes(out, digest, sizeof digest);
    if (out->failed || parts->directory.failed || parts->texts.failed || parts->payloads.failed)
        return sqz_fail_memory(err, "the file", size);
    return SQZ_OK;
}

enum sqz_status sqz_encode_file(const struct sqz_named *tensors, size_t n,
                                const struct sqz_key_value *texts, size_t n_texts,
                                struct sqz_text *out, struct sqz_error *err)
{
    struct parts parts = {0};
    uint8_t identity[32];
    enum sqz_status status = SQZ_OK;
    if (n > SQZ_PACKED_TENSORS)
        return sqz_fail(err, SQZ_E_DATA, "A .sqz file holds at most %d tensors, not %zu.",
                        SQZ_PACKED_TENSORS, n);
    for (size_t i = 0; i < n_texts && !status; i++)
        if (strlen(texts[i].key) < 1 || strlen(texts[i].key) > 255 ||
            strlen(texts[i].value) > SQZ_PACKED_LIMIT)
            status = sqz_fail(err, SQZ_E_DATA,
                              "A text named \"%.100s\" does not fit into a .sqz "
                              "file.",
                              texts[i].key);
    if (!status)
        status = make_parts(tensors, n, &parts, identity, err);
    if (!status) {
        put_texts(&parts.texts, texts, n_texts);
        status = assemble(&parts, n, identity, out, err);
    }
    sqz_text_release(&parts.directory);
    sqz_text_release(&parts.texts);
    sqz_text_release(&parts.payloads);
    return status;
}

// --- Texts ---

bool sqz_next_text(const uint8_t *texts, size_t size, size_t *at, struct sqz_text_span *out)
{
    size_t left = size - *at;
    const uint8_t *from = texts + *at;
    if (left < 1 || left - 1 < from[0] || from[0] == 0)
        return false;
    out->key = (const char *)from + 1;
    out->key_length = from[0];
    left -= 1 + out->key_length;
    from += 1 + out->key_length;
    if (left < 4)
        return false;
    size_t length = sqz_get_le(from, 4);
    if (length > left - 4)
        return false;
    out->value = (const char *)from + 4;
    out->value_length = length;
    *at += 1 + out->key_length + 4 + length;
    return true;
}
