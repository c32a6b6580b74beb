// The table of fuzz targets, and those that are a few lines. Readers of files get a file in memory.
#include "targets.h"

#include "api/pixels.h"
#include "base/bytes.h"
#include "base/escape.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "data/augment/policy.h"
#include "data/image/image.h"
#include "data/sets/dataset.h"
#include "data/sets/imagenet.h"
#include "data/sets/pack.h"
#include "data/sets/sets.h"
#include "data/sets/tar.h"
#include "formats/common.h"
#include "formats/pickle.h"
#include "formats/streamed.h"
#include "train/options/option_value.h"
#include "train/options/options.h"

#include <squeezenet_rt.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

struct fuzz_file fuzz_file_open(const uint8_t *data, size_t size)
{
    struct fuzz_file file = {.fd = memfd_create("fuzz", 0)};
    if (file.fd < 0 || write(file.fd, data, size) != (ssize_t)size)
        abort();
    snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.fd);
    return file;
}

void fuzz_file_close(const struct fuzz_file *file)
{
    close(file->fd);
}

// The data as text that ends with a NUL; free it.
static char *text_of(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

// --- Weight formats ---

static void read_archive(const struct sqz_format *format, const uint8_t *data, size_t size)
{
    struct sqz_archive archive = {0};
    struct sqz_error err = {0};
    // A copy of exactly this size: the sanitizer sees what is read past it.
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    if (format->read("file", copy, size, &archive, &err) && !err.text[0])
        abort(); // a failure without a sentence
    sqz_archive_release(&archive);
    free(copy);
}

static void safetensors(const uint8_t *data, size_t size)
{
    read_archive(&sqz_format_safetensors, data, size);
}

static void ckpt(const uint8_t *data, size_t size)
{
    read_archive(&sqz_format_ckpt, data, size);
}

static void pth(const uint8_t *data, size_t size)
{
    read_archive(&sqz_format_pth, data, size);
}

static void net(const uint8_t *data, size_t size)
{
    read_archive(&sqz_format_net, data, size);
}

// param and bin, divided by the first NUL.
static void ncnn(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    const size_t param = end ? (size_t)(end - data) : size, rest = end ? size - param - 1 : 0;
    struct sqz_archive archive = {0};
    sqz_ncnn_decode("file.param", data, param, end ? end + 1 : data + size, rest, &archive, NULL);
    sqz_archive_release(&archive);
}

// Any format, and a model from what it holds.
static void model(const uint8_t *data, size_t size)
{
    struct sqz_model *made = NULL;
    sqz_model_parse(data, size, "file", NULL, 0, &made, NULL);
    sqz_model_free(made);
}

// Any format with its weights left in the file, each read a row at a time.
static void streamed(const uint8_t *data, size_t size)
{
    struct fuzz_file file = fuzz_file_open(data, size);
    struct sqz_model *made = NULL;
    struct sqz_streamed *opened = NULL;
    if (sqz_streamed_open(file.path, NULL, 0, &made, &opened, NULL) == SQZ_OK) {
        const struct sqz_weight_source *source = sqz_streamed_source(opened);
        const struct sqz_param *last = &made->net->params[made->net->n_params - 1];
        float *rows = malloc(last->size * sizeof *rows);
        if (!rows)
            abort();
        const int n = last->kind == SQZ_PARAM_WEIGHT ? last->out : 1;
        source->rows(source->arg, made->net->n_params - 1, 0, n, rows, NULL);
        free(rows);
    }
    sqz_streamed_free(opened);
    sqz_model_free(made);
    fuzz_file_close(&file);
}

static void pickle(const uint8_t *data, size_t size)
{
    struct sqz_pickle machine = {0};
    struct sqz_cursor cursor = {data, size, 0};
    uint32_t root;
    char shown[64];
    if (sqz_pickle_run(&machine, "file", &cursor, &root, NULL) == SQZ_OK) {
        if (machine.values[root].kind == SQZ_PICKLE_TEXT)
            sqz_pickle_show(&machine.values[root], shown);
        if (machine.values[root].kind == SQZ_PICKLE_DICT)
            sqz_pickle_get(&machine, &machine.values[root], "state_dict");
    }
    sqz_pickle_release(&machine);
}

static void classes(const uint8_t *data, size_t size)
{
    struct sqz_net_spec spec = {.variant = sqz_variant_find("squeezenet1_1"),
                                .dialect = sqz_dialect_find("mindcv"),
                                .classes = 3,
                                .channels = 3,
                                .image_h = 32,
                                .image_w = 32};
    static struct sqz_model *made;
    if (!made && sqz_model_create(&spec, &made, NULL))
        abort();
    struct fuzz_file file = fuzz_file_open(data, size);
    sqz_model_read_classes(made, file.path, NULL);
    fuzz_file_close(&file);
}

static void json(const uint8_t *data, size_t size)
{
    struct sqz_json_document document;
    struct sqz_json_problem problem;
    if (sqz_json_parse((const char *)data, size, 1000, &document, &problem) == SQZ_OK)
        sqz_json_release(&document);
}

// --- A deployed model ---

static void sign_flat(uint8_t *data, size_t size)
{
    if (size < SQZ_RT_HEADER)
        return;
    sqz_put_le(data + 12, size, 4);
    sqz_put_le(data + 16, sqz_crc32(data + 20, size - 20), 4);
}

static void flat(const uint8_t *data, size_t size)
{
    struct sqz_rt rt;
    uint8_t *copy = malloc(size + 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    const size_t room = sqz_rt_arena(copy, size);
    uint8_t *arena = room && room < 1 << 22 ? malloc(room) : NULL;
    if (arena && sqz_rt_begin(&rt, copy, size, arena, room) == SQZ_RT_OK) {
        static const uint8_t row[3 * SQZ_RT_SIDE];
        for (int i = 0; i < 12; i++)
            sqz_rt_rows(&rt, row, 1, 0);
        sqz_rt_finish(&rt);
        sqz_rt_class_name(&rt, 1);
    }
    free(arena);
    free(copy);
}

// --- Images and datasets ---

static void decode(const uint8_t *data, size_t size, const struct sqz_decode *how)
{
    static struct sqz_image image;
    struct sqz_image_header header;
    uint8_t *copy = malloc(size + how->slack + 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    memset(copy + size, 0, how->slack + 1);
    // A few bytes may describe a large image, which is slow and shows nothing more.
    if (sqz_image_probe(copy, size, &header, NULL) == SQZ_OK && header.w < 2000 && header.h < 2000)
        sqz_image_decode(copy, size, "file", how, &image, NULL);
    free(copy);
}

// The first byte says how.
static void image(const uint8_t *data, size_t size)
{
    if (size == 0)
        return;
    struct sqz_decode how = {.channels = data[0] & 1 ? 3 : 1,
                             .apply_exif = data[0] & 2,
                             .verify = data[0] & 4,
                             .slack = data[0] & 8 ? SQZ_IMAGE_SLACK : 0};
    if (data[0] & 16)
        how.crop = (struct sqz_rect){1, 2, 5, 4};
    if (data[0] & 32)
        how.least_w = how.least_h = 4;
    decode(data + 1, size - 1, &how);
}

static void tar(const uint8_t *data, size_t size)
{
    const struct sqz_tar_source source = {"file", -1, data};
    struct sqz_tar archive = {&source, 0, size};
    struct sqz_tar_file file;
    bool found = true;
    for (int i = 0; found && i < 50 && sqz_tar_next(&archive, &file, &found, NULL) == SQZ_OK; i++) {
        struct sqz_bytes bytes = {0};
        if (found)
            sqz_tar_read(&source, &file, 1 << 16, &bytes, NULL);
        sqz_bytes_release(&bytes);
    }
}

// Tar headers hold the sum of their bytes.
static void sign_tar(uint8_t *data, size_t size)
{
    for (size_t at = 0; at + 512 <= size; at += 512) {
        unsigned sum = 0;
        if (memcmp(data + at + 257, "ustar", 5) != 0)
            continue;
        memset(data + at + 148, ' ', 8);
        for (int i = 0; i < 512; i++)
            sum += data[at + (size_t)i];
        for (int i = 5; i >= 0; i--, sum >>= 3)
            data[at + 148 + (size_t)i] = (uint8_t)('0' + (sum & 7));
        data[at + 154] = 0;
    }
}

static void mat(const uint8_t *data, size_t size)
{
    struct sqz_synsets synsets = {0};
    if (sqz_synsets_read(data, size, "file", &synsets, NULL) == SQZ_OK)
        sqz_synsets_release(&synsets);
}

// A compressed element as zlib writes it: no mutator could get past its check-sum.
static void mat_packed(const uint8_t *data, size_t size)
{
    uLongf packed = compressBound(size);
    uint8_t *file = calloc(1, 136 + packed);
    if (!file || compress2(file + 136, &packed, data, size, 1) != Z_OK)
        abort();
    memcpy(file + 124, "\0\1IM", 4);
    sqz_put_le(file + 128, 15, 4);
    sqz_put_le(file + 132, packed, 4);
    mat(file, 136 + packed);
    free(file);
}

// The index reaches to the end, and has a CRC.
static void sign_pack(uint8_t *data, size_t size)
{
    const uint64_t at = size < 64 ? size : sqz_get_le(data + 8, 8);
    if (at >= size)
        return;
    sqz_put_le(data + 16, size - at, 8);
    sqz_put_le(data + 24, sqz_crc32(data + at, size - at), 4);
}

static void pack(const uint8_t *data, size_t size)
{
    struct fuzz_file file = fuzz_file_open(data, size);
    struct sqz_dataset_request request = {
        .kind = "imagenet", .dir = file.path, .split = "train", .threads = 1};
    struct sqz_dataset *set = NULL;
    bool is_pack = false;
    if (sqz_pack_detect(file.path, &is_pack, NULL) == SQZ_OK && is_pack &&
        sqz_dataset_open(&request, &set, NULL) == SQZ_OK) {
        for (size_t i = 0; i < set->count && i < 4; i++) {
            struct sqz_bytes bytes = {0};
            struct sqz_image view = {0};
            struct sqz_source source;
            sqz_dataset_read(set, i, &bytes, &view, &source, NULL);
            sqz_bytes_release(&bytes);
        }
        sqz_dataset_free(set);
    }
    fuzz_file_close(&file);
}

// A file of a dataset.
struct part {
    const char *name;
    const uint8_t *data;
    size_t size;
};

static char set_dir[32];

static void remove_set_dir(void)
{
    rmdir(set_dir);
}

// Opens a directory of these files as a dataset.
static void open_set(const char *kind, const struct part *parts, int n)
{
    char path[128];
    if (!set_dir[0]) {
        snprintf(set_dir, sizeof set_dir, "/dev/shm/fuzz-XXXXXX");
        if (!mkdtemp(set_dir) || atexit(remove_set_dir))
            abort();
    }
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", set_dir, parts[i].name);
        FILE *file = fopen(path, "wb");
        if (!file || fwrite(parts[i].data, 1, parts[i].size, file) != parts[i].size || fclose(file))
            abort();
    }
    struct sqz_dataset_request request = {
        .kind = kind, .dir = set_dir, .split = "train", .threads = 1};
    struct sqz_dataset *set = NULL;
    if (sqz_dataset_open(&request, &set, NULL) == SQZ_OK)
        sqz_dataset_free(set);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", set_dir, parts[i].name);
        unlink(path);
    }
}

static void cifar(const uint8_t *data, size_t size)
{
    const struct part part = {"data_batch_1.bin", data, size};
    open_set("cifar10", &part, 1);
}

static void cifar100(const uint8_t *data, size_t size)
{
    const struct part part = {"train.bin", data, size};
    open_set("cifar100", &part, 1);
}

// Images and labels of MNIST's format: the first half is the one, the second the other.
static void idx(const uint8_t *data, size_t size)
{
    const size_t half = size / 2;
    const struct part parts[] = {{"train-images-idx3-ubyte", data, half},
                                 {"train-labels-idx1-ubyte", data + half, size - half}};
    open_set("mnist", parts, 2);
}

// A caller's pixels: the numbers come from the data, the memory is as large as they say.
static void pixels(const uint8_t *data, size_t size)
{
    static struct sqz_image converted;
    struct sqz_image view;
    struct sqz_pixels wanted = SQZ_INIT(sqz_pixels);
    if (size < 8)
        return;
    static uint8_t memory[3][40 * 512];
    wanted.format = (enum sqz_pixel_format)(data[0] % 10);
    wanted.width = data[1] % 41;
    wanted.height = data[2] % 41;
    for (int plane = 0; plane < 3; plane++) {
        // Rows of at most 160 bytes lie in the middle of 512; the strides lead up or down.
        wanted.strides[plane] = (ptrdiff_t)data[3 + plane] - 128;
        wanted.planes[plane] = data[6] >> plane & 1 ? memory[plane] + 20 * 512 : NULL;
    }
    sqz_pixels_view(&wanted, "pixels", &converted, &view, NULL);
}

// --- Text ---

static void yaml(const uint8_t *data, size_t size)
{
    struct sqz_options *options = NULL;
    if (sqz_options_new(&options, NULL))
        abort();
    sqz_options_parse_yaml(options, (const char *)data, size, "recipe.yaml", SQZ_FROM_YAML, NULL);
    sqz_options_free(options);
}

// "name=value".
static void option(const uint8_t *data, size_t size)
{
    struct sqz_options *options = NULL;
    struct sqz_text written = {0};
    char *text = text_of(data, size), *value = strchr(text, '=');
    if (sqz_options_new(&options, NULL))
        abort();
    if (value) {
        *value++ = '\0';
        if (sqz_options_set(options, text, value, SQZ_FROM_COMMAND_LINE, NULL) == SQZ_OK)
            sqz_options_write_yaml(options, false, &written);
    }
    sqz_text_release(&written);
    sqz_options_free(options);
    free(text);
}

static void policy(const uint8_t *data, size_t size)
{
    struct sqz_policy parsed;
    struct sqz_policy_draw draw;
    struct sqz_random random;
    char *text = text_of(data, size);
    sqz_random_init(&random, 1, 0, 0, SQZ_RANDOM_TEST);
    if (sqz_policy_parse(text, &parsed, NULL) == SQZ_OK)
        sqz_policy_draw(&parsed, &random, &draw);
    free(text);
}

// Text that leaves the program, for every destination.
static void escape(const uint8_t *data, size_t size)
{
    char *text = text_of(data, size);
    for (int to = 0; to <= SQZ_TEXT_PERCENT; to++) {
        const enum sqz_text_target destination = (enum sqz_text_target)to;
        const size_t n = sqz_text_escape(destination, text, NULL, 0);
        char *out = malloc(n + 1);
        if (!out || sqz_text_escape(destination, text, out, n + 1) != n)
            abort();
        free(out);
    }
    free(text);
}

// --- The table ---

const struct fuzz_target fuzz_targets[] = {
    {"safetensors", safetensors, NULL, 4096},
    {"ckpt", ckpt, NULL, 4096},
    {"pth", pth, NULL, 4096},
    {"net", net, NULL, 4096},
    {"ncnn", ncnn, NULL, 4096},
    {"model", model, NULL, 65536},
    {"streamed", streamed, NULL, 65536},
    {"sqz", fuzz_sqz, NULL, 160},
    {"patch", fuzz_patch, NULL, 160},
    {"pickle", pickle, NULL, 1024},
    {"classes", classes, NULL, 1024},
    {"json", json, NULL, 2048},
    {"flat", flat, sign_flat, 65536},
    {"image", image, NULL, 8192},
    {"tar", tar, sign_tar, 8192},
    {"mat", mat, NULL, 4096},
    {"mat_packed", mat_packed, NULL, 4096},
    {"pack", pack, sign_pack, 16384},
    {"cifar", cifar, NULL, 8192},
    {"cifar100", cifar100, NULL, 8192},
    {"idx", idx, NULL, 2048},
    {"pixels", pixels, NULL, 16},
    {"yaml", yaml, NULL, 2048},
    {"option", option, NULL, 256},
    {"policy", policy, NULL, 128},
    {"escape", escape, NULL, 512},
    {"checkpoint", fuzz_checkpoint, NULL, 4096},
    {"kept", fuzz_kept, NULL, 512},
    {"history", fuzz_history, NULL, 1024},
    {"events", fuzz_events, NULL, 256},
    {"headers", fuzz_headers, fuzz_sign_headers, 1024},
    {"hostfile", fuzz_hostfile, NULL, 512},
    {NULL, NULL, NULL, 0},
};

const struct fuzz_target *fuzz_target_find(const char *name)
{
    const struct fuzz_target *target = fuzz_targets;
    while (target->name && strcmp(target->name, name) != 0)
        target++;
    return target->name ? target : NULL;
}
