// Damaged .sqz files, as they are and signed again.
#include "sqz_files.h"

// The damage gets a right trailer, or the check would hide every reader after it.
static void decode_signed(const uint8_t *data, size_t size, void *arg)
{
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    if (size)
        memcpy(copy, data, size);
    sign_again(copy, size);
    decode_format(copy, size, arg);
    free(copy);
}

static void run(enum sqz_coder coder, void (*decode)(const uint8_t *, size_t, void *))
{
    struct sqz_archive archive = {0};
    struct sqz_bytes file = {0};
    size_t words[400];
    make_small_archive(&archive);
    assert_int_equal(sqz_archive_to_sqz(&archive, coder, &file, NULL), SQZ_OK);
    struct mutation m = {.data = file.data,
                         .size = file.size,
                         .words = words,
                         .payload = SQZ_PACKED_HEADER,
                         .decode = decode,
                         .arg = (void *)sqz_format_find("sqz")};
    // Every position may be a number: the directory's fields are not aligned.
    while (m.n_words < 400 && m.n_words + 4 < file.size) {
        words[m.n_words] = m.n_words;
        m.n_words++;
    }
    mutate(&m);
    sqz_bytes_release(&file);
    sqz_archive_release(&archive);
}

static void test_as_they_come(void **state)
{
    (void)state;
    run(SQZ_CODER_RANGE, decode_format);
}

static void test_signed_range(void **state)
{
    (void)state;
    run(SQZ_CODER_RANGE, decode_signed);
}

static void test_signed_huffman(void **state)
{
    (void)state;
    run(SQZ_CODER_HUFFMAN, decode_signed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_they_come),
        cmocka_unit_test(test_signed_range),
        cmocka_unit_test(test_signed_huffman),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
