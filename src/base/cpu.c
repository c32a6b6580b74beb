// What this processor can do, as it and the operating system tell.
#include "base/cpu.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __x86_64__
#include <cpuid.h>
#include <sys/syscall.h>
#endif
#ifdef __aarch64__
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name;
    enum sqz_cpu_level below; // the level that this one includes; REF its own
} levels[SQZ_CPU_LEVELS] = {
    [SQZ_CPU_REF] = {"ref", SQZ_CPU_REF},
    [SQZ_CPU_AVX2] = {"avx2", SQZ_CPU_REF},
    [SQZ_CPU_AVX_VNNI] = {"avxvnni", SQZ_CPU_AVX2},
    [SQZ_CPU_AVX512] = {"avx512", SQZ_CPU_AVX2},
    [SQZ_CPU_AVX512_VNNI] = {"avx512vnni", SQZ_CPU_AVX512},
    [SQZ_CPU_AMX] = {"amx", SQZ_CPU_AVX512_VNNI},
    [SQZ_CPU_NEON] = {"neon", SQZ_CPU_REF},
    [SQZ_CPU_NEON_DOT] = {"neondot", SQZ_CPU_NEON},
};

const char *sqz_cpu_level_name(enum sqz_cpu_level level)
{
    return levels[level].name;
}

bool sqz_cpu_level_covers(enum sqz_cpu_level most, enum sqz_cpu_level level)
{
    while (most != level && most != SQZ_CPU_REF)
        most = levels[most].below;
    return most == level;
}

enum sqz_cpu_level sqz_cpu_common_level(enum sqz_cpu_level a, enum sqz_cpu_level b)
{
    while (!sqz_cpu_level_covers(b, a))
        a = levels[a].below;
    return a;
}

#ifdef __x86_64__
// What compilers do not all know by name: bit 4 of EAX of leaf 7, 1.
static bool has_avx_vnni(void)
{
    unsigned eax = 0, ebx, ecx, edx;
    return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax >> 4 & 1);
}

// Bits 24 and 25 of EDX of leaf 7; Linux has to be asked for the tiles' registers, for the whole
// process.
static bool has_amx(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 }; // of arch_prctl
    unsigned eax, ebx, ecx, edx = 0;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (edx >> 24 & 3) == 3 &&
           syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}
#endif

// __builtin_cpu_supports also looks whether the operating system saves the wide registers.
static bool runs_itself(enum sqz_cpu_level level)
{
    switch (level) {
#if defined(__x86_64__)
    case SQZ_CPU_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case SQZ_CPU_AVX_VNNI:
        return has_avx_vnni();
    case SQZ_CPU_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    case SQZ_CPU_AVX512_VNNI:
        return __builtin_cpu_supports("avx512vnni");
    case SQZ_CPU_AMX:
        return has_amx();
#elif defined(__aarch64__)
    case SQZ_CPU_NEON:
        return true;
    case SQZ_CPU_NEON_DOT:
        return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
#endif
    default:
        return false;
    }
}

static bool runs[SQZ_CPU_LEVELS];

// Once: on a virtual machine each look costs microseconds.
static void find_levels(void)
{
#ifdef __x86_64__
    __builtin_cpu_init();
#endif
    runs[SQZ_CPU_REF] = true;
    for (int level = SQZ_CPU_REF + 1; level < SQZ_CPU_LEVELS; level++)
        runs[level] = runs[levels[level].below] && runs_itself((enum sqz_cpu_level)level);
}

bool sqz_cpu_runs(enum sqz_cpu_level level)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_levels);
    return runs[level];
}

enum sqz_cpu_level sqz_cpu_level(int *unknown)
{
    enum sqz_cpu_level best = SQZ_CPU_REF;
    for (int level = SQZ_CPU_REF; level < SQZ_CPU_LEVELS; level++)
        if (sqz_cpu_runs((enum sqz_cpu_level)level)) // of two branches the latter is the faster
            best = (enum sqz_cpu_level)level;
    if (unknown)
        *unknown = 0;
    const char *wanted = getenv("SQUEEZENET_CPU");
    if (!wanted || !*wanted)
        return best;
    for (int level = SQZ_CPU_REF; level < SQZ_CPU_LEVELS; level++)
        if (strcmp(wanted, levels[level].name) == 0)
            return sqz_cpu_runs((enum sqz_cpu_level)level)
                       ? (enum sqz_cpu_level)level
                       : sqz_cpu_common_level((enum sqz_cpu_level)level, best);
    if (unknown)
        *unknown = 1;
    return best;
}

static char cpu_name[128];

static void find_cpu_name(void)
{
    char line[512];
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && !*cpu_name && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (!colon || strncmp(line, "model name", 10) != 0)
            continue;
        colon += 1 + strspn(colon + 1, " \t");
        snprintf(cpu_name, sizeof cpu_name, "%.*s", (int)strcspn(colon, "\n"), colon);
    }
    if (file)
        fclose(file);
    struct utsname machine;
    if (!*cpu_name) // ARM's cpuinfo has no model name
        snprintf(cpu_name, sizeof cpu_name, "%s",
                 uname(&machine) == 0 ? machine.machine : "unknown");
}

const char *sqz_cpu_name(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_cpu_name);
    return cpu_name;
}

// The processors that this process may be scheduled on; NULL when the system does not tell. The
// kernel refuses a mask smaller than its own, hence the growing size. Free with CPU_FREE.
static cpu_set_t *allowed_cpus(int *count)
{
    for (int n = 1024; n <= 1 << 20; n *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)n);
        if (!set)
            return NULL;
        if (sched_getaffinity(0, CPU_ALLOC_SIZE(n), set) == 0) {
            *count = n;
            return set;
        }
        CPU_FREE(set);
    }
    return NULL;
}

// True unless a lower-numbered allowed processor shares this one's core. The list reads "0,4" or
// "0-1"; without it every processor counts as a core.
static bool first_of_core(int cpu, const cpu_set_t *allowed, int count)
{
    char path[96], line[256];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    FILE *file = fopen(path, "re");
    bool readable = file && fgets(line, sizeof line, file);
    if (file)
        fclose(file);
    for (char *at = line; readable && *at >= '0' && *at <= '9';) {
        long first = strtol(at, &at, 10), last = first;
        if (*at == '-')
            last = strtol(at + 1, &at, 10);
        for (long other = first; other <= last && other < cpu; other++)
            if (CPU_ISSET_S((size_t)other, CPU_ALLOC_SIZE(count), allowed))
                return false;
        if (*at == ',')
            at++;
    }
    return true;
}

// Whole processors that one cpu.max grants ("200000 100000" is 2), 0 when it sets no limit.
static int quota_of(const char *path)
{
    long long quota, period;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    int fields = fscanf(file, "%lld %lld", &quota, &period);
    fclose(file);
    if (fields != 2 || quota <= 0 || period <= 0)
        return 0;
    return quota < period ? 1 : (int)(quota / period);
}

// The tightest quota of this process's control group (version 2) and its parents, 0 for none.
static int cgroup_quota(void)
{
    char line[2048], group[sizeof line] = "", path[sizeof line + 32];
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::", 3) == 0)
            memmove(group, line + 3, strlen(line + 3) + 1);
    }
    if (file)
        fclose(file);
    int tightest = 0;
    for (;;) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", strcmp(group, "/") ? group : "");
        int quota = quota_of(path);
        if (quota && (!tightest || quota < tightest))
            tightest = quota;
        char *slash = strrchr(group, '/');
        if (!slash)
            return tightest;
        *slash = '\0';
    }
}

static int usable(bool whole_cores)
{
    int size, found = 0;
    cpu_set_t *allowed = allowed_cpus(&size);
    if (allowed) {
        for (int cpu = 0; cpu < size; cpu++)
            if (CPU_ISSET_S((size_t)cpu, CPU_ALLOC_SIZE(size), allowed))
                found += !whole_cores || first_of_core(cpu, allowed, size);
        CPU_FREE(allowed);
    } else {
        found = (int)sysconf(_SC_NPROCESSORS_ONLN);
    }
    int quota = cgroup_quota();
    if (quota && quota < found)
        found = quota;
    return found > 0 ? found : 1;
}

int sqz_cpu_usable(void)
{
    return usable(false);
}

int sqz_cpu_default_threads(void)
{
    const char *wanted = getenv("SQUEEZENET_THREADS");
    if (wanted && *wanted >= '0' && *wanted <= '9') {
        char *end;
        long threads = strtol(wanted, &end, 10);
        if (!*end && threads >= 1 && threads <= SQZ_MAX_THREADS)
            return (int)threads;
    }
    return usable(true);
}

double sqz_clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// A field of /proc/self/status in bytes. Not getrusage: its peak survives exec, so a small program
// started by a large one would report the large one's.
static long status_bytes(const char *field)
{
    char line[256];
    long kilobytes = 0;
    size_t length = strlen(field);
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, field, length) == 0)
            kilobytes = strtol(line + length, NULL, 10);
    if (file)
        fclose(file);
    return kilobytes * 1024;
}

long sqz_resident_bytes(void)
{
    return status_bytes("VmRSS:");
}

long sqz_peak_resident_bytes(void)
{
    return status_bytes("VmHWM:");
}
