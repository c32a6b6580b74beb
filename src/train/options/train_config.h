// What a training run does: every option with the value that holds, a choice as its enum, a size in
// bytes. It is made once, when options, data and model are known, and read by everything that runs;
// the options are left to whoever writes them into a file.
#ifndef SQZ_TRAIN_OPTIONS_TRAIN_CONFIG_H
#define SQZ_TRAIN_OPTIONS_TRAIN_CONFIG_H

#include "train/options/options.h"

// What is not given has its usual value (drop_rate), or is none of the values (NAN, "", no entry).
// Texts are the options', which must outlive the configuration. A choice x has its word, for
// messages, in x_word.
struct sqz_train_config {
#define SQZ_BOOL(name, ...)  bool name;
#define SQZ_INT(name, ...)   int64_t name;
#define SQZ_FLOAT(name, ...) double name;
#define SQZ_TEXT(name, ...)  const char *name;
#define SQZ_CHOICE(name, ...) \
    enum sqz_choice_##name name; \
    const char *name##_word;
#define SQZ_LIST(name, ...) struct sqz_list name;
#include "train/options/options.def"
    // What the texts of these options mean; 0 where they are not given.
    size_t memory_bytes, size_bytes, update_budget_bytes;
    float erase_value[3]; // re_value, unless it is random
    bool erases_randomly;
    bool prunes, compresses, teaches; // as sqz_options_prunes and its like
    bool balances_loss;               // class_weights are those of the classes' frequency
};
// `options` are merged, complete and checked (sqz_options_check).
struct sqz_train_config sqz_train_config_of(const struct sqz_options *options);

#endif
