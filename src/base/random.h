// Counter-based random numbers: value = f(seed, epoch, sample, operation, draw number). No state is
// shared, so the draws do not depend on threads, ranks, or on where a run was resumed.
#ifndef SQZ_BASE_RANDOM_H
#define SQZ_BASE_RANDOM_H

#include <stdint.h>

// One entry per independent use; a new use gets a new number at the end, or old runs change.
enum sqz_random_use {
    SQZ_RANDOM_INIT = 1, // weights: epoch 0, sample = parameter index
    SQZ_RANDOM_SHUFFLE,  // order of an epoch: sample 0
    SQZ_RANDOM_AUGMENT,  // one sample's crop, flip, jitter, erasing
    SQZ_RANDOM_DROPOUT,  // epoch = optimizer micro-step, sample = index in the global batch
    SQZ_RANDOM_SYNTH,    // the synthetic dataset
    SQZ_RANDOM_SPLIT,    // which files are held out
    SQZ_RANDOM_MIX,      // mixup and cutmix
    SQZ_RANDOM_TEST,
    SQZ_RANDOM_POLICY // one sample's automatic augmentation
};

struct sqz_random {
    uint64_t key, counter;
};
void sqz_random_init(struct sqz_random *random, uint64_t seed, uint64_t epoch, uint64_t sample,
                     enum sqz_random_use use);
// Another stream of the same key, independent of it and of those with other uses and numbers.
void sqz_random_branch(const struct sqz_random *from, enum sqz_random_use use, uint64_t number,
                       struct sqz_random *out);
uint64_t sqz_random_u64(struct sqz_random *random);
double sqz_random_uniform(struct sqz_random *random, double low, double high); // [low, high)
// [low, high), each equally likely; low when nothing lies between.
int64_t sqz_random_int(struct sqz_random *random, int64_t low, int64_t high);
double sqz_random_normal(struct sqz_random *random); // N(0, 1), two draws
// Gamma(alpha, 1) and Beta(a, b) with parameters above 0 (Marsaglia and Tsang 2000: by rejection,
// so the number of draws differs).
double sqz_random_gamma(struct sqz_random *random, double alpha);
double sqz_random_beta(struct sqz_random *random, double a, double b);

static inline uint64_t sqz_random_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}
// A 64-bit finaliser with full avalanche; the value for (key, counter) without any state. Counters
// are spread by 2^64 / the golden ratio, so that consecutive ones land far apart. The key enters
// twice, so that two keys whose difference is a multiple of it do not give the same numbers at
// shifted counters. Inline because dropout asks for one every four values.
static inline uint64_t sqz_random_hash(uint64_t key, uint64_t counter)
{
    uint64_t spread = key + (counter + 1) * 0x9e3779b97f4a7c15u;
    return sqz_random_mix(sqz_random_mix(spread) ^ (key << 32 | key >> 32));
}

// Fisher-Yates over `count` ints.
void sqz_random_shuffle(struct sqz_random *random, int *values, int count);

#endif
