// Targets for the files of a run directory, the cache of image headers and hostfiles.
#include "targets.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/sets/sets.h"
#include "dist/launch/hosts.h"
#include "train/run/events.h"
#include "train/run/kept.h"
#include "train/run/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Two texts, divided by the first NUL; free *first.
static void two_texts(const uint8_t *data, size_t size, char **first, char **second)
{
    *first = calloc(1, size + 2);
    if (!*first)
        abort();
    memcpy(*first, data, size);
    *second = *first + strlen(*first) + 1;
}

void fuzz_checkpoint(const uint8_t *data, size_t size)
{
    struct fuzz_file file = fuzz_file_open(data, size);
    struct sqz_archive archive = {0};
    struct sqz_model *model = NULL;
    struct sqz_train_state state = {0};
    struct sqz_error err = {0};
    if (sqz_checkpoint_read(file.path, &archive, &model, &state, &err) == SQZ_OK) {
        sqz_archive_release(&archive);
        sqz_model_free(model);
        sqz_train_state_release(&state);
    } else if (!err.text[0]) {
        abort(); // a failure without a sentence
    }
    fuzz_file_close(&file);
}

void fuzz_kept(const uint8_t *data, size_t size)
{
    char *text, *rest;
    two_texts(data, size, &text, &rest);
    const int n = sqz_kept_count(text);
    struct sqz_kept *kept = n > 0 ? calloc((size_t)n, sizeof *kept) : NULL;
    if (kept) {
        struct sqz_text out = {0};
        sqz_kept_read(text, kept);
        for (int i = 0; i < n; i++)
            if (strchr(kept[i].name, '/') || kept[i].name[0] == '.')
                abort(); // files under these names are removed
        const int gone = sqz_kept_victim(kept, n, 3, size % 2, 0.5);
        sqz_kept_write(kept, n, gone < 0 ? -1 : gone, "squeezenet1_1-1_1.ckpt", 0.5, &out);
        if (!out.failed && sqz_kept_count(sqz_text_get(&out)) < 0)
            abort(); // what is written can be read
        sqz_text_release(&out);
    }
    free(kept);
    free(text);
}

void fuzz_history(const uint8_t *data, size_t size)
{
    char *rows, *old;
    struct sqz_text out = {0}, svg = {0};
    two_texts(data, size, &rows, &old);
    sqz_run_dir_merge_history(&out, rows, old);
    sqz_history_svg(rows, "history", &svg, NULL);
    sqz_text_release(&svg);
    sqz_text_release(&out);
    free(rows);
}

// A writer: names of classes reach it as tags. Its own length has to frame each record.
void fuzz_events(const uint8_t *data, size_t size)
{
    char *tag, *other, *written = NULL;
    size_t length = 0;
    struct sqz_scalar scalars[2] = {{.value = 0.5}, {.value = 2}};
    two_texts(data, size, &tag, &other);
    if (size >= 8)
        memcpy(&scalars[0].value, data, 8);
    scalars[0].tag = tag;
    scalars[1].tag = other;
    FILE *file = open_memstream(&written, &length);
    if (!file)
        abort();
    sqz_events_add(file, (int64_t)size, scalars, 2);
    fclose(file);
    if (length > 0 && (length < 16 || sqz_get_le((uint8_t *)written, 8) != length - 16))
        abort();
    free(written);
    free(tag);
}

// The hash of the keys is right.
void fuzz_sign_headers(uint8_t *data, size_t size)
{
    if (size < 24)
        return;
    const size_t n = (size - 24) / 8;
    uint64_t hash = SQZ_HASH_START;
    sqz_put_le(data + 8, n, 8);
    for (size_t i = 0; i < n; i++)
        hash = sqz_random_hash(hash, sqz_get_le(data + 16 + 8 * i, 8));
    sqz_put_le(data + 16 + 8 * n, hash, 8);
}

void fuzz_headers(const uint8_t *data, size_t size)
{
    struct sqz_header_cache cache = {0};
    uint8_t *copy = malloc(size + 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    const struct sqz_bytes bytes = {copy, size};
    if (sqz_header_cache_parse(&bytes, &cache))
        sqz_header_cache_has(&cache, 12345);
    sqz_header_cache_release(&cache);
    free(copy);
}

void fuzz_hostfile(const uint8_t *data, size_t size)
{
    struct fuzz_file file = fuzz_file_open(data, size);
    struct sqz_error err = {0};
    if (sqz_hosts_check(file.path, &err) && !err.text[0])
        abort();
    fuzz_file_close(&file);
}
