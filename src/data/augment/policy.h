// Policies of automatic augmentation: a configuration string such as
// "randaug-m7-mstd0.5-inc1", and the operations that it draws for one image.
#ifndef SQZ_DATA_POLICY_H
#define SQZ_DATA_POLICY_H

#include "base/random.h"
#include "data/augment/operation.h"

enum sqz_policy_kind {
    SQZ_POLICY_NONE,
    SQZ_POLICY_RANDAUG,
    SQZ_POLICY_AUTOAUG,  // ImageNet's 25 pairs
    SQZ_POLICY_AUTOAUGR, // the same with PosterizeIncreasing
    SQZ_POLICY_3A,       // solarize, desaturate or blur
    SQZ_POLICY_TRIVIAL,  // TrivialAugmentWide
    SQZ_POLICY_AUGMIX
};
struct sqz_policy {
    enum sqz_policy_kind kind;
    double magnitude; // autoaug, 3a: unused, their tables have it
    double noise;     // standard deviation of the magnitude; INFINITY: uniform on 0..magnitude
    double cap;       // magnitudes are clamped to 0..cap
    bool increasing;  // randaug: stronger with the magnitude, whatever the operation
    bool weighted;    // randaug: w0
    int count;        // randaug: operations an image
    int width, depth; // augmix: chains; operations in each, -1: 1 to 3
    double alpha;     // augmix: of Dirichlet and Beta
};
// "" and "none" are no policy. SQZ_E_CONFIG names what is not understood. `mstd` is honoured where
// MindCV ignores it, and `inc0` is off (docs/mindcv.md).
enum sqz_status sqz_policy_parse(const char *text, struct sqz_policy *out, struct sqz_error *err);

#define SQZ_POLICY_COUNT 16 // randaug: most operations an image
#define SQZ_POLICY_WIDTH 8  // augmix
#define SQZ_POLICY_DEPTH 8
#define SQZ_POLICY_MOST  (SQZ_POLICY_WIDTH * SQZ_POLICY_DEPTH)

// What one image gets. Without chains: the operations in order. With chains (augmix): each chain
// begins with the image as it was, weights mixes their results, `mix` that with the image.
struct sqz_policy_draw {
    struct sqz_operation operations[SQZ_POLICY_MOST];
    int n;                      // operations in all
    int chains;                 // 0: no augmix
    int ends[SQZ_POLICY_WIDTH]; // of each chain in `operations`
    float weights[SQZ_POLICY_WIDTH], mix;
};
void sqz_policy_draw(const struct sqz_policy *policy, struct sqz_random *random,
                     struct sqz_policy_draw *out);

// Shared by the policy's files and their tests: the named operations with their levels.
enum sqz_level {
    SQZ_LEVEL_NONE,
    SQZ_LEVEL_ROTATE,
    SQZ_LEVEL_FACTOR,
    SQZ_LEVEL_FACTOR_INCREASING,
    SQZ_LEVEL_SHEAR,
    SQZ_LEVEL_TRANSLATE,
    SQZ_LEVEL_POSTERIZE,
    SQZ_LEVEL_POSTERIZE_INCREASING,
    SQZ_LEVEL_POSTERIZE_ORIGINAL,
    SQZ_LEVEL_SOLARIZE,
    SQZ_LEVEL_SOLARIZE_INCREASING,
    SQZ_LEVEL_DESATURATE,
    SQZ_LEVEL_BLUR
};
struct sqz_policy_entry {
    const char *name; // MindCV's
    enum sqz_operation_kind kind;
    enum sqz_level level;
};
const struct sqz_policy_entry *sqz_policy_entry_at(int index); // NULL past the end
const struct sqz_policy_entry *sqz_policy_entry_find(const char *name);
enum sqz_level_scale { SQZ_SCALE_NORMAL, SQZ_SCALE_AUGMIX, SQZ_SCALE_WIDE };
// The operation's argument for a magnitude; `largest` is the wide scale's end. For SQZ_LEVEL_BLUR
// half of the largest sigma.
double sqz_level_argument(enum sqz_level level, enum sqz_level_scale scale, double magnitude,
                          double largest, bool negated);

// One choice: an entry with its probability and magnitude.
struct sqz_policy_step {
    const struct sqz_policy_entry *entry;
    double probability, magnitude;
};
// The operations that a policy draws from (autoaug: step `step` of pair `index`); false past the
// last.
bool sqz_policy_step_at(const struct sqz_policy *policy, int index, int step,
                        struct sqz_policy_step *out);

#endif
