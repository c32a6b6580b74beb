// Questions about words: how near two are, and what one ends in.
#ifndef SQZ_BASE_WORDS_H
#define SQZ_BASE_WORDS_H

#include <stdbool.h>

// Insertions, deletions, replacements and swaps of neighbours that make b of a; a large number for
// words above 63 bytes.
int sqz_edit_distance(const char *a, const char *b);
// Whether `path` is longer than `suffix` and ends in it.
bool sqz_has_suffix(const char *path, const char *suffix);

#endif
