// Datasets with one directory a class, as ImageNet is kept.
#include "base/memory.h"
#include "base/random.h"
#include "data/sets/sets.h"
#include <string.h>

// A class that had files, none of which is an image.
static enum sqz_status refuse_emptied(const char *dir, const struct sqz_file_list *list,
                                      struct sqz_error *err)
{
    for (size_t i = 0, next; i < list->count; i = next) {
        bool any = false;
        for (next = i; next < list->count && list->files[next].label == list->files[i].label;
             next++)
            any = any || !list->files[next].problem;
        if (!any)
            return sqz_fail(
                err, SQZ_E_DATA,
                "No file in \"%s/%s\" is an image that can be read (%zu file%s looked at; "
                "\"%s\" %s): add images or remove the directory.",
                dir, list->classes[list->files[i].label], next - i, next - i == 1 ? "" : "s",
                list->files[i].name, list->files[i].problem);
    }
    return SQZ_OK;
}

// `head`: bytes of a path before "class/file".
static void add_sample(const struct sqz_listed_file *file, size_t head, struct sqz_dataset *set)
{
    struct sqz_sample *sample = &set->samples[set->count];
    sample->path = file->name - head;
    sample->label = file->label;
    sample->hash = sqz_hash_string(SQZ_HASH_START, sqz_path_name(file->name));
    sample->hash = sqz_hash_bytes(sample->hash, &file->size, sizeof file->size);
    set->count++;
}

static bool note_skipped(const char *dir, const struct sqz_listed_file *file,
                         struct sqz_dataset *set)
{
    struct sqz_text text = {0};
    if (set->skipped++)
        return true;
    sqz_text_add(&text, "\"%s/%s\" %s", dir, file->name, file->problem);
    set->skipped_example = sqz_copy_string(sqz_text_get(&text));
    sqz_text_release(&text);
    return set->skipped_example != NULL;
}

// Moves the list's images to the end of the set's samples.
static enum sqz_status take_samples(const char *dir, struct sqz_file_list *list,
                                    struct sqz_dataset *set, struct sqz_error *err)
{
    const size_t length = strlen(dir);
    const size_t head = length + (length > 0 && dir[length - 1] != '/');
    struct sqz_path_block **end = &set->paths;
    struct sqz_sample *grown =
        sqz_grow_array(set->samples, set->count, set->count + list->count, sizeof *grown);
    bool whole = grown != NULL;
    if (whole)
        set->samples = grown;
    for (size_t i = 0; whole && i < list->count; i++) {
        if (list->files[i].problem)
            whole = note_skipped(dir, &list->files[i], set);
        else
            add_sample(&list->files[i], head, set);
    }
    while (*end)
        end = &(*end)->next;
    *end = list->paths;
    list->paths = NULL;
    return whole ? SQZ_OK
                 : sqz_fail_memory(err, "the list of samples", list->count * sizeof *set->samples);
}

enum sqz_status sqz_class_dirs_open(const char *dir, bool check_headers, int threads,
                                    struct sqz_dataset *set, struct sqz_error *err)
{
    struct sqz_file_list list = {0};
    enum sqz_status status = sqz_file_list_read(dir, &list, NULL, NULL, err);
    if (status)
        return status;
    if (check_headers)
        status = sqz_headers_check(dir, &list, threads, err);
    if (!status)
        status = refuse_emptied(dir, &list, err);
    if (!status)
        status = take_samples(dir, &list, set, err);
    sqz_free(set->name);
    set->name = sqz_copy_string(dir);
    if (!status && !set->name)
        status = sqz_fail_memory(err, "a path", strlen(dir));
    if (!status) {
        set->classes = list.classes;
        set->n_classes = list.n_classes;
        list.classes = NULL;
        list.n_classes = 0;
    }
    sqz_file_list_release(&list);
    return status;
}

enum sqz_status sqz_dataset_add_unlabelled(struct sqz_dataset *set, const char *dir, int threads,
                                           struct sqz_error *err)
{
    const size_t labelled = set->count;
    struct sqz_file_list list = {0};
    enum sqz_status status = SQZ_OK;
    if (set->pack || set->pixels)
        status = sqz_fail(err, SQZ_E_CONFIG,
                          "Images without labels can join a dataset of class directories only, and "
                          "\"%s\" is another kind.",
                          set->name);
    if (!status)
        status = sqz_file_list_read_flat(dir, &list, err);
    if (!status)
        status = sqz_headers_check(dir, &list, threads, err);
    if (!status)
        status = take_samples(dir, &list, set, err);
    if (!status && set->count == labelled)
        status = sqz_fail(err, SQZ_E_DATA,
                          "No file in \"%s\" or in a directory of it is an image that can be read.",
                          dir);
    for (size_t i = labelled; !status && i < set->count; i++) {
        set->samples[i].label = 0;
        set->fingerprint = sqz_random_hash(set->fingerprint, set->samples[i].hash);
    }
    sqz_file_list_release(&list);
    return status;
}
