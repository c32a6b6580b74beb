// Level names, the environment's caps, thread counts, memory figures.
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "base/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int reset(void **state)
{
    (void)state;
    unsetenv("SQUEEZENET_CPU");
    unsetenv("SQUEEZENET_THREADS");
    return 0;
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(sqz_cpu_level_name(SQZ_CPU_REF), "ref");
    assert_string_equal(sqz_cpu_level_name(SQZ_CPU_AVX2), "avx2");
    assert_string_equal(sqz_cpu_level_name(SQZ_CPU_AVX512), "avx512");
    assert_string_equal(sqz_cpu_level_name(SQZ_CPU_AVX_VNNI), "avxvnni");
    assert_string_equal(sqz_cpu_level_name(SQZ_CPU_AVX512_VNNI), "avx512vnni");
    assert_string_equal(sqz_cpu_level_name(SQZ_CPU_AMX), "amx");
    assert_string_equal(sqz_cpu_level_name(SQZ_CPU_NEON), "neon");
    assert_string_equal(sqz_cpu_level_name(SQZ_CPU_NEON_DOT), "neondot");
    assert_true(strlen(sqz_cpu_name()) > 0);
    assert_null(strchr(sqz_cpu_name(), '\n'));
}

static void caps(void **state)
{
    (void)state;
    int unknown = 7;
    enum sqz_cpu_level best = sqz_cpu_level(&unknown);
    assert_int_equal(unknown, 0);
    setenv("SQUEEZENET_CPU", "ref", 1);
    assert_int_equal(sqz_cpu_level(&unknown), SQZ_CPU_REF);
    assert_int_equal(unknown, 0);
    // Naming a level never gives more than the processor has.
    for (int level = SQZ_CPU_REF; level < SQZ_CPU_LEVELS; level++) {
        setenv("SQUEEZENET_CPU", sqz_cpu_level_name(level), 1);
        enum sqz_cpu_level got = sqz_cpu_level(NULL);
        assert_true(sqz_cpu_runs(got));
        if (sqz_cpu_runs(level))
            assert_int_equal(got, level);
        else // what both have
            assert_int_equal(got, sqz_cpu_common_level(level, best));
    }
    assert_true(sqz_cpu_level_covers(SQZ_CPU_AVX512, SQZ_CPU_AVX2));
    assert_true(sqz_cpu_level_covers(SQZ_CPU_NEON_DOT, SQZ_CPU_NEON));
    assert_true(sqz_cpu_level_covers(SQZ_CPU_NEON, SQZ_CPU_REF));
    assert_false(sqz_cpu_level_covers(SQZ_CPU_NEON_DOT, SQZ_CPU_AVX2));
    assert_false(sqz_cpu_level_covers(SQZ_CPU_AVX2, SQZ_CPU_AVX512));
    assert_false(sqz_cpu_level_covers(SQZ_CPU_AVX512, SQZ_CPU_NEON));
    assert_true(sqz_cpu_level_covers(SQZ_CPU_AVX512_VNNI, SQZ_CPU_AVX2));
    assert_false(sqz_cpu_level_covers(SQZ_CPU_AVX512_VNNI, SQZ_CPU_AVX_VNNI));
    assert_int_equal(sqz_cpu_common_level(SQZ_CPU_AVX_VNNI, SQZ_CPU_AVX512), SQZ_CPU_AVX2);
    assert_int_equal(sqz_cpu_common_level(SQZ_CPU_AVX512_VNNI, SQZ_CPU_AVX512), SQZ_CPU_AVX512);
    assert_int_equal(sqz_cpu_common_level(SQZ_CPU_NEON, SQZ_CPU_AVX512), SQZ_CPU_REF);
    setenv("SQUEEZENET_CPU", "avx1024", 1);
    assert_int_equal(sqz_cpu_level(&unknown), best);
    assert_int_equal(unknown, 1);
    setenv("SQUEEZENET_CPU", "", 1);
    assert_int_equal(sqz_cpu_level(&unknown), best);
    assert_int_equal(unknown, 0);
}

// The kernel's own list of flags is the second opinion.
static void level_agrees_with_cpuinfo(void **state)
{
    (void)state;
    char line[8192];
    int avx2 = 0, fma = 0, avx512 = 0, vnni256 = 0, vnni512 = 0, amx = 0;
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file)
        skip();
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "flags", 5) != 0)
            continue;
        avx2 = strstr(line, " avx2") != NULL;
        fma = strstr(line, " fma") != NULL;
        avx512 = strstr(line, " avx512f") && strstr(line, " avx512bw") &&
                 strstr(line, " avx512dq") && strstr(line, " avx512vl");
        vnni256 = strstr(line, " avx_vnni") != NULL;
        vnni512 = strstr(line, " avx512_vnni") != NULL;
        amx = strstr(line, " amx_tile") && strstr(line, " amx_int8");
        break;
    }
    fclose(file);
#if defined(__x86_64__)
    const bool least = avx2 && fma;
    assert_int_equal(sqz_cpu_runs(SQZ_CPU_AVX2), least);
    assert_int_equal(sqz_cpu_runs(SQZ_CPU_AVX_VNNI), least && vnni256);
    assert_int_equal(sqz_cpu_runs(SQZ_CPU_AVX512), least && avx512);
    assert_int_equal(sqz_cpu_runs(SQZ_CPU_AVX512_VNNI), least && avx512 && vnni512);
    if (!amx)
        assert_false(sqz_cpu_runs(SQZ_CPU_AMX)); // and where it is, the kernel may refuse it
    int expected = !least ? SQZ_CPU_REF
                   : avx512 && vnni512
                       ? sqz_cpu_runs(SQZ_CPU_AMX) ? SQZ_CPU_AMX : SQZ_CPU_AVX512_VNNI
                   : avx512  ? SQZ_CPU_AVX512
                   : vnni256 ? SQZ_CPU_AVX_VNNI
                             : SQZ_CPU_AVX2;
    assert_int_equal(sqz_cpu_level(NULL), expected);
#else
    assert_false(avx2 || fma || avx512 || vnni256 || vnni512 || amx);
#endif
}

static void thread_counts(void **state)
{
    (void)state;
    int usable = sqz_cpu_usable(), natural = sqz_cpu_default_threads();
    assert_in_range(usable, 1, sysconf(_SC_NPROCESSORS_CONF));
    assert_in_range(natural, 1, usable);
    setenv("SQUEEZENET_THREADS", "7", 1);
    assert_int_equal(sqz_cpu_default_threads(), 7);
    const char *const nonsense[] = {"0", "-2", "two", "3x", "", " 4", "99999999999999999999"};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        setenv("SQUEEZENET_THREADS", nonsense[i], 1);
        assert_int_equal(sqz_cpu_default_threads(), natural);
    }
}

static void affinity_is_respected(void **state)
{
    (void)state;
    cpu_set_t before, one;
    if (sched_getaffinity(0, sizeof before, &before) != 0)
        skip(); // more than 1024 processors
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    int usable = sqz_cpu_usable(), threads = sqz_cpu_default_threads();
    sched_setaffinity(0, sizeof before, &before);
    assert_int_equal(usable, 1);
    assert_int_equal(threads, 1);
}

static void memory_and_time(void **state)
{
    (void)state;
    enum { SIZE = 32 << 20 };
    double start = sqz_clock_seconds();
    long before = sqz_resident_bytes();
    assert_true(before > 0);
    char *block = malloc(SIZE);
    assert_non_null(block);
    for (int i = 0; i < SIZE; i += 4096)
        ((volatile char *)block)[i] = 1;
    assert_true(sqz_resident_bytes() >= before + SIZE * 3 / 4);
    free(block);
    assert_true(sqz_peak_resident_bytes() >= before + SIZE * 3 / 4);
    usleep(2000);
    double passed = sqz_clock_seconds() - start;
    assert_true(passed >= 0.002 && passed < 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(names, reset),
        cmocka_unit_test_setup(caps, reset),
        cmocka_unit_test_setup(level_agrees_with_cpuinfo, reset),
        cmocka_unit_test_setup(thread_counts, reset),
        cmocka_unit_test_setup(affinity_is_respected, reset),
        cmocka_unit_test_setup(memory_and_time, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
