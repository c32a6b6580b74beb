// Fetching from a server that behaves well, badly, or not at all.
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "base/file.h"
#include "base/memory.h"
#include "formats/fetch.h"
#include "formats/published.h"
#include "http_server.h"
#include "paths.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { SIZE = 300000, THIRD = SIZE / 3 };
static uint8_t content[SIZE];
static char hash[65], scratch[] = "/tmp/sqz-fetch-XXXXXX", target[64], part[80];
static struct http_server server;

static int set_up(void **state)
{
    (void)state;
    uint32_t x = 1;
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
    sqz_fetch_hash(content, SIZE, hash);
    if (!mkdtemp(scratch))
        return 1;
    snprintf(target, sizeof target, "%s/sub/file", scratch);
    snprintf(part, sizeof part, "%s.part", target);
    setenv("XDG_CACHE_HOME", scratch, 1);
    unsetenv("http_proxy");
    setenv("no_proxy", "127.0.0.1", 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", scratch);
    return system(command);
}

static int start(void **state)
{
    (void)state;
    unlink(target);
    unlink(part);
    return http_start(&server, content, SIZE) ? 0 : 1;
}

static int stop(void **state)
{
    (void)state;
    http_stop(&server);
    return 0;
}

static const char *url_of(const char *how)
{
    static char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s/file", server.port, how);
    return url;
}

static enum sqz_status fetch_as(const char *how, const char *sha256, struct sqz_error *err)
{
    struct sqz_fetch fetch = {.url = url_of(how), .path = target, .sha256 = sha256};
    return sqz_fetch_file(&fetch, err);
}

static void fetch_well(const char *how, const char *sha256, int requests)
{
    struct sqz_error err = {0};
    struct sqz_bytes bytes;
    if (fetch_as(how, sha256, &err))
        fail_msg("%s: %s", how, err.text);
    assert_int_equal(server.requests, requests);
    assert_int_equal(sqz_file_read(target, SIZE, &bytes, NULL), SQZ_OK);
    assert_int_equal(bytes.size, SIZE);
    assert_memory_equal(bytes.data, content, SIZE);
    assert_false(path_exists(part));
    sqz_bytes_release(&bytes);
}

static void refuses(const char *how, const char *sha256, enum sqz_status wanted, const char *word)
{
    struct sqz_error err = {0};
    assert_int_equal(fetch_as(how, sha256, &err), wanted);
    if (!strstr(err.text, word))
        fail_msg("\"%s\" does not speak of %s", err.text, word);
    assert_false(path_exists(target));
}

static void test_good(void **state)
{
    (void)state;
    fetch_well("good", hash, 1);
    // It is there: nobody is asked.
    fetch_well("good", hash, 1);
    // What is there is damaged: fetched again.
    assert_int_equal(truncate(target, 1000), 0);
    fetch_well("good", hash, 2);
}

static void test_redirect(void **state)
{
    (void)state;
    fetch_well("moved", hash, 2);
}

static void test_cut(void **state)
{
    (void)state;
    fetch_well("cut", hash, 3);
    assert_int_equal(server.sent, SIZE); // no byte twice
}

static void test_cut_without_hash(void **state)
{
    (void)state;
    fetch_well("cut", "", 3);
    assert_int_equal(server.sent, SIZE);
}

static void test_no_ranges(void **state)
{
    (void)state;
    fetch_well("once", hash, 2);
    assert_int_equal(server.sent, THIRD + SIZE);
}

static void test_changed(void **state)
{
    (void)state;
    // Two halves of different files: the hash tells, and the file is fetched from the start.
    fetch_well("changed", hash, 3);
}

static void test_shifted(void **state)
{
    (void)state;
    fetch_well("shifted", hash, 3);
}

static void write_part(const void *data, size_t size)
{
    assert_int_equal(sqz_file_write(part, data, size, SQZ_REPLACE_EXISTING, NULL), SQZ_OK);
}

// A partial file of an earlier process is continued.
static void test_continued(void **state)
{
    (void)state;
    write_part(content, 123456);
    fetch_well("good", hash, 1);
    assert_int_equal(server.sent, SIZE - 123456);
}

static void test_continued_without_ranges(void **state)
{
    (void)state;
    write_part(content, 123456);
    fetch_well("norange", hash, 1);
}

// A partial file that is too long, wrong, or of nobody knows what.
static void test_useless_part(void **state)
{
    (void)state;
    static uint8_t zeros[SIZE + 5];
    write_part(zeros, sizeof zeros);
    fetch_well("good", hash, 2); // 416, then all of it
    unlink(target);
    write_part(zeros, 1000);
    fetch_well("good", hash, 4); // the rest, then all of it
    unlink(target);
    write_part(content, 1000);
    fetch_well("good", "", 5); // without a hash nothing of an older file is trusted
}

static void test_refusals(void **state)
{
    (void)state;
    refuses("missing", hash, SQZ_E_NOINPUT, "404");
    refuses("busy", hash, SQZ_E_IO, "503");
    refuses("loop", hash, SQZ_E_IO, "redirects");
    assert_false(path_exists(part));
}

static void test_wrong_hash(void **state)
{
    (void)state;
    refuses("good", "00000000", SQZ_E_DATA, "SHA-256");
    assert_int_equal(server.requests, 1);
    assert_false(path_exists(part));
    // In pieces it might have been two halves of different files: twice, not for ever.
    refuses("cut", "00000000", SQZ_E_DATA, "SHA-256");
    assert_int_equal(server.requests, 1 + 2 * 3);
}

static void test_no_server(void **state)
{
    (void)state;
    http_stop(&server);
    refuses("good", hash, SQZ_E_IO, "127.0.0.1");
    assert_false(path_exists(part));
    assert_true(http_start(&server, content, SIZE));
}

static void test_full_disk(void **state)
{
    (void)state;
    struct rlimit old, small;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){.rlim_cur = 50000, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    refuses("good", hash, SQZ_E_CANTWRITE, ".part");
    setrlimit(RLIMIT_FSIZE, &old);
    // With room again it goes on where it was.
    fetch_well("good", hash, 2);
}

// A link under the name of the file that grows: its target stays as it was.
static void test_link_in_the_way(void **state)
{
    (void)state;
    char victim[128], text[8] = "";
    snprintf(victim, sizeof victim, "%s/victim", scratch);
    for (int hard = 0; hard < 2; hard++) {
        FILE *file = fopen(victim, "w");
        assert_non_null(file);
        assert_true(fputs("mine", file) >= 0 && fclose(file) == 0);
        unlink(target);
        unlink(part);
        assert_int_equal(hard ? link(victim, part) : symlink(victim, part), 0);
        struct sqz_error err = {0};
        if (fetch_as("good", hash, &err))
            fail_msg("%s", err.text);
        assert_int_equal(sqz_fetch_check(target, hash, NULL), SQZ_OK);
        file = fopen(victim, "r");
        assert_true(file && fread(text, 1, sizeof text - 1, file) == 4 && fclose(file) == 0);
        assert_string_equal(text, "mine");
    }
}

struct watch {
    uint64_t last, all, stop_at;
    int calls;
};

static bool watch_progress(void *arg, uint64_t got, uint64_t all)
{
    struct watch *watch = arg;
    assert_true(got >= watch->last && got <= SIZE);
    watch->last = got;
    watch->all = all ? all : watch->all;
    watch->calls++;
    return !watch->stop_at || got < watch->stop_at;
}

static void test_progress(void **state)
{
    (void)state;
    struct watch watch = {.stop_at = 20000};
    struct sqz_fetch fetch = {url_of("good"), target, hash, watch_progress, &watch};
    struct sqz_error err = {0};
    assert_int_equal(sqz_fetch_file(&fetch, &err), SQZ_E_STOPPED);
    assert_non_null(strstr(err.text, "are kept"));
    struct stat info;
    assert_int_equal(stat(part, &info), 0);
    assert_true(info.st_size >= 20000 && info.st_size <= SIZE);
    watch = (struct watch){0};
    assert_int_equal(sqz_fetch_file(&fetch, &err), SQZ_OK);
    assert_int_equal(watch.last, SIZE);
    assert_true(watch.all == SIZE && watch.calls > 0);
}

// --- published.h -----------------------------------------------------------------------------

static void get_well(const char *url, const char *dir, const char *name)
{
    struct sqz_published_request request = {.url = url, .dir = dir};
    struct sqz_error err = {0};
    char *path = NULL;
    if (sqz_published_get(&request, &path, &err))
        fail_msg("%s", err.text);
    assert_non_null(strstr(path, name));
    assert_int_equal(sqz_fetch_check(path, hash, NULL), SQZ_OK);
    sqz_free(path);
}

static void get_badly(const char *url, const char *dir, enum sqz_status wanted, const char *word)
{
    struct sqz_published_request request = {.url = url, .dir = dir};
    struct sqz_error err = {0};
    char *path = NULL;
    assert_int_equal(sqz_published_get(&request, &path, &err), wanted);
    assert_null(path);
    if (!strstr(err.text, word))
        fail_msg("\"%s\" does not speak of %s", err.text, word);
}

static void test_addresses(void **state)
{
    (void)state;
    char url[200], mirror[64], name[64], local[128];
    snprintf(mirror, sizeof mirror, "http://127.0.0.1:%d/cut", server.port);
    snprintf(name, sizeof name, "net-%.8s-v2.ckpt", hash);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/good/%s", server.port, name);
    get_well(url, NULL, name);
    get_well(url, "", name);
    assert_int_equal(server.requests, 1); // the second came out of the cache
    snprintf(url, sizeof url, "http://127.0.0.1:%d/good/net.ckpt?download=1", server.port);
    get_well(url, NULL, "-net.ckpt");
    snprintf(url, sizeof url, "http://127.0.0.1:%d/good/net-00000000.ckpt", server.port);
    get_badly(url, NULL, SQZ_E_DATA, "00000000");
    get_badly("http://127.0.0.1/", NULL, SQZ_E_USAGE, "address");
    get_badly("http://nothing", NULL, SQZ_E_USAGE, "address");
    get_badly("ftp://a/b", NULL, SQZ_E_USAGE, "address");
    // A mirror, and a directory: their files must be the same ones.
    snprintf(url, sizeof url, "https://nobody.invalid/%s", name);
    get_well(url, NULL, name); // cached
    snprintf(local, sizeof local, "%s/squeezenet/weights/%s", scratch, name);
    unlink(local);
    get_well(url, mirror, name);
    snprintf(local, sizeof local, "%s/squeezenet/weights", scratch);
    get_well(url, local, name);
    get_badly("https://nobody.invalid/other-00000000.ckpt", local, SQZ_E_NOINPUT, "nobody.invalid");
}

static void test_table(void **state)
{
    (void)state;
    assert_non_null(strstr(sqz_published_find("squeezenet1_0", "mindcv")->url, "eb911778"));
    assert_non_null(strstr(sqz_published_find("squeezenet1_1", "mindcv")->url, "da256d3a"));
    assert_null(sqz_published_find("squeezenet1_0_bypass", "mindcv"));
    for (int i = 0; sqz_published_at(i); i++) {
        const struct sqz_published *p = sqz_published_at(i);
        size_t digits = strspn(p->sha256, "0123456789abcdef");
        char in_name[16];
        assert_true(sqz_published_is_url(p->url) && (digits == 8 || digits == 64));
        assert_int_equal(p->sha256[digits], 0);
        snprintf(in_name, sizeof in_name, "-%.8s", p->sha256);
        assert_non_null(strstr(p->url, in_name));
        assert_non_null(strstr(sqz_path_name(p->url), p->variant));
    }
}

int main(void)
{
#define SERVED(test) cmocka_unit_test_setup_teardown(test, start, stop)
    const struct CMUnitTest tests[] = {SERVED(test_good),
                                       SERVED(test_redirect),
                                       SERVED(test_cut),
                                       SERVED(test_cut_without_hash),
                                       SERVED(test_no_ranges),
                                       SERVED(test_changed),
                                       SERVED(test_shifted),
                                       SERVED(test_continued),
                                       SERVED(test_continued_without_ranges),
                                       SERVED(test_useless_part),
                                       SERVED(test_refusals),
                                       SERVED(test_wrong_hash),
                                       SERVED(test_no_server),
                                       SERVED(test_full_disk),
                                       SERVED(test_link_in_the_way),
                                       SERVED(test_progress),
                                       SERVED(test_addresses),
                                       cmocka_unit_test(test_table)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
