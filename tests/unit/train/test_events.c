// TensorBoard's event files, byte for byte; that the real reader takes them was checked with
// tensorboard 2.21 (docs/mindcv.md says how).
#include "run_support.h"
#include "train/run/events.h"

#include <math.h>

static uint32_t u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

// The only file of the directory.
static struct sqz_bytes only_file(const char *dir)
{
    struct sqz_dir content = {0};
    struct sqz_error err = {0};
    if (sqz_dir_read(in_root(dir), &content, &err))
        fail_msg("%s", err.text);
    assert_int_equal(content.count, 1);
    assert_non_null(strstr(content.entries[0].name, "events.out.tfevents."));
    struct sqz_bytes bytes = slurp(dir, content.entries[0].name);
    sqz_dir_release(&content);
    return bytes;
}

static void test_bytes(void **state)
{
    (void)state;
    FILE *file = NULL;
    struct sqz_error err = {0};
    const struct sqz_scalar scalars[] = {{"loss", 0.5}, {"nothing", NAN}};
    if (sqz_events_open(in_root("events"), &file, &err))
        fail_msg("%s", err.text);
    sqz_events_add(file, 300, scalars, 2);
    sqz_events_add(file, 301, scalars + 1, 1); // nothing finite: no event
    sqz_events_add(NULL, 302, scalars, 1);
    fclose(file);
    struct sqz_bytes bytes = only_file("events");
    // wall_time: key, 8 bytes; file_version: key, length, 13 bytes.
    const uint8_t *at = bytes.data;
    assert_int_equal(u32(at), 24);
    assert_int_equal(u32(at + 4), 0);
    assert_int_equal(u32(at + 8),
                     0x224b7fa3); // masked CRC-32C of the length, from tensorboard's own code
    assert_memory_equal(at + 12 + 9,
                        "\x1a\x0d"
                        "brain.Event:2",
                        15);
    // wall_time, then step 300 = varint ac 02, then the summary with its one value.
    at += 12 + 24 + 4;
    const uint8_t event[] = {0x10, 0xac, 0x02, 0x2a, 13,   0x0a, 11, 0x0a, 4,
                             'l',  'o',  's',  's',  0x15, 0,    0,  0,    0x3f};
    assert_int_equal(u32(at), 9 + sizeof event);
    assert_memory_equal(at + 12 + 9, event, sizeof event);
    assert_int_equal(bytes.size, 12 + 24 + 4 + 12 + 9 + sizeof event + 4);
    sqz_bytes_release(&bytes);
}

// A run writes them when asked, and --force removes those of an older run.
static void test_run(void **state)
{
    (void)state;
    char dir[320];
    snprintf(dir, sizeof dir, "run_dir=%s", in_root("board"));
    const char *const pairs[] = {
        dir, "tensorboard=true", "epoch_size=1", "warmup_epochs=0", "force=true", NULL};
    run_well(pairs, 1, NULL, NULL);
    struct sqz_bytes first = only_file("board/summary");
    assert_non_null(memmem(first.data, first.size, "val_Top_1_Accuracy_0", 20));
    run_well(pairs, 1, NULL, NULL);
    struct sqz_bytes second = only_file("board/summary");
    assert_int_equal(first.size, second.size);
    sqz_bytes_release(&first);
    sqz_bytes_release(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bytes), cmocka_unit_test(test_run)};
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
