// The images that `predict` is asked for, one after another: files, directories and what lies below
// them, paths from stdin, an encoded image from stdin, samples of a dataset. Memory does not grow
// with their number, but for the names of the directories that are open.
#include "cli/predict.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEEPEST = 200 }; // directories in each other
enum { STDIN_IMAGE_LIMIT = 256 << 20 };

struct predict_level {
    char *path;
    struct dirent **names; // sorted
    int n, at;
    dev_t device;
    ino_t inode;
};

static const char *const no_memory = "There is not enough memory for the list of images.";

const char *predict_title(const struct predict_image *image)
{
    return image->path ? image->path : image->title;
}

void predict_image_release(struct predict_image *image)
{
    free(image->path);
    image->path = NULL;
}

static enum sqz_status read_stdin_image(struct predict_sources *sources)
{
    size_t room = 0;
    do {
        if (sources->size == room) {
            room = room ? 2 * room : 1 << 16;
            void *more = realloc(sources->data, room);
            if (!more)
                return cli_complain(SQZ_E_NOMEM, "There is not enough memory for the image.");
            sources->data = more;
        }
        sources->size +=
            fread((char *)sources->data + sources->size, 1, room - sources->size, stdin);
    } while (!feof(stdin) && !ferror(stdin) && sources->size <= STDIN_IMAGE_LIMIT);
    if (ferror(stdin))
        return cli_complain(SQZ_E_IO, "stdin cannot be read: %s.", strerror(errno));
    if (sources->size == 0)
        return cli_complain(SQZ_E_NOINPUT, "--stdin_image: stdin is empty.");
    if (sources->size > STDIN_IMAGE_LIMIT)
        return cli_complain(SQZ_E_DATA, "The image on stdin has more than %d MiB.",
                            STDIN_IMAGE_LIMIT >> 20);
    return SQZ_OK;
}

enum sqz_status predict_sources_init(struct predict_sources *sources, const struct cli *cli,
                                     const struct sqz_samples *of, size_t samples)
{
    *sources = (struct predict_sources){.cli = cli, .samples = of};
    sources->n = of ? samples : (size_t)cli->n_positional - 1;
    return cli_has(cli, "stdin_image") ? read_stdin_image(sources) : SQZ_OK;
}

static void close_level(struct predict_sources *sources)
{
    struct predict_level *level = &sources->levels[--sources->depth];
    for (int i = 0; i < level->n; i++)
        free(level->names[i]);
    free(level->names);
    free(level->path);
}

void predict_sources_release(struct predict_sources *sources)
{
    while (sources->depth)
        close_level(sources);
    free(sources->levels);
    free(sources->line);
    free(sources->data);
}

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

// Begins to walk a directory, unless it is one that is being walked: links may lead in a circle.
// Takes the path.
static enum sqz_status open_level(struct predict_sources *sources, char *path,
                                  const struct stat *info)
{
    for (size_t i = 0; i < sources->depth; i++)
        if (sources->levels[i].device == info->st_dev && sources->levels[i].inode == info->st_ino) {
            free(path);
            return SQZ_OK;
        }
    struct dirent **names = NULL;
    struct predict_level *levels =
        realloc(sources->levels, (sources->depth + 1) * sizeof *sources->levels);
    if (!levels) {
        free(path);
        return cli_complain(SQZ_E_NOMEM, "%s", no_memory);
    }
    sources->levels = levels;
    int n = sources->depth < DEEPEST ? scandir(path, &names, is_shown, compare_names) : -1;
    if (n < 0) {
        enum sqz_status status = SQZ_OK;
        if (sources->depth == DEEPEST) {
            cli_complain(SQZ_E_DATA, "%s: directories lie too deep in each other.", path);
        } else if (errno == ENOMEM) {
            status = cli_complain(SQZ_E_NOMEM, "%s", no_memory);
        } else {
            cli_complain(SQZ_E_IO, "Cannot read the directory %s: %s.", path, strerror(errno));
            sources->failed_io = true;
        }
        sources->failed++;
        free(path);
        return status;
    }
    sources->levels[sources->depth++] = (struct predict_level){
        .path = path, .names = names, .n = n, .device = info->st_dev, .inode = info->st_ino};
    return SQZ_OK;
}

static char *join(const char *dir, const char *name)
{
    size_t size = strlen(dir) + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", name);
    return path;
}

// Counts a file or directory that the disk did not give. Takes the path.
static enum sqz_status pass_unread(struct predict_sources *sources, char *path)
{
    sources->failed++;
    sources->failed_io = true;
    free(path);
    return SQZ_OK;
}

// The next file of the innermost directory: a directory there is opened, other things are passed
// over, and *out stays NULL.
static enum sqz_status walk(struct predict_sources *sources, char **out)
{
    struct predict_level *level = &sources->levels[sources->depth - 1];
    struct sqz_error error = {0};
    struct stat info;
    if (level->at == level->n) {
        close_level(sources);
        return SQZ_OK;
    }
    char *path = join(level->path, level->names[level->at++]->d_name);
    if (!path)
        return cli_complain(SQZ_E_NOMEM, "%s", no_memory);
    bool is_there = stat(path, &info) == 0;
    if (!is_there && errno != ENOENT && errno != ENOTDIR && errno != ELOOP) {
        cli_complain(SQZ_E_IO, "Cannot look at %s: %s.", path, strerror(errno));
        return pass_unread(sources, path);
    }
    if (is_there && S_ISDIR(info.st_mode))
        return open_level(sources, path, &info);
    bool wanted = is_there && S_ISREG(info.st_mode);
    if (wanted && !sources->any_file && sqz_is_image_file(path, &wanted, &error)) {
        cli_fail(&error);
        return pass_unread(sources, path);
    }
    if (wanted) {
        *out = path;
        return SQZ_OK;
    }
    sources->passed_over++;
    free(path);
    return SQZ_OK;
}

// The next path that is asked for by name; *out NULL: there is none.
static enum sqz_status next_argument(struct predict_sources *sources, char **out)
{
    *out = NULL;
    if (sources->reads_stdin) {
        int end = cli_has(sources->cli, "null") ? '\0' : '\n';
        ssize_t length;
        do {
            length = getdelim(&sources->line, &sources->line_size, end, stdin);
            if (length > 0 && sources->line[length - 1] == end)
                sources->line[--length] = '\0';
        } while (length == 0);
        if (length > 0) {
            *out = strdup(sources->line);
            return *out ? SQZ_OK : cli_complain(SQZ_E_NOMEM, "%s", no_memory);
        }
        if (ferror(stdin))
            return cli_complain(SQZ_E_IO, "stdin cannot be read: %s.", strerror(errno));
        sources->reads_stdin = false;
    }
    if (sources->at == sources->n)
        return SQZ_OK;
    const char *argument = sources->cli->positional[1 + sources->at++];
    if (strcmp(argument, "-") == 0) {
        sources->reads_stdin = true;
        return next_argument(sources, out);
    }
    *out = strdup(argument);
    return *out ? SQZ_OK : cli_complain(SQZ_E_NOMEM, "%s", no_memory);
}

static enum sqz_status next_file(struct predict_sources *sources, char **out)
{
    enum sqz_status status = SQZ_OK;
    struct stat info;
    *out = NULL;
    while (!status && !*out && sources->depth)
        status = walk(sources, out);
    while (!status && !*out) {
        char *path;
        status = next_argument(sources, &path);
        if (status || !path)
            return status;
        bool is_there = *path && stat(path, &info) == 0;
        if (*path && !is_there && errno == EIO) { // it may be a directory
            cli_complain(SQZ_E_IO, "Cannot look at %s: %s.", path, strerror(errno));
            status = pass_unread(sources, path);
            continue;
        }
        if (!is_there || !S_ISDIR(info.st_mode)) {
            *out = path; // what is wrong with it is found by those who open it
            return SQZ_OK;
        }
        status = open_level(sources, path, &info);
        while (!status && !*out && sources->depth)
            status = walk(sources, out);
    }
    return status;
}

enum sqz_status predict_sources_next(struct predict_sources *sources, struct predict_image *out,
                                     bool *found)
{
    *out = (struct predict_image){0};
    *found = false;
    if (sources->samples) {
        size_t count = sqz_samples_count(sources->samples);
        if (sources->at == sources->n)
            return SQZ_OK;
        // Evenly spaced: the middle of each of n equal parts.
        out->sample = (2 * sources->at++ + 1) * count / (2 * sources->n);
        out->truth = sqz_samples_class(sources->samples, out->sample);
        snprintf(out->title, sizeof out->title, "sample %zu", out->sample);
        const char *path = sqz_samples_file(sources->samples, out->sample);
        out->path = path ? strdup(path) : NULL;
        *found = true;
        return path && !out->path ? cli_complain(SQZ_E_NOMEM, "%s", no_memory) : SQZ_OK;
    }
    if (sources->data) {
        snprintf(out->title, sizeof out->title, "stdin");
        *found = sources->at == 0;
        sources->at = 1;
        return SQZ_OK;
    }
    enum sqz_status status = next_file(sources, &out->path);
    *found = out->path != NULL;
    return status;
}

int64_t predict_sources_count(const struct cli *cli, const struct sqz_samples *of, size_t samples)
{
    struct predict_sources sources = {.cli = cli, .n = (size_t)cli->n_positional - 1};
    struct predict_image image;
    int64_t count = 0;
    bool found = true;
    if (of)
        return (int64_t)samples;
    for (int i = 1; i < cli->n_positional; i++)
        if (strcmp(cli->positional[i], "-") == 0)
            return 0;
    sources.any_file = true;
    while (!predict_sources_next(&sources, &image, &found) && found) {
        predict_image_release(&image);
        count++;
    }
    predict_sources_release(&sources);
    return count;
}

enum sqz_status predict_sources_is_single(const struct cli *cli, bool *out)
{
    struct stat info;
    const char *only = cli->n_positional == 2 ? cli->positional[1] : "-";
    *out = cli_has(cli, "stdin_image");
    if (*out || strcmp(only, "-") == 0)
        return SQZ_OK;
    const bool is_there = *only && stat(only, &info) == 0;
    // An image keeps its digits, whatever else fails.
    if (*only && !is_there && errno == EIO)
        return cli_complain(SQZ_E_IO, "Cannot look at %s: %s.", only, strerror(errno));
    *out = !is_there || !S_ISDIR(info.st_mode);
    return SQZ_OK;
}
