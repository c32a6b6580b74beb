// idx and CIFAR files: good ones, compressed ones, every prefix, and headers that lie.
#include "dataset_files.h"

#include "testdata.h"
#include "paths.h"
#include <zlib.h>

#define W 5
#define H 4
#define N 12

static void put_be32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

struct idx {
    uint8_t images[16 + N * W * H], labels[8 + N];
};

static struct idx make_idx(int add)
{
    struct idx idx;
    put_be32(idx.images, 0x803);
    put_be32(idx.images + 4, N);
    put_be32(idx.images + 8, H);
    put_be32(idx.images + 12, W);
    put_be32(idx.labels, 0x801);
    put_be32(idx.labels + 4, N);
    for (int i = 0; i < N * W * H; i++)
        idx.images[16 + i] = (uint8_t)(i + add);
    for (int i = 0; i < N; i++)
        idx.labels[8 + i] = (uint8_t)((i * 3 + add) % 10);
    return idx;
}

static void make_gz(const char *path, const void *data, unsigned size)
{
    make_parent(path);
    gzFile file = gzopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, data, size), size);
    assert_int_equal(gzclose(file), Z_OK);
}

static void write_idx(const char *dir, const char *part, const struct idx *idx)
{
    make_file(in_scratch("%s/%s-images-idx3-ubyte", dir, part), idx->images, sizeof idx->images);
    make_file(in_scratch("%s/%s-labels-idx1-ubyte", dir, part), idx->labels, sizeof idx->labels);
}

static void expect_idx(const struct sqz_dataset *set, size_t first, const struct idx *idx)
{
    struct sqz_bytes bytes = {0};
    for (size_t i = 0; i < N; i++) {
        struct sqz_image view;
        struct sqz_source source;
        assert_int_equal(sqz_dataset_read(set, first + i, &bytes, &view, &source, NULL), SQZ_OK);
        assert_ptr_equal(source.image, &view);
        assert_int_equal(view.w, W);
        assert_int_equal(view.h, H);
        assert_int_equal(view.c, 1);
        assert_memory_equal(view.pixels, idx->images + 16 + i * W * H, W * H);
        assert_int_equal(set->samples[first + i].label, idx->labels[8 + i]);
    }
}

static void idx_good(void **state)
{
    (void)state;
    struct idx train = make_idx(1), test = make_idx(100);
    struct sqz_dataset_layout layout;
    write_idx("digits", "train", &train);
    make_gz(in_scratch("digits/t10k-images-idx3-ubyte.gz"), test.images, sizeof test.images);
    make_gz(in_scratch("digits/t10k-labels-idx1-ubyte.gz"), test.labels, sizeof test.labels);
    assert_int_equal(sqz_dataset_layout(in_scratch("digits"), &layout, NULL), SQZ_OK);
    assert_string_equal(layout.kind, "mnist");
    assert_true(layout.has_splits);
    assert_string_equal(layout.train, "train");
    assert_string_equal(layout.val, "test");
    struct sqz_dataset_request request = {.dir = in_scratch("digits"), .split = "train"};
    struct sqz_dataset *set = open_or_fail(&request);
    assert_int_equal(set->count, N);
    assert_int_equal(set->n_classes, 10);
    assert_string_equal(set->classes[7], "7");
    expect_idx(set, 0, &train);
    uint64_t fingerprint = set->fingerprint;
    sqz_dataset_free(set);
    request.split = "test";
    request.kind = "MNIST";
    set = open_or_fail(&request);
    expect_idx(set, 0, &test);
    assert_true(set->fingerprint != fingerprint);
    sqz_dataset_free(set);
    request.split = "all";
    set = open_or_fail(&request);
    assert_int_equal(set->count, 2 * N);
    expect_idx(set, 0, &train);
    expect_idx(set, N, &test);
    sqz_dataset_free(set);
    request.split = "val";
    expect_refusal(&request, SQZ_E_USAGE, "has no split \"val\"");
    request.kind = "cifar10";
    request.split = "train";
    expect_refusal(&request, SQZ_E_NOINPUT, "data_batch_1.bin");
}

// Names with a dot, as some unpackers write them, and files that only look like those.
static void idx_by_content(void **state)
{
    (void)state;
    struct idx train = make_idx(0);
    make_file(in_scratch("dot/a-train-image-list.csv"), "name,label", 10);
    make_gz(in_scratch("dot/train-images.idx3-ubyte"), train.images, sizeof train.images);
    make_file(in_scratch("dot/train-labels.idx1-ubyte"), train.labels, sizeof train.labels);
    struct sqz_dataset_layout layout;
    assert_int_equal(sqz_dataset_layout(in_scratch("dot"), &layout, NULL), SQZ_OK);
    assert_string_equal(layout.kind, "mnist");
    assert_string_equal(layout.train, "train");
    assert_string_equal(layout.val, "");
    struct sqz_dataset_request request = {.dir = in_scratch("dot"), .split = "train"};
    struct sqz_dataset *set = open_or_fail(&request);
    expect_idx(set, 0, &train);
    sqz_dataset_free(set);
}

static void idx_fashion(void **state)
{
    (void)state;
    struct idx train = make_idx(3);
    write_idx("my-Fashion-set", "train", &train);
    char slashed[512];
    snprintf(slashed, sizeof slashed, "%s/", in_scratch("my-Fashion-set"));
    struct sqz_dataset_request request = {.dir = slashed, .split = "train"};
    struct sqz_dataset *set = open_or_fail(&request);
    assert_string_equal(set->classes[0], "T-shirt/top");
    assert_string_equal(set->classes[9], "Ankle boot");
    sqz_dataset_free(set);
}

static void idx_bad(void **state)
{
    (void)state;
    struct idx good = make_idx(1), bad;
    struct sqz_dataset_request request = {
        .kind = "mnist", .dir = in_scratch("bad"), .split = "train"};
    const char *images = in_scratch("bad/train-images-idx3-ubyte");
    const char *labels = in_scratch("bad/train-labels-idx1-ubyte");
    write_idx("bad", "train", &good);
    for (size_t size = 0; size < sizeof good.images; size++) {
        make_file(images, good.images, size);
        expect_refusal(&request, SQZ_E_DATA, "idx3-ubyte\" is cut short");
    }
    make_file(images, good.images, sizeof good.images);
    for (size_t size = 0; size < sizeof good.labels; size++) {
        make_file(labels, good.labels, size);
        expect_refusal(&request, SQZ_E_DATA, "idx1-ubyte\" is cut short");
    }
    make_file(labels, good.labels, sizeof good.labels);
    static const struct {
        size_t at;
        uint32_t value;
        bool in_labels;
        const char *text;
    } lies[] = {
        {0, 0x801, false, "no idx file of images"},
        {0, 0x803, true, "no idx file of labels"},
        {4, 0xffffffff, false, "promises 4294967295 images"},
        {4, N - 1, false, "goes on after the end"},
        {8, 0, false, "images of 5 x 0 pixels"},
        {8, 0xffffffff, false, "images of 5 x 4294967295 pixels"},
        {12, 4097, false, "images of 4097 x 4 pixels"},
        {4, N + 1, true, "has 13 labels for 12 images"},
        {4, 0xffffffff, true, "has 4294967295 labels for 12 images"},
        {8, 0x000a0000, true, "gives image 1 the label 10"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        bad = good;
        put_be32((lies[i].in_labels ? bad.labels : bad.images) + lies[i].at, lies[i].value);
        write_idx("bad", "train", &bad);
        expect_refusal(&request, SQZ_E_DATA, lies[i].text);
    }
    write_idx("bad", "train", &good);
    assert_int_equal(unlink(labels), 0);
    expect_refusal(&request, SQZ_E_NOINPUT, "train-labels-idx1-ubyte\" (nor");
    make_dir(labels);
    expect_refusal(&request, SQZ_E_DATA, "is not a regular file");
    struct idx other = make_idx(1);
    assert_int_equal(rmdir(labels), 0);
    write_idx("bad", "train", &good);
    put_be32(other.images + 8, W);
    put_be32(other.images + 12, H);
    write_idx("bad", "t10k", &other);
    request.split = "all";
    expect_refusal(&request, SQZ_E_DATA, "its sister file of 5 x 4");
}

static void idx_bad_gzip(void **state)
{
    (void)state;
    struct idx good = make_idx(1);
    struct sqz_bytes packed = {0};
    struct sqz_dataset_request request = {
        .kind = "mnist", .dir = in_scratch("badgz"), .split = "train"};
    const char *path = in_scratch("badgz/train-images-idx3-ubyte.gz");
    make_file(in_scratch("badgz/train-labels-idx1-ubyte"), good.labels, sizeof good.labels);
    make_gz(path, good.images, sizeof good.images);
    assert_int_equal(sqz_file_read(path, 1 << 20, &packed, NULL), SQZ_OK);
    for (size_t size = 0; size < packed.size; size++) {
        make_file(path, packed.data, size);
        expect_refusal(&request, SQZ_E_DATA, "train-images-idx3-ubyte.gz\"");
    }
    // Any byte of the packed data or its checksums; the 10 bytes of the header may be free to
    // choose.
    for (size_t i = 10; i < packed.size; i++) {
        packed.data[i] ^= 0xff;
        make_file(path, packed.data, packed.size);
        expect_refusal(&request, SQZ_E_DATA, "train-images-idx3-ubyte.gz\"");
        packed.data[i] ^= 0xff;
    }
    make_file(path, packed.data, packed.size);
    struct sqz_dataset *set = open_or_fail(&request);
    expect_idx(set, 0, &good);
    sqz_dataset_free(set);
    sqz_bytes_release(&packed);
}

#define RECORDS 3

// Records whose pixel (c, y, x) is a known function; label bytes in front.
static void fill_cifar(uint8_t *data, size_t label_bytes, int add)
{
    for (size_t i = 0; i < RECORDS; i++) {
        uint8_t *record = data + i * (label_bytes + 3072);
        record[0] = (uint8_t)(label_bytes == 2 ? 19 : (int)i + add);
        record[label_bytes - 1] = (uint8_t)((int)i + add);
        for (size_t p = 0; p < 3072; p++)
            record[label_bytes + p] = (uint8_t)(p / 1024 * 50 + p % 1024 * 7 + i);
    }
}

static void expect_cifar(const struct sqz_dataset *set, size_t first, int add)
{
    for (size_t i = 0; i < RECORDS; i++) {
        const struct sqz_sample *sample = &set->samples[first + i];
        assert_int_equal(sample->label, (int)i + add);
        for (size_t p = 0; p < 1024; p++)
            for (size_t c = 0; c < 3; c++)
                assert_int_equal(set->pixels[sample->offset + 3 * p + c],
                                 (uint8_t)(c * 50 + p * 7 + i));
    }
}

static void cifar10(void **state)
{
    static const char names[] =
        "airplane\nauto\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\nlorry\n\n";
    uint8_t data[RECORDS * 3073 + 1] = {0};
    struct sqz_dataset_layout layout;
    (void)state;
    for (int batch = 1; batch <= 2; batch++) {
        fill_cifar(data, 1, batch);
        make_file(in_scratch("c10/cifar-10-batches-bin/data_batch_%d.bin", batch), data,
                  sizeof data - 1);
    }
    fill_cifar(data, 1, 7);
    make_file(in_scratch("c10/cifar-10-batches-bin/test_batch.bin"), data, sizeof data - 1);
    assert_int_equal(sqz_dataset_layout(in_scratch("c10"), &layout, NULL), SQZ_OK);
    assert_string_equal(layout.kind, "cifar10");
    assert_string_equal(layout.val, "test");
    struct sqz_dataset_request request = {.dir = in_scratch("c10"), .split = "train"};
    struct sqz_dataset *set = open_or_fail(&request);
    assert_int_equal(set->count, 2 * RECORDS);
    assert_int_equal(set->w, 32);
    assert_int_equal(set->c, 3);
    assert_string_equal(set->classes[9], "truck");
    expect_cifar(set, 0, 1);
    expect_cifar(set, RECORDS, 2);
    sqz_dataset_free(set);
    make_file(in_scratch("c10/cifar-10-batches-bin/batches.meta.txt"), names, sizeof names - 1);
    request.dir = in_scratch("c10/cifar-10-batches-bin");
    request.kind = "CIFAR10";
    request.split = "test";
    set = open_or_fail(&request);
    expect_cifar(set, 0, 7);
    assert_string_equal(set->classes[9], "lorry");
    sqz_dataset_free(set);

    make_file(in_scratch("c10/cifar-10-batches-bin/test_batch.bin"), data, sizeof data);
    expect_refusal(&request, SQZ_E_DATA, "9220 bytes are not records of 3073 bytes");
    make_file(in_scratch("c10/cifar-10-batches-bin/test_batch.bin"), data, 0);
    expect_refusal(&request, SQZ_E_DATA, "0 bytes are not records");
    data[3073] = 10;
    make_file(in_scratch("c10/cifar-10-batches-bin/test_batch.bin"), data, sizeof data - 1);
    expect_refusal(&request, SQZ_E_DATA, "gives record 1 the label 10");
    request.split = "train";
    assert_int_equal(rename(in_scratch("c10/cifar-10-batches-bin/data_batch_2.bin"),
                            in_scratch("c10/cifar-10-batches-bin/data_batch_3.bin")),
                     0);
    expect_refusal(&request, SQZ_E_NOINPUT, "data_batch_2.bin"); // a gap is no smaller dataset
}

static void cifar100(void **state)
{
    uint8_t data[RECORDS * 3074] = {0};
    struct sqz_dataset_layout layout;
    char names[100 * 8];
    size_t length = 0;
    (void)state;
    fill_cifar(data, 2, 50);
    make_file(in_scratch("c100/train.bin"), data, sizeof data);
    fill_cifar(data, 2, 97);
    make_file(in_scratch("c100/test.bin"), data, sizeof data);
    for (int i = 0; i < 100; i++)
        length += (size_t)snprintf(names + length, sizeof names - length, "fine%d\r\n", i);
    make_file(in_scratch("c100/fine_label_names.txt"), names, length);
    assert_int_equal(sqz_dataset_layout(in_scratch("c100"), &layout, NULL), SQZ_OK);
    assert_string_equal(layout.kind, "cifar100");
    struct sqz_dataset_request request = {.dir = in_scratch("c100"), .split = "all"};
    struct sqz_dataset *set = open_or_fail(&request);
    assert_int_equal(set->count, 2 * RECORDS);
    assert_int_equal(set->n_classes, 100);
    expect_cifar(set, 0, 50); // the fine label, not the coarse one
    expect_cifar(set, RECORDS, 97);
    assert_string_equal(set->classes[42], "fine42");
    sqz_dataset_free(set);
    // One line too many: no list of names.
    length += (size_t)snprintf(names + length, sizeof names - length, "more\n");
    make_file(in_scratch("c100/fine_label_names.txt"), names, length);
    set = open_or_fail(&request);
    assert_string_equal(set->classes[42], "42");
    sqz_dataset_free(set);
}

static void real_fashion(void **state)
{
    struct sqz_dataset_request request = {.dir = "/usr/share/datasets/fashion-mnist",
                                          .split = "test"};
    size_t histogram[10] = {0};
    (void)state;
    if (!path_is_dir(request.dir)) {
        fprintf(stderr, "SKIPPED, NOT TESTED: %s (package dataset-fashion-mnist)\n", request.dir);
        skip();
    }
    struct sqz_dataset *set = open_or_fail(&request);
    assert_int_equal(set->count, 10000);
    assert_int_equal(set->w, 28);
    assert_string_equal(set->classes[8], "Bag");
    for (size_t i = 0; i < set->count; i++)
        histogram[set->samples[i].label]++;
    for (int i = 0; i < 10; i++)
        assert_int_equal(histogram[i], 1000);
    sqz_dataset_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idx_good), cmocka_unit_test(idx_by_content), cmocka_unit_test(idx_fashion),
        cmocka_unit_test(idx_bad),  cmocka_unit_test(idx_bad_gzip),   cmocka_unit_test(cifar10),
        cmocka_unit_test(cifar100), cmocka_unit_test(real_fashion)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
