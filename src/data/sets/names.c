// What all readers ask of names: hashes, hidden ones, whether a directory is there, which split.
#include "data/sets/sets.h"

#include <string.h>

uint64_t sqz_hash_bytes(uint64_t hash, const void *data, size_t n)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

uint64_t sqz_hash_string(uint64_t hash, const char *text)
{
    return sqz_hash_bytes(hash, text, strlen(text) + 1);
}

bool sqz_name_is_hidden(const char *name)
{
    return name[0] == '.';
}

enum sqz_status sqz_need_dir(const char *dir, struct sqz_error *err)
{
    enum sqz_path_kind kind;
    enum sqz_status status = sqz_path_look(dir, &kind, err);
    if (status || kind == SQZ_PATH_DIR)
        return status;
    if (kind != SQZ_PATH_MISSING)
        return sqz_fail(err, SQZ_E_NOINPUT,
                        "\"%s\" is a file, but a directory with a dataset is needed.", dir);
    return sqz_fail(err, SQZ_E_NOINPUT, "There is no directory \"%s\".", dir);
}

enum sqz_status sqz_parse_usage(const char *dir, const char *usage, bool *train, bool *test,
                                struct sqz_error *err)
{
    *train = !strcmp(usage, "train") || !strcmp(usage, "all");
    *test = !strcmp(usage, "test") || !strcmp(usage, "all");
    if (*train || *test)
        return SQZ_OK;
    return sqz_fail(
        err, SQZ_E_USAGE,
        "\"%s\" has no split \"%s\": its files are divided into train and test (or all), so "
        "give --val_split test.",
        dir, usage);
}
