// check_kernels: compares every kernel of every level that this machine can run with the reference
// in double precision. --bench times the layers of SqueezeNet instead.
#include "check/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool check_reduced;

// The kernels of the levels that this machine can run, the lowest first; says which it cannot.
static int list_levels(const struct sqz_kernels *found[SQZ_CPU_LEVELS])
{
    int n = 0;
    for (int level = SQZ_CPU_REF; level < SQZ_CPU_LEVELS; level++) {
        const struct sqz_kernels *k = sqz_kernels_get((enum sqz_cpu_level)level);
        if (k->level == (enum sqz_cpu_level)level)
            found[n++] = k;
        else if (level != SQZ_CPU_NEON_DOT && level != SQZ_CPU_AVX_VNNI &&
                 level != SQZ_CPU_AVX512_VNNI &&
                 level != SQZ_CPU_AMX) // whose floats are another level's
            printf("%-7s not tested: this machine cannot run it (or SQUEEZENET_CPU forbids it)\n",
                   sqz_cpu_level_name((enum sqz_cpu_level)level));
    }
    return n;
}

static int bench(const struct sqz_kernels *const *levels, int n, const char *level_name,
                 const char *layer)
{
    for (int i = 0; i < n; i++) {
        if (level_name ? strcmp(level_name, sqz_cpu_level_name(levels[i]->level)) != 0 : i + 1 < n)
            continue;
        bench_layers(levels[i], layer);
        bench_winograd(levels[i], layer);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 4 || (argc > 1 && strcmp(argv[1], "--bench") != 0)) {
        fprintf(stderr,
                "usage: check_kernels [--bench [ref|avx2|avx512|neon [PART_OF_A_LAYER'S_NAME]]]\n");
        return 2;
    }
    check_reduced = getenv("SQZ_SANITIZED") != NULL;
    setvbuf(stdout, NULL, _IOLBF, 0);
    const struct sqz_kernels *levels[SQZ_CPU_LEVELS], *below = NULL;
    const int n = list_levels(levels);
    if (argc > 1)
        return bench(levels, n, argc > 2 ? argv[2] : NULL, argc > 3 ? argv[3] : "");
    for (int i = 0; i < n; i++) {
        const struct sqz_kernels *k = levels[i];
        int failures = check_failures();
        long comparisons = check_comparisons();
        double start = sqz_clock_seconds();
        check_gemm(k, below);
        check_conv(k, below);
        check_ops(k, below);
        check_pool(k, below);
        check_winograd(k, below);
        check_sparse(k, below);
        printf("%-7s tested: %ld values compared, %d wrong, %.1f s\n", sqz_cpu_level_name(k->level),
               check_comparisons() - comparisons, check_failures() - failures,
               sqz_clock_seconds() - start);
        below = k;
    }
    return check_failures() ? 1 : 0;
}
