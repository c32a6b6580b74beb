// What the tests of images share: reading files, decoding whole images, comparing.
#ifndef SQZ_TESTS_IMAGE_H
#define SQZ_TESTS_IMAGE_H

#include "base/memory.h"
#include "data/image/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "testdata.h"

static inline const char *fixture(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/tests/fixtures/images/%s", SQZ_TEST_SOURCE, name);
    return path;
}

static inline struct sqz_bytes read_bytes(const char *path)
{
    struct sqz_bytes bytes = {0};
    struct sqz_error err = {0};
    if (sqz_file_read(path, (size_t)1 << 28, &bytes, &err))
        fail_msg("%s", err.text);
    return bytes;
}

static inline struct sqz_image decode_file(const char *path, const struct sqz_decode *how)
{
    struct sqz_bytes bytes = read_bytes(path);
    struct sqz_image image = {0};
    struct sqz_error err = {0};
    if (sqz_image_decode(bytes.data, bytes.size, path, how, &image, &err))
        fail_msg("%s", err.text);
    sqz_bytes_release(&bytes);
    return image;
}

static inline struct sqz_image decode_plain(const char *path, int channels)
{
    struct sqz_decode how = {.channels = channels, .verify = true};
    return decode_file(path, &how);
}

static inline size_t image_bytes(const struct sqz_image *image)
{
    return (size_t)image->w * (size_t)image->h * (size_t)image->c;
}

static inline void assert_same_image(const struct sqz_image *a, const struct sqz_image *b)
{
    assert_int_equal(a->w, b->w);
    assert_int_equal(a->h, b->h);
    assert_int_equal(a->c, b->c);
    assert_memory_equal(a->pixels, b->pixels, image_bytes(a));
}

// Part x, y, w, h of `whole` equals `part`.
static inline void assert_part(const struct sqz_image *whole, const struct sqz_image *part, int x,
                               int y)
{
    size_t c = (size_t)whole->c;
    assert_int_equal(part->c, whole->c);
    for (int row = 0; row < part->h; row++)
        assert_memory_equal(part->pixels + (size_t)row * (size_t)part->w * c,
                            whole->pixels + ((size_t)(y + row) * (size_t)whole->w + (size_t)x) * c,
                            (size_t)part->w * c);
}

// The values of a float32 .npy file; free(). `count` is checked.
static inline float *read_npy(const char *path, size_t count)
{
    struct sqz_bytes bytes = read_bytes(path);
    assert_true(bytes.size > 10 && memcmp(bytes.data, "\x93NUMPY\x01", 7) == 0);
    size_t head = 10 + (size_t)(bytes.data[8] | bytes.data[9] << 8);
    assert_int_equal(bytes.size - head, count * sizeof(float));
    float *values = malloc(count * sizeof(float));
    assert_non_null(values);
    memcpy(values, bytes.data + head, count * sizeof(float));
    sqz_bytes_release(&bytes);
    return values;
}

// Path below the golden values; skips the test (after test_data has said so) when they are absent.
static inline const char *golden(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "mindcv-golden/%s", name);
    const char *found = test_data(path);
    if (!found)
        skip();
    return found;
}

#endif
