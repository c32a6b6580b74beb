// Fills the table of each level: as the level below it, then what the level improves.
#include "kernels/levels.h"

#include <pthread.h>

// The levels of this family of processors, the lowest first.
static const struct {
    enum sqz_cpu_level level;
    void (*fill[3])(struct sqz_kernels *k);
} levels[] = {
    {SQZ_CPU_REF, {sqz_gemm_fill_ref, sqz_ops_fill_ref, sqz_winograd_fill_ref}},
#if defined __x86_64__
    {SQZ_CPU_AVX2, {sqz_gemm_fill_avx2, sqz_ops_fill_avx2, sqz_winograd_fill_avx2}},
    {SQZ_CPU_AVX512, {sqz_gemm_fill_avx512, sqz_ops_fill_avx512, sqz_winograd_fill_avx512}},
#elif defined __aarch64__
    {SQZ_CPU_NEON, {sqz_gemm_fill_neon, sqz_ops_fill_neon, sqz_winograd_fill_neon}},
#endif
};
enum { LEVELS = sizeof levels / sizeof *levels };

static struct sqz_kernels tables[LEVELS];
static int n_tables;
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

// A level that the machine lacks is left out: even its filling is compiled for that level.
static void fill_tables(void)
{
    const enum sqz_cpu_level best = sqz_cpu_level(NULL);
    for (; n_tables < LEVELS && sqz_cpu_level_covers(best, levels[n_tables].level); n_tables++) {
        struct sqz_kernels *k = &tables[n_tables];
        if (n_tables > 0)
            *k = tables[n_tables - 1];
        k->level = levels[n_tables].level;
        for (int i = 0; i < 3; i++)
            levels[n_tables].fill[i](k);
    }
}

const struct sqz_kernels *sqz_kernels_get(enum sqz_cpu_level level)
{
    pthread_once(&tables_once, fill_tables);
    int i = n_tables - 1;
    while (!sqz_cpu_level_covers(level, tables[i].level))
        i--;
    return &tables[i];
}

double sqz_kernels_peak_gflops(const struct sqz_kernels *k)
{
    // The best of short bursts: a neighbour's interruption spoils one, not all.
    double fastest = 0, start = sqz_clock_seconds(), now = start;
    for (long n = 20000; fastest == 0 || now - start < 0.02;) {
        double begin = now;
        double flops = k->fma_burst(n);
        now = sqz_clock_seconds();
        if (now - begin < 0.0005)
            n *= 2;
        else if (flops / (now - begin) > fastest)
            fastest = flops / (now - begin);
    }
    return fastest * 1e-9;
}
