// `data check` of a packed dataset: every image's checksum, and whether it decodes.
#include "base/memory.h"
#include "base/threads.h"
#include "data/sets/pack.h"
#include "data/sets/sets.h"

#include <string.h>

#define ROUND 256 // images between two reports

struct checker {
    struct sqz_bytes bytes;
    struct sqz_image image;
};
struct check {
    const struct sqz_dataset *set;
    struct checker *checkers; // one a worker
    size_t first;
    struct sqz_error problems[ROUND];
};

static void check_one(void *arg, int task, int worker)
{
    struct check *check = arg;
    struct checker *checker = &check->checkers[worker];
    struct sqz_error *problem = &check->problems[task];
    const struct sqz_sample *sample = &check->set->samples[check->first + (size_t)task];
    const struct sqz_pack_entry *entry = sqz_pack_entry_of(check->set->pack, sample->offset);
    struct sqz_decode how = {.channels = 3, .verify = true};
    *problem = (struct sqz_error){0};
    if (sqz_pack_read(check->set->pack, sample->offset, &checker->bytes, problem))
        return;
    if (!sqz_pack_is_intact(check->set->pack, sample->offset, checker->bytes.data))
        sqz_fail(problem, SQZ_E_DATA, "has a wrong checksum");
    else if (entry->channels == 0)
        sqz_image_decode(checker->bytes.data, entry->size, "It", &how, &checker->image, problem);
}

// The place of a split's class among those of all splits so far; -1: out of memory.
static int find_class(struct sqz_data_check_result *report, const char *name)
{
    for (int i = 0; i < report->n_classes; i++)
        if (strcmp(report->classes[i], name) == 0)
            return i;
    size_t n = (size_t)report->n_classes;
    char **classes = sqz_grow_array(report->classes, n, n + 1, sizeof *classes);
    if (classes)
        report->classes = classes;
    size_t *histogram =
        classes ? sqz_grow_array(report->histogram, n, n + 1, sizeof *histogram) : NULL;
    if (!histogram)
        return -1;
    report->histogram = histogram;
    classes[n] = sqz_copy_string(name);
    return classes[n] ? report->n_classes++ : -1;
}

static enum sqz_status count_split(const struct sqz_dataset *set,
                                   struct sqz_data_check_result *report, struct sqz_error *err)
{
    int *places = sqz_new_array((size_t)set->n_classes, sizeof *places);
    bool whole = places != NULL;
    for (int i = 0; whole && i < set->n_classes; i++)
        whole = (places[i] = find_class(report, set->classes[i])) >= 0;
    for (size_t i = 0; whole && i < set->count; i++)
        report->histogram[places[set->samples[i].label]]++;
    sqz_free(places);
    report->images += set->count;
    return whole ? SQZ_OK : sqz_fail_memory(err, "the histogram", 0);
}

static enum sqz_status check_split(struct check *check, struct sqz_pool *pool,
                                   sqz_data_problem_fn problem, void *arg,
                                   struct sqz_data_check_result *report, struct sqz_error *err)
{
    const struct sqz_dataset *set = check->set;
    for (check->first = 0; check->first < set->count; check->first += ROUND) {
        size_t left = set->count - check->first;
        int n = left < ROUND ? (int)left : ROUND;
        sqz_pool_run(pool, n, check_one, check);
        for (int i = 0; i < n; i++) {
            const struct sqz_error *found = &check->problems[i];
            if (!found->status)
                continue;
            if (found->status != SQZ_E_DATA)
                return sqz_fail(err, found->status, "%s", found->text);
            report->corrupt++;
            report->images--;
            if (problem)
                problem(arg, set->samples[check->first + (size_t)i].path, found->text);
        }
    }
    return SQZ_OK;
}

enum sqz_status sqz_pack_check(const char *path, struct sqz_pool *pool, sqz_data_problem_fn problem,
                               void *arg, struct sqz_data_check_result *report,
                               struct sqz_error *err)
{
    struct sqz_dataset_layout layout;
    size_t workers = (size_t)sqz_pool_size(pool);
    enum sqz_status status = sqz_dataset_layout(path, &layout, err);
    if (status)
        return status;
    struct check *check = sqz_new_array(1, sizeof *check);
    struct checker *checkers = sqz_new_array(workers, sizeof *checkers);
    if (!check || !checkers)
        status = sqz_fail_memory(err, "the check", sizeof *check);
    const char *const splits[] = {layout.train, layout.val};
    for (int i = 0; !status && i < 2; i++) {
        struct sqz_dataset *set = NULL;
        struct sqz_dataset_request request = {.kind = "", .dir = path, .split = splits[i]};
        if (layout.has_splits ? !*splits[i] : i > 0)
            continue;
        status = sqz_dataset_open(&request, &set, err);
        check->set = set;
        check->checkers = checkers;
        if (!status)
            status = count_split(set, report, err);
        if (!status)
            status = check_split(check, pool, problem, arg, report, err);
        sqz_dataset_free(set);
    }
    for (size_t i = 0; checkers && i < workers; i++) {
        sqz_bytes_release(&checkers[i].bytes);
        sqz_image_release(&checkers[i].image);
    }
    sqz_free(checkers);
    sqz_free(check);
    return status;
}
