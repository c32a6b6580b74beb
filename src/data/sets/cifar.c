// CIFAR-10 and CIFAR-100 in their "binary version".
#include "base/memory.h"
#include "data/sets/sets.h"
#include <stdio.h>
#include <string.h>

#define SIDE         32
#define PLANE        ((size_t)SIDE * SIDE)
#define FILE_LIMIT   ((size_t)1 << 30)
#define MOST_BATCHES 99

static const char *const names10[10] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                        "dog",      "frog",       "horse", "ship", "truck"};

static enum sqz_status has_file(const char *dir, const char *name, bool *out, struct sqz_error *err)
{
    enum sqz_path_kind kind;
    enum sqz_status status = sqz_path_look_in(dir, name, &kind, err);
    *out = !status && kind != SQZ_PATH_MISSING;
    return status;
}

enum sqz_status sqz_cifar_find(const char *dir, bool hundred, bool *train, bool *test,
                               struct sqz_error *err)
{
    *test = false;
    enum sqz_status status = has_file(dir, hundred ? "train.bin" : "data_batch_1.bin", train, err);
    return status ? status : has_file(dir, hundred ? "test.bin" : "test_batch.bin", test, err);
}

enum sqz_status sqz_cifar_dir(const char *dir, bool hundred, char **out, struct sqz_error *err)
{
    const char *name = hundred ? "cifar-100-binary" : "cifar-10-batches-bin";
    bool train, test;
    enum sqz_path_kind below = SQZ_PATH_MISSING;
    *out = NULL;
    enum sqz_status status = sqz_cifar_find(dir, hundred, &train, &test, err);
    if (!status && !train && !test)
        status = sqz_path_look_in(dir, name, &below, err);
    if (status)
        return status;
    *out = below == SQZ_PATH_DIR ? sqz_path_join(dir, name) : sqz_copy_string(dir);
    return *out ? SQZ_OK : sqz_fail_memory(err, "a path", strlen(dir) + strlen(name));
}

static enum sqz_status add_records(const char *path, const struct sqz_bytes *bytes, bool hundred,
                                   struct sqz_dataset *set, struct sqz_error *err)
{
    size_t label_bytes = hundred ? 2 : 1, record = label_bytes + 3 * PLANE;
    size_t count = bytes->size / record, old = set->count * 3 * PLANE;
    int n_classes = hundred ? 100 : 10;
    if (bytes->size == 0 || bytes->size % record)
        return sqz_fail(
            err, SQZ_E_DATA,
            "\"%s\" is no CIFAR-%d file: its %zu bytes are not records of %zu bytes (cut short?).",
            path, n_classes, bytes->size, record);
    uint8_t *labels = sqz_new_array(count, 1);
    uint8_t *grown = labels ? sqz_grow_array(set->pixels, old, old + count * 3 * PLANE, 1) : NULL;
    if (!grown) {
        sqz_free(labels);
        return sqz_fail_memory(err, "images", old + count * 3 * PLANE);
    }
    set->pixels = grown;
    enum sqz_status status = SQZ_OK;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *in = bytes->data + i * record + label_bytes;
        uint8_t *out = grown + old + i * 3 * PLANE;
        labels[i] = in[-1]; // CIFAR-100: the fine label follows the coarse one
        if (labels[i] >= n_classes) {
            status = sqz_fail(err, SQZ_E_DATA,
                              "\"%s\" gives record %zu the label %d; 0 to %d are possible.", path,
                              i, labels[i], n_classes - 1);
            break;
        }
        for (size_t p = 0; p < PLANE; p++)
            for (size_t c = 0; c < 3; c++)
                out[3 * p + c] = in[c * PLANE + p];
    }
    set->w = set->h = SIDE;
    set->c = 3;
    if (!status)
        status = sqz_dataset_add_labels(set, labels, count, err);
    sqz_free(labels);
    return status;
}

static enum sqz_status read_records(const char *dir, const char *name, bool hundred,
                                    struct sqz_dataset *set, struct sqz_error *err)
{
    struct sqz_bytes bytes = {0};
    char *path = sqz_path_join(dir, name);
    if (!path)
        return sqz_fail_memory(err, "a path", strlen(dir) + strlen(name));
    enum sqz_status status = sqz_file_read(path, FILE_LIMIT, &bytes, err);
    if (!status)
        status = add_records(path, &bytes, hundred, set, err);
    sqz_bytes_release(&bytes);
    sqz_free(path);
    return status;
}

// data_batch_1.bin, data_batch_2.bin, ... without a gap: a lost file must not pass for a smaller
// set.
static enum sqz_status read_batches(const char *dir, struct sqz_dataset *set, struct sqz_error *err)
{
    char name[32];
    int last = 1;
    enum sqz_status status = SQZ_OK;
    for (int i = 2; !status && i <= MOST_BATCHES; i++) {
        bool there;
        snprintf(name, sizeof name, "data_batch_%d.bin", i);
        status = has_file(dir, name, &there, err);
        if (there)
            last = i;
    }
    for (int i = 1; !status && i <= last; i++) {
        snprintf(name, sizeof name, "data_batch_%d.bin", i);
        status = read_records(dir, name, false, set, err);
    }
    return status;
}

// One name a line; anything but n such lines is no list of names, and the usual names stay.
static enum sqz_status read_names(const char *dir, const char *file, int n, struct sqz_dataset *set,
                                  bool *found, struct sqz_error *err)
{
    struct sqz_bytes bytes = {0};
    const char *names[100];
    int count = 0;
    char *path = NULL, *text = NULL;
    enum sqz_status status = has_file(dir, file, found, err);
    if (status || !*found)
        return status;
    *found = false;
    if (!(path = sqz_path_join(dir, file))) {
        status = sqz_fail_memory(err, "a path", strlen(dir) + strlen(file));
        goto done;
    }
    status = sqz_file_read(path, 1 << 16, &bytes, err);
    if (status == SQZ_E_DATA) // no regular file, or too large for names
        status = SQZ_OK;
    else if (!status && !(text = sqz_copy_string_n((const char *)bytes.data, bytes.size)))
        status = sqz_fail_memory(err, "class names", bytes.size);
    if (status || !text)
        goto done;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\r\n"));)
        if (*line && count <= n && count++ < n)
            names[count - 1] = line;
    *found = count == n;
    if (*found)
        status = sqz_dataset_name_classes(set, names, n, err);
done:
    sqz_bytes_release(&bytes);
    sqz_free(text);
    sqz_free(path);
    return status;
}

static enum sqz_status name_hundred(struct sqz_dataset *set, struct sqz_error *err)
{
    char text[100][4];
    const char *names[100];
    for (int i = 0; i < 100; i++) {
        snprintf(text[i], sizeof text[i], "%d", i);
        names[i] = text[i];
    }
    return sqz_dataset_name_classes(set, names, 100, err);
}

enum sqz_status sqz_cifar_open(const char *dir, bool hundred, const char *usage,
                               struct sqz_dataset *set, struct sqz_error *err)
{
    bool train, test, named;
    enum sqz_status status = sqz_parse_usage(dir, usage, &train, &test, err);
    if (!status && train)
        status =
            hundred ? read_records(dir, "train.bin", true, set, err) : read_batches(dir, set, err);
    if (!status && test)
        status = read_records(dir, hundred ? "test.bin" : "test_batch.bin", hundred, set, err);
    if (!status)
        status = read_names(dir, hundred ? "fine_label_names.txt" : "batches.meta.txt",
                            hundred ? 100 : 10, set, &named, err);
    if (!status && !named)
        status = hundred ? name_hundred(set, err) : sqz_dataset_name_classes(set, names10, 10, err);
    return status;
}
