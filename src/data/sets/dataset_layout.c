// Finds out how a dataset's directory is laid out.
#include "base/memory.h"
#include "data/sets/pack.h"
#include "data/sets/sets.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

// A split holds class directories. A directory of that name with images in it is a class ("train").
static enum sqz_status add_split(const char *dir, const char *name, bool is_train,
                                 struct sqz_splits *out, struct sqz_error *err)
{
    struct sqz_split_name *split = &out->list[out->count];
    bool there = false;
    if (out->count == SQZ_MOST_SPLITS || strlen(name) >= sizeof split->name)
        return SQZ_OK;
    char *path = sqz_path_join(dir, name);
    enum sqz_status status = path ? sqz_has_class_dirs(path, &there, err)
                                  : sqz_fail_memory(err, "a path", strlen(dir) + strlen(name));
    sqz_free(path);
    if (there) {
        snprintf(split->name, sizeof split->name, "%s", name);
        split->is_train = is_train;
        out->count++;
    }
    return status;
}

enum sqz_status sqz_find_splits(const char *dir, struct sqz_splits *out, struct sqz_error *err)
{
    static const struct sqz_split_name usual[] = {
        {"train", true},  {"training", true},    {"val", false},    {"test", false},
        {"valid", false}, {"validation", false}, {"testing", false}};
    enum { USUAL = sizeof usual / sizeof *usual };
    struct sqz_dir entries = {0};
    enum sqz_status status = SQZ_OK;
    memset(out, 0, sizeof *out);
    for (int i = 0; !status && i < USUAL; i++)
        status = add_split(dir, usual[i].name, usual[i].is_train, out, err);
    if (!status)
        status = sqz_dir_read(dir, &entries, err);
    // Then those that only differ in case ("Train"), which come after the others.
    for (int i = 0; i < USUAL; i++)
        for (size_t k = 0; !status && k < entries.count; k++) {
            const char *name = entries.entries[k].name;
            if (!strcasecmp(name, usual[i].name) && strcmp(name, usual[i].name))
                status = add_split(dir, name, usual[i].is_train, out, err);
        }
    sqz_dir_release(&entries);
    return status;
}

static void set_layout(struct sqz_dataset_layout *out, const char *kind, bool train, bool test)
{
    out->kind = kind;
    out->has_splits = true;
    snprintf(out->train, sizeof out->train, "%s", train ? "train" : "");
    snprintf(out->val, sizeof out->val, "%s", test ? "test" : "");
}

static enum sqz_status find_cifar(const char *dir, bool hundred, struct sqz_dataset_layout *out,
                                  struct sqz_error *err)
{
    bool train = false, test = false;
    char *found = NULL;
    enum sqz_status status = sqz_cifar_dir(dir, hundred, &found, err);
    if (!status)
        status = sqz_cifar_find(found, hundred, &train, &test, err);
    sqz_free(found);
    // CIFAR-100's names are plain words: one of them alone says nothing.
    if (!status && (hundred ? train && test : train || test))
        set_layout(out, hundred ? "cifar100" : "cifar10", train, test);
    return status;
}

static enum sqz_status find_arrays(const char *dir, struct sqz_dataset_layout *out,
                                   struct sqz_error *err)
{
    bool train, test;
    enum sqz_status status = sqz_idx_find(dir, &train, &test, err);
    if (!status && (train || test))
        set_layout(out, "mnist", train, test);
    for (int hundred = 0; !status && !out->kind && hundred < 2; hundred++)
        status = find_cifar(dir, hundred, out, err);
    return status;
}

static enum sqz_status find_class_dirs(const char *dir, struct sqz_dataset_layout *out,
                                       struct sqz_error *err)
{
    struct sqz_splits splits;
    enum sqz_status status = sqz_find_splits(dir, &splits, err);
    for (int i = splits.count - 1; i >= 0; i--) // the first ones stay
        snprintf(splits.list[i].is_train ? out->train : out->val, sizeof out->train, "%s",
                 splits.list[i].name);
    out->kind = "imagenet";
    out->has_splits = *out->train || *out->val;
    bool any = out->has_splits;
    if (!status && !any)
        status = sqz_has_class_dirs(dir, &any, err);
    if (status || any)
        return status;
    struct sqz_file_list list = {0};
    status = sqz_file_list_read(dir, &list, NULL, NULL, err); // explains what is wrong
    sqz_file_list_release(&list);
    return status;
}

enum sqz_status sqz_dataset_layout(const char *dir, struct sqz_dataset_layout *out,
                                   struct sqz_error *err)
{
    bool is_pack;
    memset(out, 0, sizeof *out);
    enum sqz_status status = sqz_pack_detect(dir, &is_pack, err);
    if (!status && is_pack)
        return sqz_pack_layout(dir, out, err);
    if (!status)
        status = sqz_need_dir(dir, err);
    if (!status)
        status = find_arrays(dir, out, err);
    if (!status && !out->kind)
        status = find_class_dirs(dir, out, err);
    return status;
}
