// Tensors as codes: payloads out and in.
#include "compress/encoder.h"

#include <string.h>

void sqz_coded_release(struct sqz_coded *coded)
{
    sqz_free(coded->codes);
    sqz_free(coded->bits);
    coded->codes = NULL;
    coded->bits = NULL;
}

float sqz_coded_step(const struct sqz_coded *coded)
{
    float step;
    memcpy(&step, &coded->parameter, sizeof step);
    return step;
}

static uint32_t bits_of(const struct sqz_coded *coded, int code)
{
    if (coded->coding == SQZ_CODING_STEP) {
        float value = (float)code * sqz_coded_step(coded);
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        return bits;
    }
    if (code == 0)
        return 0;
    return coded->codebook[code < 0 ? (uint32_t)(-code - 1)
                                    : (coded->parameter & 0xffff) + (uint32_t)code - 1];
}

void sqz_coded_to_bits(const struct sqz_coded *coded, uint32_t *out)
{
    size_t n = coded->rows * coded->columns;
    if (coded->coding == SQZ_CODING_FLOAT) {
        memcpy(out, coded->bits, n * sizeof *out);
        return;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = bits_of(coded, coded->codes[i]);
}

// --- Packing ---

static void check_add(struct sqz_sums *sums, uint32_t value)
{
    sums->sum += value;
    sums->sum_of_sums += sums->sum;
}

uint32_t sqz_sums_check(const struct sqz_sums *sums)
{
    return sums->sum_of_sums ^ (sums->sum << 16 | sums->sum >> 16);
}

static void pack_entries(const struct sqz_coded *coded, struct sqz_range_encoder *encoder)
{
    uint32_t negative = coded->parameter & 0xffff, n = negative + (coded->parameter >> 16);
    uint32_t least = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t bits = coded->codebook[i] & 0x7fffffff;
        if (i == negative)
            least = 1;
        uint32_t value = bits - least + 1;
        int order = 0;
        while (value >> order >> 1)
            order++;
        sqz_range_tree(encoder, 0, (uint32_t)order, 5);
        sqz_range_even(encoder, value - ((uint32_t)1 << order), order);
        least = bits + 1;
    }
}

static void pack_codes(const struct sqz_coded *coded, struct sqz_range_encoder *encoder)
{
    const int16_t *above = NULL, *row = coded->codes;
    for (size_t r = 0; r < coded->rows; r++, above = row, row += coded->columns) {
        struct sqz_tap tap = {1, 1, 0, 0};
        if (coded->rank == 4)
            tap = (struct sqz_tap){(int)coded->dims[2], (int)coded->dims[3], 0, 0};
        for (uint32_t c = 0; c < coded->columns; c++, sqz_tap_next(&tap))
            sqz_range_code(encoder, sqz_code_context_of(above, row, c, &tap), row[c]);
    }
}

static void pack_floats(const struct sqz_coded *coded, struct sqz_range_encoder *encoder)
{
    int bits = (int)coded->parameter, tree = bits < 3 ? bits : 3, last = 0, before = 0;
    for (size_t i = 0; i < coded->rows * coded->columns; i++) {
        uint32_t value = coded->bits[i], mantissa = (value & 0x7fffff) >> (23 - bits);
        sqz_range_bit(encoder, last + before, value != 0);
        before = last;
        last = value != 0;
        if (!value)
            continue;
        sqz_range_bit(encoder, SQZ_SIGN_CONTEXT, (int)(value >> 31));
        sqz_range_tree(encoder, SQZ_EXPONENT_CONTEXT, value >> 23 & 0xff, 8);
        sqz_range_tree(encoder, SQZ_MANTISSA_CONTEXT, mantissa >> (bits - tree), tree);
        sqz_range_even(encoder, mantissa & (((uint32_t)1 << (bits - tree)) - 1), bits - tree);
    }
}

static uint32_t check_of(const struct sqz_coded *coded)
{
    struct sqz_sums check = {0, 0};
    size_t n = coded->rows * coded->columns;
    if (coded->coding == SQZ_CODING_CODEBOOK)
        for (uint32_t i = 0; i < (coded->parameter & 0xffff) + (coded->parameter >> 16); i++)
            check_add(&check, coded->codebook[i]);
    for (size_t i = 0; i < n; i++)
        check_add(&check, coded->bits ? coded->bits[i] : (uint16_t)coded->codes[i]);
    return sqz_sums_check(&check);
}

void sqz_coded_encode(const struct sqz_coded *coded, struct sqz_text *out, uint32_t *check)
{
    struct sqz_range_encoder encoder;
    *check = check_of(coded);
    if (coded->coder == SQZ_CODER_HUFFMAN) {
        uint32_t n = (coded->parameter & 0xffff) + (coded->parameter >> 16);
        for (uint32_t i = 0; coded->coding == SQZ_CODING_CODEBOOK && i < 4 * n; i++) {
            uint8_t byte = (uint8_t)(coded->codebook[i / 4] >> (8 * (i % 4)));
            sqz_text_add_bytes(out, &byte, 1);
        }
        sqz_huffman_encode(coded, out);
        return;
    }
    sqz_range_start(&encoder, out);
    if (coded->coding == SQZ_CODING_CODEBOOK) {
        pack_entries(coded, &encoder);
        sqz_range_reset(&encoder);
    }
    if (coded->coding == SQZ_CODING_FLOAT)
        pack_floats(coded, &encoder);
    else
        pack_codes(coded, &encoder);
    sqz_range_end(&encoder);
}

// --- Unpacking ---

static enum sqz_status unpack_rows(const struct sqz_packed_tensor *tensor, struct sqz_coded *out)
{
    struct sqz_unpacker unpacker;
    bool good = sqz_unpack_begin(&unpacker, tensor, out->codebook);
    for (size_t r = 0; r < out->rows && good; r++) {
        size_t at = r * out->columns;
        if (out->bits)
            good = sqz_unpack_floats(&unpacker, out->bits + at);
        else
            good = sqz_unpack_codes(&unpacker, r ? out->codes + at - out->columns : NULL, NULL,
                                    out->codes + at);
    }
    return good && sqz_unpack_end(&unpacker) ? SQZ_OK : SQZ_E_DATA;
}

enum sqz_status sqz_coded_decode(const struct sqz_packed_tensor *tensor, struct sqz_coded *out,
                                 struct sqz_error *err)
{
    size_t n = (size_t)tensor->rows * tensor->columns;
    *out = (struct sqz_coded){.rank = tensor->rank,
                              .rows = tensor->rows,
                              .columns = tensor->columns,
                              .coding = tensor->coding,
                              .coder = tensor->coder,
                              .parameter = tensor->parameter};
    for (int i = 0; i < 4; i++)
        out->dims[i] = tensor->dims[i];
    if (tensor->coding == SQZ_CODING_FLOAT)
        out->bits = sqz_new_array(n, sizeof *out->bits);
    else
        out->codes = sqz_new_array(n, sizeof *out->codes);
    if (!out->bits && !out->codes)
        return sqz_fail_memory(err, "a tensor", n * sizeof *out->bits);
    enum sqz_status status = unpack_rows(tensor, out);
    if (status) {
        sqz_coded_release(out);
        return sqz_fail(err, status, "its codes are damaged");
    }
    return SQZ_OK;
}

// --- Differences ---

void sqz_differences_encode(const struct sqz_coded *old, const struct sqz_coded *new,
                            struct sqz_range_encoder *encoder, struct sqz_sums *sums)
{
    int last = 0, before = 0;
    for (size_t i = 0; i < old->rows * old->columns; i++) {
        int difference = new->codes[i] - old->codes[i];
        sqz_range_code(encoder, sqz_code_context_of_difference(old->codes[i], last + before),
                       difference);
        before = last;
        last = difference != 0;
        check_add(sums, (uint16_t) new->codes[i]);
    }
}

void sqz_differences_begin(struct sqz_unpacker *unpacker, const uint8_t *stream, size_t size)
{
    const struct sqz_packed_tensor none = {.coding = SQZ_CODING_STEP,
                                           .coder = SQZ_CODER_RANGE,
                                           .payload = stream,
                                           .payload_size = (uint32_t)size};
    sqz_unpack_begin(unpacker, &none, NULL); // damage shows in the end
}

enum sqz_status sqz_differences_decode(struct sqz_unpacker *unpacker, const struct sqz_coded *old,
                                       struct sqz_coded *out, struct sqz_error *err)
{
    unpacker->tensor.coding = old->coding;
    unpacker->tensor.parameter = old->parameter;
    unpacker->tensor.rows = (uint32_t)old->rows;
    unpacker->tensor.columns = (uint32_t)old->columns;
    unpacker->row = 0;
    unpacker->last[0] = unpacker->last[1] = 0;
    for (size_t r = 0; r < old->rows; r++) {
        size_t at = r * old->columns;
        if (!old->codes || !sqz_unpack_codes(unpacker, NULL, old->codes + at, out->codes + at))
            return sqz_fail(err, SQZ_E_DATA, "its differences are damaged");
    }
    return SQZ_OK;
}

bool sqz_differences_end(struct sqz_unpacker *unpacker, uint32_t check)
{
    unpacker->tensor.check = check;
    return sqz_unpack_end(unpacker);
}
