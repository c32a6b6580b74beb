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
#define FIRST_STEP   ((size_t)1 << 24)
// A compressed file holds at most PLAIN + BEST_DEFLATE bytes for each of its own: images do not
// shrink more (MNIST's to a fifth), and a header that promises more wants memory, not to be read.
#define PLAIN        ((uint64_t)32 << 20)
#define BEST_DEFLATE 30

static const char *const fashion_names[CLASSES] = {
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
static const char *const digit_names[CLASSES] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

struct idx_file {
    char *path;
    gzFile file;
    uint64_t most; // bytes that it can hold at the very most
};

struct role {
    const char *part, *other_part; // what a name contains: "train", or "t10k" or "test"
    const char *what, *word;       // "images-idx3" in the usual name, "image" in any
    uint32_t magic;
};
enum { TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS };
static const struct role roles[] = {
    {"train", "train", "images-idx3", "image", IMAGES_MAGIC},
    {"train", "train", "labels-idx1", "label", LABELS_MAGIC},
    {"t10k", "test", "images-idx3", "image", IMAGES_MAGIC},
    {"t10k", "test", "labels-idx1", "label", LABELS_MAGIC},
};

static enum sqz_status has_magic(const char *path, uint32_t magic, bool *out, struct sqz_error *err)
{
    uint8_t bytes[4];
    int code = Z_OK;
    errno = ENOMEM; // which zlib leaves as it is when its own memory is out
    gzFile file = gzopen(path, "rb");
    if (!file)
        return sqz_fail_errno(err, SQZ_E_IO, errno, "\"%s\" cannot be opened", path);
    *out = gzread(file, bytes, sizeof bytes) == sizeof bytes && sqz_get_be(bytes, 4) == magic;
    gzerror(file, &code);
    gzclose(file);
    if (code == Z_ERRNO)
        return sqz_fail(err, SQZ_E_IO, "\"%s\" cannot be read.", path);
    return code == Z_MEM_ERROR ? sqz_fail_memory(err, "unpacking", 0) : SQZ_OK;
}

// A file of another name ("train-images.idx3-ubyte"): the first that names the part and whose first
// bytes say that it is of this kind.
static enum sqz_status find_by_content(const char *dir, const struct role *role, char **out,
                                       struct sqz_error *err)
{
    struct sqz_dir entries = {0};
    enum sqz_status status = sqz_dir_read(dir, &entries, err);
    for (size_t i = 0; !status && !*out && i < entries.count; i++) {
        const char *name = entries.entries[i].name;
        bool found = false;
        if (!entries.entries[i].is_file || !strcasestr(name, role->word) ||
            (!strcasestr(name, role->part) && !strcasestr(name, role->other_part)))
            continue;
        char *path = sqz_path_join(dir, name);
        status = path ? has_magic(path, role->magic, &found, err)
                      : sqz_fail_memory(err, "a path", strlen(dir) + strlen(name));
        if (!status && found)
            *out = path;
        else
            sqz_free(path);
    }
    sqz_dir_release(&entries);
    return status;
}

// *out is NULL when there is no such file.
static enum sqz_status find_file(const char *dir, const struct role *role, char **out,
                                 struct sqz_error *err)
{
    static const char *const suffixes[] = {"", ".gz"};
    *out = NULL;
    for (size_t i = 0; i < 2; i++) {
        char name[64];
        enum sqz_path_kind kind;
        snprintf(name, sizeof name, "%s-%s-ubyte%s", role->part, role->what, suffixes[i]);
        enum sqz_status status = sqz_path_look_in(dir, name, &kind, err);
        if (status)
            return status;
        if (kind == SQZ_PATH_MISSING)
            continue;
        *out = sqz_path_join(dir, name);
        return *out ? SQZ_OK : sqz_fail_memory(err, "a path", strlen(dir) + sizeof name);
    }
    return find_by_content(dir, role, out, err);
}

enum sqz_status sqz_idx_find(const char *dir, bool *train, bool *test, struct sqz_error *err)
{
    char *path;
    *train = *test = false;
    enum sqz_status status = find_file(dir, &roles[TRAIN_IMAGES], &path, err);
    if (status)
        return status;
    *train = path != NULL;
    sqz_free(path);
    status = find_file(dir, &roles[TEST_IMAGES], &path, err);
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

static enum sqz_status open_file(const char *dir, const struct role *role, struct idx_file *out,
                                 struct sqz_error *err)
{
    struct stat info;
    memset(out, 0, sizeof *out);
    enum sqz_status status = find_file(dir, role, &out->path, err);
    if (status)
        return status;
    if (!out->path)
        return sqz_fail(err, SQZ_E_NOINPUT,
                        "There is no file \"%s/%s-%s-ubyte\" (nor the same with .gz).", dir,
                        role->part, role->what);
    if (stat(out->path, &info))
        return sqz_fail_errno(err, SQZ_E_IO, errno, "Cannot look at \"%s\"", out->path);
    if (!S_ISREG(info.st_mode))
        return sqz_fail(err, SQZ_E_DATA, "\"%s\" is not a regular file.", out->path);
    errno = ENOMEM;                      // which zlib leaves as it is when its own memory is out
    out->file = gzopen(out->path, "rb"); // reads plain files too
    if (!out->file)
        return sqz_fail_errno(err, SQZ_E_IO, errno, "\"%s\" cannot be opened", out->path);
    gzbuffer(out->file, 1u << 17);
    out->most = (uint64_t)info.st_size;
    if (!gzdirect(out->file))
        out->most = PLAIN + BEST_DEFLATE * out->most;
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
        return sqz_fail(err, code == Z_ERRNO ? SQZ_E_IO : SQZ_E_DATA,
                        "\"%s\" is damaged at its end (%s).", file->path, reason);
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
        return sqz_fail(
            err, SQZ_E_DATA,
            "\"%s\" is cut short: its header promises %u images of %u x %u pixels, more "
            "than a file of its size holds.",
            file->path, dims[0], dims[2], dims[1]);
    set->h = (int)dims[1];
    set->w = (int)dims[2];
    set->c = 1;
    *count = dims[0];
    // Memory grows with the bytes that come: the header of a compressed file may promise many.
    for (size_t have = 0, next, step = FIRST_STEP; !status && have < size; have = next, step *= 2) {
        next = size - have < step ? size : have + step;
        uint8_t *grown = sqz_grow_array(set->pixels, old + have, old + next, 1);
        if (!grown)
            return sqz_fail_memory(err, "images", old + next);
        set->pixels = grown;
        status = read_exactly(file, grown + old + have, next - have, err);
    }
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

static enum sqz_status read_part(const char *dir, const struct role *image_role,
                                 const struct role *label_role, struct sqz_dataset *set,
                                 struct sqz_error *err)
{
    struct idx_file images = {0}, labels = {0};
    size_t count = 0;
    enum sqz_status status = open_file(dir, image_role, &images, err);
    if (!status)
        status = open_file(dir, label_role, &labels, err);
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
        status = read_part(dir, &roles[TRAIN_IMAGES], &roles[TRAIN_LABELS], set, err);
    if (!status && test)
        status = read_part(dir, &roles[TEST_IMAGES], &roles[TEST_LABELS], set, err);
    if (!status)
        status = is_fashion(dir, &fashion, err);
    if (!status)
        status = sqz_dataset_name_classes(set, fashion ? fashion_names : digit_names, CLASSES, err);
    return status;
}
