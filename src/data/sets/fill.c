// Fills a dataset that lies in memory: its samples with their labels, and the classes' names.
#include "data/sets/sets.h"

#include "base/memory.h"

#include <limits.h>

enum sqz_status sqz_dataset_name_classes(struct sqz_dataset *set, const char *const *names, int n,
                                         struct sqz_error *err)
{
    char **classes = sqz_new_array((size_t)n, sizeof *classes);
    bool whole = classes != NULL;
    for (int i = 0; whole && i < n; i++)
        whole = (classes[i] = sqz_copy_string(names[i])) != NULL;
    if (!whole) {
        for (int i = 0; classes && i < n; i++)
            sqz_free(classes[i]);
        sqz_free(classes);
        return sqz_fail_memory(err, "class names", (size_t)n * sizeof *classes);
    }
    for (int i = 0; i < set->n_classes; i++)
        sqz_free(set->classes[i]);
    sqz_free(set->classes);
    set->classes = classes;
    set->n_classes = n;
    return SQZ_OK;
}

enum sqz_status sqz_dataset_add_labels(struct sqz_dataset *set, const uint8_t *labels, size_t count,
                                       struct sqz_error *err)
{
    size_t each = (size_t)set->w * (size_t)set->h * (size_t)set->c;
    struct sqz_sample *grown = NULL;
    if (count <= INT_MAX - set->count)
        grown = sqz_grow_array(set->samples, set->count, set->count + count, sizeof *grown);
    if (!grown)
        return sqz_fail_memory(err, "the list of samples", count * sizeof *grown);
    set->samples = grown;
    for (size_t i = 0; i < count; i++) {
        struct sqz_sample *sample = &grown[set->count + i];
        sample->label = labels[i];
        sample->offset = (set->count + i) * each;
        sample->hash = sqz_hash_bytes(SQZ_HASH_START, set->pixels + sample->offset, each);
    }
    set->count += count;
    return SQZ_OK;
}
