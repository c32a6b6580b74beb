// Finds out how a data set's directory is laid out.
#include "base/memory.h"
#include "data/pack.h"
#include "data/sets.h"
#include <stdio.h>
#include <string.h>

static bool split_is_there(const char *dir, const char *name)
{
    char *path = sqz_path_join(dir, name);
    // A split holds class directories. A directory of that name with images in it is a class
    // ("train").
    bool there = path && sqz_has_class_dirs(path);
    sqz_free(path);
    return there;
}

static void set_layout(struct sqz_dataset_layout *out, const char *kind, bool train, bool test)
{
    out->kind = kind;
    out->has_splits = true;
    snprintf(out->train, sizeof out->train, "%s", train ? "train" : "");
    snprintf(out->val, sizeof out->val, "%s", test ? "test" : "");
}

static bool find_cifar(const char *dir, bool hundred, struct sqz_dataset_layout *out)
{
    bool train = false, test = false;
    char *found = sqz_cifar_dir(dir, hundred);
    if (found)
        sqz_cifar_find(found, hundred, &train, &test);
    sqz_free(found);
    // CIFAR-100's names are plain words: one of them alone says nothing.
    if (hundred ? !(train && test) : !(train || test))
        return false;
    set_layout(out, hundred ? "cifar100" : "cifar10", train, test);
    return true;
}

enum sqz_status sqz_dataset_layout(const char *dir, struct sqz_dataset_layout *out,
                                   struct sqz_error *err)
{
    static const char *const validation[] = {"val", "test", "valid", "validation"};
    bool train, test;
    if (sqz_pack_is(dir))
        return sqz_pack_layout(dir, out, err);
    enum sqz_status status = sqz_need_dir(dir, err);
    if (status)
        return status;
    memset(out, 0, sizeof *out);
    sqz_idx_find(dir, &train, &test);
    if (train || test) {
        set_layout(out, "mnist", train, test);
        return SQZ_OK;
    }
    if (find_cifar(dir, false, out) || find_cifar(dir, true, out))
        return SQZ_OK;
    out->kind = "imagenet";
    if (split_is_there(dir, "train"))
        snprintf(out->train, sizeof out->train, "train");
    for (size_t i = 0; !*out->val && i < sizeof validation / sizeof *validation; i++)
        if (split_is_there(dir, validation[i]))
            snprintf(out->val, sizeof out->val, "%s", validation[i]);
    out->has_splits = *out->train || *out->val;
    if (out->has_splits || sqz_has_class_dirs(dir))
        return SQZ_OK;
    struct sqz_file_list list = {0};
    status = sqz_file_list_read(dir, &list, NULL, NULL, err); // explains what is wrong
    sqz_file_list_release(&list);
    return status;
}
