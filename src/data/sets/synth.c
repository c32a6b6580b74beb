// Writes the synthetic dataset: train/<class>/0000.png ... and val/<class>/0000.png ...
#include "data/sets/synth.h"
#include "base/memory.h"
#include "data/sets/dataset.h"
#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LEAST_SIZE     16
#define MOST_SIZE      1024
#define MOST_PER_CLASS 100000

struct job {
    char *dir;     // inside the target; its train and val move up when they are complete
    int counts[2]; // images a class in train and val
    int size;
    uint64_t seed;
    uint8_t *rgb;
    struct sqz_bytes png; // capacity of the largest possible file
};

static const char *const splits[2] = {"train", "val"};

static char *class_dir(const struct job *job, int split, int label)
{
    struct sqz_text text = {0};
    sqz_text_add(&text, "%s/%s/%s", job->dir, splits[split], sqz_synth_names[label]);
    char *path = text.failed ? NULL : sqz_copy_string(sqz_text_get(&text));
    sqz_text_release(&text);
    return path;
}

static char *image_path(const char *dir, int number)
{
    char name[32];
    snprintf(name, sizeof name, "%04d.png", number);
    return sqz_path_join(dir, name);
}

// Thousands of small files would take minutes with an fsync each; here train and val appear when
// all of them are there, or not at all.
static enum sqz_status write_file(const char *path, const uint8_t *data, size_t size,
                                  struct sqz_error *err)
{
    FILE *file = fopen(path, "wb");
    bool written = file && fwrite(data, 1, size, file) == size;
    int code = errno;
    if (file && fclose(file)) {
        code = written ? errno : code;
        written = false;
    }
    return written ? SQZ_OK
                   : sqz_fail_errno(err, SQZ_E_CANTWRITE, code, "\"%s\" cannot be written", path);
}

static enum sqz_status write_image(struct job *job, const char *path, struct sqz_error *err)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)job->size,
                       .height = (png_uint_32)job->size,
                       .format = PNG_FORMAT_RGB};
    png_alloc_size_t size = job->png.size;
    if (!png_image_write_to_memory(&image, job->png.data, &size, 0, job->rgb, 0, NULL))
        return sqz_fail(err, SQZ_E_INTERNAL, "\"%s\" cannot be encoded: %s.", path, image.message);
    return write_file(path, job->png.data, size, err);
}

static enum sqz_status write_class(struct job *job, int split, int label, struct sqz_error *err)
{
    struct sqz_random random;
    char *dir = class_dir(job, split, label);
    enum sqz_status status = dir ? sqz_dir_make(dir, err) : sqz_fail_memory(err, "a path", 1);
    for (int i = 0; !status && i < job->counts[split]; i++) {
        // epoch = split: the numbers of one image do not depend on how many others there are
        uint64_t number = (uint64_t)i * SQZ_SYNTH_CLASSES + (uint64_t)label;
        sqz_random_init(&random, job->seed, (uint64_t)split, number, SQZ_RANDOM_SYNTH);
        sqz_synth_draw((enum sqz_synth_class)label, job->size, &random, job->rgb);
        char *path = image_path(dir, i);
        status = path ? write_image(job, path, err) : sqz_fail_memory(err, "a path", strlen(dir));
        sqz_free(path);
    }
    sqz_free(dir);
    return status;
}

// Takes back what write_class made, and nothing else.
static void remove_all(const struct job *job)
{
    for (int split = 0; split < 2; split++) {
        for (int label = 0; label < SQZ_SYNTH_CLASSES; label++) {
            char *dir = class_dir(job, split, label);
            for (int i = 0; dir && i < job->counts[split]; i++) {
                char *path = image_path(dir, i);
                bool gone = path && unlink(path) != 0;
                sqz_free(path);
                if (gone)
                    break; // they were written in order
            }
            if (dir)
                rmdir(dir);
            sqz_free(dir);
        }
        char *dir = sqz_path_join(job->dir, splits[split]);
        if (dir)
            rmdir(dir);
        sqz_free(dir);
    }
    rmdir(job->dir);
}

static enum sqz_status check_target(const char *dir, bool *missing, struct sqz_error *err)
{
    struct sqz_dir entries = {0};
    enum sqz_path_kind kind;
    enum sqz_status status = sqz_path_look(dir, &kind, err);
    *missing = !status && kind == SQZ_PATH_MISSING;
    if (status || *missing)
        return status;
    if (kind != SQZ_PATH_DIR)
        return sqz_fail(err, SQZ_E_CANTWRITE, "\"%s\" is a file; name a new or empty directory.",
                        dir);
    status = sqz_dir_read(dir, &entries, err);
    if (!status && entries.count)
        status = sqz_fail(err, SQZ_E_CANTWRITE,
                          "\"%s\" is not empty; name a new or empty directory.", dir);
    sqz_dir_release(&entries);
    return status;
}

static enum sqz_status make_temporary(const char *dir, struct job *job, struct sqz_error *err)
{
    char name[48];
    snprintf(name, sizeof name, ".partial-%ld", (long)getpid());
    job->dir = sqz_path_join(dir, name);
    if (!job->dir)
        return sqz_fail_memory(err, "a path", strlen(dir));
    return sqz_dir_make(job->dir, err);
}

static enum sqz_status move_up(const char *dir, const struct job *job, struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    for (int split = 1; !status && split >= 0; split--) {
        char *from = sqz_path_join(job->dir, splits[split]),
             *to = sqz_path_join(dir, splits[split]);
        if (!from || !to)
            status = sqz_fail_memory(err, "a path", strlen(dir));
        else if (rename(from, to))
            status = sqz_fail_errno(err, SQZ_E_CANTWRITE, errno, "\"%s\" cannot be made", to);
        sqz_free(from);
        sqz_free(to);
    }
    if (!status)
        rmdir(job->dir);
    return status;
}

static enum sqz_status draw_all(const char *dir, struct job *job, struct sqz_error *err)
{
    size_t pixels = 3 * (size_t)job->size * (size_t)job->size;
    // Noise does not compress; zlib adds five bytes per 16 KB at most, PNG a few headers.
    job->png.size = pixels + pixels / 1000 + (size_t)job->size + 4096;
    job->png.data = sqz_new_array(job->png.size, 1);
    job->rgb = sqz_new_array(pixels, 1);
    enum sqz_status status = SQZ_OK;
    if (!job->png.data || !job->rgb)
        return sqz_fail_memory(err, "an image", pixels + job->png.size);
    for (int i = 0; !status && i < 2 * SQZ_SYNTH_CLASSES; i++)
        status = write_class(job, i / SQZ_SYNTH_CLASSES, i % SQZ_SYNTH_CLASSES, err);
    return status ? status : move_up(dir, job, err);
}

static enum sqz_status check_amounts(const struct job *job, struct sqz_error *err)
{
    for (int split = 0; split < 2; split++)
        if (job->counts[split] < 1 || job->counts[split] > MOST_PER_CLASS)
            return sqz_fail(err, SQZ_E_USAGE,
                            "%d images a class for %s are not possible: 1 to %d are.",
                            job->counts[split], splits[split], MOST_PER_CLASS);
    if (job->size < LEAST_SIZE || job->size > MOST_SIZE)
        return sqz_fail(err, SQZ_E_USAGE, "Images of %d pixels cannot be drawn: %d to %d can.",
                        job->size, LEAST_SIZE, MOST_SIZE);
    return SQZ_OK;
}

enum sqz_status sqz_data_synth(const char *dir, const struct sqz_synth_options *how,
                               struct sqz_error *err)
{
    struct job job = {.counts = {how->per_class_train ? how->per_class_train : 500,
                                 how->per_class_val ? how->per_class_val : 100},
                      .size = how->size ? how->size : 32,
                      .seed = how->seed};
    bool made = false;
    enum sqz_status status = check_amounts(&job, err);
    if (!status)
        status = check_target(dir, &made, err);
    if (status)
        return status;
    if (!(status = make_temporary(dir, &job, err)))
        status = draw_all(dir, &job, err);
    if (status && job.dir)
        remove_all(&job);
    if (status && made)
        rmdir(dir);
    sqz_bytes_release(&job.png);
    sqz_free(job.rgb);
    sqz_free(job.dir);
    return status;
}
