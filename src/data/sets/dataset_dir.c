// Data sets with one directory a class, as ImageNet is kept.
#include "base/memory.h"
#include "base/random.h"
#include "data/sets/sets.h"
#include <limits.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)256 << 10)

void sqz_path_blocks_free(struct sqz_path_block *blocks)
{
    while (blocks) {
        struct sqz_path_block *next = blocks->next;
        sqz_free(blocks);
        blocks = next;
    }
}

// "directory/class/file" in the blocks; returns where "class/file" begins.
static char *keep_path(struct sqz_path_block **blocks, const char *class_path,
                       const char *class_name, const char *name)
{
    size_t head = strlen(class_path), size = head + strlen(name) + 2;
    if (!*blocks || BLOCK_BYTES - (*blocks)->used < size) {
        size_t room = size < BLOCK_BYTES ? BLOCK_BYTES : size;
        struct sqz_path_block *block = sqz_new_array(sizeof *block + room, 1);
        if (!block)
            return NULL;
        block->next = *blocks;
        *blocks = block;
    }
    char *path = (*blocks)->text + (*blocks)->used;
    memcpy(path, class_path, head);
    path[head] = '/';
    memcpy(path + head + 1, name, size - head - 1);
    (*blocks)->used += size;
    return path + head - strlen(class_name);
}

void sqz_file_list_release(struct sqz_file_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        sqz_free(list->files[i].problem);
    sqz_path_blocks_free(list->paths);
    for (int i = 0; i < list->n_classes; i++)
        sqz_free(list->classes[i]);
    sqz_free(list->files);
    sqz_free(list->classes);
    memset(list, 0, sizeof *list);
}

enum sqz_status sqz_has_class_dirs(const char *dir, bool *out, struct sqz_error *err)
{
    struct sqz_dir entries = {0};
    enum sqz_path_kind kind;
    enum sqz_status status = sqz_path_look(dir, &kind, err);
    *out = false;
    if (!status && kind == SQZ_PATH_DIR)
        status = sqz_dir_read(dir, &entries, err);
    for (size_t i = 0; !*out && i < entries.count; i++)
        *out = entries.entries[i].is_dir && !sqz_name_is_hidden(entries.entries[i].name);
    sqz_dir_release(&entries);
    return status;
}

static bool list_file(struct sqz_file_list *list, const char *class_path, const char *class_name,
                      const struct sqz_dir_entry *entry)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 256;
        void *grown = sqz_grow_array(list->files, list->capacity, capacity, sizeof *list->files);
        if (!grown)
            return false;
        list->files = grown;
        list->capacity = capacity;
    }
    struct sqz_listed_file *file = &list->files[list->count];
    memset(file, 0, sizeof *file);
    file->name = keep_path(&list->paths, class_path, class_name, entry->name);
    if (!entry->is_file)
        file->problem = sqz_copy_string("is neither a file nor a directory (a broken link?)");
    file->label = list->n_classes - 1;
    file->size = entry->size;
    file->mtime_ns = entry->mtime_ns;
    list->count++;
    return file->name && (entry->is_file || file->problem);
}

// Lists the files of the class that was added last.
static enum sqz_status list_class(const char *dir, const char *class_name,
                                  struct sqz_file_list *list, sqz_data_problem_fn problem,
                                  void *arg, struct sqz_error *err)
{
    struct sqz_dir entries = {0};
    enum sqz_status status = SQZ_OK;
    char *inner = NULL;
    char *path = sqz_path_join(dir, class_name);
    if (!path) {
        status = sqz_fail_memory(err, "a path", strlen(dir) + strlen(class_name));
        goto done;
    }
    if ((status = sqz_dir_read(path, &entries, err)))
        goto done;
    for (size_t i = 0; i < entries.count; i++) {
        const struct sqz_dir_entry *entry = &entries.entries[i];
        if (sqz_name_is_hidden(entry->name))
            continue;
        if (entry->is_dir && !problem) {
            status = sqz_fail(
                err, SQZ_E_DATA,
                "\"%s/%s\" is a directory inside the class directory \"%s\": class directories "
                "hold "
                "image files only, so move it away (or point at the directory that holds the "
                "class directories).",
                path, entry->name, class_name);
            goto done;
        }
        if (entry->is_dir) {
            sqz_free(inner);
            inner = sqz_path_join(path, entry->name);
            if (!inner) {
                status = sqz_fail_memory(err, "a path", strlen(path) + strlen(entry->name));
                goto done;
            }
            problem(arg, inner, "is a directory inside a class directory");
        } else if (!list_file(list, path, class_name, entry)) {
            status = sqz_fail_memory(err, "the list of files", list->count * sizeof *list->files);
            goto done;
        }
    }
done:
    sqz_free(inner);
    sqz_free(path);
    sqz_dir_release(&entries);
    return status;
}

static enum sqz_status no_classes(const char *dir, const struct sqz_dir *entries,
                                  struct sqz_error *err)
{
    size_t files = 0;
    for (size_t i = 0; i < entries->count; i++)
        files += entries->entries[i].is_file && !sqz_name_is_hidden(entries->entries[i].name);
    if (files == 0)
        return sqz_fail(
            err, SQZ_E_DATA,
            "\"%s\" holds no class directories: make one directory a class and put its images "
            "there, as in \"%s/cats/1.jpg\".",
            dir, dir);
    return sqz_fail(
        err, SQZ_E_DATA,
        "\"%s\" holds %zu file%s but no class directories: move the images of each class into a "
        "directory of that name, as in \"%s/cats/1.jpg\" and \"%s/dogs/1.jpg\".",
        dir, files, files == 1 ? "" : "s", dir, dir);
}

enum sqz_status sqz_file_list_read(const char *dir, struct sqz_file_list *list,
                                   sqz_data_problem_fn problem, void *arg, struct sqz_error *err)
{
    struct sqz_dir entries = {0};
    enum sqz_status status = sqz_need_dir(dir, err);
    if (!status)
        status = sqz_dir_read(dir, &entries, err);
    if (status)
        return status;
    list->classes = sqz_new_array(entries.count, sizeof *list->classes);
    if (!list->classes || entries.count > INT_MAX)
        status = sqz_fail_memory(err, "class names", entries.count * sizeof *list->classes);
    for (size_t i = 0; !status && i < entries.count; i++) {
        const struct sqz_dir_entry *entry = &entries.entries[i];
        if (!entry->is_dir || sqz_name_is_hidden(entry->name))
            continue;
        char *name = sqz_copy_string(entry->name);
        if (!name) {
            status = sqz_fail_memory(err, "a class name", strlen(entry->name));
            break;
        }
        list->classes[list->n_classes++] = name;
        status = list_class(dir, name, list, problem, arg, err);
    }
    if (!status && list->n_classes == 0)
        status = no_classes(dir, &entries, err);
    if (status)
        sqz_file_list_release(list);
    sqz_dir_release(&entries);
    return status;
}

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

static void pass_over(void *arg, const char *path, const char *problem)
{
    (void)arg, (void)path, (void)problem;
}

static enum sqz_status list_unlabelled(const char *dir, struct sqz_file_list *list,
                                       struct sqz_error *err)
{
    struct sqz_dir entries = {0};
    enum sqz_status status = sqz_need_dir(dir, err);
    if (!status)
        status = sqz_dir_read(dir, &entries, err);
    if (!status)
        status = list_class(dir, ".", list, pass_over, NULL, err);
    for (size_t i = 0; !status && i < entries.count; i++)
        if (entries.entries[i].is_dir && !sqz_name_is_hidden(entries.entries[i].name))
            status = list_class(dir, entries.entries[i].name, list, pass_over, NULL, err);
    sqz_dir_release(&entries);
    return status;
}

enum sqz_status sqz_dataset_add_unlabelled(struct sqz_dataset *set, const char *dir, int threads,
                                           struct sqz_error *err)
{
    const size_t labelled = set->count;
    struct sqz_file_list list = {0};
    enum sqz_status status = SQZ_OK;
    if (set->pack || set->pixels)
        status =
            sqz_fail(err, SQZ_E_CONFIG,
                     "Images without labels can join a data set of class directories only, and "
                     "\"%s\" is another kind.",
                     set->name);
    if (!status)
        status = list_unlabelled(dir, &list, err);
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
