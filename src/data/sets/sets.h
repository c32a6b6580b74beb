// What the readers of the different layouts share; private to src/data.
#ifndef SQZ_DATA_SETS_H
#define SQZ_DATA_SETS_H

#include "data/sets/dataset.h"

// Texts one after the other: a million paths without a million allocations.
struct sqz_path_block {
    struct sqz_path_block *next;
    size_t used;
    char text[];
};
void sqz_path_blocks_free(struct sqz_path_block *blocks);

// The files of a directory of class directories, before anything was looked into.
struct sqz_listed_file {
    char *name; // "class/file", relative to the directory; the end of its path in the list's blocks
    int label;
    uint64_t size;
    int64_t mtime_ns;
    char *problem; // why it is no image that we read, to follow its name; NULL: none known
};
struct sqz_file_list {
    struct sqz_listed_file *files;
    size_t count, capacity;
    struct sqz_path_block *paths; // "directory/class/file" of all files
    char **classes;               // ascending bytes
    int n_classes;
};
void sqz_file_list_release(struct sqz_file_list *list);
// Lists directory/<class>/<file>. Hidden names are ignored, files beside the class directories too.
// A directory inside a class directory goes to `problem`, or is an error when `problem` is NULL.
enum sqz_status sqz_file_list_read(const char *dir, struct sqz_file_list *list,
                                   sqz_data_problem_fn problem, void *arg, struct sqz_error *err);
// Lists the files of `dir` and of the directories in it, with meaningless labels.
enum sqz_status sqz_file_list_read_flat(const char *dir, struct sqz_file_list *list,
                                        struct sqz_error *err);
// Fills in `problem` of files whose signature or header is not that of an image we read.
enum sqz_status sqz_headers_check(const char *dir, struct sqz_file_list *list, int threads,
                                  struct sqz_error *err);

// The set of files whose headers were found good before; keys are made of name, size and time.
struct sqz_header_cache {
    char *path;     // NULL: there is no place for a cache
    uint64_t *keys; // ascending
    size_t count;
};
uint64_t sqz_header_key(const struct sqz_listed_file *file);
// A missing or damaged cache is an empty one. false: out of memory.
bool sqz_header_cache_read(const char *dir, struct sqz_header_cache *cache);
// The keys of a cache file's bytes into cache->keys; the same.
bool sqz_header_cache_parse(const struct sqz_bytes *bytes, struct sqz_header_cache *cache);
bool sqz_header_cache_has(const struct sqz_header_cache *cache, uint64_t key);
// Replaces the cache by `keys` (sorted here). Failure to write is not an error.
void sqz_header_cache_write(const struct sqz_header_cache *cache, uint64_t *keys, size_t count);
void sqz_header_cache_release(struct sqz_header_cache *cache);

// One opener per layout. `directory` holds the class directories (the idx, the CIFAR files) itself.
enum sqz_status sqz_class_dirs_open(const char *dir, bool check_headers, int threads,
                                    struct sqz_dataset *set, struct sqz_error *err);
enum sqz_status sqz_idx_open(const char *dir, const char *usage, struct sqz_dataset *set,
                             struct sqz_error *err);
enum sqz_status sqz_cifar_open(const char *dir, bool hundred, const char *usage,
                               struct sqz_dataset *set, struct sqz_error *err);
// Which of their files are there.
enum sqz_status sqz_idx_find(const char *dir, bool *train, bool *test, struct sqz_error *err);
enum sqz_status sqz_cifar_find(const char *dir, bool hundred, bool *train, bool *test,
                               struct sqz_error *err);
// The directory itself, or the one that the published archive unpacks to below it; sqz_free(*out).
enum sqz_status sqz_cifar_dir(const char *dir, bool hundred, char **out, struct sqz_error *err);

// SQZ_E_NOINPUT when `directory` is missing or is a file.
enum sqz_status sqz_need_dir(const char *dir, struct sqz_error *err);
// The directories in `dir` that are splits by their name ("train", "Validation", ...) and hold
// class directories, the usual spelling first.
#define SQZ_MOST_SPLITS 14
struct sqz_split_name {
    char name[32];
    bool is_train;
};
struct sqz_splits {
    struct sqz_split_name list[SQZ_MOST_SPLITS];
    int count;
};
enum sqz_status sqz_find_splits(const char *dir, struct sqz_splits *out, struct sqz_error *err);
// Whether `dir` is a directory with at least one directory that is not hidden.
enum sqz_status sqz_has_class_dirs(const char *dir, bool *out, struct sqz_error *err);
// "train", "test" or "all", else SQZ_E_USAGE.
enum sqz_status sqz_parse_usage(const char *dir, const char *usage, bool *train, bool *test,
                                struct sqz_error *err);
// Keeps one side of the held-out division, see sqz_dataset_request.
enum sqz_status sqz_dataset_divide(struct sqz_dataset *set, uint64_t seed, bool held_out,
                                   struct sqz_error *err);
// The same where the training side is known.
enum sqz_status sqz_dataset_divide_as(struct sqz_dataset *set, const struct sqz_sample_keys *began,
                                      bool held_out, struct sqz_error *err);
// In-memory sets: `count` samples with these labels, one after the other in set->pixels.
enum sqz_status sqz_dataset_add_labels(struct sqz_dataset *set, const uint8_t *labels, size_t count,
                                       struct sqz_error *err);
enum sqz_status sqz_dataset_name_classes(struct sqz_dataset *set, const char *const *names, int n,
                                         struct sqz_error *err);

#define SQZ_HASH_START 0xcbf29ce484222325u
uint64_t sqz_hash_bytes(uint64_t hash, const void *data, size_t n); // FNV-1a
uint64_t sqz_hash_string(uint64_t hash, const char *text);          // with its NUL
bool sqz_name_is_hidden(const char *name);

#endif
