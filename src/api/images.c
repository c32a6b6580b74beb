// A directory's images in an order that is spread over the directory: every part of it, however
// short, is a fair sample.
#include "api/images.h"

#include "base/memory.h"
#include "data/augment/transform.h"

#include <string.h>

enum { MOST_FILES = 1 << 22, IMAGE_LIMIT = 256 << 20 };

struct name_list {
    char **names;
    size_t count, capacity;
};

struct sqz_images {
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

// Directories wait in a list of their own: no recursion, however deep they are.
static enum sqz_status list_files(const char *dir, struct name_list *files, struct sqz_error *err)
{
    struct name_list dirs = {0};
    enum sqz_status status = add_name(&dirs, sqz_copy_string(dir), err);
    for (size_t i = 0; i < dirs.count && !status; i++) {
        struct sqz_dir listing = {0};
        status = sqz_dir_read(dirs.names[i], &listing, err);
        for (size_t k = 0; k < listing.count && !status; k++) {
            const struct sqz_dir_entry *entry = &listing.entries[k];
            bool wanted = entry->name[0] != '.' && (entry->is_dir || entry->is_file);
            if (wanted)
                status = add_name(entry->is_dir ? &dirs : files,
                                  sqz_path_join(dirs.names[i], entry->name), err);
        }
        sqz_dir_release(&listing);
    }
    release_names(&dirs);
    return status;
}

static bool is_image(const char *path)
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

static enum sqz_status pick(struct sqz_images *images, struct name_list *files, int most,
                            struct sqz_error *err)
{
    size_t stride = files->count ? spread_stride(files->count) : 1;
    images->paths = sqz_new_array((size_t)most, sizeof *images->paths);
    if (!images->paths)
        return sqz_fail_memory(err, "a list of files", (size_t)most * sizeof(char *));
    for (size_t i = 0; i < files->count && images->count < most; i++) {
        char **name = &files->names[i * stride % files->count];
        if (is_image(*name)) {
            images->paths[images->count++] = *name;
            *name = NULL;
        }
    }
    return SQZ_OK;
}

enum sqz_status sqz_images_open(struct sqz_context *context, const char *dir,
                                const struct sqz_preprocess *preprocess, int most,
                                struct sqz_images **out, struct sqz_error *err)
{
    struct name_list files = {0};
    struct sqz_images *images = sqz_new_array(1, sizeof *images);
    if (!images)
        return sqz_fail_memory(err, "a list of files", sizeof *images);
    images->context = context;
    images->preprocess = preprocess;
    images->scratch = sqz_new_array((size_t)sqz_pool_size(context->pool), sizeof *images->scratch);
    enum sqz_status status =
        images->scratch ? list_files(dir, &files, err) : sqz_fail_memory(err, "images", 0);
    if (!status)
        status = pick(images, &files, most, err);
    if (!status && images->count == 0)
        status = sqz_fail(err, SQZ_E_NOINPUT, "There is no JPEG or PNG image below %s.", dir);
    release_names(&files);
    if (status)
        sqz_images_free(images);
    else
        *out = images;
    return status;
}

void sqz_images_free(struct sqz_images *images)
{
    if (!images)
        return;
    for (int i = 0; i < images->count; i++)
        sqz_free(images->paths[i]);
    for (int i = 0; images->scratch && i < sqz_pool_size(images->context->pool); i++)
        sqz_transform_scratch_release(&images->scratch[i]);
    sqz_free(images->paths);
    sqz_free(images->scratch);
    sqz_free(images);
}

int sqz_images_count(const struct sqz_images *images)
{
    return images->count;
}

struct reading {
    struct sqz_images *images;
    int first;
    float *out;
    size_t floats;            // of one image
    enum sqz_status *status;  // per image
    struct sqz_error *errors; // per image
};

static void read_image(void *arg, int task, int worker)
{
    struct reading *reading = arg;
    struct sqz_images *images = reading->images;
    const char *path = images->paths[reading->first + task];
    struct sqz_bytes bytes = {0};
    struct sqz_error *err = &reading->errors[task];
    enum sqz_status status = sqz_file_read(path, IMAGE_LIMIT, &bytes, err);
    if (!status) {
        struct sqz_source source = {.data = bytes.data, .size = bytes.size, .name = path};
        status = sqz_preprocess_run(images->preprocess, &source,
                                    reading->out + (size_t)task * reading->floats,
                                    &images->scratch[worker], err);
    }
    sqz_bytes_release(&bytes);
    reading->status[task] = status;
}

enum sqz_status sqz_images_read(void *arg, int first, int n, float *out, struct sqz_error *err)
{
    struct sqz_images *images = arg;
    size_t side = (size_t)images->preprocess->image_size;
    struct reading reading = {.images = images,
                              .first = first,
                              .out = out,
                              .floats = side * side * (size_t)images->preprocess->channels,
                              .status = sqz_new_array((size_t)n, sizeof *reading.status),
                              .errors = sqz_new_array((size_t)n, sizeof *reading.errors)};
    enum sqz_status status = SQZ_OK;
    if (!reading.status || !reading.errors)
        status = sqz_fail_memory(err, "images", (size_t)n * sizeof *reading.errors);
    else
        sqz_pool_run(images->context->pool, n, read_image, &reading);
    for (int i = 0; i < n && !status; i++) {
        status = reading.status[i];
        if (status && err)
            *err = reading.errors[i];
    }
    sqz_free(reading.status);
    sqz_free(reading.errors);
    return status;
}
