// What is no image, or no longer one: every prefix, every mutation, hostile headers.
#include "image.h"

#include "base/random.h"

#include <sys/resource.h>
#include <zlib.h>

static const char *const small[] = {"420.jpg",           "420-progressive.jpg", "exif-6.jpg",
                                    "cmyk.jpg",          "440-restarts.jpg",    "interlaced.png",
                                    "palette4-trns.png", "gray16-trns.png",     "exif-6.png"};
#define COUNT(array) (sizeof(array) / sizeof *(array))

// Decodes a copy that ends where its allocation ends, so that a sanitizer sees every byte too far.
static enum sqz_status decode_copy(const uint8_t *data, size_t size, const struct sqz_decode *how,
                                   struct sqz_error *err)
{
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    struct sqz_image image = {0};
    enum sqz_status status = sqz_image_decode(copy, size, "the file", how, &image, err);
    sqz_image_release(&image);
    free(copy);
    return status;
}

static void test_every_prefix_fails(void **state)
{
    (void)state;
    struct sqz_decode top = {.channels = 3, .crop = {0, 0, 8, 2}};
    struct sqz_decode whole = {.channels = 3, .apply_exif = true};
    for (size_t i = 0; i < COUNT(small); i++) {
        struct sqz_bytes bytes = read_bytes(fixture(small[i]));
        bool jpeg = strstr(small[i], ".jpg") != NULL;
        for (size_t size = 0; size < bytes.size; size++) {
            struct sqz_error err = {0};
            assert_int_equal(decode_copy(bytes.data, size, &whole, &err), SQZ_E_DATA);
            assert_int_equal(err.status, SQZ_E_DATA);
            assert_memory_equal(err.text, "the file ", 9);
            // A crop above the gap: JPEG finds the missing end before it decodes.
            enum sqz_status status = decode_copy(bytes.data, size, &top, NULL);
            if (jpeg)
                assert_int_equal(status, SQZ_E_DATA);
        }
        assert_int_equal(decode_copy(bytes.data, bytes.size, &whole, NULL), SQZ_OK);
        sqz_bytes_release(&bytes);
    }
}

static void test_truncated_photo(void **state)
{
    (void)state;
    const char *path = test_data("imagenet-samples/val/n01440764/n01440764_tench.JPEG");
    if (!path)
        skip();
    struct sqz_bytes bytes = read_bytes(path);
    struct sqz_decode how = {.channels = 3};
    for (size_t part = 0; part < 16; part++)
        assert_int_equal(decode_copy(bytes.data, bytes.size * part / 16, &how, NULL), SQZ_E_DATA);
    assert_int_equal(decode_copy(bytes.data, bytes.size, &how, NULL), SQZ_OK);
    sqz_bytes_release(&bytes);
}

// Any answer will do, as long as it is one; a failure must explain itself.
static void test_mutations(void **state)
{
    (void)state;
    struct sqz_random random;
    sqz_random_init(&random, 7, 0, 0, SQZ_RANDOM_TEST);
    size_t failed = 0;
    for (size_t i = 0; i < COUNT(small); i++) {
        struct sqz_bytes bytes = read_bytes(fixture(small[i]));
        uint8_t *mutant = malloc(bytes.size);
        assert_non_null(mutant);
        for (int round = 0; round < 400; round++) {
            memcpy(mutant, bytes.data, bytes.size);
            // Headers decide most: half of the changes hit the first 200 bytes.
            int64_t last = (int64_t)bytes.size - 1;
            for (int64_t k = sqz_random_int(&random, 1, 4); k > 0; k--)
                mutant[sqz_random_int(&random, 0, k % 2 && last > 200 ? 200 : last)] =
                    (uint8_t)sqz_random_int(&random, 0, 255);
            struct sqz_decode how = {.channels = round % 2 ? 3 : 1,
                                     .apply_exif = true,
                                     .least_w = round % 3 ? 0 : 10,
                                     .least_h = 10};
            struct sqz_error err = {0};
            struct sqz_image_header header;
            if (sqz_image_probe(mutant, bytes.size, &header, NULL) == SQZ_OK &&
                (int64_t)header.w * header.h > 1000000)
                continue; // a legal, large, mostly missing image: slow under sanitizers
            if (decode_copy(mutant, bytes.size, &how, &err)) {
                assert_true(strlen(err.text) > 10);
                failed++;
            }
        }
        free(mutant);
        sqz_bytes_release(&bytes);
    }
    assert_true(failed > 100);
}

static void expect_kind(const void *data, size_t size, const char *words)
{
    struct sqz_image_header header = {.w = 77};
    struct sqz_error err = {0};
    assert_int_equal(sqz_image_probe(data, size, &header, &err), SQZ_E_DATA);
    assert_int_equal(header.w, 77);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
    struct sqz_decode how = {.channels = 3};
    assert_int_equal(decode_copy(data, size, &how, &err), SQZ_E_DATA);
    assert_memory_equal(err.text, "the file ", 9);
    assert_non_null(strstr(err.text, words));
}

static void test_foreign_files(void **state)
{
    (void)state;
    expect_kind("", 0, "is empty");
    expect_kind("GIF89a....", 10, "a GIF image");
    expect_kind("RIFF\x10\0\0\0WEBPVP8 ", 16, "a WebP image");
    expect_kind("BM......", 8, "a BMP image");
    expect_kind("II*\0....", 8, "a TIFF image");
    expect_kind("MM\0*....", 8, "a TIFF image");
    expect_kind("\0\0\0\x18"
                "ftypheic",
                12, "a HEIC image");
    expect_kind("<!DOCTYPE html><html>", 21, "HTML text");
    expect_kind("404: not found\n", 15, "is text");
    expect_kind("\1\2\3\4", 4, "no image");
    expect_kind("\xFF\xD8\xFF", 3, "ends within its header");
    expect_kind("\x89PNG\r\n\x1A\n", 8, "ends within its header");
    expect_kind("\x89PNG\n\x1A\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\10\2\0\0\0\0\0\0\0", 33,
                "as by a transfer");
    expect_kind("\xFF\xD8\xFF\xD9", 4, "without an image");
}

static void test_limits(void **state)
{
    (void)state;
    uint8_t frame[] = {0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8, 0, 0, 0, 0, 1, 1, 0x11, 0};
    struct {
        int w, h;
        const char *words;
    } cases[] = {{65501, 1, "the limits are"},
                 {11586, 11585, "the limits are"},
                 {0, 5, "0 x 5 pixels"},
                 {5, 0, "5 x 0 pixels"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        frame[7] = (uint8_t)(cases[i].h >> 8);
        frame[8] = (uint8_t)cases[i].h;
        frame[9] = (uint8_t)(cases[i].w >> 8);
        frame[10] = (uint8_t)cases[i].w;
        expect_kind(frame, sizeof frame, cases[i].words);
    }
    struct sqz_image_header header;
    frame[7] = 9000 >> 8, frame[8] = 9000 & 255; // a photo of 108 megapixels
    frame[9] = 12000 >> 8, frame[10] = 12000 & 255;
    assert_int_equal(sqz_image_probe(frame, sizeof frame, &header, NULL), SQZ_OK);
    assert_int_equal(header.w, 12000);
    frame[6] = 12;
    frame[8] = 5;
    expect_kind(frame, sizeof frame, "12 bits");
}

// A small PNG whose header promises a large image is refused before memory is taken for it.
static void test_png_amplification(void **state)
{
    (void)state;
    struct sqz_bytes bytes = read_bytes(fixture("gray16-trns.png"));
    static const uint8_t large[] = {0, 0, 0x27, 0x10, 0, 0, 0x27, 0x10}; // 10,000 x 10,000
    memcpy(bytes.data + 16, large, sizeof large);
    uint32_t crc = (uint32_t)crc32(0, bytes.data + 12, 17);
    for (int i = 0; i < 4; i++)
        bytes.data[29 + i] = (uint8_t)(crc >> (24 - 8 * i));
    struct sqz_decode how = {.channels = 3};
    struct sqz_image image = {0};
    struct sqz_error err = {0};
    assert_int_equal(sqz_image_decode(bytes.data, bytes.size, "it", &how, &image, &err),
                     SQZ_E_DATA);
    assert_non_null(strstr(err.text, "more than the file can hold"));
    assert_int_equal(image.capacity, 0);
    sqz_bytes_release(&bytes);
}

static size_t put_chunk(uint8_t *out, const char *type, const void *body, size_t size)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(size >> (24 - 8 * i));
    memcpy(out + 4, type, 4);
    memcpy(out + 8, body, size);
    uint32_t crc = (uint32_t)crc32_z(0, out + 4, size + 4);
    for (int i = 0; i < 4; i++)
        out[8 + size + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    return size + 12;
}

// A flat image of one bit a pixel is smaller than deflate could make its 8-bit pixels, and good.
// A chunk of 2 GB in a file of 70 bytes is damage, and no memory is asked for: with less than that
// to have, the answer is the same. A sanitizer needs all addresses.
static void test_png_chunk_that_claims(void **state)
{
    (void)state;
    enum { HEADER = 33 }; // the signature and IHDR
    static const uint8_t claim[] = {0x77, 0x77, 0x77, 0x77, 'e', 'X', 'I', 'f', 1, 2, 3, 4};
    struct sqz_bytes bytes = read_bytes(fixture("exif-6.png"));
    uint8_t data[HEADER + sizeof claim];
    struct sqz_decode how = {.channels = 3};
    struct sqz_error err = {0};
    struct rlimit before, little = {512 << 20, RLIM_INFINITY};
    memcpy(data, bytes.data, HEADER);
    memcpy(data + HEADER, claim, sizeof claim);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    little.rlim_max = before.rlim_max;
    if (!getenv("SQZ_SANITIZED"))
        assert_int_equal(setrlimit(RLIMIT_AS, &little), 0);
    assert_int_equal(decode_copy(data, sizeof data, &how, &err), SQZ_E_DATA);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    sqz_bytes_release(&bytes);
}

static void test_flat_png(void **state)
{
    (void)state;
    enum { SIDE = 4000, ROW = 1 + SIDE / 8 };
    static const uint8_t header[13] = {0, 0, SIDE >> 8, SIDE & 255, 0, 0, SIDE >> 8, SIDE & 255, 1};
    uint8_t *rows = calloc(SIDE, ROW), *packed = malloc(1 << 16), *file = malloc(1 << 17);
    assert_true(rows && packed && file);
    uLongf size = 1 << 16;
    assert_int_equal(compress2(packed, &size, rows, SIDE * ROW, 9), Z_OK);
    assert_true(size < (size_t)SIDE * SIDE / 1032);
    memcpy(file, "\x89PNG\r\n\x1A\n", 8);
    size_t at = 8;
    at += put_chunk(file + at, "IHDR", header, sizeof header);
    at += put_chunk(file + at, "IDAT", packed, size);
    at += put_chunk(file + at, "IEND", "", 0);
    struct sqz_decode how = {.channels = 1, .verify = true};
    struct sqz_image image = {0};
    struct sqz_error err = {0};
    if (sqz_image_decode(file, at, "it", &how, &image, &err))
        fail_msg("%s", err.text);
    assert_int_equal(image.w, SIDE);
    assert_int_equal(image.pixels[SIDE * SIDE - 1], 0);
    sqz_image_release(&image);
    free(rows);
    free(packed);
    free(file);
}

// Repeats the first scan of a progressive file: legal, useless work.
static void test_scan_limit(void **state)
{
    (void)state;
    struct sqz_bytes bytes = read_bytes(fixture("420-progressive.jpg"));
    size_t scan = 0, copies = 150;
    while (bytes.data[scan] != 0xFF || bytes.data[scan + 1] != 0xDA)
        scan++;
    size_t end = scan + 2;
    while (bytes.data[end] != 0xFF || bytes.data[end + 1] == 0)
        end++;
    size_t length = end - scan;
    uint8_t *many = malloc(bytes.size + copies * length);
    assert_non_null(many);
    memcpy(many, bytes.data, end);
    for (size_t i = 0; i < copies; i++)
        memcpy(many + end + i * length, bytes.data + scan, length);
    memcpy(many + end + copies * length, bytes.data + end, bytes.size - end);
    struct sqz_decode how = {.channels = 3};
    struct sqz_error err = {0};
    assert_int_equal(decode_copy(many, bytes.size + copies * length, &how, &err), SQZ_E_DATA);
    if (!strstr(err.text, "more than 100 scans"))
        fail_msg("%s", err.text);
    free(many);
    sqz_bytes_release(&bytes);
}

// Decodes the first `size` bytes of `whole` with the rest of it as slack.
static enum sqz_status decode_with_rest(const struct sqz_bytes *whole, size_t size)
{
    struct sqz_decode how = {.channels = 3, .verify = true, .slack = whole->size - size};
    struct sqz_image image = {0};
    struct sqz_error err = {0};
    enum sqz_status status = sqz_image_decode(whole->data, size, "it", &how, &image, &err);
    assert_true(status == SQZ_OK || strstr(err.text, "it is a truncated JPEG image") == err.text);
    sqz_image_release(&image);
    return status;
}

static size_t find_marker(const struct sqz_bytes *bytes, size_t from, int marker)
{
    while (bytes->data[from] != 0xFF || bytes->data[from + 1] != marker)
        from++;
    return from;
}

// A truncated file must not be completed by the bytes that happen to lie after it, also when bytes
// that look like its end mark stand in the header of a scan or in a comment.
static void test_slack_is_not_read(void **state)
{
    (void)state;
    struct sqz_bytes bytes = read_bytes(fixture("420.jpg"));
    size_t scan = find_marker(&bytes, 0, 0xDA);
    size_t data = scan + 2 + (size_t)(bytes.data[scan + 2] << 8 | bytes.data[scan + 3]);
    bytes.data[data - 3] = 0xFF; // first and last coefficient, which only progressive files use
    bytes.data[data - 2] = 0xD9;
    assert_int_equal(decode_with_rest(&bytes, bytes.size), SQZ_OK);
    for (size_t size = data; size < bytes.size; size++)
        assert_int_equal(decode_with_rest(&bytes, size), SQZ_E_DATA);
    sqz_bytes_release(&bytes);

    bytes = read_bytes(fixture("420-progressive.jpg"));
    static const uint8_t comment[] = {0xFF, 0xFE, 0, 4, 0xFF, 0xD9};
    size_t second = find_marker(&bytes, find_marker(&bytes, 0, 0xDA) + 2, 0xDA);
    struct sqz_bytes commented = {malloc(bytes.size + sizeof comment), bytes.size + sizeof comment};
    assert_non_null(commented.data);
    memcpy(commented.data, bytes.data, second);
    memcpy(commented.data + second, comment, sizeof comment);
    memcpy(commented.data + second + sizeof comment, bytes.data + second, bytes.size - second);
    assert_int_equal(decode_with_rest(&commented, commented.size), SQZ_OK);
    for (size_t size = second + sizeof comment; size < commented.size; size++)
        assert_int_equal(decode_with_rest(&commented, size), SQZ_E_DATA);
    free(commented.data);
    sqz_bytes_release(&bytes);
}

// Bytes between segments and after the end occur in good files.
static void test_harmless_oddities(void **state)
{
    (void)state;
    struct sqz_bytes bytes = read_bytes(fixture("420.jpg"));
    uint8_t *odd = malloc(bytes.size + 5);
    assert_non_null(odd);
    struct sqz_decode how = {.channels = 3};
    memcpy(odd, bytes.data, bytes.size);
    memcpy(odd + bytes.size, "junk\n", 5);
    assert_int_equal(decode_copy(odd, bytes.size + 5, &how, NULL), SQZ_OK);
    size_t before_end = bytes.size - 2;
    memcpy(odd + before_end, "\0\0\0\0\0\xFF\xD9", 7);
    assert_int_equal(decode_copy(odd, bytes.size + 5, &how, NULL), SQZ_OK);
    free(odd);
    sqz_bytes_release(&bytes);
}

static void test_bad_requests(void **state)
{
    (void)state;
    struct sqz_bytes bytes = read_bytes(fixture("420.jpg"));
    struct sqz_rect crops[] = {{-1, 0, 5, 5}, {0, 0, 62, 5}, {60, 0, 2, 1},
                               {0, 75, 1, 1}, {0, 0, 1, 0},  {0, 0, -3, 2}};
    for (size_t i = 0; i < COUNT(crops); i++) {
        struct sqz_decode how = {.channels = 3, .crop = crops[i]};
        assert_int_equal(decode_copy(bytes.data, bytes.size, &how, NULL), SQZ_E_INTERNAL);
    }
    sqz_bytes_release(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_prefix_fails),
        cmocka_unit_test(test_truncated_photo),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_foreign_files),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_png_amplification),
        cmocka_unit_test(test_png_chunk_that_claims),
        cmocka_unit_test(test_flat_png),
        cmocka_unit_test(test_scan_limit),
        cmocka_unit_test(test_slack_is_not_read),
        cmocka_unit_test(test_harmless_oddities),
        cmocka_unit_test(test_bad_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
