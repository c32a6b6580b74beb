// Writing where system calls are interrupted, fall short or fail: old file or new file, and the
// sentence says which.
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "base/file.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// These stand in for libc's, since this program defines them. What each is to do next:
static int interruptions, sync_error, sync_calls, sync_fails_at;

int fsync(int fd)
{
    if (interruptions > 0) {
        interruptions--;
        errno = EINTR;
        return -1;
    }
    if (++sync_calls == sync_fails_at) {
        errno = sync_error;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
    if (interruptions > 0) {
        interruptions--;
        errno = EINTR;
        return -1;
    }
    return (int)syscall(SYS_renameat2, -100, from, -100, to, 0);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    if (interruptions > 0) {
        interruptions--;
        errno = EINTR;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, data, size > 2 ? 2 : size, offset); // short, as it may be
}

static char dir[64];

static int enter(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/sqz-test-XXXXXX");
    interruptions = sync_error = sync_calls = sync_fails_at = 0;
    return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static void assert_holds(const char *path, const char *text)
{
    struct sqz_bytes bytes = {0};
    assert_int_equal(sqz_file_read(path, 1 << 20, &bytes, NULL), SQZ_OK);
    assert_int_equal(bytes.size, strlen(text));
    assert_memory_equal(bytes.data, text, bytes.size);
    sqz_bytes_release(&bytes);
}

static void interrupted_calls_are_repeated(void **state)
{
    struct sqz_writer *writer = NULL;
    (void)state;
    interruptions = 3; // in fsync, and then in rename
    assert_int_equal(sqz_file_write("a", "one", 3, SQZ_REPLACE_EXISTING, NULL), SQZ_OK);
    assert_int_equal(interruptions, 0);
    assert_holds("a", "one");
    assert_int_equal(sqz_writer_open("b", SQZ_KEEP_EXISTING, &writer, NULL), SQZ_OK);
    assert_int_equal(sqz_writer_add(writer, "0123456789", 10, NULL), SQZ_OK);
    interruptions = 2;
    assert_int_equal(sqz_writer_replace(writer, 2, "abcde", 5, NULL), SQZ_OK);
    assert_int_equal(interruptions, 0);
    assert_int_equal(sqz_writer_commit(writer, NULL), SQZ_OK);
    assert_holds("b", "01abcde789");
}

static void a_failed_sync_changes_nothing(void **state)
{
    struct sqz_error err = {0};
    (void)state;
    assert_int_equal(sqz_file_write("a", "old", 3, SQZ_KEEP_EXISTING, NULL), SQZ_OK);
    sync_calls = 0;
    sync_fails_at = 1;
    sync_error = ENOSPC;
    assert_int_equal(sqz_file_write("a", "new", 3, SQZ_REPLACE_EXISTING, &err), SQZ_E_CANTWRITE);
    assert_non_null(strstr(err.text, "Nothing was changed"));
    assert_holds("a", "old");
}

static void a_failed_sync_of_the_directory_is_told(void **state)
{
    struct sqz_error err = {0};
    (void)state;
    assert_int_equal(sqz_file_write("a", "old", 3, SQZ_KEEP_EXISTING, NULL), SQZ_OK);
    sync_calls = 0;
    sync_fails_at = 2; // the file's own has succeeded, and the file is in its place
    sync_error = ENOSPC;
    assert_int_equal(sqz_file_write("a", "new", 3, SQZ_REPLACE_EXISTING, &err), SQZ_E_IO);
    assert_non_null(strstr(err.text, "in its place"));
    assert_null(strstr(err.text, "Nothing was changed"));
    assert_holds("a", "new");
}

static void replacing_keeps_permissions(void **state)
{
    struct stat info;
    (void)state;
    assert_int_equal(sqz_file_write("a", "old", 3, SQZ_KEEP_EXISTING, NULL), SQZ_OK);
    assert_int_equal(chmod("a", 0600), 0);
    assert_int_equal(sqz_file_write("a", "new", 3, SQZ_REPLACE_EXISTING, NULL), SQZ_OK);
    assert_int_equal(stat("a", &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_holds("a", "new");
}

static void temporary_files_honour_tmpdir(void **state)
{
    char path[SQZ_TEMPORARY_SIZE], wanted[128];
    (void)state;
    setenv("TMPDIR", dir, 1);
    int fd = sqz_temporary_open("what", path);
    snprintf(wanted, sizeof wanted, "%s/squeezenet-what-", dir);
    assert_true(fd >= 0);
    assert_int_equal(strncmp(path, wanted, strlen(wanted)), 0);
    close(fd);
    setenv("TMPDIR", "/nowhere/at/all", 1);
    assert_int_equal(sqz_temporary_open("what", path), -1);
    assert_string_equal(path, "");
    unsetenv("TMPDIR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(interrupted_calls_are_repeated, enter, leave),
        cmocka_unit_test_setup_teardown(a_failed_sync_changes_nothing, enter, leave),
        cmocka_unit_test_setup_teardown(a_failed_sync_of_the_directory_is_told, enter, leave),
        cmocka_unit_test_setup_teardown(replacing_keeps_permissions, enter, leave),
        cmocka_unit_test_setup_teardown(temporary_files_honour_tmpdir, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
