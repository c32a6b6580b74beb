// How floats fit into codes without losing a bit: multiples of a step, a codebook, or as they are.
#include "compress/encoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_VALUES  4096 // distinct ones of a tensor that is worth looking at
#define MOST_DIVISOR 64   // the smallest magnitude is at most that many steps

// The distinct values of a tensor but 0.0, as float bits.
struct values {
    uint32_t *bits; // sorted: negatives from the smallest magnitude up, then positives
    size_t n, negative;
    bool too_many, finite;
};

static int compare_values(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a ^ 0x80000000, y = *(const uint32_t *)b ^ 0x80000000;
    return x < y ? -1 : x > y;
}

// The slot of `bits` in a table of 2^size slots that is never full.
static uint32_t slot_of(const uint32_t *table, int size, uint32_t bits)
{
    uint32_t slot = bits * 2654435761u >> (32 - size);
    while (table[slot] && table[slot] != bits)
        slot = (slot + 1) & (((uint32_t)1 << size) - 1);
    return slot;
}

static bool find_values(const uint32_t *bits, size_t n, struct values *out)
{
    size_t most = n < MOST_VALUES ? n : MOST_VALUES;
    int size = 2;
    while ((size_t)1 << size < 2 * most)
        size++;
    uint32_t *table = sqz_new_array((size_t)1 << size, sizeof *table);
    *out = (struct values){.bits = sqz_new_array(most, sizeof *out->bits), .finite = true};
    bool ok = table && out->bits;
    for (size_t i = 0; ok && i < n && !out->too_many; i++) {
        uint32_t slot = bits[i] ? slot_of(table, size, bits[i]) : 0;
        if (!bits[i] || table[slot])
            continue;
        if (out->n == MOST_VALUES) {
            out->too_many = true;
            break;
        }
        table[slot] = out->bits[out->n++] = bits[i];
        out->negative += bits[i] >> 31;
        out->finite = out->finite && (bits[i] & 0x7f800000) != 0x7f800000;
    }
    if (ok)
        qsort(out->bits, out->n, sizeof *out->bits, compare_values);
    sqz_free(table);
    return ok;
}

static float magnitude_of(uint32_t bits)
{
    float value;
    bits &= 0x7fffffff;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// --- Steps ---

static bool step_explains(const struct values *values, float step)
{
    if (!(step > 0) || !isfinite(step))
        return false;
    for (size_t i = 0; i < values->n; i++) {
        float value = magnitude_of(values->bits[i]);
        float times = rintf(value / step);
        if (!(times >= 1 && times <= SQZ_MAX_CODE) || times * step != value)
            return false;
    }
    return true;
}

// 0 when there is none. The step itself is rounded, so its neighbours are tried, too.
static float find_step(const struct values *values)
{
    if (values->too_many)
        return 0;
    if (values->n == 0)
        return 1;
    float smallest = INFINITY, largest = 0;
    for (size_t i = 0; i < values->n; i++) {
        float value = magnitude_of(values->bits[i]);
        smallest = value < smallest ? value : smallest;
        largest = value > largest ? value : largest;
    }
    for (int divisor = 1; divisor <= MOST_DIVISOR; divisor++) {
        float rough = smallest / (float)divisor, times = rintf(largest / rough);
        float step = largest / times;
        for (int i = 0; i < 3; i++)
            step = nextafterf(step, 0);
        for (int i = 0; i < 7; i++, step = nextafterf(step, INFINITY))
            if (step_explains(values, step))
                return step;
        if (step_explains(values, rough))
            return rough;
    }
    return 0;
}

// --- Representations ---

static bool alloc_codes(struct sqz_coded *coded)
{
    coded->codes = sqz_new_array(coded->rows * coded->columns, sizeof *coded->codes);
    return coded->codes != NULL;
}

static bool as_steps(const float *values, float step, struct sqz_coded *out)
{
    out->coding = SQZ_CODING_STEP;
    memcpy(&out->parameter, &step, sizeof step);
    if (!alloc_codes(out))
        return false;
    for (size_t i = 0; i < out->rows * out->columns; i++)
        out->codes[i] = (int16_t)lrintf(values[i] / step);
    return true;
}

static bool as_codebook(const uint32_t *bits, const struct values *values, struct sqz_coded *out)
{
    out->coding = SQZ_CODING_CODEBOOK;
    out->parameter = (uint32_t)values->negative | (uint32_t)(values->n - values->negative) << 16;
    if (!alloc_codes(out))
        return false;
    memcpy(out->codebook, values->bits, values->n * sizeof *out->codebook);
    for (size_t i = 0; i < out->rows * out->columns; i++) {
        if (!bits[i])
            continue;
        const uint32_t *found =
            bsearch(&bits[i], values->bits, values->n, sizeof *values->bits, compare_values);
        int index = (int)(found - values->bits), negative = (int)values->negative;
        out->codes[i] = (int16_t)(index < negative ? -index - 1 : index - negative + 1);
    }
    return true;
}

static bool as_floats(const uint32_t *bits, struct sqz_coded *out)
{
    size_t n = out->rows * out->columns;
    uint32_t used = 0;
    out->coding = SQZ_CODING_FLOAT;
    out->coder = SQZ_CODER_RANGE;
    out->bits = sqz_new_array(n, sizeof *out->bits);
    if (!out->bits)
        return false;
    memcpy(out->bits, bits, n * sizeof *bits);
    for (size_t i = 0; i < n; i++)
        used |= bits[i] & 0x7fffff;
    out->parameter = 23;
    while (out->parameter > 0 && !(used >> (23 - out->parameter) & 1))
        out->parameter--;
    return true;
}

// Takes over the candidate when it is smaller than what is there, else drops it. *best is the size.
// Steps come first and give way only to what is clearly smaller: patches and updates need them.
static bool keep_smaller(struct sqz_coded *candidate, bool made, struct sqz_coded *out,
                         size_t *best)
{
    struct sqz_text payload = {0};
    uint32_t check;
    if (!made)
        return false;
    sqz_coded_encode(candidate, &payload, &check);
    bool ok = !payload.failed;
    size_t least = out->coding == SQZ_CODING_STEP && out->codes ? *best - *best / 32 : *best;
    if (ok && payload.length < least) {
        sqz_coded_release(out);
        *out = *candidate;
        *best = payload.length;
    } else {
        sqz_coded_release(candidate);
    }
    sqz_text_release(&payload);
    return ok;
}

static enum sqz_status take_shape(int rank, const size_t *dims, struct sqz_coded *out,
                                  struct sqz_error *err)
{
    size_t n = 1;
    out->rank = rank;
    for (int i = 0; i < rank; i++) {
        out->dims[i] = dims[i];
        if (dims[i] < 1 || dims[i] > 65535 || !sqz_size_mul(n, dims[i], &n) ||
            n > SQZ_PACKED_ELEMENTS)
            return sqz_fail(err, SQZ_E_USAGE,
                            "A .sqz file holds tensors of 1 to 65535 elements a side and %u in "
                            "all; this one is larger or empty.",
                            (unsigned)SQZ_PACKED_ELEMENTS);
    }
    out->rows = rank < 2 ? 1 : dims[0];
    out->columns = n / out->rows;
    return SQZ_OK;
}

enum sqz_status sqz_coded_from_floats(const float *floats, int rank, const size_t *dims,
                                      enum sqz_coder coder, struct sqz_coded *out,
                                      struct sqz_error *err)
{
    struct sqz_coded blank = {.coder = coder}, candidate;
    struct values values = {0};
    enum sqz_status status = take_shape(rank, dims, &blank, err);
    if (status)
        return status;
    size_t n = blank.rows * blank.columns, best = SIZE_MAX;
    uint32_t *bits = sqz_new_array(n, sizeof *bits);
    *out = blank;
    bool ok = bits != NULL;
    if (ok) {
        memcpy(bits, floats, n * sizeof *bits);
        ok = find_values(bits, n, &values);
    }
    float step = ok ? find_step(&values) : 0;
    if (ok && step > 0) {
        candidate = blank;
        candidate.coder = SQZ_CODER_RANGE;
        ok = keep_smaller(&candidate, as_steps(floats, step, &candidate), out, &best);
    }
    if (ok && !values.too_many && values.finite && values.n <= SQZ_CODEBOOK) {
        candidate = blank;
        bool made = as_codebook(bits, &values, &candidate);
        if (made && coder == SQZ_CODER_HUFFMAN && !sqz_huffman_fits(&candidate))
            candidate.coder = SQZ_CODER_RANGE;
        ok = keep_smaller(&candidate, made, out, &best);
    }
    // Floats cost more than 8 bits a weight wherever they are not few and equal.
    if (ok && best / 2 > n) {
        candidate = blank;
        ok = keep_smaller(&candidate, as_floats(bits, &candidate), out, &best);
    }
    sqz_free(bits);
    sqz_free(values.bits);
    if (!ok) {
        sqz_coded_release(out);
        return sqz_fail_memory(err, "the codes of a tensor", n * sizeof *bits);
    }
    return SQZ_OK;
}
