// What the tests of the public functions share: a scratch directory, a small model, images.
#ifndef SQZ_TESTS_API_SUPPORT_H
#define SQZ_TESTS_API_SUPPORT_H

#include <squeezenet_ranks.h>
#include <squeezenet_tools.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "data/image/image.h"

// Fails with the library's sentence.
#define OK(call) \
    do { \
        struct sqz_error ok_err; \
        struct sqz_error *err = &ok_err; \
        if (call) \
            fail_msg("%s: %s", #call, ok_err.text); \
    } while (0)
// The call, which takes `err`, fails with this status and a sentence that contains `words`; without
// anybody who wants the sentence it fails alike.
#define FAILS(expected, words, call) \
    do { \
        struct sqz_error fails_err = {0}; \
        struct sqz_error *err = &fails_err; \
        assert_int_equal(call, expected); \
        assert_int_equal(fails_err.status, expected); \
        if (!strstr(fails_err.text, words)) \
            fail_msg("\"%s\" does not say \"%s\"", fails_err.text, words); \
        err = NULL; \
        assert_int_equal(call, expected); \
    } while (0)

static char root[] = "/tmp/sqz-api-XXXXXX";

// A path below the scratch directory. Thirty-two may be in use at once.
static inline const char *in_root(const char *name)
{
    static char paths[32][512];
    static int next;
    char *path = paths[next++ % 32];
    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

static inline int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static inline int remove_root(void **state)
{
    char command[600];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static inline void write_bytes(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

// The file's bytes, to be freed by the caller.
static inline void *read_bytes(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &info), 0);
    *size = (size_t)info.st_size;
    void *data = malloc(*size + 1);
    assert_int_equal(fread(data, 1, *size, file), *size);
    fclose(file);
    return data;
}

// Random pixels, the same in every run; the caller frees them.
static inline uint8_t *noise(size_t bytes)
{
    uint8_t *out = malloc(bytes);
    uint32_t state = 12345 + (uint32_t)bytes;
    for (size_t i = 0; i < bytes; i++) {
        state = state * 1664525u + 1013904223u;
        out[i] = (uint8_t)(state >> 24);
    }
    return out;
}

static inline void write_png(const char *path, uint8_t *pixels, int w, int h, int c)
{
    struct sqz_image image = {.w = w, .h = h, .c = c, .pixels = pixels};
    OK(sqz_image_write_png(path, &image, err));
}

#endif
