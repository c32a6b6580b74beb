// A directory's images in an order that is spread over the directory: every part of it, however
// short, is a fair sample.
#include "data/sets/image_dir.h"

#include "base/memory.h"
#include "data/augment/transform.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_FILES = 1 << 22, IMAGE_LIMIT = 256 << 20 };

struct name_list {
    char **names;
    size_t count, capacity;
};

struct sqz_image_dir {
    struct sqz_pool *pool;
    const struct sqz_preprocess *preprocess;
    char **paths;
    int count;
    struct sqz_transform_scratch *scratch; // per worker
    bool *bad; // per path: does not decode; NULL: such a one is an error
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

// The directories that were listed, by device and inode: links may lead back to one of them.
struct visited {
    struct place {
        dev_t device;
        ino_t inode;
        bool used;
    } * places; // a hash table, at most half full
    size_t count, capacity;
};

static struct place *find_place(const struct visited *visited, const struct stat *info)
{
    uint64_t hash = ((uint64_t)info->st_ino ^ (uint64_t)info->st_dev << 40) * 0x9e3779b97f4a7c15u;
    size_t at = (size_t)(hash >> 20) & (visited->capacity - 1);
    while (visited->places[at].used && (visited->places[at].inode != info->st_ino ||
                                        visited->places[at].device != info->st_dev))
        at = (at + 1) & (visited->capacity - 1);
    return &visited->places[at];
}

static bool grow_visited(struct visited *visited)
{
    struct visited grown = {.capacity = visited->capacity ? 2 * visited->capacity : 64,
                            .count = visited->count};
    grown.places = sqz_new_array(grown.capacity, sizeof *grown.places);
    if (!grown.places)
        return false;
    for (size_t i = 0; i < visited->capacity; i++) {
        const struct place *old = &visited->places[i];
        struct stat info = {.st_dev = old->device, .st_ino = old->inode};
        if (old->used)
            *find_place(&grown, &info) = *old;
    }
    sqz_free(visited->places);
    *visited = grown;
    return true;
}

// *is_new: whether the directory comes for the first time.
static enum sqz_status visit(struct visited *visited, const char *dir, bool *is_new,
                             struct sqz_error *err)
{
    struct stat info;
    if (stat(dir, &info))
        return sqz_fail_errno(err, SQZ_E_IO, errno, "Cannot look at %s", dir);
    if (2 * (visited->count + 1) > visited->capacity && !grow_visited(visited))
        return sqz_fail_memory(err, "a list of directories",
                               visited->capacity * sizeof(struct place));
    struct place *place = find_place(visited, &info);
    *is_new = !place->used;
    visited->count += *is_new;
    *place = (struct place){info.st_dev, info.st_ino, true};
    return SQZ_OK;
}

// Lists one directory: its files, and its directories for later.
static enum sqz_status list_dir(const char *dir, struct name_list *files, struct name_list *dirs,
                                struct sqz_error *err)
{
    struct sqz_dir listing = {0};
    enum sqz_status status = sqz_dir_read(dir, &listing, err);
    for (size_t k = 0; k < listing.count && !status; k++) {
        const struct sqz_dir_entry *entry = &listing.entries[k];
        bool wanted = entry->name[0] != '.' && (entry->is_dir || entry->is_file);
        if (wanted)
            status = add_name(entry->is_dir ? dirs : files, sqz_path_join(dir, entry->name), err);
    }
    sqz_dir_release(&listing);
    return status;
}

// Directories wait in a list of their own: no recursion, however deep they are.
static enum sqz_status list_files(const char *dir, struct name_list *files, struct sqz_error *err)
{
    struct name_list dirs = {0};
    struct visited visited = {0};
    enum sqz_status status = add_name(&dirs, sqz_copy_string(dir), err);
    for (size_t i = 0; i < dirs.count && !status; i++) {
        bool is_new = false;
        status = visit(&visited, dirs.names[i], &is_new, err);
        if (is_new)
            status = list_dir(dirs.names[i], files, &dirs, err);
    }
    sqz_free(visited.places);
    release_names(&dirs);
    return status;
}

static enum sqz_status is_image(const char *path, bool *out, struct sqz_error *err)
{
    uint8_t head[16];
    size_t size = 0;
    enum sqz_status status = sqz_file_read_head(path, head, sizeof head, &size, err);
    *out = !status && sqz_image_is_known(head, size);
    return status;
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

static enum sqz_status pick(struct sqz_image_dir *images, struct name_list *files, int most,
                            struct sqz_error *err)
{
    size_t stride = files->count ? spread_stride(files->count) : 1;
    images->paths = sqz_new_array((size_t)most, sizeof *images->paths);
    if (!images->paths)
        return sqz_fail_memory(err, "a list of files", (size_t)most * sizeof(char *));
    enum sqz_status status = SQZ_OK;
    for (size_t i = 0; !status && i < files->count && images->count < most; i++) {
        char **name = &files->names[i * stride % files->count];
        bool taken;
        status = is_image(*name, &taken, err);
        if (taken) {
            images->paths[images->count++] = *name;
            *name = NULL;
        }
    }
    return status;
}

enum sqz_status sqz_image_dir_open(struct sqz_pool *pool, const char *dir,
                                   const struct sqz_preprocess *preprocess, int most,
                                   struct sqz_image_dir **out, struct sqz_error *err)
{
    struct name_list files = {0};
    struct sqz_image_dir *images = sqz_new_array(1, sizeof *images);
    if (!images)
        return sqz_fail_memory(err, "a list of files", sizeof *images);
    images->pool = pool;
    images->preprocess = preprocess;
    images->scratch = sqz_new_array((size_t)sqz_pool_size(pool), sizeof *images->scratch);
    enum sqz_status status =
        images->scratch ? list_files(dir, &files, err) : sqz_fail_memory(err, "images", 0);
    if (!status)
        status = pick(images, &files, most, err);
    if (!status && images->count == 0)
        status = sqz_fail(err, SQZ_E_NOINPUT, "There is no JPEG or PNG image below %s.", dir);
    release_names(&files);
    if (status)
        sqz_image_dir_free(images);
    else
        *out = images;
    return status;
}

void sqz_image_dir_free(struct sqz_image_dir *images)
{
    if (!images)
        return;
    for (int i = 0; i < images->count; i++)
        sqz_free(images->paths[i]);
    for (int i = 0; images->scratch && i < sqz_pool_size(images->pool); i++)
        sqz_transform_scratch_release(&images->scratch[i]);
    sqz_free(images->paths);
    sqz_free(images->scratch);
    sqz_free(images->bad);
    sqz_free(images);
}

int sqz_image_dir_count(const struct sqz_image_dir *images)
{
    return images->count;
}

struct reading {
    struct sqz_image_dir *images;
    int first;
    float *out;
    size_t floats;            // of one image
    enum sqz_status *status;  // per image
    struct sqz_error *errors; // per image
};

enum sqz_status sqz_image_dir_skip_bad(struct sqz_image_dir *images, struct sqz_error *err)
{
    images->bad = sqz_new_array((size_t)images->count, sizeof *images->bad);
    return images->bad ? SQZ_OK : sqz_fail_memory(err, "images", (size_t)images->count);
}

int sqz_image_dir_bad(const struct sqz_image_dir *images, const char **first)
{
    int n = 0;
    for (int i = images->count - 1; images->bad && i >= 0; i--)
        if (images->bad[i]) {
            *first = images->paths[i];
            n++;
        }
    return n;
}

static enum sqz_status read_one(const struct reading *reading, const char *path, int task,
                                int worker, struct sqz_error *err)
{
    struct sqz_image_dir *images = reading->images;
    struct sqz_bytes bytes = {0};
    enum sqz_status status = sqz_file_read(path, IMAGE_LIMIT, &bytes, err);
    if (!status) {
        struct sqz_source source = {.data = bytes.data, .size = bytes.size, .name = path};
        status = sqz_preprocess_run(images->preprocess, &source,
                                    reading->out + (size_t)task * reading->floats,
                                    &images->scratch[worker], err);
    }
    sqz_bytes_release(&bytes);
    return status;
}

// The next image that decodes takes a bad one's place.
static void read_image(void *arg, int task, int worker)
{
    struct reading *reading = arg;
    struct sqz_image_dir *images = reading->images;
    const int first = reading->first + task;
    enum sqz_status status = SQZ_E_DATA;
    for (int i = 0; status == SQZ_E_DATA && i < images->count; i++) {
        const int index = (first + i) % images->count;
        status = read_one(reading, images->paths[index], task, worker, &reading->errors[task]);
        if (status != SQZ_E_DATA || !images->bad)
            break;
        if (i == 0)
            images->bad[index] = true; // each by its own task only
    }
    reading->status[task] = status;
}

enum sqz_status sqz_image_dir_read(void *arg, int first, int n, float *out, struct sqz_error *err)
{
    struct sqz_image_dir *images = arg;
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
        sqz_pool_run(images->pool, n, read_image, &reading);
    for (int i = 0; i < n && !status; i++) {
        status = reading.status[i];
        if (status && err)
            *err = reading.errors[i];
    }
    sqz_free(reading.status);
    sqz_free(reading.errors);
    return status;
}
