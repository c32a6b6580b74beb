// The text files of a run directory: what is written at the start, and the rows that follow.
#include "train/run/run_dir.h"

#include "base/escape.h"
#include "formats/formats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HISTORY_HEAD \
    "epoch,step,lr,train_loss,val_loss,val_top1,val_top5,seconds,images_per_second\n"
#define STEPS_HEAD "epoch,step,lr,loss,gradient_norm,zero_activations,zero_logits"
// Columns of ranks, in rows of this process only: a resumed run begins without them.
#define RANKS_HEAD \
    ",bytes_sent,exposed_ms,efficiency,slowest_rank,slowest_host,slowest_ms,images_per_second"

static void add_split_rows(struct sqz_text *text, const struct sqz_dataset *set, const char *side)
{
    size_t root = strlen(set->name);
    for (size_t i = 0; i < set->count; i++) {
        const char *path = set->samples[i].path;
        if (set->samples[i].removed)
            continue;
        if (strncmp(path, set->name, root) == 0)
            path += root + (path[root] == '/');
        // Quoted as RFC 4180 has it: file names may hold commas and quotes.
        sqz_text_add(text, "\"");
        for (; *path; path++) {
            if (*path == '"')
                sqz_text_add(text, "\"");
            sqz_text_add_bytes(text, path, 1);
        }
        sqz_text_add(text, "\",%s\n", side);
    }
}

enum sqz_status sqz_run_dir_write_split(const struct sqz_run_dir *dir,
                                        const struct sqz_dataset *train,
                                        const struct sqz_dataset *val, struct sqz_error *err)
{
    if (dir->mute)
        return SQZ_OK;
    struct sqz_text text = {0};
    sqz_text_add(&text, "file,split\n");
    add_split_rows(&text, train, "train");
    add_split_rows(&text, val, "val");
    enum sqz_status status = text.failed
                                 ? sqz_fail_memory(err, "split.csv", text.length)
                                 : sqz_run_dir_write(dir, "split.csv", sqz_text_get(&text), err);
    sqz_text_release(&text);
    return status;
}

void sqz_run_dir_merge_history(struct sqz_text *out, const char *rows, const char *old)
{
    while (*rows) {
        size_t length = strcspn(rows, "\n");
        const char *timing = ",,", *found = old;
        size_t timing_length = 2;
        while (found && *found) {
            if (strncmp(found, rows, length) == 0 && found[length] == ',') {
                timing = found + length;
                timing_length = strcspn(timing, "\n");
                break;
            }
            found = strchr(found, '\n');
            found = found ? found + 1 : NULL; // NULL + 0 is undefined
        }
        sqz_text_add_bytes(out, rows, length);
        sqz_text_add_bytes(out, timing, timing_length);
        sqz_text_add(out, "\n");
        rows += length + (rows[length] == '\n');
    }
}

static enum sqz_status start_history(struct sqz_run_dir *dir, const char *rows,
                                     struct sqz_error *err)
{
    enum { LIMIT = 1 << 28 };
    struct sqz_bytes old = {0};
    struct sqz_text old_text = {0};
    char *path = sqz_run_dir_file(dir, "history.csv");
    if (!path)
        return sqz_fail_memory(err, "a path", strlen(dir->path));
    // The timings of a file that cannot be read are lost; the rows are not.
    if (*rows && !sqz_file_read(path, LIMIT, &old, NULL))
        sqz_text_add_bytes(&old_text, old.data, old.size);
    sqz_text_add(&dir->history, HISTORY_HEAD);
    sqz_run_dir_merge_history(&dir->history, rows, sqz_text_get(&old_text));
    enum sqz_status status = SQZ_OK;
    if (dir->history.failed)
        status = sqz_fail_memory(err, "history.csv", dir->history.length);
    else
        status = sqz_run_dir_write(dir, "history.csv", sqz_text_get(&dir->history), err);
    sqz_bytes_release(&old);
    sqz_text_release(&old_text);
    sqz_free(path);
    return status;
}

enum sqz_status sqz_run_dir_append(const char *path, FILE **out, struct sqz_error *err)
{
    struct stat info;
    if (!lstat(path, &info) && !S_ISREG(info.st_mode) && unlink(path))
        return sqz_fail_errno(err, SQZ_E_CANTWRITE, errno, "Cannot remove \"%s\"", path);
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0666);
    *out = file < 0 ? NULL : fdopen(file, "a");
    if (*out)
        return SQZ_OK;
    enum sqz_status status =
        sqz_fail_errno(err, SQZ_E_CANTWRITE, errno, "Cannot write \"%s\"", path);
    if (file >= 0)
        close(file);
    return status;
}

static enum sqz_status open_for_append(const struct sqz_run_dir *dir, const char *name, FILE **out,
                                       struct sqz_error *err)
{
    char *path = sqz_run_dir_file(dir, name);
    if (!path)
        return sqz_fail_memory(err, "a path", strlen(dir->path));
    enum sqz_status status = sqz_run_dir_append(path, out, err);
    sqz_free(path);
    return status;
}

enum sqz_status sqz_run_dir_start(struct sqz_run_dir *dir, const char *steps, const char *history,
                                  struct sqz_error *err)
{
    struct sqz_text text = {0};
    dir->last = sqz_run_dir_file(dir, SQZ_LAST_CHECKPOINT);
    dir->best = sqz_run_dir_file(dir, SQZ_BEST_CHECKPOINT);
    if (!dir->last || !dir->best)
        return sqz_fail_memory(err, "a path", strlen(dir->path));
    if (dir->mute)
        return SQZ_OK;
    sqz_run_dir_remove_leftovers(dir);
    sqz_text_add(&text, STEPS_HEAD "%s\n%s", dir->ranks ? RANKS_HEAD : "", steps);
    enum sqz_status status = text.failed
                                 ? sqz_fail_memory(err, "steps.csv", text.length)
                                 : sqz_run_dir_write(dir, "steps.csv", sqz_text_get(&text), err);
    sqz_text_release(&text);
    if (!status)
        status = start_history(dir, history, err);
    if (!status)
        status = open_for_append(dir, "steps.csv", &dir->steps, err);
    if (!status)
        status = open_for_append(dir, "train.log", &dir->log, err);
    return status;
}

// Writes the rows that are late; returns 0 or an errno. By itself, since stdio forgets what it
// could not write.
static int write_late_rows(struct sqz_run_dir *dir)
{
    size_t done = 0;
    int reason = dir->late.failed ? ENOMEM : 0;
    while (!reason && done < dir->late.length) {
        ssize_t n = write(fileno(dir->steps), dir->late.data + done, dir->late.length - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            reason = n == 0 ? ENOSPC : errno;
    }
    if (done > 0) {
        dir->late.length -= done;
        memmove(dir->late.data, dir->late.data + done, dir->late.length + 1);
    }
    return reason;
}

void sqz_run_dir_step(struct sqz_run_dir *dir, const char *row)
{
    if (!dir->steps)
        return;
    sqz_text_add(&dir->late, "%s", row);
    // What fails is tried again with the next row, and told by the end of the epoch.
    write_late_rows(dir);
}

enum sqz_status sqz_run_dir_epoch(struct sqz_run_dir *dir, const char *row, double seconds,
                                  double images_per_second, struct sqz_error *err)
{
    if (dir->mute)
        return SQZ_OK;
    sqz_text_add(&dir->history, "%s,%.2f,%.1f\n", row, seconds, images_per_second);
    if (dir->history.failed)
        return sqz_fail_memory(err, "history.csv", dir->history.length);
    int reason = dir->steps ? write_late_rows(dir) : 0;
    if (reason)
        return sqz_fail_errno(err, SQZ_E_CANTWRITE, reason, "Cannot write \"%s/steps.csv\"",
                              dir->path);
    return sqz_run_dir_write(dir, "history.csv", sqz_text_get(&dir->history), err);
}

void sqz_run_dir_log(struct sqz_run_dir *dir, const char *format, ...)
{
    if (!dir->log)
        return;
    char stamp[32];
    struct tm local;
    time_t now = time(NULL);
    localtime_r(&now, &local);
    strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", &local);
    char line[4096];
    struct sqz_text safe = {0}; // names in it may hold controls and newlines
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    sqz_text_add_escaped(&safe, SQZ_TEXT_PARAGRAPH, line);
    fprintf(dir->log, "[%s] %s", stamp, sqz_text_get(&safe));
    sqz_text_release(&safe);
    fputc('\n', dir->log);
    fflush(dir->log);
}
