// Damaged Deep Compression files: a small one of one entry a layer, and the published one's header.
#include "mutate.h"

#include <malloc.h>

static const size_t outs[26] = {96, 16,  64,  64, 16,  64,  64, 32,  128, 128, 32,  128, 128,
                                48, 192, 192, 48, 192, 192, 64, 256, 256, 64,  256, 256, 1000};

static void test_small(void **state)
{
    (void)state;
    size_t size = 104, borders[26], words[26];
    uint8_t *file = calloc(1, 100000);
    assert_non_null(file);
    for (size_t i = 0; i < 26; i++) {
        file[4 * i] = 1;
        words[i] = 4 * i;
        borders[i] = size;
        size += 1024 + 4 * outs[i] + 2;
    }
    struct mutation m = {.data = file,
                         .size = size,
                         .borders = borders,
                         .n_borders = 26,
                         .words = words,
                         .n_words = 26,
                         .payload = 104,
                         .decode = decode_format,
                         .arg = (void *)sqz_format_find("net")};
    mutate(&m);
    free(file);
}

// Counts that do not fit the bytes that follow, codes and runs changed.
static void test_real(void **state)
{
    (void)state;
    const char *path = test_data("weights/compressed_SqueezeNet.net");
    if (!path)
        skip();
    struct sqz_bytes bytes = read_bytes(path);
    struct mutation m = {.data = bytes.data,
                         .size = bytes.size,
                         .decode = decode_format,
                         .arg = (void *)sqz_format_find("net")};
    uint8_t *copy = malloc(bytes.size);
    struct sqz_random random;
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.size);
    for (size_t word = 0; word < 26; word++)
        mutate_word(&m, copy, 4 * word);
    sqz_random_init(&random, 7, 0, 0, SQZ_RANDOM_TEST);
    for (int i = 0; i < 100; i++) {
        size_t at = sqz_random_u64(&random) % bytes.size;
        copy[at] ^= 0xff;
        mutation_run(&m, copy, bytes.size);
        copy[at] ^= 0xff;
    }
    assert_memory_equal(copy, bytes.data, bytes.size);
    free(copy);
    sqz_bytes_release(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_real),
    };
    // Keeps large zeroed arrays fresh pages of the system, so that only what is decoded costs time.
    mallopt(M_MMAP_THRESHOLD, 64 * 1024);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
