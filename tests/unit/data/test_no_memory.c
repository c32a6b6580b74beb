// Fails every allocation and every opendir of the data code once: what then comes out is the same
// result or an error of the right kind, never a smaller dataset. Linked with --wrap.
#include "dataset_files.h"

#include "data/loader/loader.h"
#include "data/sets/pack.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
DIR *__real_opendir(const char *path);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);
DIR *__wrap_opendir(const char *path);

static atomic_long countdown; // the call that reaches 0 fails; below: none does
static atomic_int dir_failed; // the call that failed was an opendir

static bool fails(void)
{
    return atomic_fetch_sub(&countdown, 1) == 1;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

DIR *__wrap_opendir(const char *path)
{
    if (!fails())
        return __real_opendir(path);
    dir_failed = 1;
    errno = EMFILE;
    return NULL;
}

// What came of one try, as a text to compare.
struct outcome {
    enum sqz_status status;
    struct sqz_error error;
    char text[256];
};
typedef void (*operation_fn)(struct outcome *out);

// Repeats an operation, with its first, second, ... allocation failing, until none is left to fail.
static void fail_each(operation_fn run, int least)
{
    struct outcome good = {0};
    countdown = 0;
    run(&good);
    if (good.status)
        fail_msg("%s", good.error.text);
    for (int n = 1;; n++) {
        struct outcome out = {0};
        dir_failed = 0;
        countdown = n;
        run(&out);
        bool reached = countdown <= 0;
        countdown = 0;
        if (!reached) {
            assert_in_range(n, least, 100000); // so many calls were failed
            return;
        }
        if (out.status && out.status != (dir_failed ? SQZ_E_IO : SQZ_E_NOMEM))
            fail_msg("call %d: status %d, %s", n, (int)out.status, out.error.text);
        if (!out.status && strcmp(out.text, good.text))
            fail_msg("call %d: \"%s\" for \"%s\"", n, out.text, good.text);
    }
}

static const char *dir; // of the operation

static void find_layout(struct outcome *out)
{
    struct sqz_dataset_layout layout;
    out->status = sqz_dataset_layout(dir, &layout, &out->error);
    if (!out->status)
        snprintf(out->text, sizeof out->text, "%s %s %s", layout.kind, layout.train, layout.val);
}

static void open_split(struct outcome *out)
{
    bool has = false;
    struct sqz_dataset *set = NULL;
    struct sqz_dataset_request request = {
        .dir = dir, .split = "train", .check_headers = true, .threads = 1};
    out->status = sqz_dataset_has_split(dir, "train", &has, &out->error);
    if (!out->status)
        out->status = sqz_dataset_open(&request, &set, &out->error);
    if (!out->status)
        snprintf(out->text, sizeof out->text, "%d %zu %d %s %zu %llx", has, set->count,
                 set->n_classes, set->classes[0], set->skipped, (long long)set->fingerprint);
    sqz_dataset_free(set);
}

static void pack_all(struct outcome *out)
{
    struct sqz_data_pack_options how = {.shorter = 8, .overwrite = SQZ_REPLACE_EXISTING};
    struct sqz_data_pack_result report;
    out->status =
        sqz_data_pack(dir, in_scratch("out.pack"), &how, 1, NULL, NULL, &report, &out->error);
    if (!out->status)
        snprintf(out->text, sizeof out->text, "%zu %zu %zu %zu", report.images, report.shrunk,
                 report.skipped, (size_t)report.bytes);
}

static void check_all(struct outcome *out)
{
    struct sqz_data_check_result report;
    out->status = sqz_data_check(dir, 1, NULL, NULL, &report, &out->error);
    if (!out->status) {
        snprintf(out->text, sizeof out->text, "%zu %zu %zu %zu %d", report.images, report.corrupt,
                 report.not_images, report.empty_classes, report.n_classes);
        sqz_data_check_result_release(&report);
    }
}

// A damaged image is skipped, a good one for want of memory is not.
static struct sqz_dataset *opened;

static void load_epoch(struct outcome *out)
{
    struct sqz_loader *loader = NULL;
    struct sqz_loader_config config = {
        .dataset = opened, .batch = 3, .workers = 1, .on_bad = SQZ_BAD_SKIP};
    config.preprocess =
        (struct sqz_preprocess){.image_size = 8, .resize = 8, .channels = 3, .std = {1, 1, 1}};
    struct sqz_batch batch = {0};
    out->status = sqz_loader_new(&config, &loader, &out->error);
    if (!out->status)
        out->status = sqz_loader_start(loader, 0, 0, &out->error);
    while (!out->status && !(out->status = sqz_loader_next(loader, &batch, &out->error)) && batch.n)
        for (int i = 0; i < batch.n; i++)
            snprintf(out->text + strlen(out->text), sizeof out->text - strlen(out->text), " %zu %g",
                     batch.samples[i], (double)batch.images[i * 8 * 8 * 3]);
    sqz_loader_free(loader);
}

static void write_image(struct outcome *out)
{
    struct sqz_image image = {0};
    out->status = sqz_image_resize_buffer(&image, 9, 5, 3, &out->error);
    if (!out->status) {
        memset(image.pixels, 7, 9 * 5 * 3);
        out->status = sqz_image_write_png(in_scratch("written.png"), &image, &out->error);
    }
    sqz_image_release(&image);
}

static void make_splits(void)
{
    static const char *const splits[] = {"train", "val"};
    for (int s = 0; s < 2; s++)
        for (int i = 0; i < 2; i++) {
            make_png(in_scratch("set/%s/a/%d.png", splits[s], i), 9, 12 + i, 40);
            make_png(in_scratch("set/%s/b/%d.png", splits[s], i), 12, 9 + i, 90);
        }
    dir = in_scratch("set");
}

static void class_dirs(void **state)
{
    (void)state;
    make_splits();
    fail_each(find_layout, 10);
    fail_each(open_split, 20);
    fail_each(check_all, 20);
}

static void packing(void **state)
{
    (void)state;
    make_splits();
    fail_each(pack_all, 50);
    dir = in_scratch("out.pack");
    fail_each(find_layout, 3);
    fail_each(open_split, 8);
    fail_each(check_all, 8);
}

static void skipping(void **state)
{
    (void)state;
    make_splits();
    make_cut_png(in_scratch("set/train/a/1.png"), 20, 24);
    struct sqz_dataset_request request = {.dir = in_scratch("set"), .split = "train"};
    opened = open_or_fail(&request);
    fail_each(load_epoch, 20);
    sqz_dataset_free(opened);
}

static void encoding(void **state)
{
    (void)state;
    fail_each(write_image, 5);
}

// A link that leads to itself is no missing split.
static void circular_link(void **state)
{
    (void)state;
    make_png(in_scratch("link/train/a/1.png"), 9, 9, 1);
    make_png(in_scratch("link/train/b/1.png"), 9, 9, 1);
    assert_int_equal(symlink("val", in_scratch("link/val")), 0);
    struct sqz_dataset_layout layout;
    struct sqz_error err = {0};
    bool has;
    assert_int_equal(sqz_dataset_layout(in_scratch("link"), &layout, &err), SQZ_E_IO);
    assert_non_null(strstr(err.text, "link/val"));
    assert_int_equal(sqz_dataset_has_split(in_scratch("link"), "val", &has, &err), SQZ_E_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(class_dirs), cmocka_unit_test(packing),       cmocka_unit_test(skipping),
        cmocka_unit_test(encoding),   cmocka_unit_test(circular_link),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
