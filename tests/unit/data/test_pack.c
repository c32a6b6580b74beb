// Packed datasets: what is read back, shrinking, orientation, and damage of every byte of the
// index; ImageNet's meta.mat and tar archives, whole and damaged.
#include "dataset_files.h"

#include "data/sets/imagenet.h"
#include "data/sets/pack.h"
#include "data/sets/tar.h"
#include "paths.h"

#include <math.h>

static struct sqz_data_pack_result pack(const char *dir, const char *out,
                                        struct sqz_data_pack_options how)
{
    struct sqz_data_pack_result report;
    struct sqz_error err = {0};
    how.overwrite = SQZ_REPLACE_EXISTING;
    if (sqz_data_pack(dir, out, &how, 2, NULL, NULL, &report, &err))
        fail_msg("%s", err.text);
    return report;
}

static struct sqz_dataset *open_pack(const char *path, const char *split)
{
    struct sqz_dataset_request request = {.dir = path, .split = split};
    return open_or_fail(&request);
}

// A sample as a whole decoded image.
static struct sqz_image read_sample(const struct sqz_dataset *set, size_t index, bool apply_exif)
{
    struct sqz_bytes bytes = {0};
    struct sqz_image view, image = {0};
    struct sqz_source source;
    struct sqz_error err = {0};
    struct sqz_decode how = {.channels = 3, .apply_exif = apply_exif, .verify = true};
    if (sqz_dataset_read(set, index, &bytes, &view, &source, &err))
        fail_msg("%s", err.text);
    if (source.image) {
        assert_int_equal(sqz_image_resize_buffer(&image, source.image->w, source.image->h,
                                                 source.image->c, NULL),
                         SQZ_OK);
        memcpy(image.pixels, source.image->pixels, (size_t)(view.w * view.h * view.c));
    } else if (sqz_image_decode(source.data, source.size, source.name, &how, &image, &err)) {
        fail_msg("%s", err.text);
    }
    sqz_bytes_release(&bytes);
    return image;
}

static void make_splits(const char *name)
{
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 4; i++)
            make_png(in_scratch("%s/train/%c/%d.png", name, 'a' + c, i), 30 + c, 20 + i, 60 * c);
    make_png(in_scratch("%s/val/b/x.png", name), 40, 30, 100);
    make_png(in_scratch("%s/val/c/y.png", name), 200, 100, 130);
}

static void kept_and_shrunk(void **state)
{
    (void)state;
    make_splits("set");
    const char *out = in_scratch("set.pack");
    for (int raw = 0; raw < 2; raw++) {
        struct sqz_data_pack_result report =
            pack(in_scratch("set"), out, (struct sqz_data_pack_options){.shorter = 50, .raw = raw});
        assert_int_equal(report.images, 14);
        assert_int_equal(report.shrunk, 1);
        struct sqz_dataset *train = open_pack(out, "train"), *val = open_pack(out, "val");
        assert_int_equal(train->count, 12);
        assert_int_equal(train->n_classes, 3);
        assert_string_equal(train->classes[1], "b");
        assert_int_equal(val->n_classes, 2); // as the directory has them
        assert_string_equal(val->classes[1], "c");
        assert_int_equal(val->samples[1].label, 1);
        struct sqz_image image = read_sample(train, 5, false);
        assert_int_equal(image.w, 31);
        assert_int_equal(image.h, 21);
        assert_int_equal(image.pixels[1], 61);
        sqz_image_release(&image);
        image = read_sample(val, 1, false);
        assert_int_equal(image.w, 100);
        assert_int_equal(image.h, 50);
        for (int i = 0; i < 100 * 50 * 3; i++) // JPEG may be off by a little
            assert_in_range(image.pixels[i], 130 + i % 3 - 2 * !raw, 130 + i % 3 + 2 * !raw);
        sqz_image_release(&image);
        int w, h;
        assert_true(sqz_dataset_peek(val, 1, &w, &h, NULL) == SQZ_OK && w == 100 && h == 50);
        sqz_dataset_free(train);
        sqz_dataset_free(val);
    }
    bool has[2];
    assert_int_equal(sqz_dataset_has_split(out, "val", &has[0], NULL), SQZ_OK);
    assert_int_equal(sqz_dataset_has_split(out, "test", &has[1], NULL), SQZ_OK);
    assert_true(has[0] && !has[1]);
    struct sqz_dataset_request request = {.dir = out, .split = "test"};
    struct sqz_dataset *none = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_dataset_open(&request, &none, &err), SQZ_E_NOINPUT);
    assert_non_null(strstr(err.text, "no split \"test\""));
    struct sqz_data_pack_options how = {0};
    struct sqz_data_pack_result report;
    assert_int_equal(sqz_data_pack(in_scratch("set"), out, &how, 1, NULL, NULL, &report, &err),
                     SQZ_E_CANTWRITE);
    int stop = 1;
    how = (struct sqz_data_pack_options){.overwrite = SQZ_REPLACE_EXISTING, .stop = &stop};
    assert_int_equal(
        sqz_data_pack(in_scratch("set"), in_scratch("stopped"), &how, 1, NULL, NULL, &report, &err),
        SQZ_E_STOPPED);
    assert_false(path_exists(in_scratch("stopped")));
}

// A photo that lies on its side comes back as it lay, with the mark that turns it; raw pixels come
// back turned.
static void orientation_is_kept(void **state)
{
    (void)state;
    char source[4096];
    struct sqz_bytes bytes = {0};
    snprintf(source, sizeof source, "%s/tests/fixtures/images/exif-6.jpg", SQZ_TEST_SOURCE);
    assert_int_equal(sqz_file_read(source, 1 << 20, &bytes, NULL), SQZ_OK);
    make_file(in_scratch("turned/a/1.jpg"), bytes.data, bytes.size);
    make_png(in_scratch("turned/b/1.png"), 8, 8, 1);
    sqz_bytes_release(&bytes);
    const char *out = in_scratch("turned.pack");
    for (int raw = 0; raw < 2; raw++) {
        pack(in_scratch("turned"), out, (struct sqz_data_pack_options){.shorter = 12, .raw = raw});
        struct sqz_dataset *set = open_pack(out, "");
        struct sqz_image lying = read_sample(set, 0, false), shown = read_sample(set, 0, true);
        assert_int_equal(shown.w, 18);
        assert_int_equal(shown.h, 12);
        assert_int_equal(lying.w, raw ? 18 : 12);
        sqz_image_release(&lying);
        sqz_image_release(&shown);
        sqz_dataset_free(set);
    }
}

// Checks that no Huffman code is longer than eight bits, and returns the number of tables.
static int count_short_tables(const struct sqz_bytes *jpeg)
{
    int tables = 0;
    size_t at = 2;
    while (jpeg->data[at + 1] != 0xDA) { // start of scan
        size_t end = at + 2 + (size_t)(jpeg->data[at + 2] << 8 | jpeg->data[at + 3]);
        for (size_t table = at + 4; jpeg->data[at + 1] == 0xC4 && table < end; tables++) {
            size_t codes = 0;
            for (size_t bits = 1; bits <= 16; bits++) {
                codes += jpeg->data[table + bits];
                assert_true(bits <= 8 || jpeg->data[table + bits] == 0);
            }
            table += 17 + codes;
        }
        at = end;
    }
    return tables;
}

// Images that need few symbols and ones that need nearly all; at the best quality what comes back
// hardly differs.
static void codes_are_short(void **state)
{
    (void)state;
    for (int c = 1; c <= 3; c += 2)
        for (int kind = 0; kind < 3; kind++) {
            struct sqz_image image = {0}, back = {0};
            struct sqz_bytes jpeg = {0};
            struct sqz_error err = {0};
            struct sqz_decode how = {.channels = c, .verify = true};
            assert_int_equal(sqz_image_resize_buffer(&image, 75, 41, c, NULL), SQZ_OK);
            uint32_t noise = 1;
            for (int i = 0; i < 75 * 41 * c; i++) {
                noise = noise * 1664525 + 1013904223;
                int ramp = i / c % 75 + i / c / 75;
                image.pixels[i] = (uint8_t)(kind == 0 ? 90 : kind == 1 ? ramp : (int)(noise >> 24));
            }
            if (sqz_jpeg_write(&image, 100, 1, &jpeg, &err))
                fail_msg("%s", err.text);
            assert_int_equal(count_short_tables(&jpeg), c == 3 ? 4 : 2);
            if (sqz_image_decode(jpeg.data, jpeg.size, NULL, &how, &back, &err))
                fail_msg("%s", err.text);
            long most = 0;
            for (int i = 0; i < 75 * 41 * c; i++) {
                long differs = labs((long)image.pixels[i] - back.pixels[i]);
                most = differs > most ? differs : most;
            }
            assert_true(most <= 2 || (kind == 2 && c == 3)); // chroma of noise is halved
            sqz_bytes_release(&jpeg);
            sqz_image_release(&image);
            sqz_image_release(&back);
        }
}

// Reads and decodes all samples, whatever comes of it.
static void read_all(const struct sqz_dataset *set)
{
    struct sqz_bytes bytes = {0};
    struct sqz_image view, image = {0};
    struct sqz_decode how = {.channels = 3, .verify = true};
    for (size_t i = 0; i < set->count; i++) {
        struct sqz_source source;
        assert_in_range(set->samples[i].label, 0, set->n_classes - 1);
        if (!sqz_dataset_read(set, i, &bytes, &view, &source, NULL) && !source.image)
            sqz_image_decode(source.data, source.size, source.name, &how, &image, NULL);
    }
    sqz_bytes_release(&bytes);
    sqz_image_release(&image);
}

// Tries every byte with a few values; whatever happens must be an error or a sane dataset.
static void damaged_packs(void **state)
{
    (void)state;
    make_splits("small");
    const char *good = in_scratch("small.pack"), *bad = in_scratch("bad.pack");
    pack(in_scratch("small"), good, (struct sqz_data_pack_options){.shorter = 10, .raw = true});
    struct sqz_bytes bytes = {0};
    assert_int_equal(sqz_file_read(good, 1 << 24, &bytes, NULL), SQZ_OK);
    uint64_t index = 0, size = 0;
    memcpy(&index, bytes.data + 8, 8);
    memcpy(&size, bytes.data + 16, 8);
    assert_true(index + size == bytes.size);
    int refused = 0, taken = 0;
    for (size_t at = 0; at < bytes.size; at = at == 63 ? (size_t)index : at + 1)
        for (int k = 0; k < 3; k++) {
            static const uint8_t values[] = {0xFF, 0x00, 0x01};
            uint8_t kept = bytes.data[at];
            bytes.data[at] = k == 2 ? (uint8_t)(kept ^ 1) : values[k];
            // A forger writes the right checksum, too.
            uint32_t crc = 0xFFFFFFFF;
            for (size_t i = index; i < bytes.size; i++) {
                crc ^= bytes.data[i];
                for (int b = 0; b < 8; b++)
                    crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
            }
            crc = ~crc;
            uint8_t old[4];
            memcpy(old, bytes.data + 24, 4);
            if (at >= index)
                memcpy(bytes.data + 24, &crc, 4);
            assert_int_equal(sqz_file_write_unsynced(bad, bytes.data, bytes.size, NULL), SQZ_OK);
            struct sqz_dataset_request request = {.kind = "", .dir = bad, .split = "train"};
            struct sqz_dataset *set = NULL;
            struct sqz_error err = {0};
            if (sqz_dataset_open(&request, &set, &err)) {
                refused++;
                assert_true(err.text[0] != 0);
            } else {
                taken++;
                read_all(set);
            }
            sqz_dataset_free(set);
            memcpy(bytes.data + 24, old, 4);
            bytes.data[at] = kept;
        }
    assert_true(refused > 100 && taken > 100);
    for (size_t n = 0; n < bytes.size; n += 97) { // cut off
        assert_int_equal(sqz_file_write_unsynced(bad, bytes.data, n, NULL), SQZ_OK);
        struct sqz_dataset_request request = {.kind = "", .dir = bad, .split = "train"};
        struct sqz_dataset *set = NULL;
        assert_int_not_equal(sqz_dataset_open(&request, &set, NULL), SQZ_OK);
    }
    sqz_bytes_release(&bytes);
}

// A large image leaves nothing for the decoder of a small one; a damaged one is told at every use.
static void images_stay_apart(void **state)
{
    (void)state;
    make_png(in_scratch("two/a/large.png"), 100, 100, 200);
    make_png(in_scratch("two/b/small.png"), 8, 8, 1);
    const char *out = in_scratch("two.pack");
    pack(in_scratch("two"), out, (struct sqz_data_pack_options){.shorter = 100, .raw = true});
    struct sqz_dataset *set = open_pack(out, "");
    struct sqz_bytes bytes = {0}, file = {0};
    struct sqz_image view;
    struct sqz_source source;
    struct sqz_error err = {0};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(sqz_dataset_read(set, i, &bytes, &view, &source, &err), SQZ_OK);
        assert_int_equal(source.slack, SQZ_IMAGE_SLACK);
        for (size_t k = 0; k < source.slack; k++)
            assert_int_equal(source.data[source.size + k], 0);
    }
    size_t at = (size_t)sqz_pack_entry_of(set->pack, 1)->offset + 5;
    sqz_dataset_free(set);
    assert_int_equal(sqz_file_read(out, 1 << 24, &file, NULL), SQZ_OK);
    file.data[at] ^= 1;
    assert_int_equal(sqz_file_write_unsynced(out, file.data, file.size, NULL), SQZ_OK);
    set = open_pack(out, "");
    for (int again = 0; again < 2; again++) {
        assert_int_equal(sqz_dataset_read(set, 0, &bytes, &view, &source, &err), SQZ_OK);
        assert_int_equal(sqz_dataset_read(set, 1, &bytes, &view, &source, &err), SQZ_E_DATA);
        assert_non_null(strstr(err.text, "two.pack/b/small.png is damaged: its checksum is wrong"));
    }
    sqz_dataset_free(set);
    sqz_bytes_release(&file);
    sqz_bytes_release(&bytes);
}

static struct sqz_bytes read_fixture(const char *name)
{
    char path[4096];
    struct sqz_bytes bytes = {0};
    snprintf(path, sizeof path, "%s/tests/fixtures/%s", SQZ_TEST_SOURCE, name);
    assert_int_equal(sqz_file_read(path, 1 << 20, &bytes, NULL), SQZ_OK);
    return bytes;
}

static void synsets(void **state)
{
    (void)state;
    struct sqz_bytes bytes = read_fixture("meta-plain.mat");
    struct sqz_synsets list = {0};
    struct sqz_error err = {0};
    if (sqz_synsets_read(bytes.data, bytes.size, "meta.mat", &list, &err))
        fail_msg("%s", err.text);
    assert_int_equal(list.count, 4);
    assert_int_equal(list.list[1].id, 2);
    assert_string_equal(list.list[1].wnid, "n01440764");
    assert_string_equal(list.list[1].words, "tench, Tinca tinca");
    assert_true(list.list[1].is_leaf && !list.list[3].is_leaf);
    sqz_synsets_release(&list);
    for (size_t at = 0; at < bytes.size; at++)
        for (int k = 0; k < 3; k++) {
            uint8_t kept = bytes.data[at];
            bytes.data[at] = k == 0 ? 0xFF : k == 1 ? 0 : kept ^ 0x08;
            if (sqz_synsets_read(bytes.data, bytes.size, "meta.mat", &list, NULL) == SQZ_OK)
                sqz_synsets_release(&list);
            assert_null(list.list);
            bytes.data[at] = kept;
        }
    for (size_t n = 0; n < bytes.size - 200; n++) {
        uint8_t *cut = malloc(n + 1); // its end is the allocation's, for the sanitizers
        memcpy(cut, bytes.data, n);
        assert_int_equal(sqz_synsets_read(cut, n, "meta.mat", &list, NULL), SQZ_E_DATA);
        free(cut);
    }
    sqz_bytes_release(&bytes);
}

static void write_octal(uint8_t *to, int digits, unsigned value)
{
    char text[16];
    snprintf(text, sizeof text, "%0*o", digits, value);
    memcpy(to, text, (size_t)digits);
}

static void make_header(uint8_t block[512], const char *name, unsigned size, char type)
{
    unsigned sum = 0;
    memset(block, 0, 512);
    memcpy(block, name, strlen(name));
    write_octal(block + 124, 11, size);
    block[156] = (uint8_t)type;
    memcpy(block + 257, "ustar", 6);
    memset(block + 148, ' ', 8);
    for (int i = 0; i < 512; i++)
        sum += block[i];
    write_octal(block + 148, 6, sum);
    block[154] = 0;
}

static void tar_archives(void **state)
{
    (void)state;
    enum { SIZE = 512 * 7 };
    uint8_t archive[SIZE] = {0};
    make_header(archive, "./directory/", 0, '5');
    make_header(archive + 512, "./directory/one.txt", 5, '0');
    memcpy(archive + 1024, "hello", 5);
    make_header(archive + 1536, "two.txt", 512, 0);
    struct sqz_tar_source source = {"test.tar", -1, archive};
    struct sqz_tar tar = {&source, 0, SIZE};
    struct sqz_tar_file file;
    struct sqz_bytes bytes = {0};
    bool found;
    assert_int_equal(sqz_tar_next(&tar, &file, &found, NULL), SQZ_OK);
    assert_true(found);
    assert_string_equal(file.name, "directory/one.txt");
    assert_int_equal(sqz_tar_read(&source, &file, 100, &bytes, NULL), SQZ_OK);
    assert_memory_equal(bytes.data, "hello", 5);
    assert_int_equal(sqz_tar_read(&source, &file, 4, &bytes, NULL), SQZ_E_DATA);
    assert_int_equal(sqz_tar_next(&tar, &file, &found, NULL), SQZ_OK);
    assert_string_equal(file.name, "two.txt");
    assert_int_equal(sqz_tar_next(&tar, &file, &found, NULL), SQZ_OK);
    assert_false(found);
    for (uint64_t end = 0; end < 512 * 6; end += 100) { // cut off anywhere before the end mark
        struct sqz_error err = {0};
        tar = (struct sqz_tar){&source, 0, end};
        enum sqz_status status = SQZ_OK;
        for (int i = 0; !status && i < 10; i++)
            status = sqz_tar_next(&tar, &file, &found, &err);
        assert_int_equal(status, end < 3072 ? SQZ_E_DATA : SQZ_OK);
    }
    archive[512 + 130]++; // the sum no longer fits
    tar = (struct sqz_tar){&source, 0, SIZE};
    assert_int_equal(sqz_tar_next(&tar, &file, &found, NULL), SQZ_E_DATA);
    make_header(archive + 512, "huge", 0x7FFFFFFF, '0');
    tar = (struct sqz_tar){&source, 0, SIZE};
    assert_int_equal(sqz_tar_next(&tar, &file, &found, NULL), SQZ_E_DATA);
    sqz_bytes_release(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_and_shrunk),   cmocka_unit_test(orientation_is_kept),
        cmocka_unit_test(codes_are_short),   cmocka_unit_test(damaged_packs),
        cmocka_unit_test(images_stay_apart), cmocka_unit_test(synsets),
        cmocka_unit_test(tar_archives),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
