// The checker's tools: guarded buffers, seeded numbers, comparisons.
#include "check/check.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// --- Guarded buffers ---

static struct mapping {
    char *start;
    size_t size;
} mappings[128];
static int n_mappings;

static void out_of_memory(void)
{
    fprintf(stderr, "check_kernels: out of memory\n");
    exit(71);
}

uint8_t *guarded_bytes(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t inner = (n + page - 1) / page * page;
    struct mapping map = {.size = inner + 2 * page};
    if (n_mappings == (int)(sizeof mappings / sizeof mappings[0]))
        out_of_memory();
    map.start = mmap(NULL, map.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map.start == MAP_FAILED ||
        (inner && mprotect(map.start + page, inner, PROT_READ | PROT_WRITE) != 0))
        out_of_memory();
    mappings[n_mappings++] = map;
    return (uint8_t *)map.start + page + inner - n;
}

float *guarded_floats(size_t n)
{
    return (float *)(void *)guarded_bytes(n * sizeof(float));
}

void guarded_free_all(void)
{
    while (n_mappings > 0) {
        n_mappings--;
        munmap(mappings[n_mappings].start, mappings[n_mappings].size);
    }
}

// --- Numbers ---

static uint64_t random_state;

void random_seed(uint64_t seed)
{
    random_state = seed * 2 + 1;
}

static uint32_t random_bits(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 32);
}

float random_number(void)
{
    return ((float)(random_bits() >> 8) - 8388607.5f) / 8388608.0f;
}

int random_below(int n)
{
    return (int)((uint64_t)random_bits() * (uint64_t)n >> 32);
}

float *random_floats(size_t n)
{
    float *x = guarded_floats(n);
    for (size_t i = 0; i < n; i++)
        x[i] = random_number();
    return x;
}

static const uint32_t pattern = 0xfff1a5a5; // a NaN with a payload

void fill_pattern(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        memcpy(x + i, &pattern, sizeof pattern);
}

bool is_pattern(float x)
{
    return memcmp(&x, &pattern, sizeof pattern) == 0;
}

double *to_double(const float *x, size_t n, bool absolute)
{
    double *out = malloc((n + 1) * sizeof *out);
    if (!out)
        out_of_memory();
    for (size_t i = 0; i < n; i++)
        out[i] = is_pattern(x[i]) ? 0 : absolute ? fabs((double)x[i]) : (double)x[i];
    return out;
}

// --- Comparisons ---

static char subject[256];
static bool reported;
static int failures;
static long comparisons;

void check_begin(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(subject, sizeof subject, format, args);
    va_end(args);
    reported = false;
}

void check_close(float got, double want, double terms, double c, const char *what, size_t where)
{
    comparisons++;
    double bound = c * FLT_EPSILON * terms;
    if (fabs((double)got - want) <= bound)
        return;
    failures++;
    if (!reported)
        printf("FAILED %s: %s[%zu] is %.9g, want %.9g within %.3g\n", subject, what, where,
               (double)got, want, bound);
    reported = true;
}

void check_true(bool ok, const char *what, size_t where)
{
    comparisons++;
    if (ok)
        return;
    failures++;
    if (!reported)
        printf("FAILED %s: %s at %zu\n", subject, what, where);
    reported = true;
}

int check_failures(void)
{
    return failures;
}
long check_comparisons(void)
{
    return comparisons;
}

double sum_factor(size_t n)
{
    return 4 + sqrt((double)n);
}
