// What this processor can do.
#ifndef SQZ_BASE_CPU_H
#define SQZ_BASE_CPU_H

enum sqz_cpu_level { SQZ_CPU_REF, SQZ_CPU_AVX2, SQZ_CPU_AVX512, SQZ_CPU_NEON };

// The best level that processor and operating system support (AVX2 means AVX2+FMA; AVX-512 means
// F+BW+DQ+VL), capped by SQUEEZENET_CPU=ref|avx2|avx512|neon. *unknown (may be NULL) is set to 1
// when that variable holds an unknown name, which is then ignored.
enum sqz_cpu_level sqz_cpu_level(int *unknown);
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
