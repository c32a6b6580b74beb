// The synsets of ImageNet's development kit, from a MATLAB 5 file: elements of a type, a size and
// bytes; a matrix is an element of elements; large ones are compressed by zlib.
#include "data/sets/imagenet.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>
#include <zlib.h>

enum { TYPE_INT8 = 1, TYPE_UINT8, TYPE_INT16, TYPE_UINT16, TYPE_INT32, TYPE_UINT32 };
enum { TYPE_DOUBLE = 9, TYPE_MATRIX = 14, TYPE_COMPRESSED = 15, TYPE_UTF8 = 16 };
enum { CLASS_STRUCT = 2, CLASS_CHAR = 4 };

#define HEADER_BYTES   128
#define INFLATED_LIMIT ((size_t)64 << 20)
#define SYNSETS_MOST   100000
#define FIELDS_MOST    64

struct element {
    uint32_t type;
    struct sqz_cursor body;
};

// Small elements keep up to four bytes in their own head; others are padded to eight, compressed
// ones are not.
static bool take_element(struct sqz_cursor *cursor, struct element *out)
{
    uint32_t type, size;
    const uint8_t *bytes;
    if (!sqz_take_u32(cursor, &type))
        return false;
    if (type >> 16) {
        size = type >> 16;
        if (size > 4 || !sqz_take_span(cursor, 4, &bytes))
            return false;
        type &= 0xFFFF;
    } else {
        if (!sqz_take_u32(cursor, &size) || !sqz_take_span(cursor, size, &bytes))
            return false;
        const uint8_t *padding;
        size_t odd = type == TYPE_COMPRESSED ? 0 : (8 - size % 8) % 8;
        if (odd > 0 && sqz_cursor_left(cursor) >= odd && !sqz_take_span(cursor, odd, &padding))
            return false;
    }
    *out = (struct element){type, {bytes, size, 0}};
    return true;
}

// A matrix: class, number of elements, name, and what follows.
struct matrix {
    int class;
    size_t count;
    const uint8_t *name;
    size_t name_length;
    struct sqz_cursor rest;
};

static bool open_matrix(const struct element *element, struct matrix *out)
{
    struct sqz_cursor cursor = element->body;
    struct element flags, dimensions, name;
    uint32_t class, size;
    if (element->type != TYPE_MATRIX || !take_element(&cursor, &flags) ||
        !sqz_take_u32(&flags.body, &class) || !take_element(&cursor, &dimensions) ||
        dimensions.type != TYPE_INT32 || !take_element(&cursor, &name))
        return false;
    *out = (struct matrix){.class = (int)(class & 0xFF), .count = 1};
    while (sqz_take_u32(&dimensions.body, &size))
        if (!sqz_size_mul(out->count, size, &out->count))
            return false;
    out->name = name.body.data;
    out->name_length = name.body.size;
    out->rest = cursor;
    return true;
}

// The first number of a numeric matrix, whatever type it was stored as.
static bool first_number(struct matrix *matrix, double *out)
{
    struct element data;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    if (matrix->count < 1 || !take_element(&matrix->rest, &data))
        return false;
    switch (data.type) {
    case TYPE_INT8:
    case TYPE_UINT8:
        *out = sqz_take_u8(&data.body, &u8) ? u8 : NAN;
        break;
    case TYPE_INT16:
    case TYPE_UINT16:
        *out = sqz_take_u16(&data.body, &u16) ? u16 : NAN;
        break;
    case TYPE_INT32:
    case TYPE_UINT32:
        *out = sqz_take_u32(&data.body, &u32) ? u32 : NAN;
        break;
    case TYPE_DOUBLE:
        if (!sqz_take_u64(&data.body, &u64))
            return false;
        memcpy(out, &u64, sizeof *out);
        break;
    default:
        return false;
    }
    return *out >= 0 && *out <= 1e9;
}

// A character matrix as text; characters beyond 8 bits become "?".
static char *take_text(struct matrix *matrix)
{
    struct element data;
    struct sqz_text text = {0};
    uint16_t wide;
    uint8_t narrow;
    if (matrix->class != CLASS_CHAR || !take_element(&matrix->rest, &data))
        return NULL;
    if (data.type == TYPE_UINT16)
        while (sqz_take_u16(&data.body, &wide))
            sqz_text_add(&text, "%c", wide > 0 && wide < 256 ? (char)wide : '?');
    else if (data.type == TYPE_UTF8 || data.type == TYPE_INT8 || data.type == TYPE_UINT8)
        while (sqz_take_u8(&data.body, &narrow))
            sqz_text_add(&text, "%c", narrow ? (char)narrow : '?');
    char *copy = text.failed ? NULL : sqz_copy_string(sqz_text_get(&text));
    sqz_text_release(&text);
    return copy;
}

enum field { FIELD_ID, FIELD_WNID, FIELD_WORDS, FIELD_CHILDREN, FIELD_OTHER };

static enum field find_field(const uint8_t *name, size_t length)
{
    static const char *const names[] = {"ILSVRC2012_ID", "WNID", "words", "num_children"};
    for (int i = 0; i < FIELD_OTHER; i++)
        if (strnlen((const char *)name, length) == strlen(names[i]) &&
            memcmp(name, names[i], strlen(names[i])) == 0)
            return (enum field)i;
    return FIELD_OTHER;
}

static bool is_wnid(const char *text)
{
    return strlen(text) == SQZ_WNID_LENGTH && text[0] == 'n' &&
           strspn(text + 1, "0123456789") == SQZ_WNID_LENGTH - 1;
}

static bool set_field(struct sqz_synset *synset, enum field field, struct matrix *value)
{
    double number;
    if (field == FIELD_ID || field == FIELD_CHILDREN) {
        if (!first_number(value, &number))
            return false;
        if (field == FIELD_ID)
            synset->id = (int)number;
        else
            synset->is_leaf = number == 0;
        return true;
    }
    if (field == FIELD_OTHER)
        return true;
    char *text = take_text(value);
    bool good = text && (field == FIELD_WORDS || is_wnid(text));
    if (good && field == FIELD_WNID)
        memcpy(synset->wnid, text, sizeof synset->wnid);
    if (good && field == FIELD_WORDS && !synset->words) {
        synset->words = text;
        return true;
    }
    sqz_free(text);
    return good;
}

// The struct array: names of its fields, then the fields' matrices, element by element.
static bool take_synsets(struct matrix *matrix, struct sqz_synsets *out)
{
    struct element length, names;
    uint32_t each;
    enum field fields[FIELDS_MOST];
    size_t n = 0;
    if (matrix->class != CLASS_STRUCT || matrix->count == 0 || matrix->count > SYNSETS_MOST ||
        !take_element(&matrix->rest, &length) || !sqz_take_u32(&length.body, &each) || each == 0 ||
        !take_element(&matrix->rest, &names))
        return false;
    for (const uint8_t *name; n < FIELDS_MOST && sqz_take_span(&names.body, each, &name); n++)
        fields[n] = find_field(name, each);
    out->list = sqz_new_array(matrix->count, sizeof *out->list);
    if (!out->list)
        return false;
    for (; out->count < matrix->count; out->count++)
        for (size_t i = 0; i < n; i++) {
            struct element element;
            struct matrix value;
            struct sqz_synset *synset = &out->list[out->count];
            bool good = take_element(&matrix->rest, &element) && open_matrix(&element, &value) &&
                        set_field(synset, fields[i], &value);
            if (!good) {
                out->count++; // with its words, if it has them
                return false;
            }
        }
    for (size_t i = 0; i < out->count; i++)
        if (!out->list[i].wnid[0] || out->list[i].id < 1 || !out->list[i].words)
            return false;
    return true;
}

// *no_memory is set where that was the reason.
static bool inflate_element(const struct element *element, struct sqz_bytes *out, bool *no_memory)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)element->body.data,
                       .avail_in = (uInt)element->body.size};
    enum { MOST_TIMES = 1032, SOME = 64 }; // deflate cannot make more of a byte
    const size_t most = element->body.size < INFLATED_LIMIT / MOST_TIMES
                            ? element->body.size * MOST_TIMES + SOME
                            : INFLATED_LIMIT;
    bool good = inflateInit(&stream) == Z_OK;
    out->data = good ? sqz_new_array(most, 1) : NULL;
    *no_memory |= !out->data;
    if (out->data) {
        stream.next_out = out->data;
        stream.avail_out = (uInt)most;
        const int end = inflate(&stream, Z_FINISH);
        good = end == Z_STREAM_END;
        *no_memory |= end == Z_MEM_ERROR;
        out->size = stream.total_out;
    }
    if (good || out->data)
        inflateEnd(&stream);
    return good && out->data;
}

void sqz_synsets_release(struct sqz_synsets *synsets)
{
    for (size_t i = 0; i < synsets->count; i++)
        sqz_free(synsets->list[i].words);
    sqz_free(synsets->list);
    *synsets = (struct sqz_synsets){0};
}

enum sqz_status sqz_synsets_read(const uint8_t *data, size_t size, const char *name,
                                 struct sqz_synsets *out, struct sqz_error *err)
{
    struct sqz_cursor file = {data, size, HEADER_BYTES};
    struct element element;
    bool found = false, no_memory = false;
    if (size < HEADER_BYTES || memcmp(data + 126, "IM", 2) != 0)
        return sqz_fail(err, SQZ_E_DATA, "%s is not a MATLAB 5 file.", name);
    while (!found && take_element(&file, &element)) {
        struct sqz_bytes inflated = {0};
        struct matrix matrix;
        struct element inner = element;
        if (element.type == TYPE_COMPRESSED) {
            struct sqz_cursor cursor = {0};
            if (inflate_element(&element, &inflated, &no_memory))
                cursor = (struct sqz_cursor){inflated.data, inflated.size, 0};
            if (!take_element(&cursor, &inner))
                inner.type = 0;
        }
        if (open_matrix(&inner, &matrix) && matrix.name_length == 7 &&
            memcmp(matrix.name, "synsets", 7) == 0) {
            found = take_synsets(&matrix, out);
            if (!found)
                sqz_synsets_release(out);
        }
        sqz_bytes_release(&inflated);
    }
    if (!found && no_memory)
        return sqz_fail_memory(err, "ImageNet's synsets", INFLATED_LIMIT);
    return found ? SQZ_OK
                 : sqz_fail(err, SQZ_E_DATA, "%s does not list ImageNet's synsets as expected.",
                            name);
}
