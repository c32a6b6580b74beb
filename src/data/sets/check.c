// `data check`: decodes every image of a dataset and tells what is wrong with it.
#include "base/memory.h"
#include "base/threads.h"
#include "data/sets/pack.h"
#include "data/sets/sets.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_LIMIT   ((size_t)1 << 30)
#define TINY         32          // pixels; SqueezeNet's first layers leave nothing to see of less
#define ROUND        256         // images decoded between two reports
#define NOT_AN_IMAGE SQZ_E_USAGE // a finding's status, told apart from SQZ_E_DATA: a damaged image

struct finding {
    enum sqz_status status;
    struct sqz_error error;
    int w, h;
};

struct check_worker {
    struct sqz_bytes bytes;
    struct sqz_image image;
};

struct split {
    char *dir;
    bool is_train;
    struct sqz_file_list list;
    size_t *good; // decodable images of each of its classes
};

struct check {
    struct sqz_data_check_result *report;
    sqz_data_problem_fn problem;
    void *arg;
    struct sqz_pool *pool;
    int threads;
    struct check_worker *workers;
    struct finding *findings; // ROUND
    struct split splits[SQZ_MOST_SPLITS], *current;
    int n_splits;
    size_t first; // of the current round
    // The first file that the disk did not give: nobody knows what it holds.
    struct sqz_error unread;
};

void sqz_data_check_result_release(struct sqz_data_check_result *report)
{
    for (int i = 0; i < report->n_classes; i++)
        sqz_free(report->classes[i]);
    sqz_free(report->classes);
    sqz_free(report->histogram);
    memset(report, 0, sizeof *report);
}

static void tell(const struct check *check, const char *path, const char *problem)
{
    if (check->problem)
        check->problem(check->arg, path, problem);
}

// Directories inside class directories, found while listing.
static void tell_listing(void *arg, const char *path, const char *problem)
{
    struct check *check = arg;
    check->report->not_images++;
    tell(check, path, problem);
}

// "PATH is cut short." becomes "is cut short": the path is told beside it.
static void strip_path(char *text, const char *path)
{
    size_t length = strlen(path), size = strlen(text);
    if (strncmp(text, path, length) || text[length] != ' ')
        return;
    if (text[size - 1] == '.')
        text[--size] = 0;
    memmove(text, text + length + 1, size - length);
}

static void decode_file(const char *path, struct check_worker *worker, struct finding *finding)
{
    const struct sqz_decode how = {.channels = 3};
    sqz_bytes_release(&worker->bytes);
    finding->status = sqz_file_read(path, FILE_LIMIT, &worker->bytes, &finding->error);
    if (finding->status)
        return;
    const uint8_t *data = worker->bytes.data;
    size_t size = worker->bytes.size;
    finding->status = sqz_image_decode(data, size, path, &how, &worker->image, &finding->error);
    finding->w = worker->image.w;
    finding->h = worker->image.h;
    strip_path(finding->error.text, path);
    if (finding->status == SQZ_E_DATA && !sqz_image_is_known(data, size))
        finding->status = NOT_AN_IMAGE;
}

static void decode_task(void *arg, int task, int thread)
{
    struct check *check = arg;
    const struct sqz_listed_file *file = &check->current->list.files[check->first + (size_t)task];
    struct finding *finding = &check->findings[task];
    memset(finding, 0, sizeof *finding);
    if (file->problem) {
        finding->status = sqz_fail(&finding->error, NOT_AN_IMAGE, "%s", file->problem);
        return;
    }
    char *path = sqz_path_join(check->current->dir, file->name);
    if (path)
        decode_file(path, &check->workers[thread], finding);
    else
        finding->status = sqz_fail_memory(&finding->error, "a path", strlen(file->name));
    sqz_free(path);
}

static enum sqz_status report_finding(struct check *check, const struct sqz_listed_file *file,
                                      const struct finding *finding, struct sqz_error *err)
{
    struct sqz_data_check_result *report = check->report;
    char text[128];
    if (finding->status == SQZ_E_NOMEM)
        return sqz_fail(err, SQZ_E_NOMEM, "%s", finding->error.text);
    char *path = sqz_path_join(check->current->dir, file->name);
    if (!path)
        return sqz_fail_memory(err, "a path", strlen(file->name));
    if (finding->status == SQZ_E_IO) {
        if (!check->unread.status)
            check->unread = finding->error;
        tell(check, path, finding->error.text);
    } else if (finding->status) {
        *(finding->status == NOT_AN_IMAGE ? &report->not_images : &report->corrupt) += 1;
        tell(check, path, finding->error.text);
    } else {
        report->images++;
        check->current->good[file->label]++;
        if (finding->w < TINY || finding->h < TINY) {
            report->tiny++;
            snprintf(text, sizeof text, "is tiny: %d x %d pixels", finding->w, finding->h);
            tell(check, path, text);
        }
    }
    sqz_free(path);
    return SQZ_OK;
}

static enum sqz_status tell_class(const struct check *check, const struct split *split, int label,
                                  const char *problem, struct sqz_error *err)
{
    const char *name = split->list.classes[label];
    char *path = sqz_path_join(split->dir, name);
    if (!path)
        return sqz_fail_memory(err, "a path", strlen(split->dir) + strlen(name));
    check->report->empty_classes++;
    tell(check, path, problem);
    sqz_free(path);
    return SQZ_OK;
}

static enum sqz_status check_split(struct check *check, struct split *split, struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    size_t count = split->list.count;
    split->good = sqz_new_array((size_t)split->list.n_classes, sizeof *split->good);
    if (!split->good)
        return sqz_fail_memory(err, "the histogram",
                               (size_t)split->list.n_classes * sizeof(size_t));
    check->current = split;
    for (check->first = 0; !status && check->first < count; check->first += ROUND) {
        int n = (int)(count - check->first < ROUND ? count - check->first : ROUND);
        sqz_pool_run(check->pool, n, decode_task, check);
        for (int i = 0; !status && i < n; i++)
            status = report_finding(check, &split->list.files[check->first + (size_t)i],
                                    &check->findings[i], err);
    }
    for (int i = 0; !status && i < split->list.n_classes; i++) {
        if (split->good[i])
            continue;
        status = tell_class(check, split, i, "is a class directory without an image", err);
    }
    return status;
}

static int find_name(char *const *names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// The classes of all splits, and the images of each.
static enum sqz_status make_histogram(struct check *check, struct sqz_error *err)
{
    struct sqz_data_check_result *report = check->report;
    size_t most = 0;
    for (int s = 0; s < check->n_splits; s++)
        most += (size_t)check->splits[s].list.n_classes;
    report->classes = sqz_new_array(most, sizeof *report->classes);
    report->histogram = sqz_new_array(most, sizeof *report->histogram);
    bool whole = report->classes && report->histogram;
    for (int s = 0; s < check->n_splits; s++) {
        const struct sqz_file_list *list = &check->splits[s].list;
        for (int i = 0; whole && i < list->n_classes; i++) {
            if (find_name(report->classes, report->n_classes, list->classes[i]) >= 0)
                continue;
            char *name = sqz_copy_string(list->classes[i]);
            whole = name != NULL;
            if (whole)
                report->classes[report->n_classes++] = name;
        }
    }
    if (!whole)
        return sqz_fail_memory(err, "the histogram", most * sizeof *report->classes);
    qsort(report->classes, (size_t)report->n_classes, sizeof *report->classes, compare_names);
    for (int s = 0; s < check->n_splits; s++)
        for (int i = 0; i < check->splits[s].list.n_classes; i++)
            report->histogram[find_name(report->classes, report->n_classes,
                                        check->splits[s].list.classes[i])] +=
                check->splits[s].good[i];
    return SQZ_OK;
}

// Validation stops at a class that training never saw.
static enum sqz_status find_untrained(struct check *check, struct sqz_error *err)
{
    const struct split *train = &check->splits[0];
    enum sqz_status status = SQZ_OK;
    if (check->n_splits < 2 || !train->is_train)
        return SQZ_OK;
    for (int s = 1; !status && s < check->n_splits; s++) {
        const struct split *split = &check->splits[s];
        for (int i = 0; !status && i < split->list.n_classes; i++)
            if (find_name(train->list.classes, train->list.n_classes, split->list.classes[i]) < 0)
                status = tell_class(check, split, i, "is a class that train does not have", err);
    }
    return status;
}

static enum sqz_status add_split(struct check *check, const char *dir,
                                 const struct sqz_split_name *found, struct sqz_error *err)
{
    const char *name = found->name;
    struct split *split = &check->splits[check->n_splits];
    split->dir = *name ? sqz_path_join(dir, name) : sqz_copy_string(dir);
    split->is_train = found->is_train;
    if (!split->dir)
        return sqz_fail_memory(err, "a path", strlen(dir) + strlen(name));
    check->n_splits++;
    return sqz_file_list_read(split->dir, &split->list, tell_listing, check, err);
}

static enum sqz_status check_dirs(struct check *check, const char *dir, bool has_splits,
                                  struct sqz_error *err)
{
    struct sqz_splits splits = {.count = 1}; // without splits: the directory itself
    enum sqz_status status = has_splits ? sqz_find_splits(dir, &splits, err) : SQZ_OK;
    for (int i = 0; !status && i < splits.count; i++)
        status = add_split(check, dir, &splits.list[i], err);
    for (int s = 0; !status && s < check->n_splits; s++)
        status = check_split(check, &check->splits[s], err);
    if (!status && check->unread.status)
        status = sqz_fail(err, SQZ_E_IO, "%s", check->unread.text);
    if (!status)
        status = find_untrained(check, err);
    return status ? status : make_histogram(check, err);
}

// Files of an array of pixels have no images that could be damaged one by one: to open them is to
// check them.
static enum sqz_status check_arrays(struct check *check, const char *dir,
                                    const struct sqz_dataset_layout *layout, struct sqz_error *err)
{
    struct sqz_data_check_result *report = check->report;
    struct sqz_dataset *set = NULL;
    const char *usage = !*layout->val ? "train" : !*layout->train ? "test" : "all";
    struct sqz_dataset_request request = {
        .kind = layout->kind, .dir = dir, .split = usage, .threads = 1};
    enum sqz_status status = sqz_dataset_open(&request, &set, err);
    if (status)
        return status;
    report->histogram = sqz_new_array((size_t)set->n_classes, sizeof *report->histogram);
    if (!report->histogram) {
        sqz_dataset_free(set);
        return sqz_fail_memory(err, "the histogram",
                               (size_t)set->n_classes * sizeof *report->histogram);
    }
    report->images = set->count;
    for (size_t i = 0; i < set->count; i++)
        report->histogram[set->samples[i].label]++;
    report->classes = set->classes;
    report->n_classes = set->n_classes;
    set->classes = NULL;
    set->n_classes = 0;
    for (int i = 0; i < report->n_classes; i++) {
        if (report->histogram[i])
            continue;
        report->empty_classes++;
        tell(check, report->classes[i], "is a class without an image");
    }
    sqz_dataset_free(set);
    return SQZ_OK;
}

static void release(struct check *check)
{
    for (int s = 0; s < check->n_splits; s++) {
        sqz_free(check->splits[s].dir);
        sqz_file_list_release(&check->splits[s].list);
        sqz_free(check->splits[s].good);
    }
    for (int i = 0; check->workers && i < check->threads; i++) {
        sqz_bytes_release(&check->workers[i].bytes);
        sqz_image_release(&check->workers[i].image);
    }
    sqz_free(check->workers);
    sqz_free(check->findings);
    sqz_pool_free(check->pool);
}

enum sqz_status sqz_data_check(const char *dir, int threads, sqz_data_problem_fn problem, void *arg,
                               struct sqz_data_check_result *out, struct sqz_error *err)
{
    struct sqz_dataset_layout layout;
    struct sqz_data_check_result report = {0};
    struct check check = {
        .report = &report, .problem = problem, .arg = arg, .threads = threads < 1 ? 1 : threads};
    enum sqz_status status = sqz_dataset_layout(dir, &layout, err);
    if (!status)
        status = sqz_pool_new(check.threads, &check.pool, err);
    if (status)
        goto done;
    check.workers = sqz_new_array((size_t)check.threads, sizeof *check.workers);
    check.findings = sqz_new_array(ROUND, sizeof *check.findings);
    if (!check.workers || !check.findings)
        status = sqz_fail_memory(err, "the check", ROUND * sizeof *check.findings);
    else if (layout.is_pack)
        status = sqz_pack_check(dir, check.pool, problem, arg, &report, err);
    else if (strcmp(layout.kind, "imagenet"))
        status = check_arrays(&check, dir, &layout, err);
    else
        status = check_dirs(&check, dir, layout.has_splits, err);
done:
    release(&check);
    if (status)
        sqz_data_check_result_release(&report);
    else
        *out = report;
    return status;
}
