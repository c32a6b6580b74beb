// Lists the files of a directory of class directories, before anything is looked into.
#include "data/sets/sets.h"

#include "base/memory.h"

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

static void pass_over(void *arg, const char *path, const char *problem)
{
    (void)arg, (void)path, (void)problem;
}

enum sqz_status sqz_file_list_read_flat(const char *dir, struct sqz_file_list *list,
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
