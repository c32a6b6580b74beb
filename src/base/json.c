// The JSON parser. Nothing is allocated while the text is read.
#include "base/json.h"

#include "base/utf8.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NUMBER 400 // bytes of a number: more than any double needs

struct parser {
    const char *begin, *at, *end;
    struct sqz_json *values;
    size_t n, most;
    char *texts; // where the next decoded text goes
    int depth;
    struct sqz_json_problem *problem;
};

static bool parse_value(struct parser *p);

static bool fail(struct parser *p, const char *what)
{
    *p->problem = (struct sqz_json_problem){what, (size_t)(p->at - p->begin)};
    return false;
}

static bool malformed(struct parser *p)
{
    return fail(p, "is not valid JSON");
}

static void skip_blanks(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
        p->at++;
}

static bool take(struct parser *p, char c)
{
    bool found = p->at < p->end && *p->at == c;
    p->at += found;
    return found;
}

// --- Strings ---

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool take_hex(struct parser *p, uint32_t *out)
{
    *out = 0;
    if (p->end - p->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p->at[i]);
        if (digit < 0)
            return false;
        *out = *out << 4 | (uint32_t)digit;
    }
    p->at += 4;
    return true;
}

// What follows "\u". A NUL would end the text for its readers, so it is not taken.
static bool take_unicode(struct parser *p)
{
    uint32_t c, low;
    if (!take_hex(p, &c) || c == 0 || (c >= 0xdc00 && c < 0xe000))
        return false;
    if (c >= 0xd800 && c < 0xdc00) {
        if (!take(p, '\\') || !take(p, 'u') || !take_hex(p, &low) || low < 0xdc00 || low > 0xdfff)
            return false;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    if (c < 0x80) {
        *p->texts++ = (char)c;
        return true;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
    *p->texts++ = (char)(first[more] | c >> (6 * more));
    while (more--)
        *p->texts++ = (char)(0x80 | (c >> (6 * more) & 0x3f));
    return true;
}

static bool take_escape(struct parser *p)
{
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (take(p, 'u'))
        return take_unicode(p);
    const char *name = p->at < p->end && *p->at ? strchr(names, *p->at) : NULL;
    if (!name)
        return false;
    p->at++;
    *p->texts++ = meanings[name - names];
    return true;
}

static uint32_t hash_of(const char *text)
{
    uint32_t hash = 2166136261u; // FNV-1a
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

// A decoded text is never longer than its source, quotes for the NUL.
static bool parse_string(struct parser *p, struct sqz_json *out)
{
    if (!take(p, '"'))
        return malformed(p);
    out->kind = SQZ_JSON_STRING;
    out->text = p->texts;
    while (!take(p, '"')) {
        size_t n = sqz_utf8_sequence(p->at, (size_t)(p->end - p->at));
        if (n == 0 || (unsigned char)*p->at < 0x20)
            return malformed(p);
        if (take(p, '\\')) {
            if (!take_escape(p))
                return malformed(p);
            continue;
        }
        memcpy(p->texts, p->at, n);
        p->texts += n;
        p->at += n;
    }
    *p->texts++ = 0;
    out->hash = hash_of(out->text);
    return true;
}

// --- Numbers and words ---

static bool take_digits(struct parser *p)
{
    const char *from = p->at;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
        p->at++;
    return p->at > from;
}

static bool parse_number(struct parser *p, struct sqz_json *out)
{
    const char *from = p->at;
    take(p, '-');
    if (!take(p, '0') && !take_digits(p))
        return malformed(p);
    if (take(p, '.') && !take_digits(p))
        return malformed(p);
    if (take(p, 'e') || take(p, 'E')) {
        if (!take(p, '+'))
            take(p, '-');
        if (!take_digits(p))
            return malformed(p);
    }
    size_t n = (size_t)(p->at - from);
    if (n > MAX_NUMBER)
        return malformed(p);
    out->kind = SQZ_JSON_NUMBER;
    out->text = p->texts;
    memcpy(p->texts, from, n); // the byte that ends the number makes room for the NUL
    p->texts += n;
    *p->texts++ = 0;
    return true;
}

static bool parse_word(struct parser *p, struct sqz_json *out)
{
    static const struct {
        const char *word;
        enum sqz_json_kind kind;
    } words[] = {{"null", SQZ_JSON_NULL}, {"false", SQZ_JSON_FALSE}, {"true", SQZ_JSON_TRUE}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].word);
        if ((size_t)(p->end - p->at) >= n && memcmp(p->at, words[i].word, n) == 0) {
            out->kind = words[i].kind;
            p->at += n;
            return true;
        }
    }
    return malformed(p);
}

// --- Arrays and objects ---

static struct sqz_json *new_value(struct parser *p)
{
    if (p->n == p->most)
        return NULL;
    p->values[p->n] = (struct sqz_json){.span = 1};
    return &p->values[p->n++];
}

static bool parse_key(struct parser *p, const struct sqz_json *object)
{
    const char *from = p->at;
    struct sqz_json *key = new_value(p);
    if (!key || !parse_string(p, key))
        return key ? false : malformed(p);
    const struct sqz_json *other = object + 1;
    for (uint32_t i = 0; i < object->n; i++, other += 1 + other[1].span)
        if (other->hash == key->hash && strcmp(other->text, key->text) == 0) {
            p->at = from;
            return fail(p, "has the same key twice");
        }
    skip_blanks(p);
    if (!take(p, ':'))
        return malformed(p);
    return true;
}

static bool parse_parts(struct parser *p, struct sqz_json *out, bool keys, char end)
{
    if (p->depth == SQZ_JSON_DEPTH)
        return fail(p, "is nested too deeply");
    p->depth++;
    skip_blanks(p);
    if (!take(p, end)) {
        do {
            skip_blanks(p);
            if (keys && out->n == SQZ_JSON_MEMBERS)
                return fail(p, "has too many parts");
            if ((keys && !parse_key(p, out)) || !parse_value(p))
                return false;
            out->n++;
            skip_blanks(p);
        } while (take(p, ','));
        if (!take(p, end))
            return malformed(p);
    }
    out->span = (uint32_t)(&p->values[p->n] - out);
    p->depth--;
    return true;
}

static bool parse_value(struct parser *p)
{
    skip_blanks(p);
    struct sqz_json *out = p->at < p->end ? new_value(p) : NULL;
    if (!out)
        return malformed(p);
    if (*p->at == '"')
        return parse_string(p, out);
    if (*p->at == '-' || (*p->at >= '0' && *p->at <= '9'))
        return parse_number(p, out);
    if (*p->at != '[' && *p->at != '{')
        return parse_word(p, out);
    out->kind = *p->at++ == '{' ? SQZ_JSON_OBJECT : SQZ_JSON_ARRAY;
    return parse_parts(p, out, out->kind == SQZ_JSON_OBJECT,
                       out->kind == SQZ_JSON_OBJECT ? '}' : ']');
}

// Upper bounds of the values that are no keys, and of the keys, of a text that may be anything.
static void count_values(const char *text, size_t size, size_t *values, size_t *keys)
{
    bool quoted = false;
    *values = 1;
    *keys = 0;
    for (size_t i = 0; i < size; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && (text[i] == ',' || text[i] == '[' || text[i] == '{'))
            ++*values;
        else if (!quoted && text[i] == ':')
            ++*keys;
    }
}

enum sqz_status sqz_json_parse(const char *text, size_t size, size_t max_values,
                               struct sqz_json_document *out, struct sqz_json_problem *problem)
{
    size_t values, keys;
    *out = (struct sqz_json_document){0};
    count_values(text, size, &values, &keys);
    if (values > max_values || keys > values) {
        *problem = (struct sqz_json_problem){
            values > max_values ? "has too many parts" : "is not valid JSON", 0};
        return SQZ_E_DATA;
    }
    out->values = sqz_new_array(values + keys, sizeof *out->values);
    out->texts = sqz_new_array(size + 1, 1);
    if (!out->values || !out->texts) {
        sqz_json_release(out);
        return SQZ_E_NOMEM;
    }
    struct parser parser = {.begin = text,
                            .at = text,
                            .end = text + size,
                            .values = out->values,
                            .most = values + keys,
                            .texts = out->texts,
                            .problem = problem};
    bool ok = parse_value(&parser);
    if (ok) {
        skip_blanks(&parser);
        ok = parser.at == parser.end || malformed(&parser);
    }
    if (ok)
        return SQZ_OK;
    sqz_json_release(out);
    return SQZ_E_DATA;
}

void sqz_json_release(struct sqz_json_document *document)
{
    sqz_free(document->values);
    sqz_free(document->texts);
    *document = (struct sqz_json_document){0};
}

// --- Access ---

bool sqz_json_is(const struct sqz_json *value, enum sqz_json_kind kind)
{
    return value && value->kind == kind;
}

const struct sqz_json *sqz_json_next(const struct sqz_json *value)
{
    return value + value->span;
}

const struct sqz_json *sqz_json_get(const struct sqz_json *object, const char *key)
{
    if (!sqz_json_is(object, SQZ_JSON_OBJECT))
        return NULL;
    const struct sqz_json *member = object + 1;
    for (uint32_t i = 0; i < object->n; i++, member += 1 + member[1].span)
        if (strcmp(member->text, key) == 0)
            return member + 1;
    return NULL;
}

const struct sqz_json *sqz_json_at(const struct sqz_json *array, size_t index)
{
    if (!sqz_json_is(array, SQZ_JSON_ARRAY) || index >= array->n)
        return NULL;
    const struct sqz_json *element = array + 1;
    while (index--)
        element = sqz_json_next(element);
    return element;
}

const char *sqz_json_string(const struct sqz_json *value)
{
    return sqz_json_is(value, SQZ_JSON_STRING) ? value->text : NULL;
}

bool sqz_json_to_int64(const struct sqz_json *value, int64_t *out)
{
    if (!sqz_json_is(value, SQZ_JSON_NUMBER) || strpbrk(value->text, ".eE"))
        return false;
    errno = 0;
    *out = strtoll(value->text, NULL, 10);
    return errno == 0;
}

// The locale of the calling program decides what strtod and printf take for the point.
bool sqz_json_to_double(const struct sqz_json *value, double *out)
{
    const char *point = localeconv()->decimal_point;
    char text[MAX_NUMBER + 8];
    if (!sqz_json_is(value, SQZ_JSON_NUMBER))
        return false;
    const char *dot = strchr(value->text, '.');
    int before = (int)(dot ? (size_t)(dot - value->text) : strlen(value->text));
    snprintf(text, sizeof text, "%.*s%s%s", before, value->text, dot ? point : "",
             dot ? dot + 1 : "");
    *out = strtod(text, NULL);
    return isfinite(*out);
}
