// What this processor can do.
#ifndef SQZ_BASE_CPU_H
#define SQZ_BASE_CPU_H

#include <stdbool.h>

// A tree that grows from SQZ_CPU_REF: each level includes the one that it says, and what that
// includes. Four are for integers; floats then have the kernels of the level below.
enum sqz_cpu_level {
    SQZ_CPU_REF,
    SQZ_CPU_AVX2,        // REF; with FMA
    SQZ_CPU_AVX_VNNI,    // AVX2; integers only
    SQZ_CPU_AVX512,      // AVX2; F, BW, DQ, VL
    SQZ_CPU_AVX512_VNNI, // AVX512; integers only
    SQZ_CPU_AMX,         // AVX512_VNNI; tiles of bytes, integers only
    SQZ_CPU_NEON,        // REF
    SQZ_CPU_NEON_DOT,    // NEON; sdot, integers only
    SQZ_CPU_LEVELS       // how many there are
};

// The best level that processor and operating system support, capped by the environment variable
// SQUEEZENET_CPU, which holds a level's name. *unknown (may be NULL) is set to 1 when it holds an
// unknown name, which is then ignored.
enum sqz_cpu_level sqz_cpu_level(int *unknown);
// Whether a processor of level `most` runs what is compiled for `level`.
bool sqz_cpu_level_covers(enum sqz_cpu_level most, enum sqz_cpu_level level);
// The highest level that both cover.
enum sqz_cpu_level sqz_cpu_common_level(enum sqz_cpu_level a, enum sqz_cpu_level b);
// Whether this processor and its operating system run what is compiled for `level`, whatever
// SQUEEZENET_CPU says.
bool sqz_cpu_runs(enum sqz_cpu_level level);
const char *sqz_cpu_level_name(enum sqz_cpu_level level);
const char *sqz_cpu_name(void); // model name as the system tells it, e.g. "AMD EPYC"
// Physical cores that this process may use (affinity and cgroup quota respected), at least 1;
// SQUEEZENET_THREADS overrides.
int sqz_cpu_default_threads(void);
#define SQZ_MAX_THREADS 1024
// Processors (hyper-threads counted one by one) that this process may use at once.
int sqz_cpu_usable(void);
double sqz_clock_seconds(void); // monotonic
long sqz_resident_bytes(void);  // RSS now, 0 if unknown
long sqz_peak_resident_bytes(void);

#endif
