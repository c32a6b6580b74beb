// Remembers which files had good image headers, so that a big dataset is looked through only once.
// The file: magic, u64 count, `count` ascending u64 keys, u64 hash of the keys; little-endian.
#include "base/bytes.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/sets/sets.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC       "SQZHDR01" // a new number when the image readers learn or forget something
#define CACHE_LIMIT ((size_t)1 << 30)

// A file that only *may* have the same header as before must not be found: 64 bits of name, size
// and time leave a chance of one in ten million for two such keys among a million files.
uint64_t sqz_header_key(const struct sqz_listed_file *file)
{
    uint64_t hash = sqz_hash_string(SQZ_HASH_START, file->name);
    return sqz_random_hash(sqz_random_hash(hash, file->size), (uint64_t)file->mtime_ns);
}

static char *cache_path(const char *dir)
{
    char name[64];
    char *parent = sqz_cache_dir(), *absolute = parent ? realpath(dir, NULL) : NULL, *path = NULL;
    if (absolute) {
        snprintf(name, sizeof name, "headers-%016llx",
                 (unsigned long long)sqz_hash_string(SQZ_HASH_START, absolute));
        path = sqz_path_join(parent, name);
    }
    free(absolute);
    sqz_free(parent);
    return path;
}

static uint64_t hash_keys(const uint64_t *keys, size_t count)
{
    uint64_t hash = SQZ_HASH_START;
    for (size_t i = 0; i < count; i++)
        hash = sqz_random_hash(hash, keys[i]);
    return hash;
}

bool sqz_header_cache_parse(const struct sqz_bytes *bytes, struct sqz_header_cache *cache)
{
    struct sqz_cursor cursor = {bytes->data, bytes->size, 0};
    const uint8_t *magic;
    uint64_t count, hash;
    if (!sqz_take_span(&cursor, strlen(MAGIC), &magic) || memcmp(magic, MAGIC, strlen(MAGIC)) ||
        !sqz_take_u64(&cursor, &count) || sqz_cursor_left(&cursor) < 8 ||
        count != (sqz_cursor_left(&cursor) - 8) / 8)
        return true;
    uint64_t *keys = sqz_new_array(count, sizeof *keys);
    if (!keys)
        return false;
    bool whole = true;
    for (size_t i = 0; i < count; i++)
        whole = whole && sqz_take_u64(&cursor, &keys[i]);
    if (!whole || !sqz_take_u64(&cursor, &hash) || hash != hash_keys(keys, count)) {
        sqz_free(keys);
        return true;
    }
    cache->keys = keys;
    cache->count = count;
    return true;
}

bool sqz_header_cache_read(const char *dir, struct sqz_header_cache *cache)
{
    struct sqz_bytes bytes = {0};
    memset(cache, 0, sizeof *cache);
    cache->path = cache_path(dir);
    if (!cache->path || sqz_file_read(cache->path, CACHE_LIMIT, &bytes, NULL))
        return true;
    bool done = sqz_header_cache_parse(&bytes, cache);
    sqz_bytes_release(&bytes);
    return done;
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

bool sqz_header_cache_has(const struct sqz_header_cache *cache, uint64_t key)
{
    return cache->count && bsearch(&key, cache->keys, cache->count, sizeof key, compare_keys);
}

void sqz_header_cache_write(const struct sqz_header_cache *cache, uint64_t *keys, size_t count)
{
    char *dir = cache->path ? sqz_cache_dir() : NULL;
    uint8_t *data = NULL;
    if (!dir)
        return;
    qsort(keys, count, sizeof *keys, compare_keys);
    if (count == cache->count && (!count || !memcmp(keys, cache->keys, count * sizeof *keys)))
        goto done;
    size_t size = strlen(MAGIC) + 16 + 8 * count;
    if (!(data = sqz_new_array(size, 1)) || sqz_dir_make(dir, NULL))
        goto done;
    memcpy(data, MAGIC, strlen(MAGIC));
    sqz_put_le(data + strlen(MAGIC), count, 8);
    for (size_t i = 0; i < count; i++)
        sqz_put_le(data + strlen(MAGIC) + 8 + 8 * i, keys[i], 8);
    sqz_put_le(data + size - 8, hash_keys(keys, count), 8);
    // A cache that cannot be written costs time, nothing else.
    (void)sqz_file_write(cache->path, data, size, SQZ_REPLACE_EXISTING, NULL);
done:
    sqz_free(data);
    sqz_free(dir);
}

void sqz_header_cache_release(struct sqz_header_cache *cache)
{
    sqz_free(cache->path);
    sqz_free(cache->keys);
    memset(cache, 0, sizeof *cache);
}
