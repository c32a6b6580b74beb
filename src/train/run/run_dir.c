// Making and finding run directories, and the text files in them.
#include "train/run/run_dir.h"

#include "base/escape.h"
#include "formats/formats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HISTORY_HEAD \
    "epoch,step,lr,train_loss,val_loss,val_top1,val_top5,seconds,images_per_second\n"
#define STEPS_HEAD "epoch,step,lr,loss,gradient_norm,zero_activations,zero_logits"
// Columns of ranks, in rows of this process only: a resumed run begins without them.
#define RANKS_HEAD \
    ",bytes_sent,exposed_ms,efficiency,slowest_rank,slowest_host,slowest_ms,images_per_second"

// What a run leaves; --force removes exactly these from an older run.
static const char *const run_files[] = {"recipe.yaml",       "history.csv",      "steps.csv",
                                        "split.csv",         "history.svg",      "train.log",
                                        SQZ_LAST_CHECKPOINT, SQZ_BEST_CHECKPOINT};

void sqz_run_dir_release(struct sqz_run_dir *dir)
{
    if (dir->steps)
        fclose(dir->steps);
    if (dir->log)
        fclose(dir->log);
    if (dir->events)
        fclose(dir->events);
    if (dir->lock)
        closedir(dir->lock);
    sqz_free(dir->path);
    sqz_text_release(&dir->history);
    *dir = (struct sqz_run_dir){0};
}

char *sqz_run_dir_file(const struct sqz_run_dir *dir, const char *name)
{
    return sqz_path_join(dir->path, name);
}

// An older run's event files; the reader would mix them with the new run's.
static enum sqz_status remove_old_events(const char *run, struct sqz_error *err)
{
    char *path = sqz_path_join(run, SQZ_EVENTS_DIR);
    struct sqz_dir content = {0};
    struct stat info;
    enum sqz_status status = path ? SQZ_OK : sqz_fail_memory(err, "a path", strlen(run));
    bool is_link =
        path && !lstat(path, &info) && S_ISLNK(info.st_mode); // what is there is not ours
    if (!status && !is_link && sqz_path_is_dir(path))
        status = sqz_dir_read(path, &content, err);
    for (size_t i = 0; i < content.count && !status; i++) {
        if (strncmp(content.entries[i].name, "events.out.tfevents.", 20) != 0)
            continue;
        char *file = sqz_path_join(path, content.entries[i].name);
        if (!file)
            status = sqz_fail_memory(err, "a path", strlen(path));
        else if (unlink(file))
            status = sqz_fail_errno(err, SQZ_E_CANTWRITE, errno, "Cannot remove \"%s\"", file);
        sqz_free(file);
    }
    sqz_dir_release(&content);
    sqz_free(path);
    return status;
}

static enum sqz_status remove_old_run(const char *path, struct sqz_error *err)
{
    enum sqz_status status = remove_old_events(path, err);
    for (size_t i = 0; i < sizeof run_files / sizeof *run_files && !status; i++) {
        char *file = sqz_path_join(path, run_files[i]);
        if (!file)
            status = sqz_fail_memory(err, "a path", strlen(path));
        else if (unlink(file) && errno != ENOENT)
            status = sqz_fail_errno(err, SQZ_E_CANTWRITE, errno, "Cannot remove \"%s\"", file);
        sqz_free(file);
    }
    return status;
}

enum sqz_status sqz_run_dir_lock(struct sqz_run_dir *dir, struct sqz_error *err)
{
    dir->lock = opendir(dir->path);
    if (!dir->lock)
        return sqz_fail_errno(err, SQZ_E_CANTWRITE, errno, "Cannot open \"%s\"", dir->path);
    if (!flock(dirfd(dir->lock), LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK)
        return SQZ_OK;
    return sqz_fail(err, SQZ_E_CANTWRITE,
                    "Another process is training in \"%s\"; wait for its end, or choose another "
                    "--run_dir.",
                    dir->path);
}

// A killed process may leave the temporary file of a write (base/file.c).
static bool is_leftover(const char *name)
{
    size_t length = strlen(name);
    return length > 9 && strncmp(name, ".sqz-", 5) == 0 && strcmp(name + length - 4, ".tmp") == 0;
}

// A dry run of the same command may have gone before: its two files do not make a run.
static bool is_of_dry_run(const char *name)
{
    return strcmp(name, SQZ_DRY_RUN_CURVE) == 0 || strcmp(name, SQZ_DRY_RUN_BATCH) == 0;
}

static bool is_written_at_start(const char *name)
{
    if (strcmp(name, SQZ_EVENTS_DIR) == 0)
        return true;
    for (size_t i = 0; i < sizeof run_files / sizeof *run_files; i++)
        if (strcmp(name, run_files[i]) == 0)
            return strcmp(name, SQZ_LAST_CHECKPOINT) != 0 && strcmp(name, SQZ_BEST_CHECKPOINT) != 0;
    return false;
}

// Whether a run began here and failed before its first step: then there is nothing to lose. Only
// the head stands in steps.csv, and there is no file of other origin.
static bool has_no_step(const char *path, const struct sqz_dir *content)
{
    char head[1024];
    size_t size = 0;
    for (size_t i = 0; i < content->count; i++)
        if (!is_leftover(content->entries[i].name) && !is_of_dry_run(content->entries[i].name) &&
            !is_written_at_start(content->entries[i].name))
            return false;
    char *steps = sqz_path_join(path, "steps.csv");
    bool read = steps && !sqz_file_read_head(steps, head, sizeof head, &size, NULL);
    sqz_free(steps);
    return read && size > 0 && size < sizeof head && memchr(head, '\n', size) == head + size - 1;
}

static enum sqz_status take_given(const struct sqz_train_config *config, struct sqz_run_dir *out,
                                  struct sqz_error *err)
{
    const char *path = config->run_dir;
    if (sqz_path_exists(path) && !sqz_path_is_dir(path))
        return sqz_fail(err, SQZ_E_CANTWRITE, "\"%s\" is a file; --run_dir needs a directory.",
                        path);
    enum sqz_status status = sqz_dir_make(path, err);
    struct sqz_dir content = {0};
    size_t used = 0;
    if (!status && !(out->path = sqz_copy_string(path)))
        status = sqz_fail_memory(err, "a path", strlen(path));
    if (!status)
        status = sqz_run_dir_lock(out, err);
    if (!status)
        status = sqz_dir_read(path, &content, err);
    for (size_t i = 0; i < content.count; i++) {
        const char *name = content.entries[i].name;
        used += !is_leftover(name) && !is_of_dry_run(name);
    }
    if (!status && used > 0) {
        if (config->force || has_no_step(path, &content))
            status = remove_old_run(path, err);
        else
            status = sqz_fail(
                err, SQZ_E_CANTWRITE,
                "The run directory \"%s\" is not empty: continue its run with --resume %s, "
                "start over in it with --force, or choose another --run_dir.",
                path, path);
    }
    sqz_dir_release(&content);
    return status;
}

// The number in "run-0007"; 0 for other names.
static long run_number(const char *name)
{
    char *end;
    if (strncmp(name, "run-", 4) != 0 || name[4] < '0' || name[4] > '9')
        return 0;
    long number = strtol(name + 4, &end, 10);
    return *end || number < 0 || number > 100000000 ? 0 : number;
}

static enum sqz_status make_numbered(const char *parent, char **out, struct sqz_error *err)
{
    struct sqz_dir content = {0};
    long last = 0;
    enum sqz_status status = sqz_dir_make(parent, err);
    if (!status)
        status = sqz_dir_read(parent, &content, err);
    for (size_t i = 0; i < content.count && !status; i++)
        if (run_number(content.entries[i].name) > last)
            last = run_number(content.entries[i].name);
    sqz_dir_release(&content);
    // mkdir decides between two runs that begin at once.
    while (!status) {
        char name[32];
        snprintf(name, sizeof name, "run-%04ld", ++last);
        char *path = sqz_path_join(parent, name);
        if (!path)
            return sqz_fail_memory(err, "a path", strlen(parent));
        if (mkdir(path, 0777) == 0) {
            *out = path;
            return SQZ_OK;
        }
        if (errno != EEXIST)
            status = sqz_fail_errno(err, SQZ_E_CANTWRITE, errno, "Cannot make the directory \"%s\"",
                                    path);
        sqz_free(path);
    }
    return status;
}

enum sqz_status sqz_run_dir_create(const struct sqz_train_config *config, struct sqz_run_dir *out,
                                   struct sqz_error *err)
{
    *out = (struct sqz_run_dir){0};
    if (*config->run_dir)
        return take_given(config, out, err);
    enum sqz_status status = make_numbered(config->ckpt_save_dir, &out->path, err);
    return status ? status : sqz_run_dir_lock(out, err);
}

static char *parent_of(const char *path)
{
    const char *name = sqz_path_name(path);
    if (name == path)
        return sqz_copy_string(".");
    size_t length = (size_t)(name - path);
    return sqz_copy_string_n(path, length > 1 ? length - 1 : length);
}

enum sqz_status sqz_run_dir_find(const char *resume, struct sqz_run_dir *out, char **checkpoint,
                                 struct sqz_error *err)
{
    *out = (struct sqz_run_dir){0};
    *checkpoint = NULL;
    if (!sqz_path_exists(resume))
        return sqz_fail(err, SQZ_E_NOINPUT,
                        "There is no run directory or checkpoint \"%s\" to resume.", resume);
    bool is_dir = sqz_path_is_dir(resume);
    out->path = is_dir ? sqz_copy_string(resume) : parent_of(resume);
    char *file = is_dir ? sqz_path_join(resume, SQZ_LAST_CHECKPOINT) : sqz_copy_string(resume);
    if (!out->path || !file) {
        sqz_free(file);
        return sqz_fail_memory(err, "a path", strlen(resume));
    }
    if (!is_dir || sqz_path_exists(file)) {
        *checkpoint = file;
        return SQZ_OK;
    }
    sqz_free(file);
    return SQZ_OK;
}

enum sqz_status sqz_run_dir_write(const struct sqz_run_dir *dir, const char *name, const char *text,
                                  struct sqz_error *err)
{
    if (dir->mute)
        return SQZ_OK;
    char *path = sqz_run_dir_file(dir, name);
    if (!path)
        return sqz_fail_memory(err, "a path", strlen(dir->path));
    enum sqz_status status = sqz_file_write(path, text, strlen(text), SQZ_REPLACE_EXISTING, err);
    sqz_free(path);
    return status;
}

static void add_split_rows(struct sqz_text *text, const struct sqz_dataset *set, const char *side)
{
    size_t root = strlen(set->name);
    for (size_t i = 0; i < set->count; i++) {
        const char *path = set->samples[i].path;
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

// Appends the state's rows, each with the timings that `old` (a former history.csv) has for it.
static void merge_history(struct sqz_text *out, const char *rows, const char *old)
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
            found += found != NULL;
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
    if (*rows && sqz_path_exists(path) && !sqz_file_read(path, LIMIT, &old, NULL))
        sqz_text_add_bytes(&old_text, old.data, old.size);
    sqz_text_add(&dir->history, HISTORY_HEAD);
    merge_history(&dir->history, rows, sqz_text_get(&old_text));
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

static void remove_leftovers(const struct sqz_run_dir *dir)
{
    struct sqz_dir content = {0};
    if (sqz_dir_read(dir->path, &content, NULL))
        return;
    for (size_t i = 0; i < content.count; i++) {
        const char *name = content.entries[i].name;
        char *path = is_leftover(name) ? sqz_run_dir_file(dir, name) : NULL;
        if (path)
            unlink(path);
        sqz_free(path);
    }
    sqz_dir_release(&content);
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
    if (dir->mute)
        return SQZ_OK;
    remove_leftovers(dir);
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

void sqz_run_dir_step(struct sqz_run_dir *dir, const char *row)
{
    // A row that cannot be written is rewritten from the state at the next resume; the checkpoint,
    // which would fail on the same disk, says so.
    if (!dir->steps)
        return;
    fputs(row, dir->steps);
    fflush(dir->steps);
}

enum sqz_status sqz_run_dir_epoch(struct sqz_run_dir *dir, const char *row, double seconds,
                                  double images_per_second, struct sqz_error *err)
{
    if (dir->mute)
        return SQZ_OK;
    sqz_text_add(&dir->history, "%s,%.2f,%.1f\n", row, seconds, images_per_second);
    if (dir->history.failed)
        return sqz_fail_memory(err, "history.csv", dir->history.length);
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
