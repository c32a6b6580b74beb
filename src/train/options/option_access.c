// Options by name, and what a value means beyond its type.
#include "train/options/option_value.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORD(word, ...) " " word
#define SQZ_CHOICE(name, ...) \
    enum sqz_choice_##name sqz_choice_##name(const struct sqz_options *options) \
    { \
        return (enum sqz_choice_##name)sqz_words_find(&(SQZ_CHOICES_##name(WORD))[1], \
                                                      options->name); \
    }
#include "train/options/options.def"

enum sqz_option_origin sqz_options_origin(const struct sqz_options *options, const char *name)
{
    int index = sqz_option_find(name);
    return index < 0 ? SQZ_FROM_DEFAULT : options->origins[index];
}

enum sqz_status sqz_options_fill(struct sqz_options *options, enum sqz_option_origin origin,
                                 struct sqz_error *err, const char *name, const char *format, ...)
{
    char value[256];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(value, sizeof value, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof value)
        return sqz_fail(err, SQZ_E_INTERNAL, "A value for option %s is too long.", name);
    return sqz_options_set(options, name, value, origin, err);
}

enum sqz_status sqz_options_set_all(struct sqz_options *options, const struct sqz_setting *settings,
                                    int n, enum sqz_option_origin origin, struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    for (int i = 0; i < n && !status; i++)
        if (settings[i].value)
            status = sqz_options_set(options, settings[i].name, settings[i].value, origin, err);
    return status;
}

bool sqz_parse_size(const char *text, size_t *out)
{
    static const struct {
        const char *unit;
        double bytes;
    } units[] = {{"", 1},     {"B", 1},        {"kB", 1e3},        {"MB", 1e6},
                 {"GB", 1e9}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}};
    char *end;
    double number = strtod(text, &end);
    if (end == text || strspn(text, "0123456789.") != (size_t)(end - text))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcasecmp(end, units[i].unit) == 0 && number * units[i].bytes >= 1 &&
            number * units[i].bytes < 1e15) {
            *out = (size_t)(number * units[i].bytes);
            return true;
        }
    return false;
}

enum sqz_status sqz_options_erase_value(const struct sqz_options *options, float value[3],
                                        bool *random, struct sqz_error *err)
{
    const char *text = options->re_value;
    int n = 0, end = 0, v[3] = {0};
    bool good;

    *random = strcmp(text, "random") == 0;
    if (*random)
        return SQZ_OK;
    if (sscanf(text, " [%d ,%d ,%d ] %n", &v[0], &v[1], &v[2], &end) == 3 && end && !text[end])
        n = 3;
    else if (sscanf(text, " %d ,%d ,%d %n", &v[0], &v[1], &v[2], &end) == 3 && end && !text[end])
        n = 3;
    else if (sscanf(text, " %d %n", &v[0], &end) == 1 && end && !text[end])
        n = 1;
    good = n > 0;
    for (int i = 0; i < 3; i++) {
        good = good && v[i] >= 0 && v[i] <= 255;
        value[i] = (float)v[n == 3 ? i : 0];
    }
    if (!good)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option re_value is \"%.80s\", but it must be a whole number "
                        "from 0 to 255, three of them separated by commas, or random.",
                        text);
    return SQZ_OK;
}

bool sqz_options_prunes(const struct sqz_options *options)
{
    return !isnan(options->prune);
}

bool sqz_options_compresses(const struct sqz_options *options)
{
    return sqz_options_prunes(options) || options->compress || *options->update_budget;
}

bool sqz_options_teaches(const struct sqz_options *options)
{
    return *options->teacher || options->distill > 0 || options->distill_maps > 0;
}

enum sqz_rate_kind sqz_opt_rate_kind(enum sqz_choice_opt opt)
{
#define KIND(word, value, kind) [value] = kind,
    static const enum sqz_rate_kind kinds[] = {SQZ_CHOICES_opt(KIND)};
    return kinds[opt];
}

bool sqz_loss_has(enum sqz_choice_loss loss, enum sqz_loss_trait trait)
{
#define TRAITS(word, value, traits) [value] = traits,
    static const int traits_of[] = {SQZ_CHOICES_loss(TRAITS)};
    return (traits_of[loss] & (int)trait) != 0;
}

bool sqz_options_usual_splits(const struct sqz_options *options)
{
    return strcmp(options->train_split, "train") == 0 && strcmp(options->val_split, "val") == 0;
}

bool sqz_options_validates_on_part(const struct sqz_options *options)
{
    return strcmp(options->val_split, "test") == 0 || strcmp(options->val_split, "all") == 0;
}

bool sqz_options_balances_loss(const struct sqz_options *options)
{
    return strcmp(options->class_weights, "balanced") == 0;
}
