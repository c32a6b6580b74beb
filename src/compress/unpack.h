// Reads .sqz files (docs/sqz-format.md). Needs no allocation, no floating point and nothing of
// ours, so that it can run on a microcontroller: one row of one tensor at a time, state below 4 kB.
#ifndef SQZ_COMPRESS_UNPACK_H
#define SQZ_COMPRESS_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sqz_coding {
    SQZ_CODING_FLOAT,   // parameter: mantissa bits kept, 0..23
    SQZ_CODING_STEP,    // parameter: bits of a float; value = code * step
    SQZ_CODING_CODEBOOK // parameter: negative entries | positive entries << 16
};
enum sqz_coder { SQZ_CODER_RANGE, SQZ_CODER_HUFFMAN };

#define SQZ_PACKED_MAGIC    "\x89SQZ\r\n\x1a\n"
#define SQZ_PATCH_MAGIC     "\x89SQP\r\n\x1a\n"
#define SQZ_PACKED_MAJOR    1
#define SQZ_PACKED_HEADER   64
#define SQZ_PACKED_TRAILER  32 // SHA-256 of all that stands before it
#define SQZ_PACKED_LIMIT    ((size_t)64 << 20)
#define SQZ_PACKED_TENSORS  256
#define SQZ_PACKED_ELEMENTS ((uint32_t)1 << 26) // of all tensors together
#define SQZ_PER_BYTE        8192 // elements that a byte of payload can stand for, at most
#define SQZ_CODEBOOK        256
#define SQZ_MAX_CODE        32767

struct sqz_packed_tensor {
    enum sqz_coding coding;
    enum sqz_coder coder;
    int rank; // 0..4
    uint32_t dims[4];
    uint32_t rows, columns; // rank < 2: one row; else dims[0] rows
    uint32_t parameter, check;
    const uint8_t *payload;
    uint32_t payload_size;
};
struct sqz_packed {
    const uint8_t *data;
    uint32_t size, n_tensors, directory_end, text_end;
    const uint8_t *identity;    // 32 bytes: SHA-256 of the decoded tensors
    const uint8_t *texts;       // from directory_end to text_end
    uint32_t at, next, payload; // where reading stands
    uint32_t elements;          // of the tensors so far
    char name[256];             // of the tensor read last
};
// Checks the header. The trailer is the caller's to check (sha256.h), before anything else. On
// failure packed->at is the offset of what is wrong.
bool sqz_packed_open(struct sqz_packed *packed, const uint8_t *data, size_t size);
// The next entry of the directory; its payload is inside the file, its shape is within the limits.
// Call it n_tensors times; after the last one the payloads are known to fill the file.
bool sqz_packed_next(struct sqz_packed *packed, struct sqz_packed_tensor *out);

// --- Tensors ---

// Contexts, by use: is it zero, its sign, its binary order of magnitude, the bits below.
#define SQZ_LEVELS        10
#define SQZ_SIGN_CONTEXT  SQZ_LEVELS
#define SQZ_ORDER_CONTEXT (SQZ_SIGN_CONTEXT + 9)
#define SQZ_LOW_CONTEXT   (SQZ_ORDER_CONTEXT + 15 * SQZ_LEVELS)
#define SQZ_HIGH_CONTEXT  (SQZ_LOW_CONTEXT + 4 * SQZ_LEVELS)
#define SQZ_CONTEXTS      (SQZ_HIGH_CONTEXT + 8 + 16 + 32 + 64)
// Contexts of a float: sign and exponent; then three bits of the mantissa.
#define SQZ_EXPONENT_CONTEXT 16
#define SQZ_MANTISSA_CONTEXT (SQZ_EXPONENT_CONTEXT + 256)

// The probability of a 1, as two averages of different memory.
struct sqz_bit_model {
    uint16_t fast, slow;
    uint16_t seen; // saturates; the first bits count more
};
static inline void sqz_bit_model_update(struct sqz_bit_model *model, int bit)
{
    int fast = model->seen < 4 ? model->seen + 1 : 5, slow = model->seen + 1;
    model->seen = (uint16_t)(model->seen + (model->seen < 7));
    if (bit) {
        model->fast = (uint16_t)(model->fast + ((65535 - model->fast) >> fast));
        model->slow = (uint16_t)(model->slow + ((65535 - model->slow) >> slow));
    } else {
        model->fast = (uint16_t)(model->fast - (model->fast >> fast));
        model->slow = (uint16_t)(model->slow - (model->slow >> slow));
    }
}
// In 1/65536, never certain: a bit costs at least 1/710 of a bit.
static inline uint32_t sqz_bit_model_probability(const struct sqz_bit_model *model)
{
    uint32_t p = ((uint32_t)model->fast + model->slow) >> 1;
    return p < 64 ? 64 : p > 65536 - 64 ? 65536 - 64 : p;
}

// Selects the bit models of a code: classes of the magnitudes and signs of its neighbours that are
// already decoded, 0 where there are none.
struct sqz_code_context {
    uint8_t level; // 0..9
    uint8_t sign;  // 0..8
};
// The position in the kernel, which advances with the columns of a row: starts as {kh, kw, 0, 0}.
struct sqz_tap {
    int kh, kw, x, y;
};
static inline void sqz_tap_next(struct sqz_tap *tap)
{
    if (++tap->x < tap->kw)
        return;
    tap->x = 0;
    if (++tap->y == tap->kh)
        tap->y = 0;
}
// row[column] is not known yet; `above` is the row before, NULL for the first.
struct sqz_code_context sqz_code_context_of(const int16_t *above, const int16_t *row,
                                            uint32_t column, const struct sqz_tap *tap);
// The same for a difference from `old`; `recent`: how many of the last two were not 0.
struct sqz_code_context sqz_code_context_of_difference(int old, int recent);

struct sqz_unpacker {
    struct sqz_packed_tensor tensor;
    uint32_t at, range, code;  // range coder; or bits of the Huffman code read so far
    uint32_t sum, sum_of_sums; // towards the check
    uint32_t row;
    uint32_t left, gap; // Huffman: entries left, zeros left before the next one
    bool bad, ended;
    uint8_t last[2];        // FLOAT: whether the last values were not zero
    uint16_t counts[2][16]; // Huffman: codes of each length, of gaps and of codes
    uint8_t symbols[2][256];
    struct sqz_bit_model models[SQZ_CONTEXTS];
};
// `codebook`: where a CODEBOOK tensor's entries go, the bits of floats: negatives from the smallest
// magnitude up, then positives; room for SQZ_CODEBOOK. NULL is allowed for other codings.
bool sqz_unpack_begin(struct sqz_unpacker *unpacker, const struct sqz_packed_tensor *tensor,
                      uint32_t *codebook);
// STEP and CODEBOOK: the next row of codes. Code c of a codebook is 0.0 for 0, the c-th positive
// entry, or the -c-th negative one.
// `above`: the row before, NULL for the first. `old`: NULL; in a patch, the base's codes of this
// row, from which the differences count.
bool sqz_unpack_codes(struct sqz_unpacker *unpacker, const int16_t *above, const int16_t *old,
                      int16_t *row);
// FLOAT: the next row of float bits.
bool sqz_unpack_floats(struct sqz_unpacker *unpacker, uint32_t *row);
// After the last row: true when the payload was used up exactly and the check agrees.
bool sqz_unpack_end(const struct sqz_unpacker *unpacker);

#endif
