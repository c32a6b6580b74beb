// data imagenet: from the three archives that ImageNet publishes to train/ and val/ with one
// directory a class.
#include "data/sets/imagenet.h"

#include "base/memory.h"
#include "base/stop.h"
#include "data/sets/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define IMAGE_LIMIT  ((size_t)1 << 28)
#define DEVKIT_LIMIT ((size_t)1 << 28)
#define META         "data/meta.mat"
#define TRUTH        "data/ILSVRC2012_validation_ground_truth.txt"

struct layout {
    const struct sqz_imagenet_archives *archives;
    const char *out;
    struct sqz_synsets synsets;
    int *truth; // ILSVRC2012_ID of validation image i + 1
    size_t n_truth;
    struct sqz_bytes image;
    struct sqz_imagenet_report report;
};

static enum sqz_status check_stop(const struct layout *layout, struct sqz_error *err)
{
    if (!sqz_stop_asked(layout->archives->stop))
        return SQZ_OK;
    return sqz_fail(err, SQZ_E_STOPPED,
                    "Stopped; the images that are in \"%s\" stay, and the same command goes on.",
                    layout->out);
}

static void note(const struct layout *layout, const char *what, size_t done)
{
    char text[128];
    snprintf(text, sizeof text, "%s: %zu images", what, done);
    if (layout->archives->note)
        layout->archives->note(layout->archives->note_arg, text);
}

static enum sqz_status open_archive(const char *path, struct sqz_tar_source *source,
                                    struct sqz_tar *tar, struct sqz_error *err)
{
    struct stat info;
    *source = (struct sqz_tar_source){path, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), NULL};
    if (source->fd < 0)
        return sqz_fail_errno(err, SQZ_E_IO, errno, "Cannot open %s", path);
    if (fstat(source->fd, &info) != 0 || !S_ISREG(info.st_mode))
        return sqz_fail(err, SQZ_E_DATA, "%s is not a regular file.", path);
    *tar = (struct sqz_tar){source, 0, (uint64_t)info.st_size};
    return SQZ_OK;
}

static void close_archive(struct sqz_tar_source *source)
{
    if (source->fd >= 0)
        close(source->fd);
    source->fd = -1;
}

static enum sqz_status inflate_file(const char *path, struct sqz_bytes *out, struct sqz_error *err)
{
    struct sqz_text text = {0};
    char piece[1 << 16];
    int n = 0;
    enum sqz_path_kind kind;
    enum sqz_status status = sqz_path_look(path, &kind, err);
    if (!status && kind == SQZ_PATH_MISSING)
        status = sqz_fail(err, SQZ_E_NOINPUT, "There is no file %s.", path);
    if (status)
        return status;
    errno = ENOMEM; // which zlib leaves as it is when its own memory is out
    gzFile file = gzopen(path, "rb");
    if (!file)
        return sqz_fail_errno(err, SQZ_E_IO, errno, "Cannot open %s", path);
    while (text.length <= DEVKIT_LIMIT && (n = gzread(file, piece, sizeof piece)) > 0)
        sqz_text_add_bytes(&text, piece, (size_t)n);
    int code = Z_OK;
    gzerror(file, &code);
    bool whole = gzclose(file) == Z_OK && n == 0 && text.length > 0;
    if (whole && !text.failed) {
        *out = (struct sqz_bytes){(uint8_t *)text.data, text.length};
        return SQZ_OK;
    }
    bool failed = text.failed || code == Z_MEM_ERROR;
    sqz_text_release(&text);
    return failed ? sqz_fail_memory(err, "the development kit", DEVKIT_LIMIT)
                  : sqz_fail(err, SQZ_E_DATA, "%s cannot be unpacked: it is damaged.", path);
}

static bool ends_with(const char *name, const char *tail)
{
    size_t n = strlen(name), t = strlen(tail);
    return n >= t && strcmp(name + n - t, tail) == 0;
}

static enum sqz_status read_truth(struct layout *layout, const struct sqz_bytes *bytes,
                                  struct sqz_error *err)
{
    size_t room = bytes->size / 2 + 1;
    layout->truth = sqz_new_array(room, sizeof *layout->truth);
    if (!layout->truth)
        return sqz_fail_memory(err, "the validation labels", room * sizeof *layout->truth);
    for (size_t i = 0; i < bytes->size;) {
        int id = 0;
        size_t start = i;
        for (; i < bytes->size && bytes->data[i] >= '0' && bytes->data[i] <= '9' && id < 100000;
             i++)
            id = 10 * id + bytes->data[i] - '0';
        if (i == start)
            return sqz_fail(err, SQZ_E_DATA, "%s in %s has a line that is no number.", TRUTH,
                            layout->archives->devkit);
        layout->truth[layout->n_truth++] = id;
        while (i < bytes->size && (bytes->data[i] == '\n' || bytes->data[i] == '\r'))
            i++;
    }
    return SQZ_OK;
}

static int compare_synsets(const void *a, const void *b)
{
    return strcmp(((const struct sqz_synset *)a)->wnid, ((const struct sqz_synset *)b)->wnid);
}

// Keeps the leaves, which are the classes, in the order of their names.
static void keep_leaves(struct sqz_synsets *synsets)
{
    size_t kept = 0;
    for (size_t i = 0; i < synsets->count; i++) {
        if (synsets->list[i].is_leaf)
            synsets->list[kept++] = synsets->list[i];
        else
            sqz_free(synsets->list[i].words);
    }
    synsets->count = kept;
    qsort(synsets->list, kept, sizeof *synsets->list, compare_synsets);
}

static enum sqz_status read_devkit(struct layout *layout, struct sqz_error *err)
{
    const char *path = layout->archives->devkit;
    struct sqz_bytes devkit = {0}, bytes = {0};
    enum sqz_status status = inflate_file(path, &devkit, err);
    struct sqz_tar_source source = {path, -1, devkit.data};
    struct sqz_tar tar = {&source, 0, devkit.size};
    bool found = true;
    while (!status && found) {
        struct sqz_tar_file file;
        status = sqz_tar_next(&tar, &file, &found, err);
        bool meta = !status && found && ends_with(file.name, META);
        bool truth = !status && found && ends_with(file.name, TRUTH);
        if (meta || truth)
            status = sqz_tar_read(&source, &file, DEVKIT_LIMIT, &bytes, err);
        if (!status && meta && !layout->synsets.list)
            status = sqz_synsets_read(bytes.data, bytes.size, file.name, &layout->synsets, err);
        if (!status && truth && !layout->truth)
            status = read_truth(layout, &bytes, err);
    }
    sqz_bytes_release(&bytes);
    sqz_bytes_release(&devkit);
    if (!status && (!layout->synsets.list || !layout->truth))
        status =
            sqz_fail(err, SQZ_E_DATA, "%s holds no %s.", path, layout->synsets.list ? TRUTH : META);
    if (!status)
        keep_leaves(&layout->synsets);
    return status;
}

static const struct sqz_synset *find_wnid(const struct layout *layout, const char *wnid)
{
    struct sqz_synset key = {0};
    snprintf(key.wnid, sizeof key.wnid, "%s", wnid);
    return bsearch(&key, layout->synsets.list, layout->synsets.count, sizeof key, compare_synsets);
}

static const struct sqz_synset *find_id(const struct layout *layout, int id)
{
    for (size_t i = 0; i < layout->synsets.count; i++)
        if (layout->synsets.list[i].id == id)
            return &layout->synsets.list[i];
    return NULL;
}

// OUT/split/wnid/name, unless it is there with that size already.
static enum sqz_status write_image(struct layout *layout, const struct sqz_tar_source *source,
                                   const struct sqz_tar_file *file, const char *split,
                                   const char *wnid, struct sqz_error *err)
{
    char path[4096];
    struct stat info;
    const char *name = sqz_path_name(file->name);
    enum sqz_status status = check_stop(layout, err);
    if (status)
        return status;
    int n = snprintf(path, sizeof path, "%s/%s/%s/%s", layout->out, split, wnid, name);
    if (n < 0 || (size_t)n >= sizeof path || !*name || name[0] == '.')
        return sqz_fail(err, SQZ_E_DATA, "%s holds an image with the name \"%s\".", source->path,
                        file->name);
    if (stat(path, &info) == 0 && S_ISREG(info.st_mode) && (uint64_t)info.st_size == file->size)
        return SQZ_OK;
    status = sqz_tar_read(source, file, IMAGE_LIMIT, &layout->image, err);
    if (!status)
        status = sqz_file_write_unsynced(path, layout->image.data, layout->image.size, err);
    return status;
}

static enum sqz_status make_class(const struct layout *layout, const char *split, const char *wnid,
                                  struct sqz_error *err)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s/%s", layout->out, split, wnid);
    if (n < 0 || (size_t)n >= sizeof path)
        return sqz_fail(err, SQZ_E_CANTWRITE, "The path of \"%s\" is too long.", layout->out);
    return sqz_dir_make(path, err);
}

// The training archive holds one archive a class.
static enum sqz_status lay_out_train(struct layout *layout, struct sqz_error *err)
{
    struct sqz_tar_source source = {.fd = -1};
    struct sqz_tar outer;
    struct sqz_tar_file class, image;
    bool found = true;
    enum sqz_status status = open_archive(layout->archives->train, &source, &outer, err);
    while (!status && !(status = sqz_tar_next(&outer, &class, &found, err)) && found) {
        char wnid[SQZ_WNID_LENGTH + 1] = "";
        if (ends_with(class.name, ".tar"))
            snprintf(wnid, sizeof wnid, "%.*s", (int)strcspn(class.name, "."), class.name);
        if (!*wnid || !find_wnid(layout, wnid)) {
            status = sqz_fail(err, SQZ_E_DATA,
                              "%s holds \"%s\", which is no class of the development kit.",
                              source.path, class.name);
            break;
        }
        struct sqz_tar inner = {&source, class.offset, class.offset + class.size};
        bool more = true;
        status = make_class(layout, "train", wnid, err);
        while (!status && !(status = sqz_tar_next(&inner, &image, &more, err)) && more) {
            status = write_image(layout, &source, &image, "train", wnid, err);
            if (!status && ++layout->report.train % 1000 == 0)
                note(layout, "train", layout->report.train);
        }
    }
    close_archive(&source);
    return status;
}

// "ILSVRC2012_val_00000293.JPEG" is image 293.
static size_t image_number(const char *name)
{
    const char *digits = strrchr(name, '_');
    return digits ? strtoul(digits + 1, NULL, 10) : 0;
}

static enum sqz_status lay_out_val(struct layout *layout, struct sqz_error *err)
{
    struct sqz_tar_source source = {.fd = -1};
    struct sqz_tar tar;
    struct sqz_tar_file image;
    bool found = true;
    enum sqz_status status = open_archive(layout->archives->val, &source, &tar, err);
    for (size_t i = 0; !status && i < layout->synsets.count; i++)
        status = make_class(layout, "val", layout->synsets.list[i].wnid, err);
    while (!status && !(status = sqz_tar_next(&tar, &image, &found, err)) && found) {
        size_t number = image_number(image.name);
        const struct sqz_synset *synset = number >= 1 && number <= layout->n_truth
                                              ? find_id(layout, layout->truth[number - 1])
                                              : NULL;
        if (!synset) {
            status = sqz_fail(err, SQZ_E_DATA,
                              "%s holds \"%s\", for which the development kit has no class.",
                              source.path, image.name);
            break;
        }
        status = write_image(layout, &source, &image, "val", synset->wnid, err);
        if (!status && ++layout->report.val % 1000 == 0)
            note(layout, "val", layout->report.val);
    }
    close_archive(&source);
    return status;
}

// The list of classes in label order, as predict and convert read it.
static enum sqz_status write_words(const struct layout *layout, struct sqz_error *err)
{
    struct sqz_text text = {0};
    char *path = sqz_path_join(layout->out, "synset_words.txt");
    for (size_t i = 0; i < layout->synsets.count; i++)
        sqz_text_add(&text, "%s %s\n", layout->synsets.list[i].wnid, layout->synsets.list[i].words);
    enum sqz_status status =
        path && !text.failed
            ? sqz_file_write(path, text.data, text.length, SQZ_REPLACE_EXISTING, err)
            : sqz_fail_memory(err, "the list of classes", text.length);
    sqz_text_release(&text);
    sqz_free(path);
    return status;
}

enum sqz_status sqz_imagenet_lay_out(const struct sqz_imagenet_archives *archives, const char *out,
                                     struct sqz_imagenet_report *report, struct sqz_error *err)
{
    struct layout layout = {.archives = archives, .out = out};
    enum sqz_status status = read_devkit(&layout, err);
    if (!status)
        status = sqz_dir_make(out, err);
    if (!status)
        status = write_words(&layout, err);
    if (!status)
        status = lay_out_val(&layout, err);
    if (!status)
        status = lay_out_train(&layout, err);
    // The images were not synchronised one by one; this is the moment to wait for the disk.
    if (!status)
        sync();
    layout.report.classes = (int)layout.synsets.count;
    if (!status)
        *report = layout.report;
    sqz_synsets_release(&layout.synsets);
    sqz_bytes_release(&layout.image);
    sqz_free(layout.truth);
    return status;
}
