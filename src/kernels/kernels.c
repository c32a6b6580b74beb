// Fills the table of each level: the reference first, then every level overwrites what it improves.
#include "kernels/levels.h"

#include <pthread.h>

static struct sqz_kernels tables[3];
static enum sqz_cpu_level best;
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

// A level that the machine lacks is left out: even its filling is compiled for that level.
static void fill_tables(void)
{
    best = sqz_cpu_level(NULL);
    if (best == SQZ_CPU_NEON) // no kernels of its own: the reference serves
        best = SQZ_CPU_REF;
    for (int level = SQZ_CPU_REF; level <= (int)best; level++) {
        struct sqz_kernels *k = &tables[level];
        k->level = (enum sqz_cpu_level)level;
        sqz_gemm_fill_ref(k);
        sqz_ops_fill_ref(k);
        sqz_winograd_fill_ref(k);
#ifdef __x86_64__
        if (level >= SQZ_CPU_AVX2) {
            sqz_gemm_fill_avx2(k);
            sqz_ops_fill_avx2(k);
            sqz_winograd_fill_avx2(k);
        }
        if (level >= SQZ_CPU_AVX512) {
            sqz_gemm_fill_avx512(k);
            sqz_ops_fill_avx512(k);
            sqz_winograd_fill_avx512(k);
        }
#endif
    }
}

const struct sqz_kernels *sqz_kernels_get(enum sqz_cpu_level level)
{
    pthread_once(&tables_once, fill_tables);
    if (level == SQZ_CPU_NEON)
        level = SQZ_CPU_REF;
    return &tables[level < best ? level : best];
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
