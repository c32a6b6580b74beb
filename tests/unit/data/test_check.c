// `data check`: every kind of trouble is found, counted and told in a fixed order.
#include "dataset_files.h"

#include "testdata.h"

struct told {
    struct sqz_text text;
    size_t count;
};

static void note(void *arg, const char *path, const char *problem)
{
    struct told *told = arg;
    size_t length = strlen(scratch);
    bool ours = !strncmp(path, scratch, length);
    sqz_text_add(&told->text, "%s: %s\n", ours ? path + length + 1 : path, problem);
    told->count++;
}

static struct sqz_data_check_result check_or_fail(const char *dir, int threads, struct told *told)
{
    struct sqz_data_check_result report = {0};
    struct sqz_error err = {0};
    if (sqz_data_check(dir, threads, told ? note : NULL, told, &report, &err))
        fail_msg("%s", err.text);
    return report;
}

static void make_troubled(void)
{
    for (int i = 0; i < 5; i++) {
        make_png(in_scratch("set/train/a/%d.png", i), 40, 33, i);
        make_png(in_scratch("set/train/b/%d.png", i), 32, 32, i);
    }
    make_png(in_scratch("set/train/a/small.png"), 31, 200, 3);
    make_cut_png(in_scratch("set/train/b/cut.png"), 200, 200);
    make_file(in_scratch("set/train/b/broken.jpg"), "\xff\xd8\xff\xe0\0\x10JFIF", 10);
    make_file(in_scratch("set/train/b/anim.gif"), "GIF89a000000000", 15);
    make_file(in_scratch("set/train/b/empty.png"), "", 0);
    make_file(in_scratch("set/train/b/.hidden"), "x", 1);
    make_file(in_scratch("set/train/b/inner/1.png"), "x", 1);
    make_dir(in_scratch("set/train/nobody"));
    make_png(in_scratch("set/val/a/1.png"), 40, 40, 1);
    make_png(in_scratch("set/val/zebra/1.png"), 40, 40, 1);
    make_file(in_scratch("set/test/b/1.png"), "text", 4);
}

static void finds_everything(void **state)
{
    static const char *const lines[] = {
        "set/train/b/inner: is a directory inside a class directory",
        "set/train/a/small.png: is tiny: 31 x 200",
        "set/train/b/anim.gif: is a GIF",
        "set/train/b/broken.jpg: ",
        "set/train/b/cut.png: ",
        "set/train/b/empty.png: is empty",
        "set/train/nobody: is a class directory without an image",
        "set/test/b/1.png: ",
        "set/test/b: is a class directory without an image",
        "set/val/zebra: is a class that train does not have"};
    struct told told = {0}, again = {0};
    (void)state;
    make_troubled();
    struct sqz_data_check_result report = check_or_fail(in_scratch("set"), 3, &told);
    assert_int_equal(report.images, 5 + 5 + 1 + 2);
    assert_int_equal(report.corrupt, 2);    // cut.png, broken.jpg
    assert_int_equal(report.not_images, 4); // anim.gif, empty.png, inner, test/b/1.png
    assert_int_equal(report.tiny, 1);
    assert_int_equal(report.empty_classes, 3);
    assert_int_equal(report.n_classes, 4);
    static const struct {
        const char *name;
        size_t n;
    } classes[] = {{"a", 7}, {"b", 5}, {"nobody", 0}, {"zebra", 1}};
    for (int i = 0; i < 4; i++) {
        assert_string_equal(report.classes[i], classes[i].name);
        assert_int_equal(report.histogram[i], classes[i].n);
    }
    assert_int_equal(told.count, sizeof lines / sizeof *lines);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (!strstr(sqz_text_get(&told.text), lines[i]))
            fail_msg("\"%s\" is not told in:\n%s", lines[i], sqz_text_get(&told.text));
    }
    sqz_data_check_result_release(&report);
    report = check_or_fail(in_scratch("set"), 1, &again);
    assert_string_equal(sqz_text_get(&told.text), sqz_text_get(&again.text));
    sqz_data_check_result_release(&report);
    sqz_text_release(&told.text);
    sqz_text_release(&again.text);
}

static void plain_dir(void **state)
{
    (void)state;
    make_png(in_scratch("plain/a/1.png"), 40, 40, 1);
    make_png(in_scratch("plain/b/1.png"), 40, 40, 1);
    struct told told = {0};
    struct sqz_data_check_result report = check_or_fail(in_scratch("plain"), 2, &told);
    assert_int_equal(report.images, 2);
    assert_int_equal(told.count, 0);
    assert_int_equal(report.n_classes, 2);
    sqz_data_check_result_release(&report);
    struct sqz_error err = {0};
    assert_int_equal(sqz_data_check(in_scratch("plain/a"), 2, NULL, NULL, &report, &err),
                     SQZ_E_DATA);
    assert_non_null(strstr(err.text, "no class directories"));
    assert_int_equal(sqz_data_check(in_scratch("none"), 2, NULL, NULL, &report, &err),
                     SQZ_E_NOINPUT);
}

static void arrays(void **state)
{
    uint8_t records[4 * 3073] = {0};
    (void)state;
    for (int i = 0; i < 4; i++)
        records[i * 3073] = (uint8_t)(i / 2 * 5); // labels 0 0 5 5
    make_file(in_scratch("cifar/data_batch_1.bin"), records, sizeof records);
    make_file(in_scratch("cifar/test_batch.bin"), records, 3073);
    struct sqz_data_check_result report = check_or_fail(in_scratch("cifar"), 2, NULL);
    assert_int_equal(report.images, 5);
    assert_int_equal(report.n_classes, 10);
    assert_int_equal(report.histogram[0], 3);
    assert_int_equal(report.histogram[5], 2);
    assert_int_equal(report.empty_classes, 8);
    assert_string_equal(report.classes[5], "dog");
    sqz_data_check_result_release(&report);
    struct sqz_error err = {0};
    make_file(in_scratch("cifar/test_batch.bin"), records, 3072);
    assert_int_equal(sqz_data_check(in_scratch("cifar"), 2, NULL, NULL, &report, &err), SQZ_E_DATA);
}

static void hymenoptera(void **state)
{
    struct told told = {0};
    (void)state;
    const char *dir = test_data("hymenoptera");
    if (!dir)
        skip();
    struct sqz_data_check_result report = {0};
    struct sqz_error err = {0};
    if (sqz_data_check(dir, 2, note, &told, &report, &err))
        fail_msg("%s", err.text);
    assert_int_equal(report.images, 244 + 153);
    assert_int_equal(report.corrupt, 0);
    assert_int_equal(report.not_images, 1);
    assert_int_equal(report.n_classes, 2);
    assert_int_equal(report.histogram[0] + report.histogram[1], report.images);
    assert_int_equal(told.count, 1);
    assert_non_null(strstr(sqz_text_get(&told.text), "imageNotFound.gif: is a GIF"));
    sqz_data_check_result_release(&report);
    sqz_text_release(&told.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_everything),
                                       cmocka_unit_test(plain_dir), cmocka_unit_test(arrays),
                                       cmocka_unit_test(hymenoptera)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
