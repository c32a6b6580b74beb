// Counter-based random numbers. Every value here is part of what a seed means: changing one changes
// all old runs (tests/unit/base/test_random.c holds the known values).
#include "base/random.h"

#include <math.h>

void sqz_random_init(struct sqz_random *random, uint64_t seed, uint64_t epoch, uint64_t sample,
                     enum sqz_random_use use)
{
    uint64_t key = sqz_random_hash(seed, (uint64_t)use);
    key = sqz_random_hash(key, epoch);
    random->key = sqz_random_hash(key, sample);
    random->counter = 0;
}

void sqz_random_branch(const struct sqz_random *from, enum sqz_random_use use, uint64_t number,
                       struct sqz_random *out)
{
    // Counters of draws stay small, so the complement of a use is never one.
    uint64_t key = sqz_random_hash(from->key, ~(uint64_t)use);
    *out = (struct sqz_random){sqz_random_hash(key, number), 0};
}

uint64_t sqz_random_u64(struct sqz_random *random)
{
    return sqz_random_hash(random->key, random->counter++);
}

// 53 random bits: 0 <= value < 1.
static double unit(struct sqz_random *random)
{
    return (double)(sqz_random_u64(random) >> 11) * 0x1p-53;
}

double sqz_random_uniform(struct sqz_random *random, double low, double high)
{
    double value = low + (high - low) * unit(random);
    if (value < high)
        return value;
    return low < high ? nextafter(high, low) : low; // the sum may round up to `high`
}

int64_t sqz_random_int(struct sqz_random *random, int64_t low, int64_t high)
{
    if (high <= low)
        return low;
    uint64_t span = (uint64_t)high - (uint64_t)low;
    uint64_t excess = (0 - span) % span; // 2^64 mod span values come once too often
    uint64_t value;
    do {
        value = sqz_random_u64(random);
    } while (value < excess);
    return (int64_t)((uint64_t)low + value % span);
}

double sqz_random_normal(struct sqz_random *random)
{
    double radius = sqrt(-2 * log(1 - unit(random))); // 1 - [0, 1) is never 0
    return radius * cos(2 * 3.14159265358979323846 * unit(random));
}

double sqz_random_gamma(struct sqz_random *random, double alpha)
{
    // Below 1: Gamma(alpha) = Gamma(alpha + 1) * U^(1 / alpha).
    double boost = 1, d, c;
    if (alpha < 1) {
        boost = pow(1 - unit(random), 1 / alpha);
        alpha += 1;
    }
    d = alpha - 1.0 / 3;
    c = 1 / sqrt(9 * d);
    for (;;) {
        double x = sqz_random_normal(random), v = 1 + c * x, u = 1 - unit(random);
        if (v <= 0)
            continue;
        v = v * v * v;
        if (log(u) < 0.5 * x * x + d - d * v + d * log(v))
            return boost * d * v;
    }
}

double sqz_random_beta(struct sqz_random *random, double a, double b)
{
    double x = sqz_random_gamma(random, a), y = sqz_random_gamma(random, b);
    // With tiny parameters both may vanish; then one of the ends is as likely as the other.
    return x + y > 0 ? x / (x + y) : unit(random) < a / (a + b);
}

void sqz_random_shuffle(struct sqz_random *random, int *values, int count)
{
    for (int i = count - 1; i > 0; i--) {
        int j = (int)sqz_random_int(random, 0, (int64_t)i + 1);
        int value = values[i];
        values[i] = values[j];
        values[j] = value;
    }
}
