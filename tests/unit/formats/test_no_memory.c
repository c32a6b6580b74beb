// Fails every allocation of reading and saving weights once: what comes out is the same result or
// SQZ_E_NOMEM, and a file that was there is still whole. Linked with --wrap.
#include "sqz_files.h"

#include "compress/sha256.h"

#include <errno.h>
#include <stdatomic.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
int __real_posix_memalign(void **out, size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);
int __wrap_posix_memalign(void **out, size_t alignment, size_t size);

static atomic_long countdown; // the call that reaches 0 fails; below: none does
static bool lasting;          // and so does every later one

static bool fails(void)
{
    long left = atomic_fetch_sub(&countdown, 1);
    return left == 1 || (lasting && left < 1 && left > -1000000);
}

// Far below any count of calls: nothing fails.
static void stop_failing(void)
{
    countdown = -1000000000;
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

int __wrap_posix_memalign(void **out, size_t alignment, size_t size)
{
    return fails() ? ENOMEM : __real_posix_memalign(out, alignment, size);
}

// What came of one try: a digest of all that was made.
struct outcome {
    enum sqz_status status;
    struct sqz_error error;
    uint8_t digest[32];
};
typedef void (*operation_fn)(struct outcome *out);
typedef void (*check_fn)(const struct outcome *out, int call);

// Repeats an operation, with its first, second, ... allocation failing, until none is left to fail.
// Returns how many were failed.
static int fail_each(operation_fn run, check_fn check)
{
    struct outcome good = {0};
    const int stride = getenv("SQZ_SANITIZED") ? 7 : 1;
    stop_failing();
    run(&good);
    if (good.status)
        fail_msg("%s", good.error.text);
    if (check)
        check(&good, 0);
    for (int n = 1;; n += stride) {
        struct outcome out = {0};
        countdown = n;
        run(&out);
        bool reached = countdown < 1;
        stop_failing();
        if (!reached)
            return n - 1;
        if (out.status && (out.status != SQZ_E_NOMEM || out.error.status != SQZ_E_NOMEM))
            fail_msg("call %d: status %d, \"%s\"", n, (int)out.status, out.error.text);
        if (!out.status && memcmp(out.digest, good.digest, sizeof good.digest) != 0)
            fail_msg("call %d: another result, without an error", n);
        if (check)
            check(&out, n);
    }
}

static void fail_each_once_and_for_good(operation_fn run, check_fn check, int least)
{
    lasting = false;
    assert_in_range(fail_each(run, check), least, 100000);
    lasting = true;
    fail_each(run, check);
    lasting = false;
}

static void add_text(struct sqz_sha256 *hash, const char *text)
{
    sqz_sha256_add(hash, text ? text : "-", text ? strlen(text) + 1 : 1);
}

static void digest_archive(const struct sqz_archive *archive, uint8_t digest[32])
{
    struct sqz_sha256 hash;
    sqz_sha256_init(&hash);
    for (size_t i = 0; i < archive->n_arrays; i++) {
        const struct sqz_array *array = &archive->arrays[i];
        add_text(&hash, array->name);
        sqz_sha256_add(&hash, &array->dtype, sizeof array->dtype);
        sqz_sha256_add(&hash, array->shape, sizeof array->shape);
        sqz_sha256_add(&hash, array->data, array->size);
    }
    for (size_t i = 0; i < archive->n_metadata; i++) {
        add_text(&hash, archive->metadata[i].key);
        add_text(&hash, archive->metadata[i].value);
    }
    sqz_sha256_end(&hash, digest);
}

static const char *path; // of the operation

static void read_archive(struct outcome *out)
{
    struct sqz_archive archive = {0};
    out->status = sqz_archive_read(path, &archive, NULL, &out->error);
    if (!out->status)
        digest_archive(&archive, out->digest);
    sqz_archive_release(&archive);
}

static void read_model(struct outcome *out)
{
    struct sqz_model *model = NULL;
    struct sqz_sha256 hash;
    out->status = sqz_model_read(path, NULL, 0, &model, &out->error);
    if (out->status)
        return;
    sqz_sha256_init(&hash);
    sqz_sha256_add(&hash, model->weights, model->net->n_weights * sizeof(float));
    sqz_sha256_add(&hash, model->preprocess.mean, sizeof model->preprocess.mean);
    sqz_sha256_add(&hash, model->preprocess.std, sizeof model->preprocess.std);
    sqz_sha256_add(&hash, &model->preprocess.resize, sizeof model->preprocess.resize);
    add_text(&hash, model->made_by);
    for (int i = 0; i < model->net->spec.classes; i++) {
        add_text(&hash, model->classes ? model->classes[i] : NULL);
        add_text(&hash, model->labels ? model->labels[i] : NULL);
    }
    sqz_sha256_end(&hash, out->digest);
    sqz_model_free(model);
}

static struct sqz_model *with_classes(void)
{
    static const char *const dirs[] = {"ants", "b\xc3\xa4ren", "\"c\""};
    static const char *const labels[] = {"Ants", "B\xc3\xa4ren", "C"};
    struct sqz_model *model = make_model("squeezenet1_1", "mindcv", 3, 3, 32);
    assert_int_equal(sqz_model_set_classes(model, dirs, labels, NULL), SQZ_OK);
    return model;
}

static void test_models_read(void **state)
{
    (void)state;
    static const char *const names[] = {"m.safetensors", "m.ckpt"};
    struct sqz_model *model = with_classes();
    for (int i = 0; i < 2; i++) {
        path = scratch(names[i]);
        assert_int_equal(sqz_model_write(model, path, SQZ_REPLACE_EXISTING, NULL), SQZ_OK);
        fail_each_once_and_for_good(read_model, NULL, 100);
    }
    sqz_model_free(model);
}

static void test_archives_read(void **state)
{
    (void)state;
    static const char *const names[] = {"small.pth", "small-legacy.pth", "kinds.pth",
                                        "kinds-legacy.pth", "nested.pth"};
    char fixture[512];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(fixture, sizeof fixture, FIXTURES "%s", names[i]);
        path = fixture;
        fail_each_once_and_for_good(read_archive, NULL, 10);
    }
    struct sqz_archive archive = {0};
    make_small_archive(&archive);
    path = scratch("small.sqz");
    assert_int_equal(sqz_archive_write(path, NULL, &archive, SQZ_REPLACE_EXISTING, NULL), SQZ_OK);
    fail_each_once_and_for_good(read_archive, NULL, 10);
    sqz_archive_release(&archive);
}

// --- Saving ---

static const struct sqz_model *saved;
static const struct sqz_archive *saved_archive;
static struct sqz_bytes before, after; // what may lie at the path

static void save(struct outcome *out)
{
    out->status =
        saved ? sqz_model_write(saved, path, SQZ_REPLACE_EXISTING, &out->error)
              : sqz_archive_write(path, NULL, saved_archive, SQZ_REPLACE_EXISTING, &out->error);
}

// The file is the old one after a failure and the new one after a success; nothing else is left.
static void check_file(const struct outcome *out, int call)
{
    const struct sqz_bytes *right = out->status ? &before : &after;
    struct sqz_bytes file = read_bytes(path);
    struct sqz_dir dir = {0};
    if (file.size != right->size || memcmp(file.data, right->data, file.size) != 0)
        fail_msg("call %d: status %d, and another file", call, (int)out->status);
    sqz_bytes_release(&file);
    assert_int_equal(sqz_dir_read(scratch_dir, &dir, NULL), SQZ_OK);
    for (size_t i = 0; i < dir.count; i++)
        if (strncmp(dir.entries[i].name, ".sqz-", 5) == 0)
            fail_msg("call %d: %s is left", call, dir.entries[i].name);
    sqz_dir_release(&dir);
    write_scratch(sqz_path_name(path), before.data, before.size);
}

static void test_saves(void **state)
{
    (void)state;
    static const char *const names[] = {"s.safetensors", "s.ckpt", "s.sqz"};
    static const char old[] = "an older file";
    struct sqz_model *model = with_classes();
    struct sqz_archive archive = {0};
    make_small_archive(&archive);
    saved_archive = &archive;
    before = (struct sqz_bytes){(uint8_t *)old, sizeof old};
    for (int i = 0; i < 3; i++) {
        char name[512];
        saved = i < 2 ? model : NULL; // coding a network takes long
        snprintf(name, sizeof name, "%s", scratch(names[i]));
        path = name;
        struct outcome out = {0};
        stop_failing();
        save(&out);
        assert_int_equal(out.status, SQZ_OK);
        after = read_bytes(path);
        write_scratch(names[i], old, sizeof old);
        fail_each_once_and_for_good(save, check_file, 30);
        sqz_bytes_release(&after);
    }
    sqz_archive_release(&archive);
    sqz_model_free(model);
}

static int set_up(void **state)
{
    (void)state;
    stop_failing();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_scratch();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models_read),
        cmocka_unit_test(test_archives_read),
        cmocka_unit_test(test_saves),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
