// What the tests of formats share: a scratch directory, files, archives, and readers given bytes.
#ifndef SQZ_TESTS_FORMATS_SUPPORT_H
#define SQZ_TESTS_FORMATS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/common.h"
#include "testdata.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIXTURES SQZ_TEST_SOURCE "/tests/fixtures/formats/"

static char scratch_dir[64]; // "" until it is needed

// A path in a directory of this process; overwritten after four calls.
static inline const char *scratch(const char *name)
{
    static char paths[4][256];
    static int next;
    if (!scratch_dir[0]) {
        snprintf(scratch_dir, sizeof scratch_dir, "/tmp/squeezenet-test-XXXXXX");
        assert_non_null(mkdtemp(scratch_dir));
    }
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", scratch_dir, name);
    return path;
}

static inline void remove_scratch(void)
{
    struct sqz_dir dir = {0};
    if (sqz_dir_read(scratch_dir, &dir, NULL) == SQZ_OK)
        for (size_t i = 0; i < dir.count; i++)
            unlink(scratch(dir.entries[i].name));
    sqz_dir_release(&dir);
    rmdir(scratch_dir);
    scratch_dir[0] = 0;
}

static inline const char *write_scratch(const char *name, const void *data, size_t size)
{
    const char *path = scratch(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}

static inline struct sqz_bytes read_bytes(const char *path)
{
    struct sqz_bytes bytes = {0};
    struct sqz_error err = {0};
    if (sqz_file_read(path, (size_t)1 << 30, &bytes, &err))
        fail_msg("%s", err.text);
    return bytes;
}

// Reads bytes in a heap block of exactly their size, so that ASan sees a step beyond.
static inline enum sqz_status read_exact(const struct sqz_format *format, const void *data,
                                         size_t size, struct sqz_archive *out,
                                         struct sqz_error *err)
{
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    if (size)
        memcpy(copy, data, size);
    *out = (struct sqz_archive){0};
    enum sqz_status status = format->read("test-file", copy, size, out, err);
    out->file = (struct sqz_bytes){copy, size};
    return status;
}

static inline void expect_failure(const struct sqz_format *format, const void *data, size_t size,
                                  const char *words)
{
    struct sqz_archive archive = {0};
    struct sqz_error err = {0};
    enum sqz_status status = read_exact(format, data, size, &archive, &err);
    sqz_archive_release(&archive);
    if (status != SQZ_E_DATA || err.status != SQZ_E_DATA || !strstr(err.text, words))
        fail_msg("expected \"...%s...\", got %d \"%s\"", words, (int)status, err.text);
}

// Adds an array of floats with values that tell its place: first, first + 0.25, ...
static inline void add_ramp(struct sqz_archive *archive, const char *name, int rank,
                            const size_t *shape, float first)
{
    struct sqz_array *array = sqz_archive_add(archive, name, SQZ_F32, rank, shape, NULL);
    assert_non_null(array);
    for (size_t i = 0; i < array->size / sizeof(float); i++)
        ((float *)array->data)[i] = first + 0.25f * (float)i;
}

static inline void assert_same_array(const struct sqz_array *a, const struct sqz_array *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->dtype, b->dtype);
    assert_int_equal(a->rank, b->rank);
    for (int i = 0; i < a->rank; i++)
        assert_int_equal(a->shape[i], b->shape[i]);
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->data, b->data, a->size);
}

// A small archive of every element type, with a scalar, an empty array and texts.
static inline void make_varied(struct sqz_archive *archive)
{
    static const uint8_t bytes[48] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 250, 251, 252};
    char name[32];
    for (int dtype = 0; dtype <= SQZ_BOOL; dtype++) {
        snprintf(name, sizeof name, "type.%d", dtype);
        assert_non_null(sqz_archive_add(archive, name, (enum sqz_dtype)dtype, 2,
                                        (const size_t[]){2, 3}, bytes));
    }
    add_ramp(archive, "deep", 4, (const size_t[]){2, 1, 3, 1}, -1.0f);
    assert_non_null(sqz_archive_add(archive, "scalar", SQZ_F32, 0, NULL, bytes));
    assert_non_null(sqz_archive_add(archive, "empty", SQZ_F32, 2, (const size_t[]){0, 3}, NULL));
    assert_int_equal(sqz_archive_set(archive, "plain", "text"), SQZ_OK);
    assert_int_equal(sqz_archive_set(archive, "awkward", "\"\\\n\t\xc3\xa9 {}"), SQZ_OK);
}

static inline struct sqz_bytes write_bytes(const struct sqz_format *format,
                                           const struct sqz_archive *archive)
{
    struct sqz_bytes bytes = {0};
    struct sqz_error err = {0};
    if (format->write(archive, &bytes, &err))
        fail_msg("%s", err.text);
    return bytes;
}

// Freshly initialised; the caller frees it.
static inline struct sqz_model *make_model(const char *variant, const char *dialect, int classes,
                                           int channels, int side)
{
    struct sqz_net_spec spec = {.variant = sqz_variant_find(variant),
                                .dialect = sqz_dialect_find(dialect),
                                .classes = classes,
                                .channels = channels,
                                .image_h = side,
                                .image_w = side,
                                .drop_rate = 0.25};
    struct sqz_model *model = NULL;
    struct sqz_error err = {0};
    if (sqz_model_create(&spec, &model, &err))
        fail_msg("%s", err.text);
    sqz_net_initialize(model->net, 7, model->weights);
    return model;
}

#endif
