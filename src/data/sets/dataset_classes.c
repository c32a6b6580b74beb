// Divides a dataset by class, and maps its classes to those of a model.
#include "base/memory.h"
#include "base/random.h"
#include "data/sets/sets.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LONGEST_NAME 255 // of a directory, in bytes

// Levenshtein distance without regard to case; names are cut to LONGEST_NAME bytes.
static int name_distance(const char *a, const char *b)
{
    int row[LONGEST_NAME + 1];
    int m = (int)strnlen(a, LONGEST_NAME), n = (int)strnlen(b, LONGEST_NAME);
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; i <= m; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            bool same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            int best = diagonal + !same;
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n];
}

static int find_class(const char *name, const char *const *classes, int n_classes, int *nearest)
{
    int best = -1;
    *nearest = 0;
    for (int i = 0; i < n_classes; i++)
        if (!strcmp(name, classes[i]))
            return i;
    for (int i = 0; i < n_classes; i++) {
        int distance = name_distance(name, classes[i]);
        if (best < 0 || distance < best) {
            best = distance;
            *nearest = i;
        }
    }
    return -1;
}

// Whether one name has combining accents (U+0300 to U+036F, as macOS writes file names) where the
// other has accented letters: their other letters are the same, but for the base letters that only
// the first one spells out.
static bool accents_differ(const char *combining, const char *composed)
{
    bool any = false;
    while (*combining || *composed) {
        const unsigned char *mark = (const unsigned char *)combining + (*combining != 0);
        bool marked = *combining && mark[0] && mark[1] &&
                      (mark[0] == 0xCC || (mark[0] == 0xCD && mark[1] < 0xB0));
        if (marked && (unsigned char)*composed >= 0xC3) { // "e" and its mark; a two-byte letter
            any = true;
            combining += 3;
            composed += composed[1] ? 2 : 1;
        } else if (*combining == *composed) {
            combining++;
            composed++;
        } else {
            return false;
        }
    }
    return any;
}

// What to say of a name that a reader may take for the same.
static const char *how_alike(const char *a, const char *b)
{
    if (!strcasecmp(a, b))
        return ", which differs in case only";
    if (accents_differ(a, b) || accents_differ(b, a))
        return ", which looks the same but writes its accents otherwise";
    return "";
}

enum sqz_status sqz_dataset_map_classes(struct sqz_dataset *set, const char *const *classes,
                                        int n_classes, struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    int nearest;
    int *map = sqz_new_array((size_t)set->n_classes, sizeof *map);
    if (!map)
        return sqz_fail_memory(err, "the class map", (size_t)set->n_classes * sizeof *map);
    for (int i = 0; i < set->n_classes; i++) {
        map[i] = find_class(set->classes[i], classes, n_classes, &nearest);
        if (map[i] >= 0)
            continue;
        status = sqz_fail(err, SQZ_E_DATA,
                          "The class \"%s\" of \"%s\" is not among the model's %d classes%s%s%s%s.",
                          set->classes[i], set->name, n_classes,
                          n_classes ? "; the nearest name there is \"" : "",
                          n_classes ? classes[nearest] : "", n_classes ? "\"" : "",
                          n_classes ? how_alike(set->classes[i], classes[nearest]) : "");
        goto done;
    }
    if ((status = sqz_dataset_name_classes(set, classes, n_classes, err)))
        goto done;
    for (size_t i = 0; i < set->count; i++)
        set->samples[i].label = map[set->samples[i].label];
done:
    sqz_free(map);
    return status;
}

struct drawn {
    uint64_t draw;
    size_t index;
    int label;
};

static int compare_drawn(const void *a, const void *b)
{
    const struct drawn *x = a, *y = b;
    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    if (x->draw != y->draw)
        return x->draw < y->draw ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

// The draw depends on the file's name alone, so that a photo stays on its side when others come and
// go (but for those at the border of one in five).
static uint64_t draw_sample(const struct sqz_sample *sample, size_t index, uint64_t key)
{
    char number[32];
    const char *name = number;
    if (sample->path)
        name = sqz_path_name(sample->path);
    else
        snprintf(number, sizeof number, "%zu", index);
    return sqz_random_hash(key, sqz_hash_string(SQZ_HASH_START, name));
}

enum sqz_status sqz_dataset_divide(struct sqz_dataset *set, uint64_t seed, bool held_out,
                                   struct sqz_error *err)
{
    struct sqz_random random;
    struct drawn *draws = sqz_new_array(set->count, sizeof *draws);
    bool *held = sqz_new_array(set->count, sizeof *held);
    if (!draws || !held) {
        sqz_free(draws);
        sqz_free(held);
        return sqz_fail_memory(err, "the division", set->count * sizeof *draws);
    }
    sqz_random_init(&random, seed, 0, 0, SQZ_RANDOM_SPLIT);
    uint64_t key = sqz_random_u64(&random);
    for (size_t i = 0; i < set->count; i++)
        draws[i] = (struct drawn){draw_sample(&set->samples[i], i, key), i, set->samples[i].label};
    qsort(draws, set->count, sizeof *draws, compare_drawn);
    for (size_t i = 0, next; i < set->count; i = next) {
        for (next = i; next < set->count && draws[next].label == draws[i].label; next++)
            ;
        size_t n = next - i, take = (n + 2) / 5; // a fifth, rounded
        if (take == 0 && n >= 2)
            take = 1;
        for (size_t j = 0; j < take; j++)
            held[draws[i + j].index] = true;
    }
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++) {
        if (held[i] == held_out)
            set->samples[kept++] = set->samples[i];
        else if (set->pack)
            sqz_free(set->samples[i].path);
    }
    set->count = kept;
    sqz_free(draws);
    sqz_free(held);
    return SQZ_OK;
}
