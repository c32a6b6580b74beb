// Class directories: order, labels, splits, what is skipped, what is refused, the held-out
// division.
#include "dataset_files.h"

#include "testdata.h"

static struct sqz_dataset_request request_for(const char *dir, const char *split)
{
    struct sqz_dataset_request request = {
        .kind = "imagenet", .dir = dir, .split = split, .threads = 2};
    return request;
}

// The directory of the values made by the real MindCV (mindcv-golden/directory-dataset.json), but
// for the hidden file, which MindCV takes and we leave out, and the nested directory, which both
// refuse.
static void order_and_labels(void **state)
{
    static const struct {
        int label;
        const char *name;
    } rows[] = {{0, "B/upper.jpg"}, {1, "a/one.jpg"}, {2, "b/1.JPG"},  {2, "b/10.jpg"},
                {2, "b/2.jpg"},     {2, "b/m.bmp"},   {2, "b/noext"},  {2, "b/p.png"},
                {2, "b/q.PNG"},     {2, "b/t.tiff"},  {2, "b/w.webp"}, {2, "b/y.JPEG"},
                {2, "b/z.jpeg"},    {3, "c10/x.jpg"}, {4, "c9/x.jpg"}};
    static const char *const classes[] = {"B", "a", "b", "c10", "c9", "empty"};
    const char *root = in_scratch("order");
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        make_file(in_scratch("order/val/%s", rows[i].name), "x", 1);
    make_file(in_scratch("order/val/b/.hidden.jpg"), "x", 1);
    make_file(in_scratch("order/val/file.txt"), "x", 1);
    make_file(in_scratch("order/val/.git/config"), "x", 1);
    make_file(in_scratch("order/val/b/.thumbnails/1.jpg"), "x", 1);
    make_dir(in_scratch("order/val/empty"));
    struct sqz_dataset_request request = request_for(root, "val");
    struct sqz_dataset *set = open_or_fail(&request);
    assert_int_equal(set->n_classes, 6);
    for (int i = 0; i < 6; i++)
        assert_string_equal(set->classes[i], classes[i]);
    assert_int_equal(set->count, sizeof rows / sizeof *rows);
    for (size_t i = 0; i < set->count; i++) {
        assert_string_equal(set->samples[i].path, in_scratch("order/val/%s", rows[i].name));
        assert_int_equal(set->samples[i].label, rows[i].label);
    }
    assert_int_equal(set->skipped, 0);
    sqz_dataset_free(set);

    make_file(in_scratch("order/val/b/sub/n.jpg"), "x", 1);
    expect_refusal(&request, SQZ_E_DATA,
                   "val/b/sub\" is a directory inside the class directory \"b\"");
}

static void refusals(void **state)
{
    (void)state;
    make_png(in_scratch("ref/train/a/1.png"), 40, 40, 1);
    make_png(in_scratch("ref/test/a/1.png"), 40, 40, 1);
    make_png(in_scratch("flat/1.png"), 40, 40, 1);
    make_png(in_scratch("flat/2.png"), 40, 40, 1);
    make_dir(in_scratch("nothing"));
    make_dir(in_scratch("hollow/a"));
    struct sqz_dataset_request request = request_for(in_scratch("ref"), "val");
    expect_refusal(&request, SQZ_E_NOINPUT,
                   "ref/test\" is there: name the split with --val_split test");
    request = request_for(in_scratch("absent"), "train");
    expect_refusal(&request, SQZ_E_NOINPUT, "There is no directory");
    request = request_for(in_scratch("flat/1.png"), "");
    expect_refusal(&request, SQZ_E_NOINPUT, "flat/1.png\" is a file, but a directory");
    request = request_for(in_scratch("flat"), "");
    expect_refusal(&request, SQZ_E_DATA, "holds 2 files but no class directories: move the images");
    request = request_for(in_scratch("flat"), "val");
    expect_refusal(&request, SQZ_E_NOINPUT, "There is no directory");
    request = request_for(in_scratch("nothing"), "");
    expect_refusal(&request, SQZ_E_DATA, "holds no class directories");
    request = request_for(in_scratch("hollow"), "");
    expect_refusal(&request, SQZ_E_DATA, "hollow\" holds no images");
    request = request_for(in_scratch("ref"), "");
    expect_refusal(&request, SQZ_E_DATA, "point at the directory that holds the class directories");
    request = request_for(in_scratch("ref"), "train");
    request.kind = "imagnet";
    expect_refusal(&request, SQZ_E_USAGE, "no kind of dataset called \"imagnet\"");
}

static void layouts(void **state)
{
    struct sqz_dataset_layout layout;
    struct sqz_error err = {0};
    (void)state;
    make_file(in_scratch("lay/both/train/a/1"), "x", 1);
    make_file(in_scratch("lay/both/val/a/1"), "x", 1);
    make_file(in_scratch("lay/test/train/a/1"), "x", 1);
    make_file(in_scratch("lay/test/test/a/1"), "x", 1);
    make_file(in_scratch("lay/valonly/val/a/1"), "x", 1);
    // A class that is called "train" does not make a split.
    make_file(in_scratch("lay/vehicles/train/1.jpg"), "x", 1);
    make_file(in_scratch("lay/vehicles/car/1.jpg"), "x", 1);
    static const struct {
        const char *dir;
        bool splits;
        const char *train, *val;
    } cases[] = {{"both", true, "train", "val"},
                 {"test", true, "train", "test"},
                 {"valonly", true, "", "val"},
                 {"vehicles", false, "", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(sqz_dataset_layout(in_scratch("lay/%s", cases[i].dir), &layout, &err),
                         SQZ_OK);
        assert_string_equal(layout.kind, "imagenet");
        assert_int_equal(layout.has_splits, cases[i].splits);
        assert_string_equal(layout.train, cases[i].train);
        assert_string_equal(layout.val, cases[i].val);
    }
    make_file(in_scratch("lay/capital/Train/a/1"), "x", 1);
    make_file(in_scratch("lay/capital/Val/a/1"), "x", 1);
    make_file(in_scratch("lay/ing/Training/a/1"), "x", 1);
    make_file(in_scratch("lay/ing/Testing/a/1"), "x", 1);
    make_file(in_scratch("lay/mixed/training/a/1"), "x", 1); // the usual spelling comes first
    make_file(in_scratch("lay/mixed/Train/a/1"), "x", 1);
    make_file(in_scratch("lay/mixed/TEST/a/1"), "x", 1);
    static const char *const other[][3] = {
        {"capital", "Train", "Val"}, {"ing", "Training", "Testing"}, {"mixed", "training", "TEST"}};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        assert_int_equal(sqz_dataset_layout(in_scratch("lay/%s", other[i][0]), &layout, &err),
                         SQZ_OK);
        assert_string_equal(layout.train, other[i][1]);
        assert_string_equal(layout.val, other[i][2]);
    }
    make_file(in_scratch("lay/photos/1.jpg"), "x", 1);
    assert_int_equal(sqz_dataset_layout(in_scratch("lay/photos"), &layout, &err), SQZ_E_DATA);
    assert_non_null(strstr(err.text, "holds 1 file but no class directories"));
    assert_int_equal(sqz_dataset_layout(in_scratch("lay/none"), &layout, &err), SQZ_E_NOINPUT);
}

static void headers(void **state)
{
    (void)state;
    make_png(in_scratch("head/a/1.png"), 40, 40, 1);
    make_file(in_scratch("head/a/0.gif"), "GIF89a0000000", 13);
    make_file(in_scratch("head/a/zero.jpg"), "", 0);
    make_file(in_scratch("head/a/notes.txt"), "hello", 5);
    make_png(in_scratch("head/b/1.png"), 40, 40, 1);
    assert_int_equal(symlink("nowhere", in_scratch("head/b/link.png")), 0);
    struct sqz_dataset_request request = request_for(in_scratch("head"), "");
    request.check_headers = true;
    struct sqz_dataset *set = open_or_fail(&request);
    assert_int_equal(set->count, 2);
    assert_int_equal(set->skipped, 4);
    assert_non_null(strstr(set->skipped_example, "head/a/0.gif\" is a GIF"));
    sqz_dataset_free(set);
    make_file(in_scratch("head/c/x.gif"), "GIF89a0000000", 13);
    make_file(in_scratch("head/c/y.gif"), "GIF89a0000000", 13);
    expect_refusal(&request, SQZ_E_DATA, "No file in");
    expect_refusal(&request, SQZ_E_DATA,
                   "head/c\" is an image that can be read (2 files looked at");
}

static void fingerprints(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        make_file(in_scratch("fp%d/a/1", i), "xx", 2);
        make_file(in_scratch("fp%d/b/1", i), "xx", 2);
    }
    struct sqz_dataset_request request = request_for(in_scratch("fp0"), "");
    struct sqz_dataset *set = open_or_fail(&request);
    uint64_t first = set->fingerprint;
    sqz_dataset_free(set);
    request.dir = in_scratch("fp1");
    set = open_or_fail(&request);
    assert_true(set->fingerprint == first); // the place does not matter
    sqz_dataset_free(set);
    make_file(in_scratch("fp1/b/1"), "xxx", 3);
    set = open_or_fail(&request);
    assert_true(set->fingerprint != first); // the size does
    sqz_dataset_free(set);
    make_file(in_scratch("fp1/b/1"), "xx", 2);
    assert_int_equal(rename(in_scratch("fp1/b"), in_scratch("fp1/c")), 0);
    set = open_or_fail(&request);
    assert_true(set->fingerprint != first); // and so do names
    sqz_dataset_free(set);
}

static void division(void **state)
{
    static const int sizes[] = {1, 2, 7, 50};
    static const size_t held[] = {0, 1, 1, 10};
    (void)state;
    for (int c = 0; c < 4; c++)
        for (int i = 0; i < sizes[c]; i++)
            make_file(in_scratch("div/%c/%03d.jpg", 'a' + c, i), "x", 1);
    struct sqz_dataset_request request = request_for(in_scratch("div"), "");
    struct sqz_dataset *whole = open_or_fail(&request);
    request.divide = true;
    request.seed = 5;
    struct sqz_dataset *train = open_or_fail(&request);
    request.held_out = true;
    struct sqz_dataset *val = open_or_fail(&request), *again = open_or_fail(&request);
    request.seed = 6;
    struct sqz_dataset *other = open_or_fail(&request);
    size_t per_class[4] = {0}, t = 0, v = 0;
    for (size_t i = 0; i < val->count; i++)
        per_class[val->samples[i].label]++;
    for (int c = 0; c < 4; c++)
        assert_int_equal(per_class[c], held[c]);
    // Together they are the whole, in its order.
    assert_int_equal(train->count + val->count, whole->count);
    for (size_t i = 0; i < whole->count; i++) {
        const char *path = whole->samples[i].path;
        if (v < val->count && !strcmp(path, val->samples[v].path))
            v++;
        else
            assert_string_equal(path, train->samples[t++].path);
    }
    assert_int_equal(v, val->count);
    assert_int_equal(train->n_classes, 4);
    assert_true(val->fingerprint == again->fingerprint);
    assert_true(val->fingerprint != other->fingerprint);
    sqz_dataset_free(whole);
    sqz_dataset_free(train);
    sqz_dataset_free(val);
    sqz_dataset_free(again);
    sqz_dataset_free(other);
}

static void mapping(void **state)
{
    static const char *const model[] = {"bee", "wasp", "ant", "moth"};
    static const char *const other[] = {"bees", "wasp"};
    struct sqz_error err = {0};
    (void)state;
    make_file(in_scratch("map/ant/1"), "x", 1);
    make_file(in_scratch("map/bee/1"), "x", 1);
    struct sqz_dataset_request request = request_for(in_scratch("map"), "");
    struct sqz_dataset *set = open_or_fail(&request);
    assert_int_equal(sqz_dataset_map_classes(set, other, 2, &err), SQZ_E_DATA);
    assert_non_null(strstr(err.text, "class \"ant\""));
    assert_int_equal(set->n_classes, 2); // untouched by the failure
    assert_int_equal(set->samples[1].label, 1);
    assert_int_equal(sqz_dataset_map_classes(set, model, 4, &err), SQZ_OK);
    assert_int_equal(set->samples[0].label, 2);
    assert_int_equal(set->samples[1].label, 0);
    assert_int_equal(set->n_classes, 4);
    assert_string_equal(set->classes[3], "moth");
    sqz_dataset_free(set);
    make_file(in_scratch("map/Moht/1"), "x", 1);
    set = open_or_fail(&request);
    assert_int_equal(sqz_dataset_map_classes(set, model, 4, &err), SQZ_E_DATA);
    assert_non_null(strstr(err.text, "class \"Moht\""));
    assert_non_null(strstr(err.text, "nearest name there is \"moth\""));
    static const char *const alike[] = {"caf\xC3\xA9", "Moht ", "MOHT", "caf\xC3\xA8"};
    static const struct {
        const char *have, *words;
        int of;
    } near[] = {{"moht", "which differs in case only", 3},
                {"cafe\xCC\x81", "which looks the same but writes its accents otherwise", 1},
                {"zzz", "\".", 1}};
    for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
        make_file(in_scratch("near%zu/%s/1", i, near[i].have), "x", 1);
        struct sqz_dataset_request one = request_for(in_scratch("near%zu", i), "");
        struct sqz_dataset *single = open_or_fail(&one);
        assert_int_equal(sqz_dataset_map_classes(single, alike, near[i].of, &err), SQZ_E_DATA);
        if (!strstr(err.text, near[i].words))
            fail_msg("\"%s\" does not say \"%s\"", err.text, near[i].words);
        sqz_dataset_free(single);
    }
    sqz_dataset_free(set);
}

static void unlabelled(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    make_png(in_scratch("few/a/1.png"), 40, 40, 1);
    make_png(in_scratch("few/b/1.png"), 40, 40, 2);
    make_png(in_scratch("more/2.png"), 40, 40, 3);
    make_png(in_scratch("more/trip/3.png"), 40, 40, 4);
    make_file(in_scratch("more/trip/notes.txt"), "x", 1);
    make_png(in_scratch("more/trip/deeper/4.png"), 40, 40, 5);
    make_file(in_scratch("none/notes.txt"), "x", 1);
    struct sqz_dataset_request request = request_for(in_scratch("few"), "");
    struct sqz_dataset *set = open_or_fail(&request);
    const uint64_t before = set->fingerprint;
    assert_int_equal(sqz_dataset_add_unlabelled(set, in_scratch("more"), 2, &err), SQZ_OK);
    assert_int_equal(set->count, 4);
    assert_int_equal(set->n_classes, 2);
    assert_int_equal(set->skipped, 1);
    assert_int_equal(set->samples[1].label, 1);
    assert_string_equal(set->samples[2].path, in_scratch("more/./2.png"));
    assert_string_equal(set->samples[3].path, in_scratch("more/trip/3.png"));
    assert_int_equal(set->samples[3].label, 0);
    assert_true(set->fingerprint != before);
    struct sqz_bytes bytes = {0};
    struct sqz_source source;
    assert_int_equal(sqz_dataset_read(set, 3, &bytes, NULL, &source, &err), SQZ_OK);
    sqz_bytes_release(&bytes);
    assert_int_equal(sqz_dataset_add_unlabelled(set, in_scratch("none"), 2, &err), SQZ_E_DATA);
    assert_non_null(strstr(err.text, "none\" or in a directory of it is an image"));
    assert_int_equal(sqz_dataset_add_unlabelled(set, in_scratch("gone"), 2, &err), SQZ_E_NOINPUT);
    sqz_dataset_free(set);
}

static void hymenoptera(void **state)
{
    (void)state;
    const char *dir = test_data("hymenoptera");
    if (!dir)
        skip();
    struct sqz_dataset_request request = {
        .dir = dir, .split = "train", .check_headers = true, .threads = 2};
    struct sqz_dataset *set = open_or_fail(&request);
    assert_int_equal(set->count, 244);
    assert_int_equal(set->skipped, 1);
    assert_non_null(strstr(set->skipped_example, "ants/imageNotFound.gif\" is a GIF"));
    assert_int_equal(set->n_classes, 2);
    assert_string_equal(set->classes[0], "ants");
    sqz_dataset_free(set);
    request.split = "val";
    set = open_or_fail(&request);
    assert_int_equal(set->count, 153);
    assert_int_equal(set->skipped, 0);
    sqz_dataset_free(set);
}

// An empty directory beside the class directories is told where every class must have images; one
// image a class leaves none to hold out.
static void empty_classes(void **state)
{
    (void)state;
    make_png(in_scratch("hole/a/1.png"), 9, 9, 1);
    make_png(in_scratch("hole/b/1.png"), 9, 9, 1);
    make_dir(in_scratch("hole/@eaDir"));
    struct sqz_dataset_request request = request_for(in_scratch("hole"), "");
    struct sqz_dataset *set = open_or_fail(&request);
    assert_int_equal(set->n_classes, 3);
    sqz_dataset_free(set);
    request.every_class = true;
    expect_refusal(&request, SQZ_E_DATA, "hole/@eaDir\" is empty: add images or remove it");
    assert_int_equal(rmdir(in_scratch("hole/@eaDir")), 0);
    sqz_dataset_free(open_or_fail(&request));
    request.divide = request.held_out = true;
    expect_refusal(&request, SQZ_E_DATA, "has one image a class, so that none can be held out");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_and_labels), cmocka_unit_test(refusals),
        cmocka_unit_test(layouts),          cmocka_unit_test(headers),
        cmocka_unit_test(fingerprints),     cmocka_unit_test(division),
        cmocka_unit_test(mapping),          cmocka_unit_test(unlabelled),
        cmocka_unit_test(empty_classes),    cmocka_unit_test(hymenoptera)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
