// The header check's memory: what is remembered, what is looked at again, damaged and unwritable
// caches.
#include "dataset_files.h"

#include "data/sets/sets.h"
#include "paths.h"
#include <dirent.h>
#include <fcntl.h>

// Makes a file look old enough to be remembered, or sets a time of choice.
static void set_time(const char *path, long seconds)
{
    struct timespec times[2] = {{seconds, 0}, {seconds, 0}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static size_t open_count(const char *dir, int threads)
{
    struct sqz_dataset_request request = {
        .kind = "", .dir = dir, .split = "", .check_headers = true, .threads = threads};
    struct sqz_dataset *set = open_or_fail(&request);
    size_t count = set->count;
    sqz_dataset_free(set);
    return count;
}

// Replaces a file's content unseen by the cache: same name, size and time.
static void swap_content(const char *path, long seconds)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    char *junk = sqz_new_array((size_t)info.st_size, 1);
    assert_non_null(junk);
    make_file(path, junk, (size_t)info.st_size);
    sqz_free(junk);
    set_time(path, seconds);
}

static const char *cache_file(void)
{
    static char path[512];
    const char *dir = in_scratch("cache/squeezenet");
    DIR *listing = opendir(dir);
    assert_non_null(listing);
    path[0] = 0;
    for (struct dirent *entry; (entry = readdir(listing));)
        if (entry->d_name[0] != '.')
            snprintf(path, sizeof path, "%s/%.255s", dir, entry->d_name);
    closedir(listing);
    assert_true(path[0]);
    return path;
}

static void remembers(void **state)
{
    (void)state;
    const char *dir = in_scratch("set");
    make_png(in_scratch("set/a/1.png"), 40, 40, 1);
    make_png(in_scratch("set/a/2.png"), 40, 40, 2);
    make_png(in_scratch("set/a/3.png"), 40, 40, 2);
    for (int i = 1; i <= 2; i++)
        set_time(in_scratch("set/a/%d.png", i), 1000000);
    assert_int_equal(open_count(dir, 1), 3);
    // Remembered as good: not looked at again. (No honest change keeps name, size and time.)
    swap_content(in_scratch("set/a/1.png"), 1000000);
    assert_int_equal(open_count(dir, 2), 3);
    // Another time: looked at, and found to be no image.
    set_time(in_scratch("set/a/1.png"), 1000001);
    assert_int_equal(open_count(dir, 2), 2);
    assert_int_equal(open_count(dir, 2), 2);
    // A file of this very second is not remembered.
    struct stat info;
    assert_int_equal(stat(in_scratch("set/a/3.png"), &info), 0);
    swap_content(in_scratch("set/a/3.png"), (long)info.st_mtim.tv_sec);
    assert_int_equal(open_count(dir, 2), 1);
}

static void survives_damage(void **state)
{
    (void)state;
    const char *dir = in_scratch("set");
    struct sqz_bytes bytes = {0};
    assert_int_equal(open_count(dir, 1), 1);
    const char *path = cache_file();
    assert_int_equal(sqz_file_read(path, 1 << 20, &bytes, NULL), SQZ_OK);
    assert_int_equal(bytes.size, 8 + 8 + 8 + 8); // one key
    swap_content(in_scratch("set/a/2.png"), 1000000);
    assert_int_equal(open_count(dir, 1), 1); // the key is in force
    for (size_t i = 0; i < bytes.size; i++) {
        struct sqz_header_cache cache;
        bytes.data[i] ^= 0x10;
        make_file(path, bytes.data, bytes.size);
        bytes.data[i] ^= 0x10;
        assert_true(sqz_header_cache_read(dir, &cache));
        assert_int_equal(cache.count, 0);
        sqz_header_cache_release(&cache);
        make_file(path, bytes.data, i);
        assert_true(sqz_header_cache_read(dir, &cache));
        assert_int_equal(cache.count, 0);
        sqz_header_cache_release(&cache);
    }
    make_file(path, bytes.data, bytes.size);
    sqz_bytes_release(&bytes);
}

static void needs_no_place(void **state)
{
    (void)state;
    make_png(in_scratch("other/a/1.png"), 40, 40, 1);
    set_time(in_scratch("other/a/1.png"), 1000000);
    char *old = sqz_copy_string(getenv("XDG_CACHE_HOME"));
    make_file(in_scratch("blocked"), "", 0);
    setenv("XDG_CACHE_HOME", in_scratch("blocked"), 1); // a file: no directory can be made in it
    assert_int_equal(open_count(in_scratch("other"), 1), 1);
    setenv("XDG_CACHE_HOME", "relative", 1);
    setenv("HOME", in_scratch("home"), 1);
    assert_int_equal(open_count(in_scratch("other"), 1), 1);
    assert_true(path_is_dir(in_scratch("home/.cache/squeezenet")));
    assert_false(path_exists("relative"));
    setenv("XDG_CACHE_HOME", old, 1);
    sqz_free(old);
}

// A JPEG whose header follows 200 KB of application data.
static void long_headers(void **state)
{
    static const uint8_t frame[] = {0xff, 0xc0, 0, 11, 8, 0, 40, 0, 50, 1, 1, 0x11, 0};
    (void)state;
    size_t size = 2 + 4 * 65535 + sizeof frame, at = 2;
    uint8_t *data = sqz_new_array(size, 1);
    assert_non_null(data);
    data[0] = 0xff;
    data[1] = 0xd8;
    for (int i = 0; i < 4; i++) {
        data[at] = 0xff;
        data[at + 1] = 0xe5;
        data[at + 2] = 0xff;
        data[at + 3] = 0xfd; // length 65533, and the marker's two bytes
        at += 65535;
    }
    memcpy(data + at, frame, sizeof frame);
    make_file(in_scratch("long/a/1.jpg"), data, size);
    assert_int_equal(open_count(in_scratch("long"), 1), 1);
    data[at + 1] = 0; // no such marker
    make_file(in_scratch("long/a/2.jpg"), data, size);
    assert_int_equal(open_count(in_scratch("long"), 1), 1);
    sqz_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remembers), cmocka_unit_test(survives_damage),
        cmocka_unit_test(needs_no_place), cmocka_unit_test(long_headers)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
