// `predict --copy_to DIR`: copies of the images, sorted into one directory a class.
#include "cli/predict.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_NAMESAKES = 10000 };

static enum sqz_status cannot(const char *path)
{
    return cli_complain(SQZ_E_CANTWRITE, "Cannot write %s: %s.", path, strerror(errno));
}

// A class may have any name; a directory may not.
static void make_dir_name(const char *class, char *out, size_t size)
{
    snprintf(out, size, "%s", *class ? class : "_");
    for (char *c = out; *c; c++)
        if (*c == '/' || (unsigned char)*c < ' ' || (c == out && *c == '.'))
            *c = '_';
}

// Whether two files hold the same bytes. Files that cannot be read differ.
static bool same_content(const char *a, const char *b)
{
    char left[8192], right[8192];
    FILE *first = fopen(a, "r"), *second = fopen(b, "r");
    bool same = first && second;
    for (size_t n = 1; same && n > 0;) {
        n = fread(left, 1, sizeof left, first);
        same = fread(right, 1, sizeof right, second) == n && memcmp(left, right, n) == 0;
    }
    same = same && !ferror(first) && !ferror(second);
    if (first)
        fclose(first);
    if (second)
        fclose(second);
    return same;
}

// Copies the content into a new file. SQZ_E_CANTWRITE without a sentence when there is a file of
// that name already (errno EEXIST).
static enum sqz_status copy_new(const char *from, const char *to)
{
    char buffer[65536];
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (out < 0)
        return errno == EEXIST ? SQZ_E_CANTWRITE : cannot(to);
    FILE *in = fopen(from, "r");
    enum sqz_status status =
        in ? SQZ_OK : cli_complain(SQZ_E_NOINPUT, "Cannot read %s: %s.", from, strerror(errno));
    for (size_t n = 1; !status && n > 0;) {
        n = fread(buffer, 1, sizeof buffer, in);
        for (size_t done = 0; !status && done < n;) {
            ssize_t written = write(out, buffer + done, n - done);
            if (written < 0 && errno != EINTR)
                status = cannot(to);
            done += written > 0 ? (size_t)written : 0;
        }
    }
    if (!status && ferror(in))
        status = cli_complain(SQZ_E_IO, "Cannot read %s.", from);
    if (in)
        fclose(in);
    if (close(out) != 0 && !status)
        status = cannot(to);
    if (status) {
        unlink(to);
        errno = 0; // not a namesake
    }
    return status;
}

// The name with "-2", "-3", ... before its suffix.
static char *namesake(const char *dir, const char *name, int number)
{
    const char *dot = strrchr(name, '.');
    int stem = dot && dot != name ? (int)(dot - name) : (int)strlen(name);
    char *path = NULL;
    int length = number > 1 ? asprintf(&path, "%s/%.*s-%d%s", dir, stem, name, number, name + stem)
                            : asprintf(&path, "%s/%s", dir, name);
    return length < 0 ? NULL : path;
}

static enum sqz_status make_dir(const char *path)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST ? SQZ_OK : cannot(path);
}

enum sqz_status predict_copy(struct predict *p, int i)
{
    const char *from = p->images[i].path, *slash = strrchr(from, '/');
    const char *name = slash ? slash + 1 : from;
    char class[256], *dir = NULL;
    make_dir_name(p->results[i].unknown ? "unknown" : p->results[i].best[0].name, class,
                  sizeof class);
    if (asprintf(&dir, "%s/%s", p->copy_to, class) < 0)
        return cli_complain(SQZ_E_NOMEM, "There is not enough memory to copy images.");
    enum sqz_status status = make_dir(p->copy_to);
    if (!status)
        status = make_dir(dir);
    bool done = false;
    for (int number = 1; !status && !done && number < MAX_NAMESAKES; number++) {
        char *to = namesake(dir, name, number);
        if (!to) {
            status = cli_complain(SQZ_E_NOMEM, "There is not enough memory to copy images.");
            break;
        }
        errno = 0;
        status = copy_new(from, to);
        bool exists = status && errno == EEXIST;
        done = !status || (exists && same_content(from, to)); // from an earlier run
        status = exists ? SQZ_OK : status;
        free(to);
    }
    p->copied += done;
    free(dir);
    if (!status && !done)
        status = cli_complain(SQZ_E_CANTWRITE, "There are too many files named %s.", name);
    return status;
}
