// The operations that policies are made of, and what their magnitudes mean.
#include "data/augment/policy.h"

#include <math.h>
#include <string.h>

static const struct sqz_policy_entry entries[] = {
    {"AutoContrast", SQZ_AUTO_CONTRAST, SQZ_LEVEL_NONE},
    {"Equalize", SQZ_EQUALIZE, SQZ_LEVEL_NONE},
    {"Invert", SQZ_INVERT, SQZ_LEVEL_NONE},
    {"Rotate", SQZ_ROTATE, SQZ_LEVEL_ROTATE},
    {"Posterize", SQZ_POSTERIZE, SQZ_LEVEL_POSTERIZE},
    {"PosterizeIncreasing", SQZ_POSTERIZE, SQZ_LEVEL_POSTERIZE_INCREASING},
    {"PosterizeOriginal", SQZ_POSTERIZE, SQZ_LEVEL_POSTERIZE_ORIGINAL},
    {"Solarize", SQZ_SOLARIZE, SQZ_LEVEL_SOLARIZE},
    {"SolarizeIncreasing", SQZ_SOLARIZE, SQZ_LEVEL_SOLARIZE_INCREASING},
    {"Color", SQZ_COLOR, SQZ_LEVEL_FACTOR},
    {"ColorIncreasing", SQZ_COLOR, SQZ_LEVEL_FACTOR_INCREASING},
    {"Contrast", SQZ_ADJUST_CONTRAST, SQZ_LEVEL_FACTOR},
    {"ContrastIncreasing", SQZ_ADJUST_CONTRAST, SQZ_LEVEL_FACTOR_INCREASING},
    {"Brightness", SQZ_ADJUST_BRIGHTNESS, SQZ_LEVEL_FACTOR},
    {"BrightnessIncreasing", SQZ_ADJUST_BRIGHTNESS, SQZ_LEVEL_FACTOR_INCREASING},
    {"Sharpness", SQZ_SHARPNESS, SQZ_LEVEL_FACTOR},
    {"SharpnessIncreasing", SQZ_SHARPNESS, SQZ_LEVEL_FACTOR_INCREASING},
    {"ShearX", SQZ_SHEAR_X, SQZ_LEVEL_SHEAR},
    {"ShearY", SQZ_SHEAR_Y, SQZ_LEVEL_SHEAR},
    {"TranslateX", SQZ_TRANSLATE_X, SQZ_LEVEL_TRANSLATE},
    {"TranslateY", SQZ_TRANSLATE_Y, SQZ_LEVEL_TRANSLATE},
    {"Desaturate", SQZ_DESATURATE, SQZ_LEVEL_DESATURATE},
    {"GaussianBlurRand", SQZ_BLUR, SQZ_LEVEL_BLUR},
};
enum { N_ENTRIES = sizeof entries / sizeof *entries };

const struct sqz_policy_entry *sqz_policy_entry_at(int index)
{
    return index >= 0 && index < N_ENTRIES ? &entries[index] : NULL;
}

const struct sqz_policy_entry *sqz_policy_entry_find(const char *name)
{
    for (int i = 0; i < N_ENTRIES; i++)
        if (strcmp(entries[i].name, name) == 0)
            return &entries[i];
    return NULL;
}

double sqz_level_argument(enum sqz_level level, enum sqz_level_scale scale, double magnitude,
                          double largest, bool negated)
{
    bool wide = scale == SQZ_SCALE_WIDE;
    // What has no wide form keeps the normal one.
    double tenth = magnitude / 10, l = wide ? (largest > 0 ? magnitude / largest : 0) : tenth;
    double sign = negated ? -1 : 1;
    switch (level) {
    case SQZ_LEVEL_ROTATE:
        return sign * l * (wide ? 135 : 30);
    case SQZ_LEVEL_FACTOR:
        return wide ? l * 1.99 + 0.01 : l * 1.8 + 0.1;
    case SQZ_LEVEL_FACTOR_INCREASING:
        return fmax(0.1, 1 + sign * tenth * 0.9);
    case SQZ_LEVEL_SHEAR:
        return sign * l * (wide ? 0.99 : 0.3);
    case SQZ_LEVEL_TRANSLATE:
        return wide ? l * 0.15 : sign * l * (scale == SQZ_SCALE_AUGMIX ? 0.3 : 0.45);
    case SQZ_LEVEL_POSTERIZE:
        return wide ? trunc(l * 6) + 2 : trunc(l * 4);
    case SQZ_LEVEL_POSTERIZE_INCREASING:
        return 4 - trunc(tenth * 4);
    case SQZ_LEVEL_POSTERIZE_ORIGINAL:
        return trunc(tenth * 4) + 4;
    case SQZ_LEVEL_SOLARIZE:
        return trunc(l * 255);
    case SQZ_LEVEL_SOLARIZE_INCREASING:
        return 255 - trunc(tenth * 255);
    case SQZ_LEVEL_DESATURATE:
        return fmin(1, fmax(0.5, tenth / 2 + 0.5));
    case SQZ_LEVEL_BLUR:
        return fmin(1, fmax(0, tenth));
    default:
        return 0;
    }
}

// Randaug's order is that of its weights (below) and of the increasing set.
static const struct {
    const char *plain, *increasing;
} randaug[] = {
    {"AutoContrast", "AutoContrast"},
    {"Equalize", "Equalize"},
    {"Invert", "Invert"},
    {"Rotate", "Rotate"},
    {"Posterize", "PosterizeIncreasing"},
    {"Solarize", "SolarizeIncreasing"},
    {"Color", "ColorIncreasing"},
    {"Contrast", "ContrastIncreasing"},
    {"Brightness", "BrightnessIncreasing"},
    {"Sharpness", "SharpnessIncreasing"},
    {"ShearX", "ShearX"},
    {"ShearY", "ShearY"},
    {"TranslateX", "TranslateX"},
    {"TranslateY", "TranslateY"},
};
static const char *const augmix[] = {
    "AutoContrast",
    "ColorIncreasing",
    "ContrastIncreasing",
    "BrightnessIncreasing",
    "SharpnessIncreasing",
    "Equalize",
    "Rotate",
    "PosterizeIncreasing",
    "SolarizeIncreasing",
    "ShearX",
    "ShearY",
    "TranslateX",
    "TranslateY",
};

// Posterize stands for PosterizeOriginal in autoaug and PosterizeIncreasing in autoaugr.
static const struct {
    const char *name;
    double probability, magnitude;
} autoaug[][2] = {
    {{"Posterize", 0.4, 8}, {"Rotate", 0.6, 9}},  {{"Solarize", 0.6, 5}, {"AutoContrast", 0.6, 5}},
    {{"Equalize", 0.8, 8}, {"Equalize", 0.6, 3}}, {{"Posterize", 0.6, 7}, {"Posterize", 0.6, 6}},
    {{"Equalize", 0.4, 7}, {"Solarize", 0.2, 4}}, {{"Equalize", 0.4, 4}, {"Rotate", 0.8, 8}},
    {{"Solarize", 0.6, 3}, {"Equalize", 0.6, 7}}, {{"Posterize", 0.8, 5}, {"Equalize", 1.0, 2}},
    {{"Rotate", 0.2, 3}, {"Solarize", 0.6, 8}},   {{"Equalize", 0.6, 8}, {"Posterize", 0.4, 6}},
    {{"Rotate", 0.8, 8}, {"Color", 0.4, 0}},      {{"Rotate", 0.4, 9}, {"Equalize", 0.6, 2}},
    {{"Equalize", 0.0, 7}, {"Equalize", 0.8, 8}}, {{"Invert", 0.6, 4}, {"Equalize", 1.0, 8}},
    {{"Color", 0.6, 4}, {"Contrast", 1.0, 8}},    {{"Rotate", 0.8, 8}, {"Color", 1.0, 2}},
    {{"Color", 0.8, 8}, {"Solarize", 0.8, 7}},    {{"Sharpness", 0.4, 7}, {"Invert", 0.6, 8}},
    {{"ShearX", 0.6, 5}, {"Equalize", 1.0, 9}},   {{"Color", 0.4, 0}, {"Equalize", 0.6, 3}},
    {{"Equalize", 0.4, 7}, {"Solarize", 0.2, 4}}, {{"Solarize", 0.6, 5}, {"AutoContrast", 0.6, 5}},
    {{"Invert", 0.6, 4}, {"Equalize", 1.0, 8}},   {{"Color", 0.6, 4}, {"Contrast", 1.0, 8}},
    {{"Equalize", 0.8, 8}, {"Equalize", 0.6, 3}},
};
static const struct {
    const char *name;
    double magnitude;
} three[] = {{"Solarize", 5}, {"Desaturate", 10}, {"GaussianBlurRand", 10}};

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static bool autoaug_step(bool original, int index, int step, struct sqz_policy_step *out)
{
    if (index >= COUNT(autoaug) || step >= 2)
        return false;
    const char *name = autoaug[index][step].name;
    if (strcmp(name, "Posterize") == 0)
        name = original ? "PosterizeOriginal" : "PosterizeIncreasing";
    *out = (struct sqz_policy_step){sqz_policy_entry_find(name), autoaug[index][step].probability,
                                    autoaug[index][step].magnitude};
    return true;
}

bool sqz_policy_step_at(const struct sqz_policy *policy, int index, int step,
                        struct sqz_policy_step *out)
{
    const char *name = NULL;
    double probability = 1, magnitude = policy->magnitude;
    if (policy->kind == SQZ_POLICY_AUTOAUG || policy->kind == SQZ_POLICY_AUTOAUGR)
        return autoaug_step(policy->kind == SQZ_POLICY_AUTOAUG, index, step, out);
    if (step > 0)
        return false;
    switch (policy->kind) {
    case SQZ_POLICY_RANDAUG:
    case SQZ_POLICY_TRIVIAL:
        if (index < COUNT(randaug))
            name = policy->increasing ? randaug[index].increasing : randaug[index].plain;
        probability = policy->kind == SQZ_POLICY_RANDAUG ? 0.5 : 1;
        break;
    case SQZ_POLICY_AUGMIX:
        name = index < COUNT(augmix) ? augmix[index] : NULL;
        break;
    case SQZ_POLICY_3A:
        name = index < COUNT(three) ? three[index].name : NULL;
        magnitude = name ? three[index].magnitude : 0;
        break;
    default:
        break;
    }
    if (!name)
        return false;
    *out = (struct sqz_policy_step){sqz_policy_entry_find(name), probability, magnitude};
    return true;
}
