// A folder's pictures in an order that is spread over the folder: every part of it, however short,
// is a fair sample.
#include "api/pictures.h"

#include "base/memory.h"
#include "data/transform.h"

#include <string.h>

enum { MOST_FILES = 1 << 22, PICTURE_LIMIT = 256 << 20 };

struct name_list {
    char **names;
    size_t count, capacity;
};

struct sqz_pictures {
    struct sqz_context *context;
    const struct sqz_preprocess *preprocess;
    char **paths;
    int count;
    struct sqz_transform_scratch *scratch; // per worker
};

static void release_names(struct name_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        sqz_free(list->names[i]);
    sqz_free(list->names);
    memset(list, 0, sizeof *list);
}

// Takes the name over.
static enum sqz_status add_name(struct name_list *list, char *name, struct sqz_error *err)
{
    if (list->count == list->capacity && name) {
        size_t capacity = list->capacity ? 2 * list->capacity : 256;
        char **grown = sqz_grow_array(list->names, list->capacity, capacity, sizeof *grown);
        if (grown) {
            list->names = grown;
            list->capacity = capacity;
        }
    }
    if (!name || list->count == list->capacity || list->count >= MOST_FILES) {
        sqz_free(name);
        return sqz_fail_memory(err, "a list of files", list->count * sizeof *list->names);
    }
    list->names[list->count++] = name;
    return SQZ_OK;
}

// Folders wait in a list of their own: no recursion, however deep they are.
static enum sqz_status list_files(const char *dir, struct name_list *files, struct sqz_error *err)
{
    struct name_list folders = {0};
    enum sqz_status status = add_name(&folders, sqz_copy_string(dir), err);
    for (size_t i = 0; i < folders.count && !status; i++) {
        struct sqz_folder folder = {0};
        status = sqz_folder_read(folders.names[i], &folder, err);
        for (size_t k = 0; k < folder.count && !status; k++) {
            const struct sqz_folder_entry *entry = &folder.entries[k];
            bool wanted = entry->name[0] != '.' && (entry->is_folder || entry->is_file);
            if (wanted)
                status = add_name(entry->is_folder ? &folders : files,
                                  sqz_path_join(folders.names[i], entry->name), err);
        }
        sqz_folder_release(&folder);
    }
    release_names(&folders);
    return status;
}

static bool is_picture(const char *path)
{
    uint8_t head[16];
    size_t size;
    return sqz_file_read_head(path, head, sizeof head, &size, NULL) == SQZ_OK &&
           ((size >= 3 && memcmp(head, "\xff\xd8\xff", 3) == 0) ||
            (size >= 8 && memcmp(head, "\x89PNG\r\n\x1a\n", 8) == 0));
}

// A stride near the golden section of n, without a common divisor: multiples of it visit all of
// 0..n-1, every stretch of them evenly spread.
static size_t spread_stride(size_t n)
{
    for (size_t stride = (size_t)((double)n * 0.6180339887) + 1;; stride++) {
        size_t a = n, b = stride;
        while (b) {
            size_t rest = a % b;
            a = b;
            b = rest;
        }
        if (a == 1)
            return stride;
    }
}

static enum sqz_status pick(struct sqz_pictures *pictures, struct name_list *files, int most,
                            struct sqz_error *err)
{
    size_t stride = files->count ? spread_stride(files->count) : 1;
    pictures->paths = sqz_new_array((size_t)most, sizeof *pictures->paths);
    if (!pictures->paths)
        return sqz_fail_memory(err, "a list of files", (size_t)most * sizeof(char *));
    for (size_t i = 0; i < files->count && pictures->count < most; i++) {
        char **name = &files->names[i * stride % files->count];
        if (is_picture(*name)) {
            pictures->paths[pictures->count++] = *name;
            *name = NULL;
        }
    }
    return SQZ_OK;
}

enum sqz_status sqz_pictures_open(struct sqz_context *context, const char *dir,
                                  const struct sqz_preprocess *preprocess, int most,
                                  struct sqz_pictures **out, struct sqz_error *err)
{
    struct name_list files = {0};
    struct sqz_pictures *pictures = sqz_new_array(1, sizeof *pictures);
    if (!pictures)
        return sqz_fail_memory(err, "a list of files", sizeof *pictures);
    pictures->context = context;
    pictures->preprocess = preprocess;
    pictures->scratch =
        sqz_new_array((size_t)sqz_pool_size(context->pool), sizeof *pictures->scratch);
    enum sqz_status status =
        pictures->scratch ? list_files(dir, &files, err) : sqz_fail_memory(err, "pictures", 0);
    if (!status)
        status = pick(pictures, &files, most, err);
    if (!status && pictures->count == 0)
        status = sqz_fail(err, SQZ_E_NOINPUT, "There is no JPEG or PNG picture below %s.", dir);
    release_names(&files);
    if (status)
        sqz_pictures_free(pictures);
    else
        *out = pictures;
    return status;
}

void sqz_pictures_free(struct sqz_pictures *pictures)
{
    if (!pictures)
        return;
    for (int i = 0; i < pictures->count; i++)
        sqz_free(pictures->paths[i]);
    for (int i = 0; pictures->scratch && i < sqz_pool_size(pictures->context->pool); i++)
        sqz_transform_scratch_release(&pictures->scratch[i]);
    sqz_free(pictures->paths);
    sqz_free(pictures->scratch);
    sqz_free(pictures);
}

int sqz_pictures_count(const struct sqz_pictures *pictures)
{
    return pictures->count;
}

struct reading {
    struct sqz_pictures *pictures;
    int first;
    float *out;
    size_t floats;            // of one picture
    enum sqz_status *status;  // per picture
    struct sqz_error *errors; // per picture
};

static void read_picture(void *arg, int task, int worker)
{
    struct reading *reading = arg;
    struct sqz_pictures *pictures = reading->pictures;
    const char *path = pictures->paths[reading->first + task];
    struct sqz_bytes bytes = {0};
    struct sqz_error *err = &reading->errors[task];
    enum sqz_status status = sqz_file_read(path, PICTURE_LIMIT, &bytes, err);
    if (!status) {
        struct sqz_source source = {.data = bytes.data, .size = bytes.size, .name = path};
        status = sqz_preprocess_run(pictures->preprocess, &source,
                                    reading->out + (size_t)task * reading->floats,
                                    &pictures->scratch[worker], err);
    }
    sqz_bytes_release(&bytes);
    reading->status[task] = status;
}

enum sqz_status sqz_pictures_read(void *arg, int first, int n, float *out, struct sqz_error *err)
{
    struct sqz_pictures *pictures = arg;
    size_t side = (size_t)pictures->preprocess->image_size;
    struct reading reading = {.pictures = pictures,
                              .first = first,
                              .out = out,
                              .floats = side * side * (size_t)pictures->preprocess->channels,
                              .status = sqz_new_array((size_t)n, sizeof *reading.status),
                              .errors = sqz_new_array((size_t)n, sizeof *reading.errors)};
    enum sqz_status status = SQZ_OK;
    if (!reading.status || !reading.errors)
        status = sqz_fail_memory(err, "pictures", (size_t)n * sizeof *reading.errors);
    else
        sqz_pool_run(pictures->context->pool, n, read_picture, &reading);
    for (int i = 0; i < n && !status; i++) {
        status = reading.status[i];
        if (status && err)
            *err = reading.errors[i];
    }
    sqz_free(reading.status);
    sqz_free(reading.errors);
    return status;
}
