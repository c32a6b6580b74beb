// The images below a directory: how many, in which order, and links that lead back.
#include "dataset_files.h"

#include "data/sets/image_dir.h"

static const struct sqz_preprocess small = {
    .resize = 8, .image_size = 8, .channels = 3, .std = {1, 1, 1}};

static struct sqz_image_dir *open_dir(const char *dir, struct sqz_pool *pool, int most)
{
    struct sqz_image_dir *images = NULL;
    struct sqz_error err = {0};
    if (sqz_image_dir_open(pool, dir, &small, most, &images, &err))
        fail_msg("%s", err.text);
    return images;
}

// Every image once, whatever circles the links make; the same order in every run.
static void circular_links(void **state)
{
    (void)state;
    struct sqz_pool *pool = NULL;
    assert_int_equal(sqz_pool_new(2, &pool, NULL), SQZ_OK);
    for (int i = 0; i < 5; i++)
        make_png(in_scratch("loop/%d.png", i), 8, 8, 10 * i);
    make_png(in_scratch("loop/deep/er/5.png"), 8, 8, 50);
    make_file(in_scratch("loop/deep/text.png"), "no image", 8);
    make_png(in_scratch("loop/.hidden/6.png"), 8, 8, 60);
    assert_int_equal(symlink(".", in_scratch("loop/a")), 0);
    assert_int_equal(symlink(".", in_scratch("loop/b")), 0);
    assert_int_equal(symlink("../..", in_scratch("loop/deep/er/up")), 0);
    float first[6 * 8 * 8 * 3], again[6 * 8 * 8 * 3];
    bool seen[6] = {false};
    for (int turn = 0; turn < 2; turn++) {
        struct sqz_image_dir *images = open_dir(in_scratch("loop"), pool, 100);
        assert_int_equal(sqz_image_dir_count(images), 6);
        assert_int_equal(sqz_image_dir_read(images, 0, 6, turn ? again : first, NULL), SQZ_OK);
        sqz_image_dir_free(images);
    }
    assert_memory_equal(first, again, sizeof first);
    for (int i = 0; i < 6; i++)
        seen[(int)first[i * 8 * 8 * 3] / 10] = true;
    for (int i = 0; i < 6; i++)
        assert_true(seen[i]);
    struct sqz_image_dir *images = open_dir(in_scratch("loop"), pool, 4);
    assert_int_equal(sqz_image_dir_count(images), 4);
    sqz_image_dir_free(images);
    struct sqz_error err = {0};
    make_dir(in_scratch("bare/inner"));
    assert_int_equal(sqz_image_dir_open(pool, in_scratch("bare"), &small, 4, &images, &err),
                     SQZ_E_NOINPUT);
    assert_non_null(strstr(err.text, "no JPEG or PNG image"));
    sqz_pool_free(pool);
}

// More directories than the first table of those visited holds.
static void many_dirs(void **state)
{
    (void)state;
    struct sqz_pool *pool = NULL;
    assert_int_equal(sqz_pool_new(1, &pool, NULL), SQZ_OK);
    for (int i = 0; i < 150; i++)
        make_png(in_scratch("many/%d/x.png", i), 8, 8, i);
    struct sqz_image_dir *images = open_dir(in_scratch("many"), pool, 1000);
    assert_int_equal(sqz_image_dir_count(images), 150);
    sqz_image_dir_free(images);
    sqz_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(circular_links),
        cmocka_unit_test(many_dirs),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
