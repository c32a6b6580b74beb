// The idx files of the MNIST family, plain or compressed by gzip.
#include "base/bytes.h"
#include "base/memory.h"
#include "data/sets/sets.h"
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <zlib.h>

#define IMAGES_MAGIC 0x00000803u
#define LABELS_MAGIC 0x00000801u
#define CLASSES      10
#define MOST_SIDE    4096
// Deflate cannot make a file smaller than this part, so a header that promises more lies.
#define BEST_DEFLATE 1032

static const char *const fashion_names[CLASSES] = {
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
static const char *const digit_names[CLASSES] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

struct idx_file {
    char *path;
    gzFile file;
    uint64_t most; // bytes that it can hold at the very most
};

// `part` is "train" or "t10k", `what` "images-idx3" or "labels-idx1". *out is NULL when the file is
// not there.
static enum sqz_status find_file(const char *dir, const char *part, const char *what, char **out,
                                 struct sqz_error *err)
{
    static const char *const suffixes[] = {"", ".gz"};
    *out = NULL;
    for (size_t i = 0; i < 2; i++) {
        char name[64];
        enum sqz_path_kind kind;
        snprintf(name, sizeof name, "%s-%s-ubyte%s", part, what, suffixes[i]);
        char *path = sqz_path_join(dir, name);
        enum sqz_status status = path ? sqz_path_look(path, &kind, err)
                                      : sqz_fail_memory(err, "a path", strlen(dir) + sizeof name);
        if (!status && kind != SQZ_PATH_MISSING) {
            *out = path;
            return SQZ_OK;
        }
        sqz_free(path);
        if (status)
            return status;
    }
    return SQZ_OK;
}

enum sqz_status sqz_idx_find(const char *dir, bool *train, bool *test, struct sqz_error *err)
{
    char *path;
    *train = *test = false;
    enum sqz_status status = find_file(dir, "train", "images-idx3", &path, err);
    if (status)
        return status;
    *train = path != NULL;
    sqz_free(path);
    status = find_file(dir, "t10k", "images-idx3", &path, err);
    *test = path != NULL;
    sqz_free(path);
    return status;
}

static void close_file(struct idx_file *file)
{
    if (file->file)
        gzclose(file->file);
    sqz_free(file->path);
    memset(file, 0, sizeof *file);
}

static enum sqz_status open_file(const char *dir, const char *part, const char *what,
                                 struct idx_file *out, struct sqz_error *err)
{
    struct stat info;
    memset(out, 0, sizeof *out);
    enum sqz_status status = find_file(dir, part, what, &out->path, err);
    if (status)
        return status;
    if (!out->path)
        return sqz_fail(err, SQZ_E_NOINPUT,
                        "There is no file \"%s/%s-%s-ubyte\" (nor the same with .gz).", dir, part,
                        what);
    if (stat(out->path, &info) || !S_ISREG(info.st_mode))
        return sqz_fail(err, SQZ_E_DATA, "\"%s\" is not a regular file.", out->path);
    out->most = (uint64_t)info.st_size * BEST_DEFLATE;
    errno = ENOMEM;                      // which zlib leaves as it is when its own memory is out
    out->file = gzopen(out->path, "rb"); // reads plain files too
    if (!out->file)
        return sqz_fail_errno(err, SQZ_E_IO, errno, "\"%s\" cannot be opened", out->path);
    gzbuffer(out->file, 1u << 17);
    return SQZ_OK;
}

static enum sqz_status read_exactly(struct idx_file *file, void *out, size_t n,
                                    struct sqz_error *err)
{
    uint8_t *at = out;
    while (n > 0) {
        unsigned part = n < (1u << 30) ? (unsigned)n : 1u << 30;
        int got = gzread(file->file, at, part);
        int code = Z_OK;
        if (got < (int)part) {
            const char *reason = gzerror(file->file, &code);
            if (code == Z_MEM_ERROR)
                return sqz_fail_memory(err, "unpacking", 0);
            if (got < 0 && code != Z_BUF_ERROR)
                return sqz_fail(err, code == Z_ERRNO ? SQZ_E_IO : SQZ_E_DATA,
                                "\"%s\" cannot be unpacked (%s).", file->path, reason);
            return sqz_fail(err, SQZ_E_DATA, "\"%s\" is cut short: its header promises more bytes.",
                            file->path);
        }
        at += got;
        n -= (size_t)got;
    }
    return SQZ_OK;
}

static enum sqz_status read_header(struct idx_file *file, uint32_t magic, uint32_t *dims,
                                   int n_dims, struct sqz_error *err)
{
    uint8_t bytes[16];
    enum sqz_status status = read_exactly(file, bytes, 4 + 4 * (size_t)n_dims, err);
    if (status)
        return status;
    for (int i = -1; i < n_dims; i++) {
        const uint8_t *at = bytes + 4 * (i + 1);
        uint32_t value = (uint32_t)sqz_get_be(at, 4);
        if (i >= 0)
            dims[i] = value;
        else if (value != magic)
            return sqz_fail(err, SQZ_E_DATA,
                            "\"%s\" is no idx file of %s: it begins with 0x%08x, not 0x%08x.",
                            file->path, n_dims == 3 ? "images" : "labels", value, magic);
    }
    return SQZ_OK;
}

// The end must come where the header says; reading it also lets zlib verify its checksum.
static enum sqz_status read_end(struct idx_file *file, struct sqz_error *err)
{
    uint8_t byte;
    int code = Z_OK, got = gzread(file->file, &byte, 1);
    const char *reason = gzerror(file->file, &code);
    if (code == Z_MEM_ERROR)
        return sqz_fail_memory(err, "unpacking", 0);
    if (got > 0)
        return sqz_fail(err, SQZ_E_DATA, "\"%s\" goes on after the end that its header gives.",
                        file->path);
    if (got < 0 || code == Z_BUF_ERROR)
        return sqz_fail(err, SQZ_E_DATA, "\"%s\" is damaged at its end (%s).", file->path, reason);
    return SQZ_OK;
}

static enum sqz_status read_images(struct idx_file *file, struct sqz_dataset *set, size_t *count,
                                   struct sqz_error *err)
{
    uint32_t dims[3];
    size_t size, old = set->count * (size_t)set->w * (size_t)set->h;
    enum sqz_status status = read_header(file, IMAGES_MAGIC, dims, 3, err);
    if (status)
        return status;
    if (dims[1] < 1 || dims[1] > MOST_SIDE || dims[2] < 1 || dims[2] > MOST_SIDE)
        return sqz_fail(err, SQZ_E_DATA,
                        "\"%s\" has images of %u x %u pixels; 1 to %d a side can be read.",
                        file->path, dims[2], dims[1], MOST_SIDE);
    if (set->count && ((int)dims[1] != set->h || (int)dims[2] != set->w))
        return sqz_fail(err, SQZ_E_DATA,
                        "\"%s\" has images of %u x %u pixels, its sister file of %d x %d.",
                        file->path, dims[2], dims[1], set->w, set->h);
    if (!sqz_size_mul(dims[0], (size_t)dims[1] * dims[2], &size) || size > file->most)
        return sqz_fail(err, SQZ_E_DATA,
                        "\"%s\" is cut short: its header promises %u images of %u x %u pixels.",
                        file->path, dims[0], dims[2], dims[1]);
    uint8_t *grown = sqz_grow_array(set->pixels, old, old + size, 1);
    if (!grown)
        return sqz_fail_memory(err, "images", old + size);
    set->pixels = grown;
    set->h = (int)dims[1];
    set->w = (int)dims[2];
    set->c = 1;
    *count = dims[0];
    status = read_exactly(file, grown + old, size, err);
    return status ? status : read_end(file, err);
}

static enum sqz_status read_labels(struct idx_file *file, size_t count, struct sqz_dataset *set,
                                   struct sqz_error *err)
{
    uint32_t n = 0;
    uint8_t *labels = NULL;
    enum sqz_status status = read_header(file, LABELS_MAGIC, &n, 1, err);
    if (status)
        return status;
    if (n != count)
        return sqz_fail(err, SQZ_E_DATA, "\"%s\" has %u labels for %zu images.", file->path, n,
                        count);
    if (!(labels = sqz_new_array(n, 1)))
        return sqz_fail_memory(err, "labels", n);
    if (!(status = read_exactly(file, labels, n, err)))
        status = read_end(file, err);
    for (uint32_t i = 0; !status && i < n; i++)
        if (labels[i] >= CLASSES)
            status = sqz_fail(err, SQZ_E_DATA,
                              "\"%s\" gives image %u the label %d; 0 to 9 are possible.",
                              file->path, i, labels[i]);
    if (!status)
        status = sqz_dataset_add_labels(set, labels, n, err);
    sqz_free(labels);
    return status;
}

static enum sqz_status read_part(const char *dir, const char *part, struct sqz_dataset *set,
                                 struct sqz_error *err)
{
    struct idx_file images = {0}, labels = {0};
    size_t count = 0;
    enum sqz_status status = open_file(dir, part, "images-idx3", &images, err);
    if (!status)
        status = open_file(dir, part, "labels-idx1", &labels, err);
    if (!status)
        status = read_images(&images, set, &count, err);
    if (!status)
        status = read_labels(&labels, count, set, err);
    close_file(&images);
    close_file(&labels);
    return status;
}

static bool last_part_says_fashion(const char *path)
{
    size_t length = strlen(path), begin;
    while (length > 1 && path[length - 1] == '/')
        length--;
    for (begin = length; begin > 0 && path[begin - 1] != '/'; begin--)
        ;
    for (size_t i = begin; i + strlen("fashion") <= length; i++)
        if (!strncasecmp(path + i, "fashion", strlen("fashion")))
            return true;
    return false;
}

// By the directory's name as given, or by where it leads to (for "." and links).
static enum sqz_status is_fashion(const char *dir, bool *out, struct sqz_error *err)
{
    *out = last_part_says_fashion(dir);
    if (*out)
        return SQZ_OK;
    char *real = realpath(dir, NULL);
    if (!real)
        return sqz_fail_errno(err, SQZ_E_IO, errno, "Cannot look at %s", dir);
    *out = last_part_says_fashion(real);
    free(real);
    return SQZ_OK;
}

enum sqz_status sqz_idx_open(const char *dir, const char *usage, struct sqz_dataset *set,
                             struct sqz_error *err)
{
    bool train, test, fashion = false;
    enum sqz_status status = sqz_parse_usage(dir, usage, &train, &test, err);
    if (!status && train)
        status = read_part(dir, "train", set, err);
    if (!status && test)
        status = read_part(dir, "t10k", set, err);
    if (!status)
        status = is_fashion(dir, &fashion, err);
    if (!status)
        status = sqz_dataset_name_classes(set, fashion ? fashion_names : digit_names, CLASSES, err);
    return status;
}
