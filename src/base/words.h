// Questions about words: how near two are, and what one ends in.
#ifndef SQZ_BASE_WORDS_H
#define SQZ_BASE_WORDS_H

#include <squeezenet.h> // sqz_edit_distance
#include <stdbool.h>

// Whether `path` is longer than `suffix` and ends in it.
bool sqz_has_suffix(const char *path, const char *suffix);

#endif
