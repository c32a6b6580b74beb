// The table of options, and the struct that holds their values with where each came from.
#include "train/options/option_value.h"

#include "base/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct sqz_option options_table[] = {
#define ROW(type_, name_, fallback_, group_, limits_, support_, help_) \
    {.name = #name_, \
     .group = group_, \
     .help = help_, \
     .fallback = fallback_, \
     .type = type_, \
     .choices = type_ == SQZ_OPTION_TEXT && sizeof(limits_) > 1 ? limits_ : NULL, \
     .limits = limits_, \
     .support = support_, \
     .offset = offsetof(struct sqz_options, name_)},
#define SQZ_BOOL(name_, ...)  ROW(SQZ_OPTION_BOOL, name_, __VA_ARGS__)
#define SQZ_INT(name_, ...)   ROW(SQZ_OPTION_INT, name_, __VA_ARGS__)
#define SQZ_FLOAT(name_, ...) ROW(SQZ_OPTION_FLOAT, name_, __VA_ARGS__)
#define SQZ_TEXT(name_, ...)  ROW(SQZ_OPTION_TEXT, name_, __VA_ARGS__)
#define WORD(word, ...)       " " word
#define SQZ_CHOICE(name_, fallback_, group_, support_, help_) \
    ROW(SQZ_OPTION_TEXT, name_, fallback_, group_, &(SQZ_CHOICES_##name_(WORD))[1], support_, help_)
#define SQZ_LIST(name_, ...) ROW(SQZ_OPTION_LIST, name_, __VA_ARGS__)
#include "train/options/options.def"
#undef WORD
#undef ROW
};

enum { OPTION_COUNT = sizeof options_table / sizeof options_table[0] };

static void *field_of(struct sqz_options *options, const struct sqz_option *option)
{
    return (char *)options + option->offset;
}

static const void *const_field_of(const struct sqz_options *options,
                                  const struct sqz_option *option)
{
    return (const char *)options + option->offset;
}

int sqz_option_count(void)
{
    return OPTION_COUNT;
}

const struct sqz_option *sqz_option_at(int index)
{
    return index >= 0 && index < OPTION_COUNT ? &options_table[index] : NULL;
}

int sqz_option_find(const char *name)
{
    for (int i = 0; i < OPTION_COUNT; i++)
        if (strcmp(options_table[i].name, name) == 0)
            return i;
    return -1;
}

const char *sqz_option_synonym(const char *word, int index)
{
    // What other programs (and other commands of this one) call it, then its names here.
    enum { NAMES = 4 };
    static const char *const rows[][1 + NAMES] = {
        {"arch", "model"},
        {"batch", "batch_size"},
        {"batch_size", "batch"},
        {"checkpoint", "ckpt_path"},
        {"classes", "num_classes"},
        {"cpus", "threads"},
        {"data", "data_dir", "calibrate"},
        {"data_dir", "calibrate"},
        {"dataset_dir", "data_dir", "calibrate"},
        {"device", "threads"},
        {"dropout", "drop_rate"},
        {"epoch_size", "epochs"},
        {"epochs", "epoch_size"},
        {"image_resize", "image_size"},
        {"image_size", "image_resize"},
        {"images", "data_dir"},
        {"img_size", "image_resize", "image_size"},
        {"imgsz", "image_resize", "image_size"},
        {"jobs", "threads"},
        {"learning_rate", "lr"},
        {"lr0", "lr"},
        {"names", "classes"},
        {"nc", "num_classes"},
        {"num_epochs", "epoch_size", "epochs"},
        {"num_threads", "threads"},
        {"num_workers", "num_parallel_workers", "threads"},
        {"optimizer", "opt"},
        {"out", "output", "run_dir"},
        {"output", "run_dir"},
        {"overwrite", "force"},
        {"pictures", "images", "data_dir"},
        {"photos", "images", "data_dir"},
        {"save_dir", "run_dir", "output"},
        {"source", "data_dir", "images"},
        {"topk", "top"},
        {"top_k", "top"},
        {"train_dir", "data_dir"},
        {"warmup", "warmup_epochs"},
        {"wd", "weight_decay"},
        {"weights", "ckpt_path"},
        {"workers", "num_parallel_workers", "threads"},
    };
    for (size_t i = 0; index >= 0 && index < NAMES && i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i][0], word) == 0)
            return rows[i][1 + index];
    return NULL;
}

const char *sqz_option_nearest(const char *name)
{
    const char *best = NULL, *synonym;
    int length = (int)strlen(name);
    int best_distance = 1 + (length < 6 ? 1 : length / 3);

    for (int i = 0; (synonym = sqz_option_synonym(name, i)); i++)
        if (sqz_option_find(synonym) >= 0)
            return synonym;
    for (int i = 0; i < OPTION_COUNT; i++) {
        int distance = sqz_edit_distance(name, options_table[i].name);
        // The one of the same length wins among equally near ones: modle is model, not mode.
        if (distance < best_distance ||
            (best && distance == best_distance && length == (int)strlen(options_table[i].name))) {
            best_distance = distance;
            best = options_table[i].name;
        }
    }
    return best;
}

enum sqz_status sqz_options_new(struct sqz_options **out, struct sqz_error *err)
{
    struct sqz_options *options = sqz_new_array(1, sizeof *options);
    struct sqz_text why = {0};
    enum sqz_status status = SQZ_OK;

    if (!options)
        return sqz_fail_memory(err, "options", sizeof *options);
    options->origins = sqz_new_array(OPTION_COUNT, sizeof *options->origins);
    if (!options->origins)
        status = SQZ_E_NOMEM;
    for (int i = 0; status == SQZ_OK && i < OPTION_COUNT; i++)
        status = sqz_option_parse(&options_table[i], options_table[i].fallback,
                                  field_of(options, &options_table[i]), &why);
    sqz_text_release(&why);
    if (status != SQZ_OK) {
        sqz_options_free(options);
        return sqz_fail_memory(err, "options", sizeof *options);
    }
    *out = options;
    return SQZ_OK;
}

void sqz_options_free(struct sqz_options *options)
{
    if (!options)
        return;
    for (int i = 0; i < OPTION_COUNT; i++)
        if (options_table[i].type == SQZ_OPTION_TEXT)
            sqz_free(*(char **)field_of(options, &options_table[i]));
    sqz_free(options->origins);
    sqz_free(options);
}

enum sqz_status sqz_options_copy(const struct sqz_options *in, struct sqz_options **out,
                                 struct sqz_error *err)
{
    struct sqz_options *copy = sqz_new_array(1, sizeof *copy);
    bool failed;

    if (!copy)
        return sqz_fail_memory(err, "options", sizeof *copy);
    *copy = *in;
    copy->origins = sqz_new_array(OPTION_COUNT, sizeof *copy->origins);
    failed = !copy->origins;
    if (!failed)
        memcpy(copy->origins, in->origins, OPTION_COUNT * sizeof *copy->origins);
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (options_table[i].type == SQZ_OPTION_TEXT) {
            char **text = field_of(copy, &options_table[i]);
            *text = sqz_copy_string(*text);
            failed = failed || !*text;
        }
    }
    if (failed) {
        sqz_options_free(copy);
        return sqz_fail_memory(err, "options", sizeof *copy);
    }
    *out = copy;
    return SQZ_OK;
}

// Parses into a scratch field first, so that a bad value is an error even where a higher origin
// wins.
static enum sqz_status set_known(struct sqz_options *options, int index, const char *value,
                                 enum sqz_option_origin origin, struct sqz_text *why)
{
    const struct sqz_option *option = &options_table[index];
    union {
        bool yes;
        int64_t integer;
        double number;
        char *text;
        struct sqz_list list;
    } scratch = {.list = {0}};
    enum sqz_status status;

    if (origin >= options->origins[index]) {
        status = sqz_option_parse(option, value, field_of(options, option), why);
        if (status == SQZ_OK)
            options->origins[index] = origin;
        return status;
    }
    scratch.text = NULL;
    status = sqz_option_parse(option, value, &scratch, why);
    if (status == SQZ_OK && option->type == SQZ_OPTION_TEXT)
        sqz_free(scratch.text);
    return status;
}

enum sqz_status sqz_options_set(struct sqz_options *options, const char *name, const char *value,
                                enum sqz_option_origin origin, struct sqz_error *err)
{
    enum sqz_status otherwise = origin == SQZ_FROM_COMMAND_LINE ? SQZ_E_USAGE : SQZ_E_CONFIG;
    int index = sqz_option_find(name);
    struct sqz_text why = {0};
    enum sqz_status status;

    if (index < 0) {
        const char *nearest = sqz_option_nearest(name);
        if (nearest)
            return sqz_fail(err, otherwise, "There is no option %.80s; did you mean %s?", name,
                            nearest);
        return sqz_fail(err, otherwise,
                        "There is no option %.80s; \"squeezenet train --help\" lists them all.",
                        name);
    }
    status = set_known(options, index, value, origin, &why);
    if (status == SQZ_E_CONFIG)
        status =
            sqz_fail(err, otherwise, "Option %s is %s%.80s%s, but %s.", name, value ? "\"" : "",
                     value ? value : "none", value ? "\"" : "", sqz_text_get(&why));
    else if (status != SQZ_OK)
        status = sqz_fail_memory(err, name, value ? strlen(value) : 0);
    sqz_text_release(&why);
    return status;
}

void sqz_option_value_text(const struct sqz_options *options, int index, struct sqz_text *out)
{
    sqz_option_add_value(&options_table[index], const_field_of(options, &options_table[index]),
                         out);
}
