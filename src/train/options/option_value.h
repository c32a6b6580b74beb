// One option's value between text and its field; used by options.c and yaml.c only.
#ifndef SQZ_TRAIN_OPTIONS_OPTION_VALUE_H
#define SQZ_TRAIN_OPTIONS_OPTION_VALUE_H

#include "train/options/options.h"

// Parses `value` (NULL = none) into `field`, the option's field in some struct sqz_options. On
// failure the field is untouched and *why says what is possible ("it must be a whole number of at
// least 1"). SQZ_E_CONFIG, or SQZ_E_NOMEM.
enum sqz_status sqz_option_parse(const struct sqz_option *option, const char *value, void *field,
                                 struct sqz_text *why);
// Whether `word` is in a list like "a b ''"; the spelling of the list in *canonical (may be NULL).
bool sqz_words_contain(const char *words, const char *word, char *canonical, size_t size);
// The place of `word` in such a list; -1 if it is not there.
int sqz_words_find(const char *words, const char *word);
// True if the value is one of "later: ..." (support), so that it has to be refused.
bool sqz_option_is_later(const struct sqz_option *option, const void *field);
// The shortest decimal that reads back as the same double.
void sqz_text_add_double(struct sqz_text *out, double value);
void sqz_option_add_value(const struct sqz_option *option, const void *field, struct sqz_text *out);

#endif
