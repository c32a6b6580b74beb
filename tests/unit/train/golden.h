// Reading MindCV's golden values (shared/data/mindcv-golden) in the tests of this directory.
#ifndef SQZ_TESTS_TRAIN_GOLDEN_H
#define SQZ_TESTS_TRAIN_GOLDEN_H

#include "testdata.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>

// The whole file, or NULL (said on stderr) when the data is not there. json_decref.
static inline json_t *golden_load(const char *name)
{
    char relative[256];
    const char *path;
    json_error_t error;
    json_t *root;

    snprintf(relative, sizeof relative, "mindcv-golden/%s", name);
    path = test_data(relative);
    if (!path)
        return NULL;
    root = json_load_file(path, 0, &error);
    if (!root)
        fail_msg("%s: %s", path, error.text);
    return root;
}

// Flattens nested arrays of numbers into out; returns how many.
static inline size_t golden_floats(const json_t *value, float *out)
{
    size_t n = 0, i;
    const json_t *item;

    if (json_is_number(value)) {
        *out = (float)json_number_value(value);
        return 1;
    }
    json_array_foreach(value, i, item) n += golden_floats(item, out + n);
    return n;
}

#endif
