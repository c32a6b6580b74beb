// data pack: shrinks, encodes and writes every image of a dataset, and the index after them.
#include "base/bytes.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/threads.h"
#include "data/sets/pack.h"
#include "data/sets/sets.h"
#include "data/resize/resize.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define ROUND 64 // images that are made at once, and then written in order

struct packed {
    struct sqz_bytes bytes; // of the file, or of what was made of it
    struct sqz_pack_entry entry;
    bool shrunk;
    enum sqz_status status;
    struct sqz_error error;
};

struct worker {
    struct sqz_bytes file;
    struct sqz_image decoded, shrunk;
    struct sqz_transform_scratch scratch;
};

struct packing {
    const struct sqz_data_pack_options *how;
    sqz_data_problem_fn problem; // may be NULL
    void *problem_arg;
    const char *out;
    struct sqz_pool *pool;
    struct worker *workers;
    struct sqz_writer *writer;
    struct sqz_text index;
    uint64_t at; // bytes written
    const struct sqz_dataset *set;
    size_t first; // sample of the round
    struct packed round[ROUND];
    struct sqz_data_pack_result report;
};

static void put_name(struct sqz_text *index, const char *name)
{
    size_t length = strlen(name);
    sqz_text_add_le(index, length, 2);
    sqz_text_add_bytes(index, name, length);
}

// The size with the shorter side at most `shorter`; the longer one rounded.
static bool shrink_size(int shorter, int w, int h, int *out_w, int *out_h)
{
    int least = w < h ? w : h;
    *out_w = w;
    *out_h = h;
    if (least <= shorter)
        return false;
    *out_w = (int)(((int64_t)w * shorter + least / 2) / least);
    *out_h = (int)(((int64_t)h * shorter + least / 2) / least);
    return true;
}

static enum sqz_status make(struct packing *packing, const struct sqz_source *source,
                            struct worker *worker, struct packed *out)
{
    const struct sqz_data_pack_options *how = packing->how;
    struct sqz_image_header header;
    struct sqz_decode decode = {.channels = 3, .apply_exif = how->raw, .verify = true};
    struct sqz_image *image = &worker->decoded;
    int w, h;
    enum sqz_status status =
        sqz_image_decode(source->data, source->size, source->name, &decode, image, &out->error);
    if (!status)
        status = sqz_image_probe(source->data, source->size, &header, &out->error);
    if (status)
        return status;
    out->shrunk = shrink_size(how->shorter, image->w, image->h, &w, &h);
    if (out->shrunk) {
        status = sqz_image_resize(image, NULL, w, h, SQZ_PIL_BILINEAR, &worker->shrunk,
                                  &worker->scratch, &out->error);
        image = &worker->shrunk;
    }
    out->entry = (struct sqz_pack_entry){.w = (uint16_t)w, .h = (uint16_t)h};
    if (status || (!how->raw && !out->shrunk)) // small enough: the file as it is
        return status;
    if (!how->raw)
        return sqz_jpeg_write(image, how->quality, header.orientation, &out->bytes, &out->error);
    out->entry.channels = (uint8_t)image->c;
    out->bytes.size = (size_t)w * (size_t)h * (size_t)image->c;
    out->bytes.data = sqz_new_array(out->bytes.size, 1);
    if (!out->bytes.data)
        return sqz_fail_memory(&out->error, "an image", out->bytes.size);
    memcpy(out->bytes.data, image->pixels, out->bytes.size);
    return SQZ_OK;
}

static void make_task(void *arg, int task, int worker_index)
{
    struct packing *packing = arg;
    struct worker *worker = &packing->workers[worker_index];
    struct packed *out = &packing->round[task];
    struct sqz_source source;
    struct sqz_image view;
    *out = (struct packed){0};
    out->status = sqz_dataset_read(packing->set, packing->first + (size_t)task, &worker->file,
                                   &view, &source, &out->error);
    if (!out->status)
        out->status = make(packing, &source, worker, out);
    if (!out->status && !out->bytes.data) {
        out->bytes = worker->file;
        worker->file = (struct sqz_bytes){0};
    }
    if (!out->status && out->bytes.size > UINT32_MAX)
        out->status = sqz_fail(&out->error, SQZ_E_DATA, "%s is too large for a pack.", source.name);
    if (out->status)
        return;
    out->entry.size = (uint32_t)out->bytes.size;
    out->entry.crc = (uint32_t)crc32_z(0, out->bytes.data, out->bytes.size);
}

static bool is_skipped(struct packing *packing, const struct sqz_sample *sample,
                       const struct packed *image)
{
    if (image->status != SQZ_E_DATA || !packing->how->skip_bad)
        return false;
    const char *what = image->error.text;
    const size_t length = strlen(sample->path);
    what += strncmp(what, sample->path, length) == 0 ? length + (what[length] == ' ') : 0;
    packing->report.skipped++;
    if (packing->problem)
        packing->problem(packing->problem_arg, sample->path, what);
    return true;
}

// Writes one image and its line of the index.
static enum sqz_status write_one(struct packing *packing, const struct sqz_sample *sample,
                                 struct packed *image, struct sqz_error *err)
{
    struct sqz_pack_entry *entry = &image->entry;
    struct sqz_text *index = &packing->index;
    if (image->status)
        return sqz_fail(err, image->status, "%s", image->error.text);
    enum sqz_status status =
        sqz_writer_add(packing->writer, image->bytes.data, image->bytes.size, err);
    entry->offset = packing->at;
    packing->at += entry->size;
    packing->report.images++;
    packing->report.shrunk += image->shrunk;
    sqz_text_add_le(index, entry->offset, 8);
    sqz_text_add_le(index, entry->size, 4);
    sqz_text_add_le(index, entry->crc, 4);
    sqz_text_add_le(index, (uint64_t)sample->label, 4);
    sqz_text_add_le(index, entry->w, 2);
    sqz_text_add_le(index, entry->h, 2);
    sqz_text_add_le(index, entry->channels, 1);
    put_name(index, sqz_path_name(sample->path));
    return status;
}

static enum sqz_status pack_split(struct packing *packing, const char *name, struct sqz_error *err)
{
    const struct sqz_dataset *set = packing->set;
    enum sqz_status status = SQZ_OK;
    put_name(&packing->index, name);
    sqz_text_add_le(&packing->index, (uint64_t)set->n_classes, 4);
    for (int i = 0; i < set->n_classes; i++)
        put_name(&packing->index, set->classes[i]);
    const size_t count_at = packing->index.length;
    uint64_t count = 0;
    sqz_text_add_le(&packing->index, set->count, 8);
    for (packing->first = 0; !status && packing->first < set->count; packing->first += ROUND) {
        size_t left = set->count - packing->first;
        int n = left < ROUND ? (int)left : ROUND;
        if (sqz_stop_asked(packing->how->stop))
            return sqz_fail(err, SQZ_E_STOPPED, "Packing was stopped; \"%s\" was not written.",
                            packing->out);
        sqz_pool_run(packing->pool, n, make_task, packing);
        for (int i = 0; i < n; i++) {
            const struct sqz_sample *sample = &set->samples[packing->first + (size_t)i];
            if (!status && !is_skipped(packing, sample, &packing->round[i])) {
                status = write_one(packing, sample, &packing->round[i], err);
                count++;
            }
            sqz_bytes_release(&packing->round[i].bytes);
        }
    }
    if (!status && count == 0 && set->count > 0)
        status = sqz_fail(err, SQZ_E_DATA, "No image of \"%s\" can be decoded.", set->name);
    if (!packing->index.failed)
        sqz_put_le((uint8_t *)packing->index.data + count_at, count, 8);
    return status;
}

static enum sqz_status open_and_pack(struct packing *packing, const char *dir, const char *split,
                                     int threads, struct sqz_error *err)
{
    struct sqz_dataset *set = NULL;
    struct sqz_dataset_request request = {
        .kind = "imagenet", .dir = dir, .split = split, .check_headers = true, .threads = threads};
    enum sqz_status status = sqz_dataset_open(&request, &set, err);
    if (status)
        return status;
    packing->set = set;
    packing->report.skipped += set->skipped;
    if (set->skipped && packing->problem)
        packing->problem(packing->problem_arg, set->name, set->skipped_example);
    status = pack_split(packing, split, err);
    sqz_dataset_free(set);
    return status;
}

static enum sqz_status finish(struct packing *packing, struct sqz_error *err)
{
    struct sqz_text head = {0};
    const struct sqz_text *index = &packing->index;
    if (index->failed)
        return sqz_fail_memory(err, "the index of a packed dataset", index->length);
    sqz_text_add_bytes(&head, SQZ_PACK_MAGIC, 8);
    sqz_text_add_le(&head, packing->at, 8);
    sqz_text_add_le(&head, index->length, 8);
    sqz_text_add_le(&head, crc32_z(0, (const uint8_t *)index->data, index->length), 4);
    enum sqz_status status = head.failed
                                 ? sqz_fail_memory(err, "a header", SQZ_PACK_HEAD)
                                 : sqz_writer_add(packing->writer, index->data, index->length, err);
    if (!status)
        status = sqz_writer_replace(packing->writer, 0, head.data, head.length, err);
    sqz_text_release(&head);
    packing->report.bytes = packing->at + index->length;
    return status;
}

static enum sqz_status begin(struct packing *packing, const char *out, int threads,
                             struct sqz_error *err)
{
    static const uint8_t nothing[SQZ_PACK_HEAD];
    enum sqz_status status = sqz_pool_new(threads, &packing->pool, err);
    if (status)
        return status;
    packing->workers = sqz_new_array((size_t)threads, sizeof *packing->workers);
    if (!packing->workers)
        return sqz_fail_memory(err, "packing", (size_t)threads * sizeof *packing->workers);
    status = sqz_writer_open(out, packing->how->overwrite, &packing->writer, err);
    if (!status)
        status = sqz_writer_add(packing->writer, nothing, sizeof nothing, err);
    packing->at = sizeof nothing;
    return status;
}

static void end(struct packing *packing, int threads)
{
    for (int i = 0; packing->workers && i < threads; i++) {
        sqz_bytes_release(&packing->workers[i].file);
        sqz_image_release(&packing->workers[i].decoded);
        sqz_image_release(&packing->workers[i].shrunk);
        sqz_transform_scratch_release(&packing->workers[i].scratch);
    }
    sqz_free(packing->workers);
    sqz_pool_free(packing->pool);
    sqz_writer_abort(packing->writer);
    sqz_text_release(&packing->index);
    sqz_free(packing);
}

enum sqz_status sqz_data_pack(const char *dir, const char *out,
                              const struct sqz_data_pack_options *how, int threads,
                              sqz_data_problem_fn problem, void *arg,
                              struct sqz_data_pack_result *report, struct sqz_error *err)
{
    struct sqz_dataset_layout layout;
    struct sqz_data_pack_options filled = *how;
    filled.shorter = how->shorter ? how->shorter : 256;
    filled.quality = how->quality ? how->quality : 90;
    enum sqz_status status = sqz_dataset_layout(dir, &layout, err);
    if (status)
        return status;
    if (strcmp(layout.kind, "imagenet") != 0 || layout.is_pack)
        return sqz_fail(err, SQZ_E_USAGE,
                        "\"%s\" is packed already: only class directories of image files are.",
                        dir);
    struct packing *packing = sqz_new_array(1, sizeof *packing);
    if (!packing)
        return sqz_fail_memory(err, "packing", sizeof *packing);
    packing->how = &filled;
    packing->out = out;
    packing->problem = problem;
    packing->problem_arg = arg;
    status = begin(packing, out, threads, err);
    const char *const splits[] = {layout.train, layout.val};
    sqz_text_add_le(&packing->index,
                    layout.has_splits ? (*layout.train != 0) + (*layout.val != 0) : 1, 4);
    if (!status && !layout.has_splits)
        status = open_and_pack(packing, dir, "", threads, err);
    for (int i = 0; !status && layout.has_splits && i < 2; i++)
        if (*splits[i])
            status = open_and_pack(packing, dir, splits[i], threads, err);
    if (!status)
        status = finish(packing, err);
    if (!status) {
        struct sqz_writer *writer = packing->writer;
        packing->writer = NULL;
        status = sqz_writer_commit(writer, err);
    }
    if (!status)
        *report = packing->report;
    end(packing, threads);
    return status;
}
