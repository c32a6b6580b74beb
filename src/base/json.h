// JSON (RFC 8259) from and for files: a parser that takes all of its memory before it reads the
// first byte, so that "out of memory" and "not JSON" are never confused, and the parts of a writer.
#ifndef SQZ_BASE_JSON_H
#define SQZ_BASE_JSON_H

#include "base/error.h"
#include "base/memory.h"

#define SQZ_JSON_DEPTH   32   // of arrays and objects in each other
#define SQZ_JSON_MEMBERS 8192 // of one object

enum sqz_json_kind {
    SQZ_JSON_NULL,
    SQZ_JSON_FALSE,
    SQZ_JSON_TRUE,
    SQZ_JSON_NUMBER,
    SQZ_JSON_STRING,
    SQZ_JSON_ARRAY,
    SQZ_JSON_OBJECT
};
// Values stand in the order of the text; an array is followed by its elements, an object by its
// members, each a key (STRING) and a value.
struct sqz_json {
    enum sqz_json_kind kind;
    uint32_t n;       // ARRAY: elements; OBJECT: members
    uint32_t span;    // values up to the one after this value, its parts included
    uint32_t hash;    // STRING
    const char *text; // STRING: decoded, without NUL inside; NUMBER: as written. Else NULL
};
struct sqz_json_document {
    struct sqz_json *values; // the first is the whole text's. Owned
    char *texts;             // owned
};
struct sqz_json_problem {
    const char *what; // "is not valid JSON", "has the same key twice", ...
    size_t at;        // byte
};
// SQZ_E_DATA, with *problem, when the text is not JSON in UTF-8, an object has a key twice, or one
// of the bounds is exceeded (max_values counts all values but the keys); SQZ_E_NOMEM; else SQZ_OK,
// and the document is the caller's to release. Memory: the text's size and 48 bytes a value.
enum sqz_status sqz_json_parse(const char *text, size_t size, size_t max_values,
                               struct sqz_json_document *out, struct sqz_json_problem *problem);
void sqz_json_release(struct sqz_json_document *document);

// All of these take NULL, and values of another kind, for an answer of NULL or false.
const struct sqz_json *sqz_json_get(const struct sqz_json *object, const char *key);
const struct sqz_json *sqz_json_at(const struct sqz_json *array, size_t index);
const char *sqz_json_string(const struct sqz_json *value);
bool sqz_json_is(const struct sqz_json *value, enum sqz_json_kind kind);
bool sqz_json_to_int64(const struct sqz_json *value, int64_t *out); // no fraction, no exponent
bool sqz_json_to_double(const struct sqz_json *value, double *out); // finite
// The value after this one in its array; from a key its value, from a member's value the next key.
// Use it n (2 n) times from value + 1 on.
const struct sqz_json *sqz_json_next(const struct sqz_json *value);

// Appends a quoted string. False, and nothing appended, when `text` is not UTF-8.
bool sqz_json_add_string(struct sqz_text *out, const char *text);
// A finite number with that many digits: 9 give the same float back, 17 the same double. Always
// with a point or an exponent, in any locale.
void sqz_json_add_real(struct sqz_text *out, double value, int digits);

#endif
