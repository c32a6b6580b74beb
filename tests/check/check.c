// check_kernels: compares every kernel of every level that this machine can run with the reference
// in double precision. --bench times the layers of SqueezeNet instead.
#include "check/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool check_reduced;

static int list_levels(void)
{
    enum sqz_cpu_level best = sqz_cpu_level(NULL);
    for (int level = SQZ_CPU_REF; level <= SQZ_CPU_AVX512; level++) {
        const char *name = sqz_cpu_level_name((enum sqz_cpu_level)level);
        if (level > (int)best)
            printf("%-7s not tested: this machine cannot run it (or SQUEEZENET_CPU forbids it)\n",
                   name);
    }
    return best == SQZ_CPU_NEON ? SQZ_CPU_REF : (int)best;
}

static int bench(int best, const char *level_name, const char *layer)
{
    for (int level = SQZ_CPU_REF; level <= best; level++) {
        const struct sqz_kernels *k = sqz_kernels_get((enum sqz_cpu_level)level);
        if (level_name ? strcmp(level_name, sqz_cpu_level_name(k->level)) != 0 : level != best)
            continue;
        bench_layers(k, layer);
        bench_winograd(k, layer);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 4 || (argc > 1 && strcmp(argv[1], "--bench") != 0)) {
        fprintf(stderr,
                "usage: check_kernels [--bench [ref|avx2|avx512 [PART_OF_A_LAYER'S_NAME]]]\n");
        return 2;
    }
    check_reduced = getenv("SQZ_SANITIZED") != NULL;
    setvbuf(stdout, NULL, _IOLBF, 0);
    int best = list_levels();
    if (argc > 1)
        return bench(best, argc > 2 ? argv[2] : NULL, argc > 3 ? argv[3] : "");
    const struct sqz_kernels *below = NULL;
    for (int level = SQZ_CPU_REF; level <= best; level++) {
        const struct sqz_kernels *k = sqz_kernels_get((enum sqz_cpu_level)level);
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
