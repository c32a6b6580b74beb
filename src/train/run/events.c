// Event files: protobuf messages Event { wall_time = 1, step = 2, file_version = 3, summary = 5 {
// value = 1 { tag = 1, simple_value = 2 } } }, each between checksums (TFRecord).
#include "train/run/events.h"

#include "base/file.h"
#include "base/memory.h"
#include "train/run/run_dir.h"
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 }; // protobuf's wire types

static void add_varint(struct sqz_text *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        sqz_text_add_bytes(out, &(uint8_t){(uint8_t)(value | 0x80)}, 1);
    sqz_text_add_bytes(out, &(uint8_t){(uint8_t)value}, 1);
}

static void add_key(struct sqz_text *out, unsigned field, unsigned type)
{
    add_varint(out, field << 3 | type);
}

static void add_bytes(struct sqz_text *out, unsigned field, const void *bytes, size_t n)
{
    add_key(out, field, BYTES);
    add_varint(out, n);
    sqz_text_add_bytes(out, bytes, n);
}

// CRC-32C (Castagnoli), reflected; a run writes a few hundred bytes an epoch.
static uint32_t crc32c(const void *data, size_t n)
{
    const uint8_t *bytes = data;
    uint32_t crc = ~0U;
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
    }
    return ~crc;
}

static void write_checked(FILE *file, const void *data, size_t n)
{
    uint32_t crc = crc32c(data, n), masked = (crc >> 15 | crc << 17) + 0xa282ead8U;
    fwrite(data, 1, n, file);
    fwrite(&masked, 1, sizeof masked, file); // little-endian, as this program's machines are
}

static void write_record(FILE *file, const struct sqz_text *message)
{
    uint64_t length = message->length;
    if (message->failed)
        return;
    write_checked(file, &length, sizeof length);
    write_checked(file, message->data, message->length);
    fflush(file);
}

static void begin_event(struct sqz_text *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    add_key(out, 1, FIXED64);
    sqz_text_add_bytes(out, &seconds, sizeof seconds);
}

enum sqz_status sqz_events_open(const char *dir, FILE **out, struct sqz_error *err)
{
    static const char version[] = "brain.Event:2";
    char name[128];
    struct stat info;
    if (!lstat(dir, &info) && S_ISLNK(info.st_mode) && unlink(dir)) // it would lead elsewhere
        return sqz_fail_errno(err, SQZ_E_CANTWRITE, errno, "Cannot remove \"%s\"", dir);
    enum sqz_status status = sqz_dir_make(dir, err);
    if (status)
        return status;
    snprintf(name, sizeof name, "events.out.tfevents.%lld.squeezenet.%ld", (long long)time(NULL),
             (long)getpid());
    char *path = sqz_path_join(dir, name);
    if (!path)
        return sqz_fail_memory(err, "a path", strlen(dir));
    status = sqz_run_dir_append(path, out, err);
    if (!status) {
        struct sqz_text event = {0};
        begin_event(&event);
        add_bytes(&event, 3, version, strlen(version));
        write_record(*out, &event);
        sqz_text_release(&event);
    }
    sqz_free(path);
    return status;
}

void sqz_events_add(FILE *file, int64_t step, const struct sqz_scalar *scalars, int n)
{
    struct sqz_text summary = {0}, event = {0};
    for (int i = 0; i < n; i++) {
        struct sqz_text value = {0};
        float number = (float)scalars[i].value;
        if (!isfinite(number))
            continue;
        add_bytes(&value, 1, scalars[i].tag, strlen(scalars[i].tag));
        add_key(&value, 2, FIXED32);
        sqz_text_add_bytes(&value, &number, sizeof number);
        add_bytes(&summary, 1, sqz_text_get(&value), value.length);
        summary.failed = summary.failed || value.failed;
        sqz_text_release(&value);
    }
    begin_event(&event);
    add_key(&event, 2, VARINT);
    add_varint(&event, (uint64_t)step);
    add_bytes(&event, 5, sqz_text_get(&summary), summary.length);
    event.failed = event.failed || summary.failed;
    if (file && summary.length > 0)
        write_record(file, &event);
    sqz_text_release(&summary);
    sqz_text_release(&event);
}
