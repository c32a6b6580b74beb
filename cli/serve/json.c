// jansson, opened at run time.
#include "cli/serve/json.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

// 64 images of 224 x 224 x 3 values, and the rest of a request. jansson takes some 40 bytes a
// value, so that the largest request takes 400 MB for the time that it is read.
#define VALUES_MAX (64u * 224 * 224 * 3 + 10000)

struct serve_jansson serve_json;

enum sqz_status serve_json_open(struct sqz_error *err)
{
    static const char *const names[] = {
        "json_loadb",         "json_delete",        "json_object_get",
        "json_array_get",     "json_array_size",    "json_string_value",
        "json_string_length", "json_integer_value", "json_number_value"};
    void *found[sizeof names / sizeof *names];
    void *library = dlopen("libjansson.so.4", RTLD_NOW | RTLD_LOCAL);
    bool complete = library != NULL;
    for (size_t i = 0; complete && i < sizeof names / sizeof *names; i++) {
        found[i] = dlsym(library, names[i]);
        complete = found[i] != NULL;
    }
    if (complete) {
        _Static_assert(sizeof found == sizeof serve_json, "a function each");
        memcpy(&serve_json, found, sizeof found);
        return SQZ_OK;
    }
    err->status = SQZ_E_NOINPUT;
    snprintf(err->text, sizeof err->text,
             "The server needs jansson, which is not installed "
             "(Debian: apt-get install libjansson4).");
    return err->status;
}

json_t *serve_json_parse(const char *text, size_t size)
{
    size_t values = 1;
    json_error_t problem;
    for (size_t i = 0; i < size; i++)
        values += text[i] == ',' || text[i] == '[' || text[i] == '{';
    if (values > VALUES_MAX)
        return NULL;
    json_t *root = serve_json.loadb(text, size, JSON_REJECT_DUPLICATES, &problem);
    if (json_is_object(root))
        return root;
    if (root)
        serve_json.release(root);
    return NULL;
}
