// Every option of a training run. options.def is the one table: names, types, defaults, groups and
// help; the struct below, YAML, the command line, `recipe.yaml` and the help all come from it.
#ifndef SQZ_TRAIN_OPTIONS_OPTIONS_H
#define SQZ_TRAIN_OPTIONS_OPTIONS_H

#include "base/error.h"
#include "base/memory.h"
#include "train/options/choices.h"
#include <squeezenet_train.h>
#include <stdbool.h>
#include <stdint.h>

// enum sqz_choice_norm and its like: one for each option that is a choice.
#define SQZ_FIRST_VALUE(value, ...) value,
#define SQZ_CHOICE_VALUE(word, ...) SQZ_FIRST_VALUE(__VA_ARGS__, 0)
#define SQZ_CHOICE(name, ...)       enum sqz_choice_##name{SQZ_CHOICES_##name(SQZ_CHOICE_VALUE)};
#include "train/options/options.def"
#undef SQZ_FIRST_VALUE
#undef SQZ_CHOICE_VALUE

#define SQZ_NONE_INT INT64_MIN // an optional integer that is not given
#define SQZ_LIST_MAX 16
struct sqz_list {
    int n; // 0 = none / empty
    double v[SQZ_LIST_MAX];
};
enum sqz_option_type {
    SQZ_OPTION_BOOL,
    SQZ_OPTION_INT,
    SQZ_OPTION_FLOAT,
    SQZ_OPTION_TEXT,
    SQZ_OPTION_LIST
};
enum sqz_option_origin {
    SQZ_FROM_DEFAULT,
    SQZ_FROM_BUILTIN_RECIPE,
    SQZ_FROM_MODEL,
    SQZ_FROM_YAML,
    SQZ_FROM_COMMAND_LINE
};

// Fields are named like the options: options->batch_size (int64_t), options->lr (double, NAN =
// none), options->shuffle (bool), options->model (char *, never NULL; "" = none), options->scale
// (sqz_list). A choice is kept as its text; sqz_choice_norm(options) and its like tell its enum.
struct sqz_options {
#define SQZ_BOOL(name, ...)   bool name;
#define SQZ_INT(name, ...)    int64_t name;
#define SQZ_FLOAT(name, ...)  double name;
#define SQZ_TEXT(name, ...)   char *name;
#define SQZ_CHOICE(name, ...) char *name;
#define SQZ_LIST(name, ...)   struct sqz_list name;
#include "train/options/options.def"
    enum sqz_option_origin *origins; // by index in the table
    bool
        recipe_distributes; // a recipe said distribute: true, even if the command line overrides it
    bool batch_is_global;   // batch_size is that of all ranks: a run that is resumed
    bool has_recipe;        // one was read from YAML, even if the command line overrides all of it
    char ignored[200];      // names that a recipe gave, but only the command line may give
};

#define SQZ_CHOICE(name, ...) \
    enum sqz_choice_##name sqz_choice_##name(const struct sqz_options *options);
#include "train/options/options.def"

// See options.c for the rest of this directory's contract on options.
struct sqz_option {
    const char *name, *group, *help, *fallback; // fallback: the default as text
    enum sqz_option_type type;
    const char *choices;          // "a b c" ('' = the empty text) or NULL
    const char *limits, *support; // as in options.def
    size_t offset;                // of the field in struct sqz_options
};
int sqz_option_count(void);
const struct sqz_option *sqz_option_at(int index); // in table order, grouped
int sqz_option_find(const char *name);             // -1 if unknown
const char *
sqz_option_nearest(const char *name); // what was probably meant; NULL if nothing is near

enum sqz_status sqz_options_new(struct sqz_options **out, struct sqz_error *err); // all defaults
void sqz_options_free(struct sqz_options *options);
enum sqz_status sqz_options_copy(const struct sqz_options *in, struct sqz_options **out,
                                 struct sqz_error *err);
// Parses `value` as typed; unknown names (SQZ_E_USAGE from the command line, SQZ_E_CONFIG from
// YAML) suggest the nearest one. A value with a lower origin never replaces one with a higher.
enum sqz_status sqz_options_set(struct sqz_options *options, const char *name, const char *value,
                                enum sqz_option_origin origin, struct sqz_error *err);
// Sets one option from a formatted value unless it has a higher origin.
enum sqz_status sqz_options_fill(struct sqz_options *options, enum sqz_option_origin origin,
                                 struct sqz_error *err, const char *name, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
// Sets several; a value of NULL is left out.
struct sqz_setting {
    const char *name, *value;
};
enum sqz_status sqz_options_set_all(struct sqz_options *options, const struct sqz_setting *settings,
                                    int n, enum sqz_option_origin origin, struct sqz_error *err);
enum sqz_option_origin sqz_options_origin(const struct sqz_options *options, const char *name);
// "2GiB", "500MB", "800000000" as bytes; false for anything else.
bool sqz_parse_size(const char *text, size_t *out);
// A recipe; SQZ_E_CONFIG with file and line. The text form is for built-in recipes.
enum sqz_status sqz_options_read_yaml(struct sqz_options *options, const char *path,
                                      enum sqz_option_origin origin, struct sqz_error *err);
enum sqz_status sqz_options_parse_yaml(struct sqz_options *options, const char *text, size_t size,
                                       const char *name, enum sqz_option_origin origin,
                                       struct sqz_error *err);
// The merged configuration as YAML; `with_origins` adds "# from ..." to each line.
void sqz_options_write_yaml(const struct sqz_options *options, bool with_origins,
                            struct sqz_text *out);
void sqz_option_value_text(const struct sqz_options *options, int index, struct sqz_text *out);
// re_value: one number for all channels, three, or random (then value is not set).
enum sqz_status sqz_options_erase_value(const struct sqz_options *options, float value[3],
                                        bool *random, struct sqz_error *err);
// Whether prune was given (its default is NAN); prune, compress or update_budget, which change the
// weights that a model is saved with; teacher or distill, which change the targets.
bool sqz_options_prunes(const struct sqz_options *options);
bool sqz_options_compresses(const struct sqz_options *options);
bool sqz_options_teaches(const struct sqz_options *options);
// Whether the splits have the names of class directories, train and val; whether val_split names a
// part of mnist or cifar, test or all; whether class_weights are those of the classes' frequency.
bool sqz_options_usual_splits(const struct sqz_options *options);
bool sqz_options_validates_on_part(const struct sqz_options *options);
bool sqz_options_balances_loss(const struct sqz_options *options);
// Traits of opt and loss, from choices.h.
enum sqz_rate_kind sqz_opt_rate_kind(enum sqz_choice_opt opt);
bool sqz_loss_has(enum sqz_choice_loss loss, enum sqz_loss_trait trait);
// What becomes of an option when a run is resumed or its recipe is read by somebody else.
enum sqz_option_role {
    SQZ_ROLE_RECIPE,  // decides the result: part of the state, cannot change on resuming
    SQZ_ROLE_MACHINE, // where and how: not part of the state, may change
    SQZ_ROLE_ORDER    // for one command only: not even part of recipe.yaml
};
enum sqz_option_role sqz_option_role(const char *name);
// Takes back what a recipe said about orders and about starting ranks, and lists the names in
// `ignored`: a recipe may come from a stranger, and must not overwrite files or start programs.
enum sqz_status sqz_options_drop_orders(struct sqz_options *options, struct sqz_error *err);
// Checks combinations, and refuses by name what is not supported yet (SQZ_E_CONFIG). Single values
// were checked when they were set.
// Appends one grouped note on accepted options without a meaning here to *notes, if any were given.
enum sqz_status sqz_options_check(const struct sqz_options *options, struct sqz_text *notes,
                                  struct sqz_error *err);

// The text of a built-in recipe, NULL if there is none of that name: "photos" (training on a
// directory of photos), "finetune" (the same from given weights), "small_images". Equal to
// configs/<name>.yaml.
const char *sqz_builtin_recipe(const char *name);
// Merges recipe *name, or if that is NULL "finetune" when ckpt_path is given, else "photos" (and
// sets *name). Fits warm-up and decay to epoch_size where the user did not set them. A value of the
// recipe that cannot be combined with an option of the user gives way, with a line in *notes (may
// be NULL).
enum sqz_status sqz_options_use_builtin(struct sqz_options *options, const char **name,
                                        struct sqz_text *notes, struct sqz_error *err);

#endif
