// Opens a dataset of any layout, and hands out its samples.
#include "base/memory.h"
#include "base/random.h"
#include "data/sets/pack.h"
#include "data/sets/sets.h"
#include <limits.h>
#include <string.h>
#include <strings.h>

// Bytes of one image file; a PNG of the largest image that the decoder accepts stays below.
#define FILE_LIMIT ((size_t)1 << 30)

void sqz_dataset_free(struct sqz_dataset *set)
{
    if (!set)
        return;
    for (size_t i = 0; set->pack && set->samples && i < set->count; i++)
        sqz_free(set->samples[i].path);
    sqz_path_blocks_free(set->paths);
    for (int i = 0; set->classes && i < set->n_classes; i++)
        sqz_free(set->classes[i]);
    sqz_free(set->samples);
    sqz_free(set->classes);
    sqz_free(set->pixels);
    sqz_pack_close(set->pack);
    sqz_free(set->skipped_example);
    sqz_free(set->name);
    sqz_free(set);
}

static uint64_t fingerprint(const struct sqz_dataset *set)
{
    uint64_t hash = SQZ_HASH_START;
    for (int i = 0; i < set->n_classes; i++)
        hash = sqz_hash_string(hash, set->classes[i]);
    for (size_t i = 0; i < set->count; i++) {
        hash = sqz_random_hash(hash, set->samples[i].hash);
        hash = sqz_random_hash(hash, (uint64_t)set->samples[i].label);
    }
    return hash;
}

// The directory that holds the class directories, with advice when it is not there.
static enum sqz_status find_split(const char *dir, const char *split, char **out,
                                  struct sqz_error *err)
{
    struct sqz_splits others;
    enum sqz_status status = sqz_need_dir(dir, err);
    if (status)
        return status;
    char *found = *split ? sqz_path_join(dir, split) : sqz_copy_string(dir);
    if (!found)
        return sqz_fail_memory(err, "a path", strlen(dir) + strlen(split));
    enum sqz_path_kind kind;
    status = sqz_path_look(found, &kind, err);
    if (!status && kind == SQZ_PATH_DIR) {
        *out = found;
        return SQZ_OK;
    }
    if (!status)
        status = sqz_find_splits(dir, &others, err);
    const char *there = !status && others.count ? others.list[others.count - 1].name : NULL;
    if (there)
        status =
            sqz_fail(err, SQZ_E_NOINPUT,
                     "There is no directory \"%s\", but \"%s/%s\" is there: name the split with "
                     "--val_split %s (or --train_split).",
                     found, dir, there, there);
    else if (!status)
        status = sqz_need_dir(found, err);
    sqz_free(found);
    return status;
}

static enum sqz_status open_class_dirs(const struct sqz_dataset_request *request,
                                       struct sqz_dataset *set, struct sqz_error *err)
{
    char *dir = NULL;
    bool is_pack;
    enum sqz_status status = sqz_pack_detect(request->dir, &is_pack, err);
    if (!status && is_pack)
        return sqz_pack_open(request->dir, request->split ? request->split : "", set, err);
    if (!status)
        status = find_split(request->dir, request->split ? request->split : "", &dir, err);
    if (!status)
        status = sqz_class_dirs_open(dir, request->check_headers, request->threads, set, err);
    sqz_free(dir);
    return status;
}

static enum sqz_status open_cifar(const struct sqz_dataset_request *request, bool hundred,
                                  struct sqz_dataset *set, struct sqz_error *err)
{
    char *dir = NULL;
    enum sqz_status status = sqz_cifar_dir(request->dir, hundred, &dir, err);
    if (!status)
        status = sqz_cifar_open(dir, hundred, request->split ? request->split : "train", set, err);
    sqz_free(dir);
    return status;
}

static enum sqz_status open_kind(const char *kind, const struct sqz_dataset_request *request,
                                 struct sqz_dataset *set, struct sqz_error *err)
{
    if (!*kind || !strcasecmp(kind, "imagenet"))
        return open_class_dirs(request, set, err);
    enum sqz_status status = sqz_need_dir(request->dir, err);
    if (status)
        return status;
    if (!strcasecmp(kind, "mnist"))
        return sqz_idx_open(request->dir, request->split ? request->split : "train", set, err);
    if (!strcasecmp(kind, "cifar10"))
        return open_cifar(request, false, set, err);
    if (!strcasecmp(kind, "cifar100"))
        return open_cifar(request, true, set, err);
    return sqz_fail(
        err, SQZ_E_USAGE,
        "There is no kind of dataset called \"%s\": there are imagenet (or an empty name; "
        "both are class directories), mnist, cifar10 and cifar100.",
        kind);
}

static enum sqz_status refuse_empty_class(const struct sqz_dataset *set, struct sqz_error *err)
{
    bool *has_image = sqz_new_array((size_t)set->n_classes, sizeof *has_image);
    int label = 0;
    if (!has_image)
        return sqz_fail_memory(err, "a list of classes", (size_t)set->n_classes);
    for (size_t i = 0; i < set->count; i++)
        has_image[set->samples[i].label] = true;
    while (label < set->n_classes && has_image[label])
        label++;
    sqz_free(has_image);
    return label == set->n_classes
               ? SQZ_OK
               : sqz_fail(err, SQZ_E_DATA,
                          "The class directory \"%s/%s\" is empty: add images or remove it.",
                          set->name, set->classes[label]);
}

static enum sqz_status divide(const struct sqz_dataset_request *request, struct sqz_dataset *set,
                              struct sqz_error *err)
{
    if (!request->divide)
        return SQZ_OK;
    if (request->began && request->began->keys && !set->pack)
        return sqz_dataset_divide_as(set, request->began, request->held_out, err);
    return sqz_dataset_divide(set, request->seed, request->held_out, err);
}

enum sqz_status sqz_dataset_open(const struct sqz_dataset_request *request,
                                 struct sqz_dataset **out, struct sqz_error *err)
{
    struct sqz_dataset *set = sqz_new_array(1, sizeof *set);
    const char *kind = request->kind;
    struct sqz_dataset_layout layout;
    enum sqz_status status = SQZ_OK;
    if (!set || !(set->name = sqz_copy_string(request->dir))) {
        status = sqz_fail_memory(err, "a dataset", sizeof *set);
        goto done;
    }
    if (!kind) {
        if ((status = sqz_dataset_layout(request->dir, &layout, err)))
            goto done;
        kind = layout.kind;
    }
    if ((status = open_kind(kind, request, set, err)))
        goto done;
    if (request->every_class && set->count && !set->pixels &&
        (status = refuse_empty_class(set, err)))
        goto done;
    size_t whole = set->count;
    if ((status = divide(request, set, err)))
        goto done;
    if (set->count == 0 && whole > 0) {
        status = sqz_fail(err, SQZ_E_DATA,
                          "\"%s\" has one image a class, so that none can be held out to validate "
                          "on: add images, or give directories with --train_split and --val_split.",
                          set->name);
        goto done;
    }
    if (set->count == 0 || set->count > INT_MAX) {
        status = sqz_fail(err, SQZ_E_DATA, "\"%s\" holds %s.", set->name,
                          set->count ? "more than 2,147,483,647 images" : "no images");
        goto done;
    }
    set->fingerprint = fingerprint(set);
    *out = set;
    set = NULL;
done:
    sqz_dataset_free(set);
    return status;
}

enum sqz_status sqz_dataset_has_split(const char *dir, const char *split, bool *out,
                                      struct sqz_error *err)
{
    bool is_pack;
    enum sqz_path_kind kind;
    enum sqz_status status = sqz_pack_detect(dir, &is_pack, err);
    *out = false;
    if (!status && is_pack)
        return sqz_pack_has_split(dir, split, out, err);
    if (!status)
        status = sqz_path_look_in(dir, split, &kind, err);
    if (!status)
        *out = kind == SQZ_PATH_DIR;
    return status;
}

static enum sqz_status read_packed(const struct sqz_dataset *set, const struct sqz_sample *sample,
                                   struct sqz_bytes *bytes, struct sqz_image *view,
                                   struct sqz_source *out, struct sqz_error *err)
{
    const struct sqz_pack_entry *entry = sqz_pack_entry_of(set->pack, sample->offset);
    enum sqz_status status = sqz_pack_read(set->pack, sample->offset, bytes, err);
    if (status)
        return status;
    if (!sqz_pack_is_intact(set->pack, sample->offset, bytes->data))
        return sqz_fail(err, SQZ_E_DATA, "%s is damaged: its checksum is wrong.", sample->path);
    out->name = sample->path;
    out->data = bytes->data;
    out->size = entry->size;
    out->slack = SQZ_IMAGE_SLACK;
    if (entry->channels > 0) {
        *view = (struct sqz_image){
            .w = entry->w, .h = entry->h, .c = entry->channels, .pixels = bytes->data};
        out->image = view;
    }
    return SQZ_OK;
}

enum sqz_status sqz_dataset_read(const struct sqz_dataset *set, size_t index,
                                 struct sqz_bytes *bytes, struct sqz_image *view,
                                 struct sqz_source *out, struct sqz_error *err)
{
    const struct sqz_sample *sample = &set->samples[index];
    memset(out, 0, sizeof *out);
    if (sample->removed)
        return sqz_fail(err, SQZ_E_DATA, "An image of \"%s\" is gone since the run began.",
                        set->name);
    if (set->pack)
        return read_packed(set, sample, bytes, view, out, err);
    if (!sample->path) {
        *view = (struct sqz_image){
            .w = set->w, .h = set->h, .c = set->c, .pixels = set->pixels + sample->offset};
        out->image = view;
        out->name = set->name;
        return SQZ_OK;
    }
    sqz_bytes_release(bytes);
    enum sqz_status status = sqz_file_read(sample->path, FILE_LIMIT, bytes, err);
    if (status)
        return status;
    out->data = bytes->data;
    out->size = bytes->size;
    out->name = sample->path;
    return SQZ_OK;
}

enum sqz_status sqz_dataset_peek(const struct sqz_dataset *set, size_t index, int *w, int *h,
                                 struct sqz_error *err)
{
    enum { HEAD = 1 << 16 };
    const struct sqz_sample *sample = &set->samples[index];
    struct sqz_image_header header = {.w = set->w, .h = set->h};
    uint8_t *head = NULL;
    size_t got = 0;
    enum sqz_status status = SQZ_OK;
    if (sample->removed) {
        status = sqz_fail(err, SQZ_E_DATA, "An image is gone since the run began.");
    } else if (set->pack) {
        const struct sqz_pack_entry *entry = sqz_pack_entry_of(set->pack, sample->offset);
        header.w = entry->w;
        header.h = entry->h;
    } else if (sample->path) {
        if (!(head = sqz_new_array(HEAD, 1)))
            return sqz_fail_memory(err, "an image header", HEAD);
        status = sqz_file_read_head(sample->path, head, HEAD, &got, err);
        if (!status)
            status = sqz_image_probe(head, got, &header, err);
    }
    sqz_free(head);
    *w = header.w;
    *h = header.h;
    return status;
}
