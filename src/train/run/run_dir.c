// Making and finding run directories. What is written into them is in run_files.c.
#include "train/run/run_dir.h"

#include "formats/formats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

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
    sqz_free(dir->last);
    sqz_free(dir->best);
    sqz_text_release(&dir->history);
    sqz_text_release(&dir->late);
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
    enum sqz_path_kind kind = SQZ_PATH_MISSING;
    if (!status && !is_link)
        status = sqz_path_look(path, &kind, err);
    if (!status && kind == SQZ_PATH_DIR)
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
    enum sqz_path_kind kind;
    enum sqz_status status = sqz_path_look(path, &kind, err);
    if (!status && kind != SQZ_PATH_MISSING && kind != SQZ_PATH_DIR)
        return sqz_fail(err, SQZ_E_CANTWRITE, "\"%s\" is a file; --run_dir needs a directory.",
                        path);
    if (!status)
        status = sqz_dir_make(path, err);
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
    enum sqz_path_kind kind;
    enum sqz_status status = sqz_path_look(resume, &kind, err);
    if (!status && kind == SQZ_PATH_MISSING)
        return sqz_fail(err, SQZ_E_NOINPUT,
                        "There is no run directory or checkpoint \"%s\" to resume.", resume);
    if (status)
        return status;
    bool is_dir = kind == SQZ_PATH_DIR;
    out->path = is_dir ? sqz_copy_string(resume) : parent_of(resume);
    char *file = is_dir ? sqz_path_join(resume, SQZ_LAST_CHECKPOINT) : sqz_copy_string(resume);
    if (!out->path || !file) {
        sqz_free(file);
        return sqz_fail_memory(err, "a path", strlen(resume));
    }
    if (is_dir)
        status = sqz_path_look(file, &kind, err);
    if (!status && kind != SQZ_PATH_MISSING)
        *checkpoint = file;
    else
        sqz_free(file);
    return status;
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

void sqz_run_dir_remove_leftovers(const struct sqz_run_dir *dir)
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
