// What samples were called when a run began, for a run that goes on with some of them gone.
#include "base/memory.h"
#include "base/random.h"
#include "data/sets/sets.h"

#include <stdlib.h>
#include <string.h>

enum { LABEL_BITS = 20 }; // of a key; the others are of the file's name

static bool has_keys(const struct sqz_dataset *set)
{
    return !set->pack && !set->pixels && set->n_classes <= 1 << LABEL_BITS;
}

// Not of the file's size: an image that was mended is the same sample.
static uint64_t key_of(const struct sqz_sample *sample)
{
    const uint64_t name = sqz_hash_string(SQZ_HASH_START, sqz_path_name(sample->path));
    return sqz_random_hash(name, 0) << LABEL_BITS | (uint64_t)sample->label;
}

enum sqz_status sqz_dataset_keys(const struct sqz_dataset *set, uint64_t **out,
                                 struct sqz_error *err)
{
    *out = NULL;
    if (!has_keys(set) || set->count > SQZ_SAMPLE_KEYS_MOST)
        return SQZ_OK;
    *out = sqz_new_array(set->count, sizeof **out);
    if (!*out)
        return sqz_fail_memory(err, "the list of samples", set->count * sizeof **out);
    for (size_t i = 0; i < set->count; i++)
        (*out)[i] = key_of(&set->samples[i]);
    return SQZ_OK;
}

// Samples of `began` that the set lacks; SIZE_MAX when it has others.
static size_t count_removed(const struct sqz_dataset *set, const struct sqz_sample_keys *began)
{
    size_t at = 0;
    for (size_t i = 0; i < began->count; i++)
        at += at < set->count && key_of(&set->samples[at]) == began->keys[i];
    return at == set->count ? began->count - set->count : SIZE_MAX;
}

enum sqz_status sqz_dataset_restore(struct sqz_dataset *set, const struct sqz_sample_keys *began,
                                    bool *fits, size_t *removed, struct sqz_error *err)
{
    static char no_path[] = "";
    const uint64_t label_mask = ((uint64_t)1 << LABEL_BITS) - 1;
    *fits = false;
    *removed = has_keys(set) ? count_removed(set, began) : SIZE_MAX;
    for (size_t i = 0; i < began->count && *removed != SIZE_MAX; i++)
        if ((began->keys[i] & label_mask) >= (uint64_t)set->n_classes)
            *removed = SIZE_MAX;
    *fits = *removed != SIZE_MAX;
    if (!*fits || *removed == 0)
        return SQZ_OK;
    struct sqz_sample *samples = sqz_new_array(began->count, sizeof *samples);
    if (!samples)
        return sqz_fail_memory(err, "the list of samples", began->count * sizeof *samples);
    for (size_t i = 0, at = 0; i < began->count; i++)
        if (at < set->count && key_of(&set->samples[at]) == began->keys[i])
            samples[i] = set->samples[at++];
        else
            samples[i] = (struct sqz_sample){
                .path = no_path, .label = (int)(began->keys[i] & label_mask), .removed = true};
    sqz_free(set->samples);
    set->samples = samples;
    set->count = began->count;
    return SQZ_OK;
}

static int compare_keys(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

enum sqz_status sqz_dataset_divide_as(struct sqz_dataset *set, const struct sqz_sample_keys *began,
                                      bool held_out, struct sqz_error *err)
{
    uint64_t *sorted = sqz_new_array(began->count, sizeof *sorted);
    size_t kept = 0;
    if (!sorted)
        return sqz_fail_memory(err, "the division", began->count * sizeof *sorted);
    memcpy(sorted, began->keys, began->count * sizeof *sorted);
    qsort(sorted, began->count, sizeof *sorted, compare_keys);
    for (size_t i = 0; i < set->count; i++) {
        const uint64_t key = key_of(&set->samples[i]);
        const bool trained = bsearch(&key, sorted, began->count, sizeof key, compare_keys);
        if (trained != held_out)
            set->samples[kept++] = set->samples[i];
    }
    set->count = kept;
    sqz_free(sorted);
    return SQZ_OK;
}
