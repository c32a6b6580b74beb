// Patches: what they make is the promised file or nothing; damage of every kind.
#include "sqz_files.h"

static const struct sqz_format *format;

static struct sqz_contents contents_of(const struct sqz_bytes *file)
{
    struct sqz_contents contents;
    struct sqz_error err = {0};
    if (sqz_contents_read("base", file->data, file->size, &contents, &err))
        fail_msg("%s", err.text);
    return contents;
}

struct pair {
    struct sqz_archive archive; // what the base was made from
    struct sqz_bytes file;
    struct sqz_contents base;
};

static struct pair make_base(void)
{
    struct pair pair = {0};
    make_small_archive(&pair.archive);
    pair.file = write_bytes(format, &pair.archive);
    pair.base = contents_of(&pair.file);
    return pair;
}

static void release(struct pair *pair)
{
    sqz_archive_release(&pair->archive);
    sqz_bytes_release(&pair->file);
    sqz_contents_release(&pair->base);
}

// Patches the base to the pair's archive as it is now; the result's archive is *out.
static struct sqz_patch_report patch_through(struct pair *pair, struct sqz_archive *out,
                                             size_t *patch_size)
{
    struct sqz_bytes patch = {0}, result = {0};
    struct sqz_patch_report report;
    struct sqz_error err = {0};
    if (sqz_patch_make(&pair->base, &pair->archive, &patch, &report, &err) ||
        sqz_patch_apply("patch", patch.data, patch.size, &pair->base, &result, &err))
        fail_msg("%s", err.text);
    assert_int_equal(read_exact(format, result.data, result.size, out, NULL), SQZ_OK);
    *patch_size = patch.size;
    sqz_bytes_release(&patch);
    sqz_bytes_release(&result);
    return report;
}

static void test_nothing_changes(void **state)
{
    struct pair pair = make_base();
    struct sqz_archive back;
    size_t size;
    (void)state;
    struct sqz_patch_report report = patch_through(&pair, &back, &size);
    assert_int_equal(report.tensors[SQZ_PATCH_SAME], 5);
    assert_int_equal(size, SQZ_PATCH_HEADER + 5 + SQZ_PACKED_TRAILER);
    for (size_t i = 0; i < back.n_arrays; i++)
        assert_same_array(&back.arrays[i], &pair.archive.arrays[i]);
    sqz_archive_release(&back);
    release(&pair);
}

// One code moves, one tensor is scaled, a codebook's code, a float, a text, a new text.
static void test_every_mode(void **state)
{
    struct pair pair = make_base();
    struct sqz_archive back;
    size_t size;
    (void)state;
    float *steps = pair.archive.arrays[0].data, *floats = pair.archive.arrays[1].data;
    float *shared = pair.archive.arrays[2].data, *halves = pair.archive.arrays[4].data;
    float step = sqz_coded_step(&pair.base.coded[0]);
    assert_int_equal(pair.base.coded[0].coding, SQZ_CODING_STEP);
    assert_int_equal(pair.base.coded[1].coding, SQZ_CODING_FLOAT);
    steps[5] = (float)(pair.base.coded[0].codes[5] + 1) * step;
    floats[2] = 7;
    shared[0] = shared[1] == shared[0] ? shared[2] : shared[1];
    for (size_t i = 0; i < 60; i++)
        halves[i] *= 1.25f;
    assert_int_equal(sqz_archive_set(&pair.archive, "plain", "changed"), SQZ_OK);
    assert_int_equal(sqz_archive_set(&pair.archive, "new", "text"), SQZ_OK);
    struct sqz_patch_report report = patch_through(&pair, &back, &size);
    assert_true(report.tensors[SQZ_PATCH_CODES] >= 1);
    assert_true(report.tensors[SQZ_PATCH_REPLACED] >= 1);
    for (size_t i = 0; i < 2; i++)
        assert_same_array(&back.arrays[i], &pair.archive.arrays[i]);
    if (pair.base.coded[4].coding == SQZ_CODING_STEP) {
        assert_int_equal(report.tensors[SQZ_PATCH_STEP], 1);
        for (size_t i = 0; i < 60; i++)
            assert_true(fabsf(((float *)back.arrays[4].data)[i] - halves[i]) <=
                        1e-6f * fabsf(halves[i]));
    }
    assert_string_equal(sqz_archive_get(&back, "plain"), "changed");
    assert_string_equal(sqz_archive_get(&back, "new"), "text");
    assert_non_null(sqz_archive_get(&back, "awkward"));
    sqz_archive_release(&back);
    release(&pair);
}

static void test_refusals(void **state)
{
    struct pair pair = make_base(), other = make_base();
    struct sqz_bytes patch = {0}, result = {0};
    struct sqz_patch_report report;
    struct sqz_error err = {0};
    (void)state;
    assert_int_equal(sqz_patch_make(&pair.base, &pair.archive, &patch, &report, &err), SQZ_OK);
    // Another base, though only a text of it is different.
    assert_int_equal(sqz_archive_set(&other.archive, "plain", "other"), SQZ_OK);
    sqz_bytes_release(&other.file);
    sqz_contents_release(&other.base);
    other.file = write_bytes(format, &other.archive);
    other.base = contents_of(&other.file);
    assert_int_equal(sqz_patch_apply("patch", patch.data, patch.size, &other.base, &result, &err),
                     SQZ_E_DATA);
    assert_non_null(strstr(err.text, "another base"));
    // A promise that is not kept: the digest of the result.
    patch.data[72] ^= 1;
    sign_again(patch.data, patch.size);
    assert_int_equal(sqz_patch_apply("patch", patch.data, patch.size, &pair.base, &result, &err),
                     SQZ_E_DATA);
    assert_non_null(strstr(err.text, "promises"));
    sqz_bytes_release(&patch);
    // Another network.
    sqz_free(other.archive.arrays[3].name);
    other.archive.arrays[3].name = sqz_copy_string("someone.else");
    assert_int_equal(sqz_patch_make(&pair.base, &other.archive, &patch, &report, &err),
                     SQZ_E_USAGE);
    assert_null(result.data);
    release(&pair);
    release(&other);
}

// --- Damage ---

static void apply_signed(const uint8_t *data, size_t size, void *arg)
{
    struct sqz_bytes result = {0};
    struct sqz_error err = {0};
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    if (size)
        memcpy(copy, data, size);
    if (size >= SQZ_PATCH_HEADER + SQZ_PACKED_TRAILER)
        sign_again(copy, size);
    enum sqz_status status = sqz_patch_apply("test-file", copy, size, arg, &result, &err);
    if (status && (status != SQZ_E_DATA || err.status != status || !strstr(err.text, "test-file")))
        fail_msg("a damaged patch gave status %d and \"%s\"", (int)status, err.text);
    sqz_bytes_release(&result);
    free(copy);
}

static void test_mutations(void **state)
{
    struct pair pair = make_base();
    struct sqz_bytes patch = {0};
    struct sqz_patch_report report;
    size_t words[600];
    (void)state;
    ((float *)pair.archive.arrays[0].data)[7] = 0;
    ((float *)pair.archive.arrays[1].data)[2] = 7;
    ((float *)pair.archive.arrays[2].data)[3] = 0;
    assert_int_equal(sqz_archive_set(&pair.archive, "plain", "changed"), SQZ_OK);
    assert_int_equal(sqz_patch_make(&pair.base, &pair.archive, &patch, &report, NULL), SQZ_OK);
    struct mutation m = {.data = patch.data,
                         .size = patch.size,
                         .words = words,
                         .payload = 8,
                         .decode = apply_signed,
                         .arg = &pair.base};
    while (m.n_words < 600 && m.n_words + 4 < patch.size) {
        words[m.n_words] = m.n_words;
        m.n_words++;
    }
    mutate(&m);
    sqz_bytes_release(&patch);
    release(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_changes),
        cmocka_unit_test(test_every_mode),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_mutations),
    };
    format = sqz_format_find("sqz");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
