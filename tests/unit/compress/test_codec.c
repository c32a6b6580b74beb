// Codes to bytes and back, over every coding and coder, shapes and magnitudes; SHA-256's own
// vectors.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "compress/encoder.h"
#include "compress/sha256.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sqz_packed_tensor entry_of(const struct sqz_coded *coded, const uint8_t *payload,
                                         size_t size, uint32_t check)
{
    struct sqz_packed_tensor entry = {.coding = coded->coding,
                                      .coder = coded->coder,
                                      .rank = coded->rank,
                                      .rows = (uint32_t)coded->rows,
                                      .columns = (uint32_t)coded->columns,
                                      .parameter = coded->parameter,
                                      .check = check,
                                      .payload = payload,
                                      .payload_size = (uint32_t)size};
    for (int i = 0; i < 4; i++)
        entry.dims[i] = (uint32_t)coded->dims[i];
    return entry;
}

// Encodes, decodes from a heap block of the exact size, compares bits; returns the payload's size.
static size_t round_trip(const float *values, int rank, const size_t *dims, enum sqz_coder coder,
                         struct sqz_coded *kept)
{
    struct sqz_coded coded, back;
    struct sqz_text payload = {0};
    uint32_t check;
    assert_int_equal(sqz_coded_from_floats(values, rank, dims, coder, &coded, NULL), SQZ_OK);
    sqz_coded_encode(&coded, &payload, &check);
    assert_false(payload.failed);
    uint8_t *exact = malloc(payload.length);
    assert_non_null(exact);
    memcpy(exact, payload.data, payload.length);
    struct sqz_packed_tensor entry = entry_of(&coded, exact, payload.length, check);
    assert_int_equal(sqz_coded_decode(&entry, &back, NULL), SQZ_OK);
    size_t n = coded.rows * coded.columns;
    assert_true(n / SQZ_PER_BYTE <= payload.length);
    uint32_t *bits = calloc(n, sizeof *bits);
    assert_non_null(bits);
    sqz_coded_to_bits(&back, bits);
    assert_memory_equal(bits, values, n * sizeof *bits);
    sqz_coded_release(&back);
    // Any other length is refused, and so is a wrong check.
    entry.payload_size--;
    assert_int_equal(sqz_coded_decode(&entry, &back, NULL), SQZ_E_DATA);
    entry.payload_size++;
    entry.check ^= 1;
    assert_int_equal(sqz_coded_decode(&entry, &back, NULL), SQZ_E_DATA);
    size_t size = payload.length;
    *kept = coded;
    sqz_coded_release(&coded);
    sqz_text_release(&payload);
    free(exact);
    free(bits);
    return size;
}

enum fill { ZEROS, STEPS, CODEBOOK, HALVES, FLOATS, ODD_FLOATS, N_FILLS };

static float fill_value(enum fill fill, struct sqz_random *random)
{
    double u = sqz_random_uniform(random, -1, 1);
    static const float odd[] = {0.0f, -0.0f, 1e-45f, -3.4028235e38f, INFINITY, 1.5f};
    switch (fill) {
    case ZEROS:
        return 0;
    case STEPS: // mostly small, now and then the largest code
        return (float)lrint(u * u * u * (fabs(u) > 0.99 ? 32767 : 9)) * 0.0123f;
    case CODEBOOK:
        return fabs(u) < 0.5 ? 0 : (float)sin(floor(u * 100));
    case HALVES:
        return (float)(lrint(u * 1024) / 1024.0 * exp2(floor(u * 7)));
    case FLOATS:
        return (float)u;
    default:
        return odd[sqz_random_int(random, 0, 6)];
    }
}

static void test_round_trips(void **state)
{
    static const struct {
        int rank;
        size_t dims[4];
    } shapes[] = {{0, {0}},           {1, {1}},           {1, {1000}},         {2, {7, 33}},
                  {4, {16, 3, 7, 7}}, {4, {64, 8, 3, 3}}, {4, {40, 50, 1, 1}}, {4, {3, 1, 1, 5}},
                  {3, {5, 6, 7}}};
    static const enum sqz_coding expected[N_FILLS] = {SQZ_CODING_STEP,     SQZ_CODING_STEP,
                                                      SQZ_CODING_CODEBOOK, SQZ_CODING_FLOAT,
                                                      SQZ_CODING_FLOAT,    SQZ_CODING_CODEBOOK};
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (int fill = 0; fill < N_FILLS; fill++)
            for (int coder = 0; coder < 2; coder++) {
                size_t n = 1;
                struct sqz_random random;
                struct sqz_coded coded;
                for (int i = 0; i < shapes[s].rank; i++)
                    n *= shapes[s].dims[i];
                float *values = calloc(n, sizeof *values);
                assert_non_null(values);
                sqz_random_init(&random, s, (uint64_t)fill, 0, SQZ_RANDOM_TEST);
                for (size_t i = 0; i < n; i++)
                    values[i] = fill_value((enum fill)fill, &random);
                if (fill == ODD_FLOATS) // a codebook's entries are finite
                    for (size_t i = 0; i < n; i++)
                        values[i] = isfinite(values[i]) ? values[i] : 2;
                round_trip(values, shapes[s].rank, shapes[s].dims, (enum sqz_coder)coder, &coded);
                if (n >= 1000 && !(coder && fill <= STEPS))
                    assert_int_equal(coded.coding, expected[fill]);
                if (n >= 1000 && fill == HALVES)
                    assert_true(coded.parameter <= 11);
                if (n >= 1000 && fill == CODEBOOK)
                    assert_int_equal(coded.coder, coder);
                free(values);
            }
}

// What cannot be in a codebook: not finite.
static void test_not_finite(void **state)
{
    float values[400];
    const size_t dims[1] = {400};
    struct sqz_coded coded;
    (void)state;
    for (int i = 0; i < 400; i++)
        values[i] = i % 3 ? INFINITY : -INFINITY;
    round_trip(values, 1, dims, SQZ_CODER_RANGE, &coded);
    assert_int_equal(coded.coding, SQZ_CODING_FLOAT);
}

// Within 1.5 % of the entropy of what the contexts know (here: nothing), plus what learning costs.
static void test_rate(void **state)
{
    enum { N = 200000 };
    static float values[N];
    size_t counts[41] = {0};
    const size_t dims[2] = {400, 500};
    struct sqz_random random;
    struct sqz_coded coded;
    double bits = 0;
    (void)state;
    sqz_random_init(&random, 1, 0, 0, SQZ_RANDOM_TEST);
    for (size_t i = 0; i < N; i++) {
        int code = (int)lrint(2 * sqz_random_normal(&random));
        values[i] = (float)code * 0.5f;
        counts[code + 20]++;
    }
    for (int i = 0; i < 41; i++)
        if (counts[i])
            bits -= (double)counts[i] * log2((double)counts[i] / N);
    size_t size = round_trip(values, 2, dims, SQZ_CODER_RANGE, &coded);
    assert_true((double)size * 8 > bits && (double)size * 8 < bits * 1.015 + 2000);
    assert_int_equal(coded.coding, SQZ_CODING_STEP);
    assert_true(sqz_coded_step(&coded) == 0.5f);
}

static void test_shapes_refused(void **state)
{
    const float value = 0;
    const size_t wide[1] = {65536}, empty[2] = {3, 0}, large[4] = {65535, 65535, 1, 1};
    struct sqz_coded coded;
    struct sqz_error err = {0};
    (void)state;
    assert_int_equal(sqz_coded_from_floats(&value, 1, wide, SQZ_CODER_RANGE, &coded, &err),
                     SQZ_E_USAGE);
    assert_non_null(strstr(err.text, "65535"));
    assert_int_equal(sqz_coded_from_floats(&value, 2, empty, SQZ_CODER_RANGE, &coded, &err),
                     SQZ_E_USAGE);
    assert_int_equal(sqz_coded_from_floats(&value, 4, large, SQZ_CODER_RANGE, &coded, &err),
                     SQZ_E_USAGE);
}

static void expect_digest(const void *data, size_t size, const char *hex)
{
    uint8_t digest[32];
    char text[65];
    sqz_sha256_of(data, size, digest);
    for (int i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(text, hex);
}

// FIPS 180-4's examples, and every split of a text around a block's end.
static void test_sha256(void **state)
{
    static uint8_t million[1000000];
    uint8_t once[32], parts[32];
    (void)state;
    expect_digest("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect_digest("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    memset(million, 'a', sizeof million);
    expect_digest(million, sizeof million,
                  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    for (size_t size = 0; size < 130; size++) {
        struct sqz_sha256 hash;
        sqz_sha256_of(million, size, once);
        sqz_sha256_init(&hash);
        for (size_t at = 0; at < size; at += 13)
            sqz_sha256_add(&hash, million + at, size - at < 13 ? size - at : 13);
        sqz_sha256_end(&hash, parts);
        assert_memory_equal(once, parts, sizeof once);
    }
}

// What the format promises to a microcontroller.
static void test_state_is_small(void **state)
{
    (void)state;
    assert_true(sizeof(struct sqz_unpacker) < 4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips), cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_rate),        cmocka_unit_test(test_shapes_refused),
        cmocka_unit_test(test_sha256),      cmocka_unit_test(test_state_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
