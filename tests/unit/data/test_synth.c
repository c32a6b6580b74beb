// The synthetic dataset: the same pixels everywhere, no short cut by colour, nothing half-written.
#include "dataset_files.h"

#include "data/sets/sets.h"
#include "data/sets/synth.h"
#include "paths.h"
#include <math.h>

#define SIZE   32
#define PIXELS (SIZE * SIZE)

static void draw(int label, uint64_t number, uint8_t *rgb)
{
    struct sqz_random random;
    sqz_random_init(&random, 1, 0, number, SQZ_RANDOM_SYNTH);
    sqz_synth_draw((enum sqz_synth_class)label, SIZE, &random, rgb);
}

// One number for 200 images, the same with gcc 12 (-O3, and -O2 with sanitizers) and clang 14. A
// change means that datasets of the same seed are no longer the same.
static void same_pixels_everywhere(void **state)
{
    uint8_t rgb[3 * PIXELS];
    uint64_t hash = SQZ_HASH_START;
    (void)state;
    for (uint64_t number = 0; number < 20; number++)
        for (int label = 0; label < SQZ_SYNTH_CLASSES; label++) {
            draw(label, number, rgb);
            hash = sqz_hash_bytes(hash, rgb, sizeof rgb);
        }
    if (hash != 0xc8d60125bb64b482u)
        fail_msg("the images' hash is 0x%016llx", (unsigned long long)hash);
}

// Nearest class mean of (mean, deviation) per channel: what a learner gets without looking at
// forms.
static void colour_tells_nothing(void **state)
{
    enum { TRAIN = 100, TEST = 40, FEATURES = 6 };
    static double means[SQZ_SYNTH_CLASSES][FEATURES];
    uint8_t rgb[3 * PIXELS];
    int right = 0;
    (void)state;
    for (uint64_t number = 0; number < TRAIN + TEST; number++)
        for (int label = 0; label < SQZ_SYNTH_CLASSES; label++) {
            double features[FEATURES] = {0}, best = INFINITY;
            int guess = -1;
            draw(label, number, rgb);
            for (int i = 0; i < 3 * PIXELS; i++) {
                features[i % 3] += rgb[i] / (double)PIXELS;
                features[3 + i % 3] += (double)rgb[i] * rgb[i] / PIXELS;
            }
            for (int c = 0; c < 3; c++)
                features[3 + c] = sqrt(features[3 + c] - features[c] * features[c]);
            for (int f = 0; f < FEATURES && number < TRAIN; f++)
                means[label][f] += features[f] / TRAIN;
            for (int other = 0; other < SQZ_SYNTH_CLASSES && number >= TRAIN; other++) {
                double distance = 0;
                for (int f = 0; f < FEATURES; f++)
                    distance += (features[f] - means[other][f]) * (features[f] - means[other][f]);
                guess = distance < best ? other : guess;
                best = fmin(distance, best);
            }
            right += guess == label;
        }
    double accuracy = right / (double)(TEST * SQZ_SYNTH_CLASSES);
    if (accuracy > 0.25)
        fail_msg("colour statistics alone reach %.1f %%", 100 * accuracy);
}

static void writes_a_data_set(void **state)
{
    const struct sqz_synth_options how = {
        .per_class_train = 4, .per_class_val = 2, .size = 24, .seed = 3};
    struct sqz_error err = {0};
    struct sqz_dataset_layout layout;
    uint64_t fingerprints[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        const char *dir = in_scratch("deep/er/synth%d", i);
        if (i) // an empty directory is as good as none
            make_dir(dir);
        if (sqz_data_synth(dir, &how, &err))
            fail_msg("%s", err.text);
        assert_int_equal(sqz_dataset_layout(dir, &layout, &err), SQZ_OK);
        assert_string_equal(layout.train, "train");
        assert_string_equal(layout.val, "val");
        struct sqz_dataset_request request = {.dir = dir, .split = "train", .check_headers = true};
        struct sqz_dataset *set = open_or_fail(&request);
        assert_int_equal(set->count, 40);
        assert_int_equal(set->skipped, 0);
        assert_int_equal(set->n_classes, SQZ_SYNTH_CLASSES);
        for (int c = 0; c < SQZ_SYNTH_CLASSES; c++)
            assert_string_equal(set->classes[c], sqz_synth_names[c]);
        fingerprints[i] = set->fingerprint;
        sqz_dataset_free(set);
        request.split = "val";
        set = open_or_fail(&request);
        assert_int_equal(set->count, 20);
        sqz_dataset_free(set);
        struct sqz_dir entries = {0};
        assert_int_equal(sqz_dir_read(dir, &entries, NULL), SQZ_OK);
        assert_int_equal(entries.count, 2); // no leftovers
        sqz_dir_release(&entries);
    }
    assert_true(fingerprints[0] == fingerprints[1]);
    // What is in the file is what was drawn: train's image 3 of class 4, at 24 pixels.
    struct sqz_bytes bytes = {0};
    struct sqz_image image = {0};
    const struct sqz_decode decode = {.channels = 3};
    struct sqz_random random;
    uint8_t rgb[3 * 24 * 24];
    const char *path = in_scratch("deep/er/synth0/train/%s/0003.png", sqz_synth_names[4]);
    assert_int_equal(sqz_file_read(path, 1 << 20, &bytes, &err), SQZ_OK);
    assert_int_equal(sqz_image_decode(bytes.data, bytes.size, path, &decode, &image, &err), SQZ_OK);
    sqz_random_init(&random, 3, 0, 3 * SQZ_SYNTH_CLASSES + 4, SQZ_RANDOM_SYNTH);
    sqz_synth_draw(SQZ_SYNTH_DOTS, 24, &random, rgb);
    assert_int_equal(image.w, 24);
    assert_memory_equal(image.pixels, rgb, sizeof rgb);
    sqz_image_release(&image);
    sqz_bytes_release(&bytes);
}

static void refuses(void **state)
{
    struct sqz_synth_options how = {.per_class_train = 1, .per_class_val = 1, .size = 16};
    struct sqz_error err = {0};
    (void)state;
    make_file(in_scratch("full/photo.jpg"), "x", 1);
    assert_int_equal(sqz_data_synth(in_scratch("full"), &how, &err), SQZ_E_CANTWRITE);
    assert_non_null(strstr(err.text, "full\" is not empty"));
    assert_int_equal(sqz_data_synth(in_scratch("full/photo.jpg"), &how, &err), SQZ_E_CANTWRITE);
    assert_int_equal(sqz_data_synth(in_scratch("full/photo.jpg/below"), &how, &err),
                     SQZ_E_CANTWRITE);
    how.size = 8;
    assert_int_equal(sqz_data_synth(in_scratch("new"), &how, &err), SQZ_E_USAGE);
    how.size = 16;
    how.per_class_val = -1;
    assert_int_equal(sqz_data_synth(in_scratch("new"), &how, &err), SQZ_E_USAGE);
    assert_false(path_exists(in_scratch("new")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_pixels_everywhere), cmocka_unit_test(colour_tells_nothing),
        cmocka_unit_test(writes_a_data_set), cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
