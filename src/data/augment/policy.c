// Reads the configuration string of an augmentation policy.
#include "data/augment/policy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// One field after the first: its key and the number as typed.
struct field {
    char key[16];
    const char *value;
    char text[32];
};

// Cuts the next field off *text. false: it holds no digit and is to be ignored, as in MindCV.
static bool next_field(const char **text, struct field *out)
{
    const char *start = *text + 1; // after the hyphen
    size_t length = strcspn(start, "-"), key = strcspn(start, "0123456789-");
    *text = start + length;
    if (length >= sizeof out->text)
        length = sizeof out->text - 1;
    memcpy(out->text, start, length);
    out->text[length] = 0;
    if (key >= length)
        return false;
    size_t copied = key < sizeof out->key ? key : sizeof out->key - 1;
    memcpy(out->key, start, copied);
    out->key[copied] = 0;
    out->value = out->text + key;
    return true;
}

enum { WHOLE = 1 };
// The keys that a policy knows, and where their values go.
struct key {
    const char *name;
    unsigned policies; // bits of enum sqz_policy_kind
    unsigned flags;
    double low, high;
};
#define BIT(kind) (1u << (kind))
static const struct key keys[] = {
    {"m", BIT(SQZ_POLICY_RANDAUG) | BIT(SQZ_POLICY_TRIVIAL), WHOLE, 0, 1000},
    {"m", BIT(SQZ_POLICY_AUGMIX), 0, 0, 1000},
    {"n", BIT(SQZ_POLICY_RANDAUG), WHOLE, 0, SQZ_POLICY_COUNT},
    {"w", BIT(SQZ_POLICY_RANDAUG), WHOLE, 0, 0},
    {"w", BIT(SQZ_POLICY_AUGMIX), WHOLE, 1, SQZ_POLICY_WIDTH},
    {"d", BIT(SQZ_POLICY_AUGMIX), WHOLE, 1, SQZ_POLICY_DEPTH},
    {"a", BIT(SQZ_POLICY_AUGMIX), 0, 1e-3, 1e6},
    {"mmax", BIT(SQZ_POLICY_RANDAUG), WHOLE, 0, 1000},
    {"inc", BIT(SQZ_POLICY_RANDAUG), WHOLE, 0, 1},
    {"mstd",
     BIT(SQZ_POLICY_RANDAUG) | BIT(SQZ_POLICY_AUTOAUG) | BIT(SQZ_POLICY_AUTOAUGR) |
         BIT(SQZ_POLICY_3A),
     0, 0, 1e9},
};

static const struct key *find_key(enum sqz_policy_kind kind, const char *name)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (keys[i].policies & BIT(kind) && strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

static void set(struct sqz_policy *policy, const char *key, double value)
{
    bool augmix = policy->kind == SQZ_POLICY_AUGMIX;
    if (strcmp(key, "m") == 0) {
        policy->magnitude = value;
        if (policy->kind == SQZ_POLICY_TRIVIAL)
            policy->cap = value;
    } else if (strcmp(key, "n") == 0) {
        policy->count = (int)value;
    } else if (strcmp(key, "w") == 0 && augmix) {
        policy->width = (int)value;
    } else if (strcmp(key, "w") == 0) {
        policy->weighted = true;
    } else if (strcmp(key, "d") == 0) {
        policy->depth = (int)value;
    } else if (strcmp(key, "a") == 0) {
        policy->alpha = value;
    } else if (strcmp(key, "mmax") == 0) {
        policy->cap = value;
    } else if (strcmp(key, "inc") == 0) {
        policy->increasing = value != 0;
    } else {
        policy->noise = value > 100 ? INFINITY : value;
    }
}

static enum sqz_status read_field(const char *whole, const struct field *field,
                                  struct sqz_policy *policy, struct sqz_error *err)
{
    const struct key *key = find_key(policy->kind, field->key);
    char *end;
    double value = strtod(field->value, &end);
    if (!key)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option auto_augment is \"%.80s\", but that policy has no setting \"%s\".",
                        whole, field->key);
    // A second hyphen would be a new field, so a value is never negative, but for "1e-3".
    bool good = *end == 0 && value >= key->low && value <= key->high &&
                (!(key->flags & WHOLE) || value == floor(value));
    if (!good)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option auto_augment is \"%.80s\", but its \"%s\" must be %s from %g to "
                        "%g, not \"%s\".",
                        whole, field->key, key->flags & WHOLE ? "a whole number" : "a number",
                        key->low, key->high, field->value);
    set(policy, field->key, value);
    return SQZ_OK;
}

enum sqz_status sqz_policy_parse(const char *text, struct sqz_policy *out, struct sqz_error *err)
{
    static const struct {
        const char *name;
        struct sqz_policy defaults;
    } policies[] = {
        {"none", {.kind = SQZ_POLICY_NONE}},
        {"", {.kind = SQZ_POLICY_NONE}},
        {"randaug", {SQZ_POLICY_RANDAUG, 10, 0.5, 10, false, false, 2, 0, 0, 0}},
        {"autoaug", {SQZ_POLICY_AUTOAUG, 0, 0.5, 10, false, false, 0, 0, 0, 0}},
        {"autoaugr", {SQZ_POLICY_AUTOAUGR, 0, 0.5, 10, false, false, 0, 0, 0, 0}},
        {"3a", {SQZ_POLICY_3A, 0, 0.5, 10, false, false, 0, 0, 0, 0}},
        {"trivialaugwide", {SQZ_POLICY_TRIVIAL, 31, INFINITY, 31, false, false, 1, 0, 0, 0}},
        {"augmix", {SQZ_POLICY_AUGMIX, 3, INFINITY, 10, true, false, 0, 3, -1, 1}},
    };
    size_t length = strcspn(text, "-"), i = 0, n = sizeof policies / sizeof *policies;
    while (i < n && (strlen(policies[i].name) != length || strncmp(text, policies[i].name, length)))
        i++;
    if (i == n)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option auto_augment is \"%.80s\", but a policy begins with randaug, "
                        "autoaug, autoaugr, 3a, trivialaugwide or augmix.",
                        text);
    struct sqz_policy policy = policies[i].defaults;
    enum sqz_status status = SQZ_OK;
    for (const char *at = text + length; !status && *at;) {
        struct field field;
        if (next_field(&at, &field))
            status = read_field(text, &field, &policy, err);
    }
    if (!status)
        *out = policy;
    return status;
}
