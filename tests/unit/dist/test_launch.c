// The command line that starts ranks: nothing in it can be taken for mpirun's own.
#include "dist/launch/launch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_words_of_mpirun),
        cmocka_unit_test(passes_our_words),
        cmocka_unit_test(names_hostfiles_by_path),
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
