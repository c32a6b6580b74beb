// PyTorch files, as PyTorch 2.15 wrote them (tests/fixtures/make_formats.py) or as Python alone
// writes them (make_checkpoints.py).
#include "support.h"
#include "paths.h"

static const struct sqz_format *format;

// What the evil fixtures would make if they were run.
#define RAN "/tmp/squeezenet-pickle-ran"

static void read_fixture(const char *name, struct sqz_archive *out)
{
    char path[512];
    struct sqz_error err = {0};
    snprintf(path, sizeof path, FIXTURES "%s", name);
    struct sqz_bytes bytes = read_bytes(path);
    assert_true(format->probe(path, bytes.data, bytes.size));
    if (read_exact(format, bytes.data, bytes.size, out, &err))
        fail_msg("%s: %s", name, err.text);
    sqz_bytes_release(&bytes);
}

static void check(const struct sqz_archive *archive, const char *name, enum sqz_dtype dtype,
                  int rank, const size_t *shape, const float *values)
{
    const struct sqz_array *array = sqz_archive_find(archive, name);
    float got[32];
    assert_non_null(array);
    assert_int_equal(array->dtype, dtype);
    assert_int_equal(array->rank, rank);
    size_t count = 1;
    for (int i = 0; i < rank; i++) {
        assert_int_equal(array->shape[i], shape[i]);
        count *= shape[i];
    }
    assert_true(count <= 32 && array->size == count * sqz_dtype_size(dtype));
    assert_true(sqz_array_to_floats(array, got));
    for (size_t i = 0; i < count; i++)
        if (got[i] != values[i])
            fail_msg("%s[%zu] is %g, not %g", name, i, (double)got[i], (double)values[i]);
}

#define SHAPE(...) \
    sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t), (const size_t[]) \
    { \
        __VA_ARGS__ \
    }

static void check_kinds(const char *fixture)
{
    struct sqz_archive archive;
    float ramp[24];
    for (int i = 0; i < 24; i++)
        ramp[i] = (float)(i - 12) / 4;
    read_fixture(fixture, &archive);
    assert_int_equal(archive.n_arrays, 14);
    check(&archive, "plain", SQZ_F32, SHAPE(2, 3, 2, 2), ramp);
    check(&archive, "channels_last", SQZ_F32, SHAPE(2, 3, 2, 2), ramp);
    check(&archive, "tied", SQZ_F32, SHAPE(2, 3, 2, 2), ramp);
    check(&archive, "transposed", SQZ_F32, SHAPE(2, 3),
          (const float[]){-.75f, -.25f, .25f, -.5f, 0, .5f});
    check(&archive, "slice", SQZ_F32, SHAPE(2, 3), (const float[]){-1, -.75f, -.5f, .5f, .75f, 1});
    check(&archive, "parameter", SQZ_F32, SHAPE(5), (const float[]){-.5f, -.25f, 0, .25f, .5f});
    static const float four[] = {-.5f, -.25f, 0, .25f};
    check(&archive, "half", SQZ_F16, SHAPE(4), four);
    check(&archive, "bfloat", SQZ_BF16, SHAPE(4), four);
    check(&archive, "double", SQZ_F64, SHAPE(4), four);
    check(&archive, "scalar", SQZ_F32, 0, NULL, (const float[]){-2.5f});
    const struct sqz_array *array = sqz_archive_find(&archive, "long");
    assert_true(array && array->dtype == SQZ_I64 && array->size == 24);
    assert_memory_equal(array->data, ((const int64_t[]){-1, 0, 1}), 24);
    array = sqz_archive_find(&archive, "byte");
    assert_true(array && array->dtype == SQZ_U8 && array->size == 3);
    assert_memory_equal(array->data, "\0\1\2", 3);
    array = sqz_archive_find(&archive, "bool");
    assert_true(array && array->dtype == SQZ_BOOL && array->size == 2);
    assert_memory_equal(array->data, "\1\0", 2);
    array = sqz_archive_find(&archive, "empty");
    assert_true(array && array->rank == 2 && array->shape[0] == 0 && array->shape[1] == 3);
    sqz_archive_release(&archive);
}

static void test_zip(void **state)
{
    (void)state;
    check_kinds("kinds.pth");
}

static void test_stream(void **state)
{
    (void)state;
    check_kinds("kinds-legacy.pth");
}

static void test_protocol_4(void **state)
{
    (void)state;
    check_kinds("kinds-protocol4.pth");
}

static void test_nested(void **state)
{
    (void)state;
    struct sqz_archive archive;
    read_fixture("nested.pth", &archive);
    assert_int_equal(archive.n_arrays, 2);
    check(&archive, "conv.weight", SQZ_F32, SHAPE(2, 2), (const float[]){-.5f, -.25f, 0, .25f});
    check(&archive, "conv.bias", SQZ_F32, SHAPE(2), (const float[]){-.25f, 0});
    sqz_archive_release(&archive);
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *name, *words;
    } cases[] = {
        {"object.pth", "a Python object (system) instead of a state dict; nothing was run"},
        {"opaque-weight.pth", "conv.weight"},
        {"two-networks.pth", "more than one name (generator, discriminator)"},
        {"optimizer-only.pth", "no weights as plain tensors"},
        {"no-dict.pth", "does not hold a state dict"},
        {"no-pickle.pth", "PyTorch did not save it"},
        {"deflated.pth", "compressed"},
        {"big-endian.pth", "big-endian"},
    };
    unlink(RAN);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[512];
        snprintf(path, sizeof path, FIXTURES "%s", cases[i].name);
        struct sqz_bytes bytes = read_bytes(path);
        expect_failure(format, bytes.data, bytes.size, cases[i].words);
        sqz_bytes_release(&bytes);
    }
    assert_false(path_exists(RAN));
}

// What is no tensor is passed over unread, and a call of os.system is never made.
static void test_evil(void **state)
{
    (void)state;
    static const char *const names[] = {"evil.pth", "evil-legacy.pth"};
    unlink(RAN);
    for (size_t i = 0; i < 2; i++) {
        struct sqz_archive archive;
        read_fixture(names[i], &archive);
        assert_int_equal(archive.n_arrays, 1);
        check(&archive, "w", SQZ_F32, SHAPE(2), (const float[]){-.25f, 0});
        sqz_archive_release(&archive);
    }
    assert_false(path_exists(RAN));
}

// The checkpoints of training scripts: weights of two arrays beside what else they keep.
static void test_checkpoints(void **state)
{
    (void)state;
    static const char *const names[] = {"tutorial.pth", "net.pth",     "namespace.pth",
                                        "numpy.pth",    "thop.pth",    "lightning.pth",
                                        "by-name.pth",  "objects4.pth"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct sqz_archive archive;
        print_message("%s\n", names[i]);
        read_fixture(names[i], &archive);
        assert_int_equal(archive.n_arrays, 2);
        check(&archive, "conv.weight", SQZ_F32, SHAPE(2, 2), (const float[]){-.5f, -.25f, 0, .25f});
        check(&archive, "conv.bias", SQZ_F32, SHAPE(2), (const float[]){-.25f, 0});
        sqz_archive_release(&archive);
    }
}

// A prefix that tells a copy from the weights stays.
static void test_copies(void **state)
{
    (void)state;
    struct sqz_archive archive;
    read_fixture("copies.pth", &archive);
    assert_int_equal(archive.n_arrays, 2);
    check(&archive, "conv.weight", SQZ_F32, SHAPE(2, 2), (const float[]){-.5f, -.25f, 0, .25f});
    assert_non_null(sqz_archive_find(&archive, "module.conv.weight"));
    sqz_archive_release(&archive);
}

// A stream's prologue, then the given pickle of the object, no storages.
static void expect_pickle_failure(const char *pickle, size_t size, const char *words)
{
    static const char prologue[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
                                   "\x80\x02M\xe9\x03."
                                   "\x80\x02}X\x0d\0\0\0little_endian\x88s.";
    static const char keys[] = "\x80\x02].";
    uint8_t file[512];
    size_t at = sizeof prologue - 1;
    assert_true(size < 256);
    memcpy(file, prologue, at);
    memcpy(file + at, pickle, size);
    at += size;
    memcpy(file + at, keys, sizeof keys - 1);
    expect_failure(format, file, at + sizeof keys - 1, words);
}
#define PICKLE(text) text, sizeof(text) - 1

static void test_pickle_machine(void **state)
{
    (void)state;
    expect_pickle_failure(PICKLE("."), "no result");
    expect_pickle_failure(PICKLE("(."), "no result");
    expect_pickle_failure(PICKLE("t."), "a tuple has no begin");
    expect_pickle_failure(PICKLE("\x85."), "lacks its items");
    expect_pickle_failure(PICKLE("N(\x85."), "lacks its items");
    expect_pickle_failure(PICKLE("h\x09."), "never made");
    expect_pickle_failure(PICKLE("Nr\xff\xff\xff\xff."), "impossible memo");
    expect_pickle_failure(PICKLE("q\0."), "nothing to remember");
    expect_pickle_failure(PICKLE("}NNNu."), "no begin");
    expect_pickle_failure(PICKLE("}(NNNu."), "do not fit");
    expect_pickle_failure(PICKLE("(NNu."), "container is missing");
    expect_pickle_failure(PICKLE("]NNs."), "do not fit");
    expect_pickle_failure(PICKLE("N)R."), "no name");
    expect_pickle_failure(PICKLE("ctorch\nFloatStorage\n)R."), "storage type");
    expect_pickle_failure(PICKLE("ccollections\nOrderedDict\nN\x85R."), "from arguments");
    expect_pickle_failure(PICKLE("ctorch._utils\n_rebuild_tensor_v2\n)R."), "not described");
    expect_pickle_failure(PICKLE("ctorch._utils\n_rebuild_parameter\n)R."), "without its tensor");
    expect_pickle_failure(PICKLE("cos\nsystem\n."), "object (system)");
    expect_pickle_failure(PICKLE("\x8c\x02os\x8c\x06system\x93."), "object (system)");
    expect_pickle_failure(PICKLE("cx\n\033[2J\n."), "object (?[2J)");
    expect_pickle_failure(PICKLE("cos\nsystem\n)R."), "object (system)");
    expect_pickle_failure(PICKLE("cos\nsystem\n)\x81}b."), "object (system)");
    expect_pickle_failure(PICKLE("cos\nsystem\n)}\x92(NNu(Ne."), "object (system)");
    expect_pickle_failure(PICKLE("cos\nsystem\n\x81."), "lacks its class");
    expect_pickle_failure(PICKLE("N)\x81."), "no class");
    expect_pickle_failure(PICKLE("N}b."), "attributes of something");
    expect_pickle_failure(PICKLE("\x8f(N\x90."), "object (set)");
    expect_pickle_failure(PICKLE("(N\x91."), "object (frozenset)");
    expect_pickle_failure(PICKLE("N\x91."), "no begin");
    expect_pickle_failure(PICKLE("N\x90."), "no begin");
    expect_pickle_failure(PICKLE("1."), "no begin");
    expect_pickle_failure(PICKLE("0."), "nothing to drop");
    expect_pickle_failure(PICKLE("2."), "nothing to double");
    expect_pickle_failure(PICKLE("]N20a(N1."), "does not hold a state dict");
    expect_pickle_failure(PICKLE("C\xffz."), "cut off");
    expect_pickle_failure(PICKLE("\x8e\xff\xff\xff\xff\xff\xff\xff\xffz."), "cut off");
    expect_pickle_failure(PICKLE("}."), "no weights as plain tensors");
    expect_pickle_failure(PICKLE("NQ."), "a storage is not described");
    expect_pickle_failure(PICKLE("X\xff\xff\xff\xffz."), "cut off");
    expect_pickle_failure(PICKLE("i."), "opcode 0x69");
    expect_pickle_failure(PICKLE("\x80\x09."), "unknown pickle protocol");
    expect_pickle_failure(PICKLE("N."), "does not hold a state dict");
    // A dict that holds itself must not be walked for ever.
    expect_pickle_failure(PICKLE("}q\0X\x0a\0\0\0state_dicth\0sN."), "does not hold a state dict");
}

// One storage of two floats and tensors that describe it wrongly.
static void test_views(void **state)
{
    (void)state;
#define STORAGE \
    "(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0" \
    "0X\x03\0\0\0cpuK\x02NtQ"
#define TENSOR(offset, sizes, strides) \
    "}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(" STORAGE offset sizes strides "\x89}tRs."
    static const struct {
        const char *pickle;
        size_t size;
        const char *words; // NULL: legal
    } cases[] = {
        {PICKLE(TENSOR("K\0", "K\x02\x85", "K\x01\x85")), NULL},
        {PICKLE(TENSOR("K\x01", "K\x01\x85", "K\x09\x85")), NULL},
        {PICKLE(TENSOR("K\x09", "K\0\x85", "K\x01\x85")), NULL},
        {PICKLE(TENSOR("K\x01", "K\x02\x85", "K\x01\x85")), "beyond its storage"},
        {PICKLE(TENSOR("K\0", "K\x02\x85", "K\x02\x85")), "beyond its storage"},
        {PICKLE(TENSOR("K\x02", "K\x01\x85", "K\x01\x85")), "beyond its storage"},
        {PICKLE(TENSOR("J\xff\xff\xff\xff", "K\x01\x85", "K\x01\x85")), "impossible shape"},
        {PICKLE(TENSOR("K\0", "J\xff\xff\xff\xff\x85", "K\x01\x85")), "impossible shape"},
        {PICKLE(TENSOR("K\0", "K\x02\x85", ")")), "impossible shape"},
        {PICKLE(TENSOR("K\0", "J\xff\xff\xff\x7f\x85", "K\0\x85")), "larger than the file"},
        {PICKLE(TENSOR("K\0", "K\x02\x85", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85")),
         "beyond its storage"},
    };
    static const char prologue[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
                                   "\x80\x02M\xe9\x03."
                                   "\x80\x02}X\x0d\0\0\0little_endian\x88s.";
    static const char epilogue[] = "]X\x01\0\0\0"
                                   "0a.\2\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\x40";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t file[1024];
        size_t at = sizeof prologue - 1;
        memcpy(file, prologue, at);
        memcpy(file + at, cases[i].pickle, cases[i].size);
        at += cases[i].size;
        memcpy(file + at, epilogue, sizeof epilogue - 1);
        at += sizeof epilogue - 1;
        struct sqz_archive archive;
        struct sqz_error err = {0};
        if (cases[i].words) {
            expect_failure(format, file, at, cases[i].words);
            continue;
        }
        if (read_exact(format, file, at, &archive, &err))
            fail_msg("case %zu: %s", i, err.text);
        assert_int_equal(archive.n_arrays, 1);
        sqz_archive_release(&archive);
    }
}

static void test_tar(void **state)
{
    (void)state;
    uint8_t tar[512] = "sys_info";
    memcpy(tar + 257, "ustar", 5);
    assert_true(format->probe("x", tar, sizeof tar));
    expect_failure(format, tar, sizeof tar, "oldest form");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zip),        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_protocol_4), cmocka_unit_test(test_nested),
        cmocka_unit_test(test_refuses),    cmocka_unit_test(test_pickle_machine),
        cmocka_unit_test(test_views),      cmocka_unit_test(test_tar),
        cmocka_unit_test(test_evil),       cmocka_unit_test(test_checkpoints),
        cmocka_unit_test(test_copies),
    };
    format = sqz_format_find("pth");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
