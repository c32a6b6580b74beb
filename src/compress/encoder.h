// Encodes .sqz files (docs/sqz-format.md): tensors as codes, codes as bytes, bytes as a file. The
// decoder is unpack.h.
#ifndef SQZ_COMPRESS_ENCODER_H
#define SQZ_COMPRESS_ENCODER_H

#include "base/error.h"
#include "base/memory.h"
#include "compress/unpack.h"

// --- Range encoder, the mirror of unpack.c's decoder ---

struct sqz_range_encoder {
    struct sqz_text *out;
    uint64_t low;
    uint32_t range;
    uint8_t held;    // the byte that a carry may still reach
    uint64_t n_held; // it, and the 0xff that follow it
    bool first;      // the first byte out is always 0 and is left away
    struct sqz_bit_model models[SQZ_CONTEXTS];
};
void sqz_range_start(struct sqz_range_encoder *encoder, struct sqz_text *out);
void sqz_range_reset(struct sqz_range_encoder *encoder); // the bit models only
void sqz_range_bit(struct sqz_range_encoder *encoder, int context, int bit);
void sqz_range_even(struct sqz_range_encoder *encoder, uint32_t value, int bits);
void sqz_range_tree(struct sqz_range_encoder *encoder, int context, uint32_t value, int bits);
void sqz_range_code(struct sqz_range_encoder *encoder, struct sqz_code_context context, int code);
void sqz_range_end(struct sqz_range_encoder *encoder);

// --- Tensors ---

// A tensor as a .sqz file holds it. STEP and CODEBOOK have codes, FLOAT has float bits.
struct sqz_coded {
    int rank;
    size_t dims[4];
    size_t rows, columns; // rank < 2: one row
    enum sqz_coding coding;
    enum sqz_coder coder;
    uint32_t parameter; // as in unpack.h
    int16_t *codes;     // owned, rows x columns
    uint32_t *bits;     // owned, rows x columns
    uint32_t codebook[SQZ_CODEBOOK];
};
void sqz_coded_release(struct sqz_coded *coded);
// The smallest representation that gives back `values` (C order) bit for bit: multiples of one
// step, a codebook, or floats. HUFFMAN is a wish: it is granted where codes allow it, with a
// codebook. SQZ_E_USAGE for shapes that a .sqz file cannot hold.
enum sqz_status sqz_coded_from_floats(const float *values, int rank, const size_t *dims,
                                      enum sqz_coder coder, struct sqz_coded *out,
                                      struct sqz_error *err);
// The float bits that the codes stand for: rows x columns values.
void sqz_coded_to_bits(const struct sqz_coded *coded, uint32_t *out);
float sqz_coded_step(const struct sqz_coded *coded); // STEP only
// Appends the payload; out->failed tells when memory is out.
void sqz_coded_encode(const struct sqz_coded *coded, struct sqz_text *out, uint32_t *check);
bool sqz_huffman_fits(const struct sqz_coded *coded);
void sqz_huffman_encode(const struct sqz_coded *coded, struct sqz_text *out);
// Decodes one tensor of a file. Rows and columns are within the file's limits already. SQZ_E_DATA,
// without the file's name, when the payload is damaged.
enum sqz_status sqz_coded_decode(const struct sqz_packed_tensor *tensor, struct sqz_coded *out,
                                 struct sqz_error *err);

// --- Patches ---

// What a tensor's codes become when `values` replace the ones of `old`, coded alike: the same step
// (or, where all codes stay, a new one), the same codebook, the nearest codes. *deviation: largest
// distance of a value from what it becomes, in steps (CODEBOOK and FLOAT: not counted).
enum sqz_status sqz_coded_follow(const struct sqz_coded *old, const float *values,
                                 struct sqz_coded *out, double *deviation, struct sqz_error *err);
bool sqz_coded_same_codes(const struct sqz_coded *a, const struct sqz_coded *b);
// Differences can be coded: both have codes, by the same step or codebook but for the step's size,
// and no difference is too large.
bool sqz_coded_can_differ(const struct sqz_coded *old, const struct sqz_coded *new);
// The differences of all changed tensors of a patch are one stream, so that what the contexts learn
// serves them all. Appends one tensor; *sums is the check in the making, {0, 0} at first.
struct sqz_sums {
    uint32_t sum, sum_of_sums;
};
void sqz_differences_encode(const struct sqz_coded *old, const struct sqz_coded *new,
                            struct sqz_range_encoder *encoder, struct sqz_sums *sums);
uint32_t sqz_sums_check(const struct sqz_sums *sums);
void sqz_differences_begin(struct sqz_unpacker *unpacker, const uint8_t *stream, size_t size);
// Takes the next tensor; `out` is a copy of `old`, perhaps with another step.
enum sqz_status sqz_differences_decode(struct sqz_unpacker *unpacker, const struct sqz_coded *old,
                                       struct sqz_coded *out, struct sqz_error *err);
bool sqz_differences_end(struct sqz_unpacker *unpacker, uint32_t check);

// --- Files ---

struct sqz_named {
    const char *name; // 1..255 bytes
    const struct sqz_coded *coded;
};
struct sqz_key_value {
    const char *key, *value;
};
// Appends a whole file to the empty `out`. SQZ_E_DATA for what the format cannot hold.
enum sqz_status sqz_encode_file(const struct sqz_named *tensors, size_t n,
                                const struct sqz_key_value *texts, size_t n_texts,
                                struct sqz_text *out, struct sqz_error *err);
// The identity of a model: SHA-256 over names, shapes and float bits, in the file's order.
struct sqz_sha256;
void sqz_identity_add(struct sqz_sha256 *hash, const char *name, const struct sqz_coded *coded,
                      const uint32_t *bits);
// The next key and value of a file's texts; *at counts from 0. False when there is none, with *at
// at the end if all were read and well-formed. Not NUL-terminated.
struct sqz_text_span {
    const char *key, *value;
    size_t key_length, value_length;
};
bool sqz_next_text(const uint8_t *texts, size_t size, size_t *at, struct sqz_text_span *out);

#endif
