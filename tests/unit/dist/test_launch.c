// The command line that starts ranks: nothing in it can be taken for mpirun's own.
#include "dist/launch/hosts.h"
#include "dist/launch/launch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *mpi; // the one that was built and is installed

static enum sqz_status describe(const char *word, const char *hostfile, struct sqz_text *out,
                                struct sqz_error *err)
{
    const char *const arguments[] = {"train", word, NULL};
    const struct sqz_launch launch = {
        .mpi = mpi, .ranks = 2, .threads = 1, .hostfile = hostfile, .arguments = arguments};
    return sqz_launch_describe(&launch, out, err);
}

static void refuses_words_of_mpirun(void **state)
{
    static const char *const words[] = {":", "-np", "-x", "-", "--", "-mca", "--:"};
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct sqz_text text = {0};
        struct sqz_error err = {0};
        assert_int_equal(describe(words[i], "", &text, &err), SQZ_E_USAGE);
        assert_non_null(strstr(err.text, "mpirun"));
        sqz_text_release(&text);
    }
}

static void passes_our_words(void **state)
{
    static const char *const words[] = {"--run_dir=:", "./:", "./-np", "photos", "a:b", "--json"};
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct sqz_text text = {0};
        struct sqz_error err = {0};
        char end[64];
        assert_int_equal(describe(words[i], "", &text, &err), SQZ_OK);
        snprintf(end, sizeof end, " train %s", words[i]);
        assert_non_null(strstr(sqz_text_get(&text), end));
        sqz_text_release(&text);
    }
}

static void names_hostfiles_by_path(void **state)
{
    static const char *const files[][2] = {
        {":", " ./: "}, {"-n", " ./-n "}, {"/etc/hosts", " /etc/hosts "}};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct sqz_text text = {0};
        struct sqz_error err = {0};
        assert_int_equal(describe("photos", files[i][0], &text, &err), SQZ_OK);
        assert_non_null(strstr(sqz_text_get(&text), files[i][1]));
        sqz_text_release(&text);
    }
}

static void refuses_hosts_that_are_options(void **state)
{
    static const char *const bad[] = {
        "-oProxyCommand=x\n", "good slots=2\n  -lroot\n", "me@-x\n", "^-x\n", "$(x)\n", "a;b\n"};
    static const char *const good[] = {"node-1 slots=4\n", "# -x\n\n10.0.0.2:8\n", "me@node\r\n",
                                       "[fe80::1%eth0]\n"};
    char path[SQZ_TEMPORARY_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad + sizeof good / sizeof *good; i++) {
        const size_t n = sizeof bad / sizeof *bad;
        const char *text = i < n ? bad[i] : good[i - n];
        struct sqz_error err = {0};
        const int file = sqz_temporary_open("test", path);
        assert_true(file >= 0);
        assert_int_equal(write(file, text, strlen(text)), strlen(text));
        close(file);
        const enum sqz_status status = sqz_hosts_check(path, &err);
        unlink(path);
        assert_int_equal(status, i < n ? SQZ_E_DATA : SQZ_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_words_of_mpirun),
        cmocka_unit_test(passes_our_words),
        cmocka_unit_test(names_hostfiles_by_path),
        cmocka_unit_test(refuses_hosts_that_are_options),
    };
    static const char *const known[] = {"openmpi", "mpich"};
    const char *build = getenv("SQZ_BUILD");
    char modules[4096];
    int failed = 0, tried = 0;
    snprintf(modules, sizeof modules, "%s/cli", build ? build : ".");
    setenv("SQUEEZENET_MODULES", modules, 1);
    for (size_t i = 0; i < 2; i++) {
        struct sqz_text text = {0};
        mpi = known[i];
        if (!describe("photos", "", &text, NULL)) {
            failed += cmocka_run_group_tests_name(mpi, tests, NULL, NULL);
            tried++;
        }
        sqz_text_release(&text);
    }
    if (tried == 0)
        printf("SKIPPED, NOT TESTED: starting ranks, for want of an MPI\n");
    return tried == 0 ? 77 : failed;
}
