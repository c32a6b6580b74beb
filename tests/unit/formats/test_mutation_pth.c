// Damaged PyTorch files, zip and stream.
#include "mutate.h"

static void mutate_fixture(const char *name)
{
    char path[512];
    size_t words[4096], n = 0;
    snprintf(path, sizeof path, FIXTURES "%s", name);
    struct sqz_bytes bytes = read_bytes(path);
    static const struct {
        const char *magic;
        size_t size;
    } records[] = {{"PK\1\2", 46}, {"PK\3\4", 30}, {"PK\5\6", 22}, {"PK\6\6", 56}, {"PK\6\7", 20}};
    size_t borders[64], n_borders = 0;
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        size_t at[64], found = find_all(bytes.data, bytes.size, records[i].magic, 4, 0, at, 64);
        // All 16-bit fields begin at even places of a record, so that its words overlap.
        for (size_t k = 0; k < found; k++) {
            for (size_t field = 4; field < records[i].size && n < 4096; field += 2)
                words[n++] = at[k] + field;
            if (n_borders < 64)
                borders[n_borders++] = at[k];
        }
    }
    if (n == 0) // a stream: the pickles, and the counts of the storages
        for (; n + 4 <= bytes.size && n < 600; n++)
            words[n] = n;
    struct mutation m = {.data = bytes.data,
                         .size = bytes.size,
                         .borders = borders,
                         .n_borders = n_borders,
                         .words = words,
                         .n_words = n,
                         .payload = 0,
                         .decode = decode_format,
                         .arg = (void *)sqz_format_find("pth")};
    mutate(&m);
    sqz_bytes_release(&bytes);
}

static void test_zip(void **state)
{
    (void)state;
    mutate_fixture("small.pth");
    mutate_fixture("namespace.pth");
}

static void test_stream(void **state)
{
    (void)state;
    mutate_fixture("small-legacy.pth");
    mutate_fixture("kinds-legacy.pth");
    mutate_fixture("objects-legacy.pth");
}

// The zip's checksum guards its pickle, so the pickle machine is reached by the stream: pickles
// that grow as fast as their opcodes let them.
static void expect_refused(const uint8_t *body, size_t size)
{
    static const char prologue[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
                                   "\x80\x02M\xe9\x03."
                                   "\x80\x02}X\x0d\0\0\0little_endian\x88s.";
    uint8_t *file = malloc(sizeof prologue - 1 + size);
    assert_non_null(file);
    memcpy(file, prologue, sizeof prologue - 1);
    memcpy(file + sizeof prologue - 1, body, size);
    expect_failure(sqz_format_find("pth"), file, sizeof prologue - 1 + size, "");
    free(file);
}

static void test_bombs(void **state)
{
    (void)state;
    static const char *const repeated[] = {"}",
                                           "(",
                                           "N",
                                           ")",
                                           "]",
                                           "(t",
                                           "h\1",
                                           "Nq\1",
                                           "]q\1h\1a",
                                           "(h\1h\1h\1h\1t",
                                           "]q\1(h\1h\1h\1h\1e",
                                           "2",
                                           "cx\ny\n",
                                           "cx\ny\n)R",
                                           "cx\ny\n)\x81",
                                           "\x8f(22\x90",
                                           "(\x91"};
    size_t size = (size_t)4 << 20;
    uint8_t *body = malloc(size + 8);
    assert_non_null(body);
    for (size_t i = 0; i < sizeof repeated / sizeof repeated[0]; i++) {
        size_t n = strlen(repeated[i]), at = 3;
        memcpy(body, "Nq\1", 3);
        for (; at + n <= size; at += n)
            memcpy(body + at, repeated[i], n);
        body[at++] = '.';
        expect_refused(body, at);
    }
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zip),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_bombs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
