// Damaged MindSpore checkpoints.
#include "mutate.h"

static void mutate_bytes(const struct sqz_bytes *bytes)
{
    size_t words[512], n = 0;
    // Lengths and tags are varints of any place: every byte of the first 512 begins a word.
    for (; n < 512 && n + 4 <= bytes->size; n++)
        words[n] = n;
    const size_t borders[] = {bytes->size - 17, bytes->size};
    struct mutation m = {.data = bytes->data,
                         .size = bytes->size,
                         .borders = borders,
                         .n_borders = bytes->size > 17 ? 2 : 0,
                         .words = words,
                         .n_words = n,
                         .payload = 0,
                         .decode = decode_format,
                         .arg = (void *)sqz_format_find("ckpt")};
    mutate(&m);
}

static void test_own(void **state)
{
    (void)state;
    struct sqz_archive archive = {0};
    make_varied(&archive);
    struct sqz_bytes bytes = write_bytes(sqz_format_find("ckpt"), &archive);
    mutate_bytes(&bytes);
    sqz_bytes_release(&bytes);
    sqz_archive_release(&archive);
}

// With its trailer every change is caught, wherever it is.
static void test_trailer(void **state)
{
    (void)state;
    struct sqz_archive archive = {0};
    struct sqz_error err = {0};
    make_varied(&archive);
    const struct sqz_format *format = sqz_format_find("ckpt");
    struct sqz_bytes bytes = write_bytes(format, &archive);
    uint8_t *file = malloc(bytes.size + 17);
    assert_non_null(file);
    uint32_t crc = sqz_crc32(bytes.data, bytes.size);
    memcpy(file, bytes.data, bytes.size);
    memcpy(file + bytes.size, "crc_num\0\0\0\0\0\0", 13);
    for (int i = 0; i < 4; i++)
        file[bytes.size + 13 + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    sqz_archive_release(&archive);
    assert_int_equal(read_exact(format, file, bytes.size + 17, &archive, &err), SQZ_OK);
    sqz_archive_release(&archive);
    for (size_t bit = 0; bit < 8 * bytes.size; bit += 7) {
        file[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(read_exact(format, file, bytes.size + 17, &archive, &err), SQZ_OK);
        sqz_archive_release(&archive);
        file[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(file);
    sqz_bytes_release(&bytes);
}

static void test_golden(void **state)
{
    (void)state;
    const char *path = test_data("mindcv-golden/small-crc.ckpt");
    if (!path)
        skip();
    struct sqz_bytes bytes = read_bytes(path);
    mutate_bytes(&bytes);
    bytes.size -= 17; // without the trailer its check hides nothing
    mutate_bytes(&bytes);
    sqz_bytes_release(&bytes);
}

// Messages that cost a protobuf parser far more memory than they have bytes.
static void test_bombs(void **state)
{
    (void)state;
    static const struct {
        char pair[3];
        bool inside; // of the tensor message
    } bombs[] = {{"\x08\x01", true}, {"\x48\x01", true}, {"\x48\x01", false}, {"\x12\x00", false}};
    size_t pairs = (size_t)1 << 20, body = 2 * pairs;
    uint8_t *file = malloc(body + 32);
    assert_non_null(file);
    for (size_t b = 0; b < sizeof bombs / sizeof bombs[0]; b++) {
        uint8_t head[32];
        size_t at = 0, inner = body + (bombs[b].inside ? 5 : 0) + 3;
        head[at++] = 0x0a;
        for (size_t rest = inner; rest; rest >>= 7)
            head[at++] = (uint8_t)((rest & 127) | (rest >> 7 ? 128 : 0));
        memcpy(head + at, "\x0a\x01w", 3);
        at += 3;
        if (bombs[b].inside) {
            head[at++] = 0x12;
            for (size_t rest = body; rest; rest >>= 7)
                head[at++] = (uint8_t)((rest & 127) | (rest >> 7 ? 128 : 0));
        }
        memcpy(file, head, at);
        for (size_t i = 0; i < pairs; i++)
            memcpy(file + at + 2 * i, bombs[b].pair, 2);
        decode_format(file, at + body, (void *)sqz_format_find("ckpt"));
    }
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own),
        cmocka_unit_test(test_trailer),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_bombs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
