// Draws the operations for one image.
#include "data/augment/policy.h"

#include <math.h>

static int count_choices(const struct sqz_policy *policy)
{
    struct sqz_policy_step step;
    int n = 0;
    while (sqz_policy_step_at(policy, n, 0, &step))
        n++;
    return n;
}

// Always the same number of draws, so that one operation's luck does not shift the next one's.
static void draw_step(const struct sqz_policy *policy, const struct sqz_policy_step *step,
                      struct sqz_random *random, struct sqz_policy_draw *out)
{
    double gate = sqz_random_uniform(random, 0, 1), m = step->magnitude;
    double uniform = sqz_random_uniform(random, 0, m), gauss = sqz_random_normal(random);
    bool negated = sqz_random_uniform(random, 0, 1) > 0.5;
    double width = sqz_random_uniform(random, 0, 1);
    if (step->probability < 1 && gate > step->probability)
        return;
    m = isinf(policy->noise) ? uniform : m + policy->noise * gauss;
    m = fmin(policy->cap, fmax(0, m));
    enum sqz_level_scale scale = policy->kind == SQZ_POLICY_TRIVIAL  ? SQZ_SCALE_WIDE
                                 : policy->kind == SQZ_POLICY_AUGMIX ? SQZ_SCALE_AUGMIX
                                                                     : SQZ_SCALE_NORMAL;
    double argument = sqz_level_argument(step->entry->level, scale, m, policy->cap, negated);
    if (step->entry->level == SQZ_LEVEL_BLUR) // never quite 0, where the Gaussian ends
        argument = fmax(1e-3, 0.1 + (2 * argument - 0.1) * width);
    out->operations[out->n++] = (struct sqz_operation){step->entry->kind, argument};
}

static void draw_choice(const struct sqz_policy *policy, int index, struct sqz_random *random,
                        struct sqz_policy_draw *out)
{
    struct sqz_policy_step step;
    for (int i = 0; sqz_policy_step_at(policy, index, i, &step); i++)
        draw_step(policy, &step, random, out);
}

// w0: without replacement, by weights (in thousandths) that favour geometry and spare colours. Of
// the weightless Invert at least the count falls to 13.
static void draw_weighted(const struct sqz_policy *policy, struct sqz_random *random,
                          struct sqz_policy_draw *out)
{
    int weights[] = {25, 5, 0, 300, 5, 5, 25, 5, 5, 25, 200, 200, 100, 100}, total = 0;
    enum { N = sizeof weights / sizeof *weights };
    for (int i = 0; i < N; i++)
        total += weights[i];
    for (int k = 0; k < policy->count && total > 0; k++) {
        int at = (int)sqz_random_int(random, 0, total), i = 0;
        while (at >= weights[i])
            at -= weights[i++];
        total -= weights[i];
        weights[i] = 0;
        draw_choice(policy, i, random, out);
    }
}

static void draw_augmix(const struct sqz_policy *policy, int choices, struct sqz_random *random,
                        struct sqz_policy_draw *out)
{
    double shares[SQZ_POLICY_WIDTH], total = 0;
    out->chains = policy->width;
    for (int i = 0; i < policy->width; i++)
        total += shares[i] = sqz_random_gamma(random, policy->alpha);
    out->mix = (float)sqz_random_beta(random, policy->alpha, policy->alpha);
    for (int i = 0; i < policy->width; i++) {
        out->weights[i] = (float)(total > 0 ? shares[i] / total : 1.0 / policy->width);
        int depth = policy->depth > 0 ? policy->depth : (int)sqz_random_int(random, 1, 4);
        for (int k = 0; k < depth; k++)
            draw_choice(policy, (int)sqz_random_int(random, 0, choices), random, out);
        out->ends[i] = out->n;
    }
}

void sqz_policy_draw(const struct sqz_policy *policy, struct sqz_random *random,
                     struct sqz_policy_draw *out)
{
    int choices = count_choices(policy);
    out->n = out->chains = 0;
    if (choices == 0)
        return;
    if (policy->kind == SQZ_POLICY_AUGMIX)
        draw_augmix(policy, choices, random, out);
    else if (policy->weighted)
        draw_weighted(policy, random, out);
    else
        for (int k = 0; k < (policy->kind == SQZ_POLICY_RANDAUG ? policy->count : 1); k++)
            draw_choice(policy, (int)sqz_random_int(random, 0, choices), random, out);
}
