// JSON that clients send, by jansson, which is opened at run time. The number of values is bounded
// before any of them becomes memory.
#ifndef CLI_SERVE_JSON_H
#define CLI_SERVE_JSON_H

#include <jansson.h>
#include <squeezenet.h>

struct serve_jansson {
    json_t *(*loadb)(const char *, size_t, size_t, json_error_t *);
    void (*release)(json_t *); // of what loadb gave
    json_t *(*get)(const json_t *, const char *);
    json_t *(*at)(const json_t *, size_t);
    size_t (*count)(const json_t *);
    const char *(*text)(const json_t *);
    size_t (*length)(const json_t *);
    json_int_t (*integer)(const json_t *);
    double (*number)(const json_t *);
};
extern struct serve_jansson serve_json;

enum sqz_status serve_json_open(struct sqz_error *err);
// One object. NULL when the text is no JSON object or has too many values.
json_t *serve_json_parse(const char *text, size_t size);

#endif
