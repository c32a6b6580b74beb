// A scratch directory with made-up datasets for the tests of datasets, loader and check.
#ifndef SQZ_TESTS_DATASET_FILES_H
#define SQZ_TESTS_DATASET_FILES_H

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "base/memory.h"
#include "data/sets/dataset.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[64];

static inline int scratch_make(void **state)
{
    (void)state;
    snprintf(scratch, sizeof scratch, "/tmp/sqz-data-XXXXXX");
    if (!mkdtemp(scratch))
        return 1;
    char cache[128];
    snprintf(cache, sizeof cache, "%s/cache", scratch);
    return setenv("XDG_CACHE_HOME", cache, 1);
}

static inline int scratch_remove_one(const char *path, const struct stat *info, int flag,
                                     struct FTW *walk)
{
    (void)info;
    (void)flag;
    (void)walk;
    return remove(path);
}

static inline int scratch_remove(void **state)
{
    (void)state;
    return nftw(scratch, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

// scratch/<relative>; valid for the next 63 calls.
__attribute__((format(printf, 1, 2))) static inline const char *in_scratch(const char *format, ...)
{
    static char paths[64][512];
    static int turn;
    char *path = paths[turn++ % 64];
    va_list args;
    va_start(args, format);
    int n = snprintf(path, sizeof paths[0], "%s/", scratch);
    vsnprintf(path + n, sizeof paths[0] - (size_t)n, format, args);
    va_end(args);
    return path;
}

static inline void make_dir(const char *path)
{
    assert_int_equal(sqz_dir_make(path, NULL), SQZ_OK);
}

static inline void make_parent(const char *path)
{
    char parent[512];
    snprintf(parent, sizeof parent, "%s", path);
    *strrchr(parent, '/') = 0;
    make_dir(parent);
}

static inline void make_file(const char *path, const void *data, size_t size)
{
    make_parent(path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

// A PNG whose pixels all hold (value, value + 1, value + 2).
static inline void make_png(const char *path, int w, int h, int value)
{
    struct sqz_image image = {0};
    struct sqz_error err = {0};
    make_parent(path);
    assert_int_equal(sqz_image_resize_buffer(&image, w, h, 3, &err), SQZ_OK);
    for (int i = 0; i < w * h * 3; i++)
        image.pixels[i] = (uint8_t)(value + i % 3);
    if (sqz_image_write_png(path, &image, &err))
        fail_msg("%s", err.text);
    sqz_image_release(&image);
}

// The first half of a PNG: its header is whole, its pixels are not.
static inline void make_cut_png(const char *path, int w, int h)
{
    struct sqz_bytes bytes = {0};
    make_png(path, w, h, 1);
    assert_int_equal(sqz_file_read(path, 1 << 24, &bytes, NULL), SQZ_OK);
    make_file(path, bytes.data, bytes.size / 2 + 20);
    sqz_bytes_release(&bytes);
}

static inline struct sqz_dataset *open_or_fail(const struct sqz_dataset_request *request)
{
    struct sqz_dataset *set = NULL;
    struct sqz_error err = {0};
    if (sqz_dataset_open(request, &set, &err))
        fail_msg("%s", err.text);
    return set;
}

static inline void expect_refusal(const struct sqz_dataset_request *request, enum sqz_status status,
                                  const char *text)
{
    struct sqz_dataset *set = NULL;
    struct sqz_error err = {0};
    enum sqz_status got = sqz_dataset_open(request, &set, &err);
    if (got != status || !strstr(err.text, text))
        fail_msg("got %d \"%s\", wanted %d \"%s\"", got, err.text, status, text);
    assert_null(set);
    assert_int_equal(err.status, status);
}

#endif
