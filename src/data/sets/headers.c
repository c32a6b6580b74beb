// Looks at every file's signature and header before the first step of training.
#include "base/memory.h"
#include "base/threads.h"
#include "data/sets/sets.h"
#include <pthread.h>
#include <string.h>
#include <time.h>

#define HEAD ((size_t)64 << 10)
// A JPEG may put megabytes of EXIF, profiles and thumbnails before its header proper.
#define LONG_HEAD      ((size_t)16 << 20)
#define FILES_PER_TASK 64
// A file changed this recently may change again within one tick of its time stamp.
#define FRESH_SECONDS 2

struct headers_check {
    const char *dir;
    struct sqz_file_list *list;
    struct sqz_header_cache cache;
    uint8_t *heads;        // HEAD bytes a worker
    pthread_mutex_t mutex; // guards the two below
    size_t failed;         // the first file that could not be looked at; SIZE_MAX: none
    struct sqz_error error;
};

static enum sqz_status probe_long(const char *path, struct sqz_error *err)
{
    struct sqz_image_header header;
    size_t got = 0;
    uint8_t *head = sqz_new_array(LONG_HEAD, 1);
    if (!head)
        return sqz_fail_memory(err, "an image header", LONG_HEAD);
    enum sqz_status status = sqz_file_read_head(path, head, LONG_HEAD, &got, err);
    if (!status)
        status = sqz_image_probe(head, got, &header, err);
    sqz_free(head);
    return status;
}

static enum sqz_status probe_file(const char *path, uint8_t *head, struct sqz_error *err)
{
    struct sqz_image_header header;
    size_t got = 0;
    enum sqz_status status = sqz_file_read_head(path, head, HEAD, &got, err);
    if (status)
        return status;
    if (got == HEAD && sqz_image_is_known(head, got) &&
        sqz_image_probe(head, got, &header, NULL) == SQZ_E_DATA)
        return probe_long(path, err);
    return sqz_image_probe(head, got, &header, err);
}

static void note_failure(struct headers_check *check, size_t index, const struct sqz_error *error)
{
    pthread_mutex_lock(&check->mutex);
    if (index < check->failed) {
        check->failed = index;
        check->error = *error;
    }
    pthread_mutex_unlock(&check->mutex);
}

static void check_one(struct headers_check *check, size_t index, uint8_t *head)
{
    struct sqz_listed_file *file = &check->list->files[index];
    struct sqz_error error = {0};
    if (file->problem || sqz_header_cache_has(&check->cache, sqz_header_key(file)))
        return;
    char *path = sqz_path_join(check->dir, file->name);
    if (!path)
        sqz_fail_memory(&error, "a path", strlen(file->name));
    else
        probe_file(path, head, &error);
    sqz_free(path);
    if (error.status == SQZ_E_DATA) {
        file->problem = sqz_copy_string(error.text);
        if (!file->problem)
            sqz_fail_memory(&error, "a message", sizeof error.text);
    }
    if (error.status && error.status != SQZ_E_DATA)
        note_failure(check, index, &error);
}

static void check_some(void *arg, int task, int worker)
{
    struct headers_check *check = arg;
    size_t first = (size_t)task * FILES_PER_TASK;
    for (size_t i = first; i < first + FILES_PER_TASK && i < check->list->count; i++)
        check_one(check, i, check->heads + (size_t)worker * HEAD);
}

static void write_cache(const struct headers_check *check)
{
    int64_t fresh = ((int64_t)time(NULL) - FRESH_SECONDS) * 1000000000;
    uint64_t *keys = sqz_new_array(check->list->count, sizeof *keys);
    size_t count = 0;
    if (!keys)
        return;
    for (size_t i = 0; i < check->list->count; i++)
        if (!check->list->files[i].problem && check->list->files[i].mtime_ns < fresh)
            keys[count++] = sqz_header_key(&check->list->files[i]);
    sqz_header_cache_write(&check->cache, keys, count);
    sqz_free(keys);
}

enum sqz_status sqz_headers_check(const char *dir, struct sqz_file_list *list, int threads,
                                  struct sqz_error *err)
{
    struct headers_check check = {.dir = dir, .list = list, .failed = SIZE_MAX};
    struct sqz_pool *pool = NULL;
    threads = threads < 1 ? 1 : threads;
    enum sqz_status status = sqz_pool_new(threads, &pool, err);
    if (status)
        return status;
    pthread_mutex_init(&check.mutex, NULL);
    check.heads = sqz_new_array((size_t)threads, HEAD);
    if (!check.heads || !sqz_header_cache_read(dir, &check.cache)) {
        status = sqz_fail_memory(err, "the header check", (size_t)threads * HEAD);
        goto done;
    }
    sqz_pool_run(pool, (int)((list->count + FILES_PER_TASK - 1) / FILES_PER_TASK), check_some,
                 &check);
    if (check.failed != SIZE_MAX) {
        status = sqz_fail(err, check.error.status, "%s", check.error.text);
        goto done;
    }
    write_cache(&check);
done:
    sqz_header_cache_release(&check.cache);
    sqz_free(check.heads);
    pthread_mutex_destroy(&check.mutex);
    sqz_pool_free(pool);
    return status;
}
