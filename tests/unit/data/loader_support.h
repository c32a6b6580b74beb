// A small dataset and what the tests of the loader do with it.
#ifndef SQZ_TESTS_LOADER_SUPPORT_H
#define SQZ_TESTS_LOADER_SUPPORT_H

#include "dataset_files.h"

#include "data/loader/loader.h"

#define SIDE      16
#define FLOATS    ((size_t)SIDE * SIDE * 3)
#define CLASSES   3
#define PER_CLASS 9
#define COUNT     (CLASSES * PER_CLASS)

// Made by setup.
static struct sqz_dataset *good;

static const struct sqz_augment everything = {.scale = {0.3, 1.0},
                                              .ratio = {0.75, 1.333},
                                              .interpolation = SQZ_BILINEAR,
                                              .hflip = 0.5,
                                              .vflip = 0.5,
                                              .brightness = 0.4,
                                              .contrast = 0.4,
                                              .saturation = 0.4,
                                              .hue = 0.1,
                                              .erase_prob = 0.5,
                                              .erase_scale = {0.02, 0.33},
                                              .erase_ratio = {0.3, 3.3},
                                              .erase_attempts = 10,
                                              .erase_mode = SQZ_ERASE_RANDOM};

static inline struct sqz_loader_config config_for(const struct sqz_dataset *set, int batch,
                                                  int workers)
{
    struct sqz_loader_config config = {
        .dataset = set, .batch = batch, .workers = workers, .seed = 7};
    config.preprocess = (struct sqz_preprocess){.resize_mode = SQZ_RESIZE_SHORTER,
                                                .resize = SIDE,
                                                .image_size = SIDE,
                                                .interpolation = SQZ_BILINEAR,
                                                .channels = 3,
                                                .std = {1, 1, 1}};
    return config;
}

static inline struct sqz_loader *new_or_fail(const struct sqz_loader_config *config)
{
    struct sqz_loader *loader = NULL;
    struct sqz_error err = {0};
    if (sqz_loader_new(config, &loader, &err))
        fail_msg("%s", err.text);
    return loader;
}

static inline struct sqz_batch next_or_fail(struct sqz_loader *loader)
{
    struct sqz_batch batch;
    struct sqz_error err = {0};
    if (sqz_loader_next(loader, &batch, &err))
        fail_msg("%s", err.text);
    return batch;
}

// A class and number to a colour: the pixels tell which file an image came from.
static inline int colour_of(int label, int number)
{
    return label * 50 + number * 4;
}

static inline struct sqz_dataset *make_set(const char *name)
{
    for (int c = 0; c < CLASSES; c++)
        for (int i = 0; i < PER_CLASS; i++)
            make_png(in_scratch("%s/%c/%d.png", name, 'a' + c, i), 20, 24, colour_of(c, i));
    struct sqz_dataset_request request = {.kind = "", .dir = in_scratch("%s", name), .split = ""};
    return open_or_fail(&request);
}

// All that an epoch hands out, from batch `first` on, hashed batch by batch.
struct trace {
    uint64_t batches[64];
    size_t n, samples;
    int seen[COUNT];
};

static inline uint64_t hash_of(uint64_t hash, const void *data, size_t n)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

static inline struct trace run_epoch(struct sqz_loader *loader, int epoch, size_t first)
{
    struct trace trace = {.n = first};
    struct sqz_batch batch;
    assert_int_equal(sqz_loader_start(loader, epoch, first, NULL), SQZ_OK);
    while (batch = next_or_fail(loader), batch.n > 0) {
        uint64_t hash = hash_of(1, batch.images, (size_t)batch.n * FLOATS * sizeof(float));
        hash = hash_of(hash, batch.labels, (size_t)batch.n * sizeof *batch.labels);
        hash = hash_of(hash, batch.samples, (size_t)batch.n * sizeof *batch.samples);
        trace.batches[trace.n++] = hash;
        trace.samples += (size_t)batch.n;
        for (int i = 0; i < batch.n; i++)
            trace.seen[batch.samples[i]]++;
    }
    return trace;
}

static inline void expect_same(const struct trace *a, const struct trace *b, size_t first)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = first; i < a->n; i++)
        assert_true(a->batches[i] == b->batches[i]);
}

static inline int setup(void **state)
{
    if (scratch_make(state))
        return 1;
    good = make_set("good");
    return 0;
}

static inline int teardown(void **state)
{
    sqz_dataset_free(good);
    return scratch_remove(state);
}

#endif
