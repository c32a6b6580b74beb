// PyTorch's zip container: one directory with data.pkl and data/<key>.
#include "formats/common.h"
#include "formats/pth.h"
#include "formats/zip_library.h"

#include <stdio.h>
#include <string.h>

#define PICKLE_LIMIT ((uint64_t)4 << 20)

enum sqz_status sqz_pth_member(struct sqz_pth *r, const char *name, uint64_t limit,
                               struct sqz_bytes *out, struct sqz_error *err)
{
    zip_stat_t info;
    r->libzip->stat_init(&info);
    const zip_uint64_t wanted =
        ZIP_STAT_INDEX | ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if (r->libzip->stat(r->zip, name, 0, &info) || (info.valid & wanted) != wanted)
        return sqz_fail(err, SQZ_E_DATA, "%s lacks its part %s.", r->path, name);
    if (info.comp_method != ZIP_CM_STORE || info.encryption_method != ZIP_EM_NONE)
        return sqz_fail(err, SQZ_E_DATA,
                        "The part %s of %s is compressed or encrypted, which PyTorch never does.",
                        name, r->path);
    if (info.size > limit)
        return sqz_fail(err, SQZ_E_DATA, "The part %s of %s is impossibly large.", name, r->path);
    out->size = (size_t)info.size;
    out->data = sqz_new_array(out->size, 1);
    if (!out->data)
        return sqz_fail_memory(err, name, out->size);
    zip_file_t *file = r->libzip->fopen_index(r->zip, info.index, 0);
    uint8_t extra;
    // The read past the end is what makes libzip compare the checksum.
    bool ok = file && r->libzip->fread(file, out->data, info.size) == (zip_int64_t)info.size &&
              r->libzip->fread(file, &extra, 1) == 0;
    if (file)
        r->libzip->fclose(file);
    if (!ok)
        return sqz_fail(err, SQZ_E_DATA, "The part %s of %s is damaged.", name, r->path);
    return SQZ_OK;
}

// Finds "<top>/data.pkl".
static bool find_top(struct sqz_pth *r)
{
    zip_int64_t n = r->libzip->get_num_entries(r->zip, 0);
    for (zip_int64_t i = 0; i < n; i++) {
        const char *name = r->libzip->get_name(r->zip, (zip_uint64_t)i, 0);
        const char *slash = name ? strchr(name, '/') : NULL;
        size_t length = slash ? (size_t)(slash - name) : 0;
        if (slash && strcmp(slash, "/data.pkl") == 0 && length > 0 && length < sizeof r->top) {
            memcpy(r->top, name, length);
            return sqz_name_is_clean(r->top);
        }
    }
    return false;
}

static enum sqz_status check_byte_order(struct sqz_pth *r, struct sqz_error *err)
{
    char name[600];
    struct sqz_bytes text = {0};
    snprintf(name, sizeof name, "%s/byteorder", r->top);
    if (r->libzip->name_locate(r->zip, name, 0) < 0)
        return SQZ_OK;
    enum sqz_status status = sqz_pth_member(r, name, 64, &text, err);
    if (!status && (text.size != 6 || memcmp(text.data, "little", 6) != 0))
        status =
            sqz_fail(err, SQZ_E_DATA,
                     "%s was written by a big-endian machine, which is not supported.", r->path);
    sqz_bytes_release(&text);
    return status;
}

static enum sqz_status open_archive(struct sqz_pth *r, const uint8_t *data, size_t size,
                                    struct sqz_error *err)
{
    zip_error_t problem;
    enum sqz_status status = SQZ_OK;
    r->libzip->error_init(&problem);
    zip_source_t *source = r->libzip->source_buffer_create(data, size, 0, &problem);
    r->zip = source ? r->libzip->open_from_source(source, ZIP_RDONLY, &problem) : NULL;
    if (!r->zip) {
        r->libzip->source_free(source);
        status = sqz_fail(err, SQZ_E_DATA, "%s is a damaged or truncated zip file: %s.", r->path,
                          r->libzip->error_strerror(&problem));
    }
    r->libzip->error_fini(&problem);
    return status;
}

enum sqz_status sqz_pth_zip_open(struct sqz_pth *r, const uint8_t *data, size_t size,
                                 uint32_t *root, struct sqz_error *err)
{
    char name[600];
    enum sqz_status status = sqz_zip_open(&r->libzip, err);
    if (!status)
        status = open_archive(r, data, size, err);
    if (status)
        return status;
    if (!find_top(r))
        return sqz_fail(err, SQZ_E_DATA,
                        "%s is a zip file, but holds no data.pkl: PyTorch did not save it.",
                        r->path);
    status = check_byte_order(r, err);
    if (status)
        return status;
    snprintf(name, sizeof name, "%s/data.pkl", r->top);
    status = sqz_pth_member(r, name, PICKLE_LIMIT, &r->zip_pickle, err);
    struct sqz_cursor cursor = {r->zip_pickle.data, r->zip_pickle.size, 0};
    return status ? status : sqz_pickle_run(&r->pickle, r->path, &cursor, root, err);
}

void sqz_pth_zip_close(struct sqz_pth *r)
{
    sqz_bytes_release(&r->zip_pickle);
    if (r->zip)
        r->libzip->discard(r->zip);
    r->zip = NULL;
}
