// Damaged ncnn pairs: the text, and the weights under a whole text.
#include "mutate.h"
#include "ncnn_pair.h"

static void check_result(enum sqz_status status, const struct sqz_error *err,
                         struct sqz_archive *archive)
{
    if (status && (status != SQZ_E_DATA || !strstr(err->text, "toy")))
        fail_msg("a damaged file gave status %d and \"%s\"", (int)status, err->text);
    sqz_archive_release(archive);
}

static void decode_param(const uint8_t *data, size_t size, void *arg)
{
    const struct ncnn_pair *pair = arg;
    struct sqz_archive archive;
    struct sqz_error err = {0};
    enum sqz_status status = decode_pair(data, size, pair->bin, pair->size, &archive, &err);
    check_result(status, &err, &archive);
}

static void decode_bin(const uint8_t *data, size_t size, void *arg)
{
    const struct ncnn_pair *pair = arg;
    struct sqz_archive archive;
    struct sqz_error err = {0};
    enum sqz_status status =
        decode_pair(pair->param.data, pair->param.length, data, size, &archive, &err);
    check_result(status, &err, &archive);
}

static void test_param(void **state)
{
    (void)state;
    struct ncnn_pair pair = make_pair(1, 0x01306b47);
    struct mutation m = {.data = (const uint8_t *)pair.param.data,
                         .size = pair.param.length,
                         .payload = 0,
                         .decode = decode_param,
                         .arg = &pair};
    mutate(&m);
    release_pair(&pair);
}

// Every number of the text replaced by edge values.
static void test_numbers(void **state)
{
    (void)state;
    static const char *const values[] = {"0",
                                         "1",
                                         "-1",
                                         "2",
                                         "2147483647",
                                         "2147483648",
                                         "4294967295",
                                         "4294967296",
                                         "999999999999999",
                                         "-99999999999999",
                                         "1e9",
                                         "1000000000000000",
                                         ""};
    struct ncnn_pair pair = make_pair(0, 0);
    const char *text = pair.param.data;
    size_t tried = 0;
    for (size_t at = 0; at < pair.param.length; at++) {
        bool digit = text[at] >= '0' && text[at] <= '9';
        if (!digit || (at > 0 && text[at - 1] >= '0' && text[at - 1] <= '9'))
            continue;
        size_t end = at + strspn(text + at, "0123456789");
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            struct sqz_text edited = {0};
            sqz_text_add_bytes(&edited, text, at);
            sqz_text_add(&edited, "%s%s", values[i], text + end);
            decode_param((const uint8_t *)edited.data, edited.length, &pair);
            sqz_text_release(&edited);
            tried++;
        }
    }
    assert_true(tried > 2000);
    release_pair(&pair);
}

static void test_bin(void **state)
{
    (void)state;
    static const uint32_t flags[] = {0, 0x01306b47, 0x000d4b38, TOY_TABLE};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        struct ncnn_pair pair = make_pair(1, flags[i]);
        size_t words[128], n = 0;
        if (flags[i])
            n = find_all(pair.bin, pair.size, (const char *)&flags[i], 4, 0, words, 128);
        else
            words[n++] = 0;
        assert_true(n == 1 || n >= 26);
        struct mutation m = {.data = pair.bin,
                             .size = pair.size,
                             .borders = words,
                             .n_borders = n,
                             .words = words,
                             .n_words = n,
                             .payload = 0,
                             .decode = decode_bin,
                             .arg = &pair};
        mutate(&m);
        release_pair(&pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_param),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_bin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
