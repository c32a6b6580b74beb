// What the tests of .sqz files share: small files, and damaged ones signed again so that the damage
// passes the trailer's check.
#ifndef SQZ_TESTS_FORMATS_SQZ_FILES_H
#define SQZ_TESTS_FORMATS_SQZ_FILES_H

#include "mutate.h"

#include "base/random.h"
#include "compress/sha256.h"
#include "formats/sqz.h"

#include <math.h>

// A tensor of every coding: steps, codebook, halves, floats, zeros.
static inline void make_small_archive(struct sqz_archive *archive)
{
    static const struct {
        const char *name;
        int rank;
        size_t shape[4];
    } tensors[] = {{"features.0.weight", 4, {4, 3, 3, 3}},
                   {"features.0.bias", 1, {4}},
                   {"features.3.weight", 4, {6, 7, 1, 1}},
                   {"features.3.bias", 1, {6}},
                   {"classifier.1.weight", 4, {5, 6, 2, 1}}};
    struct sqz_random random;
    sqz_random_init(&random, 5, 0, 0, SQZ_RANDOM_TEST);
    for (size_t t = 0; t < sizeof tensors / sizeof tensors[0]; t++) {
        struct sqz_array *array = sqz_archive_add(archive, tensors[t].name, SQZ_F32,
                                                  tensors[t].rank, tensors[t].shape, NULL);
        assert_non_null(array);
        float *values = array->data;
        for (size_t i = 0; i < array->size / sizeof(float); i++) {
            double u = sqz_random_normal(&random);
            values[i] = t == 0   ? (float)lrint(3 * u) * 0.01f
                        : t == 1 ? (float)u
                        : t == 2 ? (float)sin(floor(3 * u))
                        : t == 3 ? 0.0f
                                 : (float)lrint(64 * u) / 256.0f;
        }
    }
    assert_int_equal(sqz_archive_set(archive, "plain", "text"), SQZ_OK);
    assert_int_equal(sqz_archive_set(archive, "awkward", "\"\\\n\xc3\xa9 {}"), SQZ_OK);
}

// Puts the right length and trailer on a damaged file, unless it is too short for either.
static inline void sign_again(uint8_t *data, size_t size)
{
    if (size < SQZ_PACKED_HEADER + SQZ_PACKED_TRAILER)
        return;
    for (int i = 0; i < 4; i++)
        data[16 + i] = (uint8_t)(size >> (8 * i));
    sqz_sha256_of(data, size - SQZ_PACKED_TRAILER, data + size - SQZ_PACKED_TRAILER);
}

#endif
