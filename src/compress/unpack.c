// The .sqz decoder: directory, range decoder, Huffman decoder (docs/sqz-format.md).
#include "compress/unpack.h"

#include <string.h>

// --- The file ---

static uint32_t little(const uint8_t *bytes, int n)
{
    uint32_t value = 0;
    for (int i = 0; i < n; i++)
        value |= (uint32_t)bytes[i] << (8 * i);
    return value;
}

bool sqz_packed_open(struct sqz_packed *packed, const uint8_t *data, size_t size)
{
    memset(packed, 0, sizeof *packed);
    if (size < SQZ_PACKED_HEADER + SQZ_PACKED_TRAILER || size > SQZ_PACKED_LIMIT ||
        memcmp(data, SQZ_PACKED_MAGIC, 8) != 0)
        return false;
    packed->at = 8; // version, flags, length
    if (little(data + 8, 2) != SQZ_PACKED_MAJOR || little(data + 12, 4) != 0 ||
        little(data + 16, 4) != size)
        return false;
    packed->at = 20; // numbers of tensors and bytes
    packed->n_tensors = little(data + 20, 2);
    uint32_t directory = little(data + 24, 4), text = little(data + 28, 4);
    uint32_t room = (uint32_t)size - SQZ_PACKED_HEADER - SQZ_PACKED_TRAILER;
    if (packed->n_tensors > SQZ_PACKED_TENSORS || little(data + 22, 2) != 0 || directory > room ||
        text > room - directory)
        return false;
    packed->data = data;
    packed->size = (uint32_t)size;
    packed->identity = data + 32;
    packed->at = SQZ_PACKED_HEADER;
    packed->directory_end = SQZ_PACKED_HEADER + directory;
    packed->text_end = packed->directory_end + text;
    packed->texts = data + packed->directory_end;
    packed->payload = packed->text_end;
    return packed->n_tensors > 0 || packed->text_end + SQZ_PACKED_TRAILER == size;
}

// Front-coded: bytes shared with the name before, bytes that follow, those bytes.
static bool take_name(struct sqz_packed *packed)
{
    const uint8_t *from = packed->data + packed->at;
    uint32_t room = packed->directory_end - packed->at;
    if (room < 2 || room - 2 < from[1])
        return false;
    uint32_t shared = from[0], length = shared + from[1];
    if (length < 1 || length > 255 || shared > strlen(packed->name))
        return false;
    memcpy(packed->name + shared, from + 2, length - shared);
    packed->name[length] = 0;
    packed->at += 2 + from[1];
    return strlen(packed->name) == length;
}

static bool take_shape(struct sqz_packed *packed, const uint8_t *dims,
                       struct sqz_packed_tensor *out)
{
    uint32_t elements = 1;
    for (int i = 0; i < out->rank; i++) {
        out->dims[i] = little(dims + 2 * i, 2);
        if (out->dims[i] == 0 || elements > SQZ_PACKED_ELEMENTS / out->dims[i])
            return false;
        elements *= out->dims[i];
    }
    out->rows = out->rank < 2 ? 1 : out->dims[0];
    out->columns = elements / out->rows;
    packed->elements += elements;
    return packed->elements <= SQZ_PACKED_ELEMENTS && elements / SQZ_PER_BYTE <= out->payload_size;
}

static bool parameter_is_good(const struct sqz_packed_tensor *tensor)
{
    uint32_t value = tensor->parameter;
    if (tensor->coding == SQZ_CODING_FLOAT)
        return value <= 23 && tensor->coder == SQZ_CODER_RANGE;
    if (tensor->coding == SQZ_CODING_STEP) // a finite float above 0
        return value > 0 && value < 0x7f800000;
    return (value & 0xffff) + (value >> 16) <= SQZ_CODEBOOK;
}

bool sqz_packed_next(struct sqz_packed *packed, struct sqz_packed_tensor *out)
{
    uint32_t left = packed->size - SQZ_PACKED_TRAILER - packed->payload;
    memset(out, 0, sizeof *out);
    if (packed->next >= packed->n_tensors || !take_name(packed))
        return false;
    const uint8_t *from = packed->data + packed->at;
    uint32_t room = packed->directory_end - packed->at;
    if (room < 3 || from[0] > SQZ_CODING_CODEBOOK || from[1] > SQZ_CODER_HUFFMAN || from[2] > 4 ||
        room < 15 + 2 * (uint32_t)from[2])
        return false;
    out->coding = (enum sqz_coding)from[0];
    out->coder = (enum sqz_coder)from[1];
    out->rank = from[2];
    const uint8_t *numbers = from + 3 + 2 * out->rank;
    out->parameter = little(numbers, 4);
    out->payload_size = little(numbers + 4, 4);
    out->check = little(numbers + 8, 4);
    if (!take_shape(packed, from + 3, out) || !parameter_is_good(out) || out->payload_size > left)
        return false;
    packed->at += 15 + 2 * (uint32_t)out->rank;
    out->payload = packed->data + packed->payload;
    packed->payload += out->payload_size;
    // Nothing is left over after the last one.
    return ++packed->next < packed->n_tensors ||
           (packed->at == packed->directory_end && out->payload_size == left);
}

// --- Range decoder ---

static uint32_t next_byte(struct sqz_unpacker *u)
{
    if (u->at < u->tensor.payload_size)
        return u->tensor.payload[u->at++];
    u->bad = true;
    return 0;
}

static void start_range(struct sqz_unpacker *u)
{
    u->range = 0xffffffff;
    u->code = 0;
    for (int i = 0; i < 4; i++)
        u->code = u->code << 8 | next_byte(u);
}

static void reset_models(struct sqz_unpacker *u)
{
    for (int i = 0; i < SQZ_CONTEXTS; i++)
        u->models[i] = (struct sqz_bit_model){32768, 32768, 0};
}

static inline int take_bit(struct sqz_unpacker *u, int context)
{
    struct sqz_bit_model *model = &u->models[context];
    uint32_t bound = (u->range >> 16) * sqz_bit_model_probability(model);
    int bit = u->code < bound;
    if (bit) {
        u->range = bound;
    } else {
        u->code -= bound;
        u->range -= bound;
    }
    sqz_bit_model_update(model, bit);
    while (u->range < (uint32_t)1 << 24) {
        u->code = u->code << 8 | next_byte(u);
        u->range <<= 8;
    }
    return bit;
}

// n bits of equal probability, the highest first.
static uint32_t take_even(struct sqz_unpacker *u, int n)
{
    uint32_t value = 0;
    while (n-- > 0) {
        u->range >>= 1;
        uint32_t bit = u->code < u->range;
        if (!bit)
            u->code -= u->range;
        value = value << 1 | bit;
        if (u->range < (uint32_t)1 << 24) {
            u->code = u->code << 8 | next_byte(u);
            u->range <<= 8;
        }
    }
    return value;
}

// n bits, each with a context of its own for every value of the bits before it: node 1, 2..3, ...
static uint32_t take_tree(struct sqz_unpacker *u, int context, int n)
{
    uint32_t node = 1;
    for (int i = 0; i < n; i++)
        node = node << 1 | (uint32_t)take_bit(u, context + (int)node);
    return node - ((uint32_t)1 << n);
}

// --- Codes ---

static int magnitude(int code)
{
    return code < 0 ? -code : code;
}

static int sign_class(int code)
{
    return code < 0 ? 1 : code > 0 ? 2 : 0;
}

struct sqz_code_context sqz_code_context_of(const int16_t *above, const int16_t *row,
                                            uint32_t column, const struct sqz_tap *tap)
{
    static const uint8_t levels[25] = {0, 1, 1, 2, 3, 4, 4, 5, 5, 5, 6, 6, 6,
                                       7, 7, 7, 7, 7, 8, 8, 8, 8, 8, 8, 8};
    int a = column > 0 ? magnitude(row[column - 1]) : 0;
    int sum = a + (above ? magnitude(above[column]) : 0);
    struct sqz_code_context context = {0, 0};
    if (column > 1)
        sum += magnitude(row[column - 2]);
    if (tap->kh * tap->kw == 1) {
        sum += a;
    } else { // neighbours inside the kernel: to the left and one row up
        int left = tap->x ? row[column - 1] : 0;
        int up = tap->y ? row[column - (uint32_t)tap->kw] : 0;
        sum += 2 * magnitude(left) + 2 * magnitude(up);
        context.sign = (uint8_t)(3 * sign_class(left) + sign_class(up));
    }
    context.level = sum < 25 ? levels[sum] : 9;
    return context;
}

struct sqz_code_context sqz_code_context_of_difference(int old, int recent)
{
    int size = magnitude(old) < 2 ? magnitude(old) : 2;
    return (struct sqz_code_context){(uint8_t)(3 * size + recent), (uint8_t)(3 * sign_class(old))};
}

static int take_code(struct sqz_unpacker *u, struct sqz_code_context context)
{
    if (!take_bit(u, context.level))
        return 0;
    int negative = take_bit(u, SQZ_SIGN_CONTEXT + context.sign);
    int order = 0; // 2^order <= magnitude < 2^(order + 1)
    while (order < 15 && take_bit(u, SQZ_ORDER_CONTEXT + order * SQZ_LEVELS + context.level))
        order++;
    uint32_t value = 1, low;
    if (order == 1) {
        value = 2 + (uint32_t)take_bit(u, SQZ_LOW_CONTEXT + context.level);
    } else if (order == 2) {
        low = (uint32_t)take_bit(u, SQZ_LOW_CONTEXT + SQZ_LEVELS + context.level);
        value = 4 + 2 * low;
        value +=
            (uint32_t)take_bit(u, SQZ_LOW_CONTEXT + (2 + (int)low) * SQZ_LEVELS + context.level);
    } else if (order > 2 && order < 15) {
        int tree = order < 6 ? order : 6;
        low = take_tree(u, SQZ_HIGH_CONTEXT + (1 << tree) - 8, tree);
        value = ((uint32_t)1 << tree | low) << (order - tree) | take_even(u, order - tree);
    } else if (order == 15) {
        u->bad = true;
    }
    return negative ? -(int)value : (int)value;
}

static void add_to_check(struct sqz_unpacker *u, uint32_t value)
{
    u->sum += value;
    u->sum_of_sums += u->sum;
}

// The entries of one sign: magnitudes, as float bits, that grow from entry to entry.
static bool take_entries(struct sqz_unpacker *u, uint32_t sign, uint32_t least, uint32_t n,
                         uint32_t *out)
{
    uint32_t bits = least;
    for (uint32_t i = 0; i < n; i++) {
        if (u->tensor.coder == SQZ_CODER_HUFFMAN) {
            uint32_t entry = 0;
            for (int k = 0; k < 4; k++)
                entry |= next_byte(u) << (8 * k);
            if (entry >> 31 != sign || (entry & 0x7fffffff) < bits)
                return false;
            bits = entry & 0x7fffffff;
        } else {
            int order = (int)take_tree(u, 0, 5);
            uint32_t step = ((uint32_t)1 << order | take_even(u, order)) - 1;
            if (step > 0x7f7fffff)
                return false;
            bits += step;
        }
        if (bits > 0x7f7fffff) // the largest finite float
            return false;
        out[i] = bits | sign << 31;
        add_to_check(u, out[i]);
        bits++;
    }
    return !u->bad;
}

// --- Huffman ---

static uint32_t take_bits(struct sqz_unpacker *u, int n)
{
    uint32_t value = 0;
    for (int i = 0; i < n; i++, u->range++) {
        u->code = u->range % 8 ? u->code << 1 : next_byte(u);
        value = value << 1 | (u->code >> 7 & 1);
    }
    return value;
}

// Lengths of 4 bits, one a symbol, 0 for those that do not occur; complete, or one symbol alone,
// which then takes no bits at all.
static bool take_lengths(struct sqz_unpacker *u, int which, int n)
{
    uint8_t lengths[256];
    uint16_t *counts = u->counts[which];
    uint32_t space = 0;
    for (int i = 0; i < n; i++) {
        lengths[i] = (uint8_t)take_bits(u, 4);
        counts[lengths[i]]++;
    }
    int used = n - counts[0], at = 0;
    counts[0] = used == 1 && counts[1] == 1; // nothing to read
    for (int length = 1; length < 16; length++) {
        space += (uint32_t)counts[length] << (15 - length);
        for (int i = 0; i < n; i++)
            if (lengths[i] == length)
                u->symbols[which][at++] = (uint8_t)i;
    }
    return !u->bad && (counts[0] || (used ? space == 32768 : u->left == 0));
}

static int take_symbol(struct sqz_unpacker *u, int which)
{
    const uint16_t *counts = u->counts[which];
    uint32_t code = 0, first = 0, index = 0;
    if (counts[0])
        return u->symbols[which][0];
    for (int length = 1; length < 16; length++) {
        code = code << 1 | take_bits(u, 1);
        if (code - first < counts[length])
            return u->symbols[which][index + code - first];
        index += counts[length];
        first = (first + counts[length]) << 1;
    }
    u->bad = true;
    return 0;
}

static bool start_huffman(struct sqz_unpacker *u)
{
    u->range = 0; // bits read, counted from a byte's border
    u->left = take_bits(u, 16);
    u->left = u->left << 16 | take_bits(u, 16);
    int symbols = (int)take_bits(u, 8) + 1;
    if (u->left > u->tensor.rows * u->tensor.columns || !take_lengths(u, 0, 16) ||
        !take_lengths(u, 1, symbols))
        return false;
    u->gap = u->left ? (uint32_t)take_symbol(u, 0) : 0;
    return !u->bad;
}

// Symbols of codes: 0, 1, -1, 2, -2, ...
static int take_entry(struct sqz_unpacker *u)
{
    int symbol = take_symbol(u, 1);
    if (--u->left)
        u->gap = (uint32_t)take_symbol(u, 0);
    return symbol & 1 ? (symbol + 1) / 2 : -symbol / 2;
}

// --- Tensors ---

bool sqz_unpack_begin(struct sqz_unpacker *u, const struct sqz_packed_tensor *tensor,
                      uint32_t *codebook)
{
    memset(u, 0, sizeof *u);
    u->tensor = *tensor;
    reset_models(u);
    if (tensor->coder == SQZ_CODER_RANGE)
        start_range(u);
    if (tensor->coding == SQZ_CODING_CODEBOOK) {
        uint32_t negative = tensor->parameter & 0xffff, positive = tensor->parameter >> 16;
        if (!codebook || !take_entries(u, 1, 0, negative, codebook) ||
            !take_entries(u, 0, 1, positive, codebook + negative))
            return false;
        reset_models(u);
    }
    return tensor->coder == SQZ_CODER_RANGE ? !u->bad : start_huffman(u);
}

static bool code_is_known(const struct sqz_packed_tensor *tensor, int code)
{
    if (tensor->coding == SQZ_CODING_STEP)
        return code >= -SQZ_MAX_CODE && code <= SQZ_MAX_CODE;
    return code < 0 ? (uint32_t)-code <= (tensor->parameter & 0xffff)
                    : (uint32_t)code <= tensor->parameter >> 16;
}

static int take_difference(struct sqz_unpacker *u, int old)
{
    int difference = take_code(u, sqz_code_context_of_difference(old, u->last[0] + u->last[1]));
    u->last[1] = u->last[0];
    u->last[0] = difference != 0;
    return old + difference;
}

static int take_sparse(struct sqz_unpacker *u)
{
    if (u->left && u->gap == 0)
        return take_entry(u);
    u->gap -= u->left != 0;
    return 0;
}

bool sqz_unpack_codes(struct sqz_unpacker *u, const int16_t *above, const int16_t *old,
                      int16_t *row)
{
    const struct sqz_packed_tensor *tensor = &u->tensor;
    bool kernel = tensor->rank == 4;
    struct sqz_tap tap = {kernel ? (int)tensor->dims[2] : 1, kernel ? (int)tensor->dims[3] : 1, 0,
                          0};
    if (tensor->coding == SQZ_CODING_FLOAT || u->row >= tensor->rows)
        return false;
    for (uint32_t column = 0; column < tensor->columns; column++) {
        int code = old ? take_difference(u, old[column])
                   : tensor->coder == SQZ_CODER_HUFFMAN
                       ? take_sparse(u)
                       : take_code(u, sqz_code_context_of(above, row, column, &tap));
        add_to_check(u, (uint16_t)code);
        if (u->bad || !code_is_known(tensor, code))
            return false;
        row[column] = (int16_t)code;
        sqz_tap_next(&tap);
    }
    u->row++;
    return true;
}

bool sqz_unpack_floats(struct sqz_unpacker *u, uint32_t *row)
{
    int bits = (int)u->tensor.parameter, tree = bits < 3 ? bits : 3;
    if (u->tensor.coding != SQZ_CODING_FLOAT || u->row >= u->tensor.rows)
        return false;
    for (uint32_t column = 0; column < u->tensor.columns; column++) {
        uint32_t value = 0;
        int some = take_bit(u, u->last[0] + u->last[1]);
        if (some) {
            value = (uint32_t)take_bit(u, SQZ_SIGN_CONTEXT) << 8;
            value = (value | take_tree(u, SQZ_EXPONENT_CONTEXT, 8)) << tree;
            value = (value | take_tree(u, SQZ_MANTISSA_CONTEXT, tree)) << (bits - tree);
            value = (value | take_even(u, bits - tree)) << (23 - bits);
        }
        u->last[1] = u->last[0];
        u->last[0] = (uint8_t)some;
        row[column] = value;
        add_to_check(u, value);
    }
    u->row++;
    return !u->bad;
}

bool sqz_unpack_end(const struct sqz_unpacker *u)
{
    const struct sqz_packed_tensor *tensor = &u->tensor;
    uint32_t check = u->sum_of_sums ^ (u->sum << 16 | u->sum >> 16);
    if (u->bad || u->row != tensor->rows || u->at != tensor->payload_size || check != tensor->check)
        return false;
    if (tensor->coder == SQZ_CODER_RANGE)
        return u->code == 0;
    // The last byte is filled up with zero bits.
    return u->left == 0 && (u->range % 8 == 0 || (u->code & (0xffu >> u->range % 8)) == 0);
}
