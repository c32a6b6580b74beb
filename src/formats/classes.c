// Class names of a model: set by the caller, or read from a text file with one class a line.
#include "base/utf8.h"
#include "formats/common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLASSES_LIMIT ((size_t)64 << 20)

static void free_texts(char **texts, int n)
{
    for (int i = 0; texts && i < n; i++)
        sqz_free(texts[i]);
    sqz_free(texts);
}

static char **copy_texts(const char *const *texts, int n)
{
    char **copy = sqz_new_array((size_t)n, sizeof *copy);
    for (int i = 0; copy && i < n; i++) {
        copy[i] = sqz_copy_string(texts[i]);
        if (!copy[i]) {
            free_texts(copy, n);
            return NULL;
        }
    }
    return copy;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum sqz_status check_texts(const char *const *texts, int n, bool unique,
                                   struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    const char **sorted = sqz_new_array((size_t)n, sizeof *sorted);
    if (!sorted)
        return sqz_fail_memory(err, "class names", (size_t)n * sizeof *sorted);
    for (int i = 0; i < n && !status; i++) {
        sorted[i] = texts[i];
        if (texts[i][0] == 0)
            status = sqz_fail(err, SQZ_E_DATA, "The name of class %d is empty.", i + 1);
        else if (!sqz_utf8_is_valid(texts[i], strlen(texts[i]))) // model files hold JSON
            status = sqz_fail(err, SQZ_E_DATA, "The name of class %d is not valid UTF-8.", i + 1);
    }
    if (!status && unique)
        qsort(sorted, (size_t)n, sizeof *sorted, compare_texts);
    for (int i = 1; i < n && unique && !status; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            status = sqz_fail(err, SQZ_E_DATA, "Two classes have the same name, %s.", sorted[i]);
    sqz_free(sorted);
    return status;
}

static bool all_equal(const char *const *a, const char *const *b, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return true;
}

enum sqz_status sqz_model_set_classes(struct sqz_model *model, const char *const *dirs,
                                      const char *const *labels, struct sqz_error *err)
{
    int n = model->net->spec.classes;
    char **new_dirs = NULL, **new_labels = NULL;
    if (dirs && labels && all_equal(dirs, labels, n))
        labels = NULL;
    if (dirs) {
        enum sqz_status status = check_texts(dirs, n, true, err);
        if (!status && labels)
            status = check_texts(labels, n, false, err);
        if (status)
            return status;
        new_dirs = copy_texts(dirs, n);
        new_labels = labels ? copy_texts(labels, n) : NULL;
        if (!new_dirs || (labels && !new_labels)) {
            free_texts(new_dirs, n);
            free_texts(new_labels, n);
            return sqz_fail_memory(err, "class names", (size_t)n * sizeof *new_dirs);
        }
    }
    free_texts(model->classes, n);
    free_texts(model->labels, n);
    model->classes = new_dirs;
    model->labels = new_labels;
    return SQZ_OK;
}

// --- The file ---

static bool is_wnid(const char *word, size_t length)
{
    if (length != 9 || word[0] != 'n')
        return false;
    for (size_t i = 1; i < 9; i++)
        if (word[i] < '0' || word[i] > '9')
            return false;
    return true;
}

// Cuts a line, in place, into directory name and label; label NULL: the directory name serves.
static void split_line(char *line, const char **dir, const char **label)
{
    char *tab = strchr(line, '\t');
    size_t word = strcspn(line, " ");
    *dir = line;
    *label = line;
    if (!tab && !(is_wnid(line, word) && line[word]))
        return;
    char *cut = tab ? tab : line + word;
    *cut++ = 0;
    cut += strspn(cut, " ");
    if (*cut)
        *label = cut;
}

// Ends every line with a NUL; lines[i] for the first `limit` of them. Returns their number.
static size_t split_lines(char *text, size_t size, const char **lines, size_t limit)
{
    size_t n = 0;
    for (char *at = text, *end = text + size; at < end;) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            stop = end;
        char *last = stop;
        if (last > at && last[-1] == '\r')
            last--;
        *last = 0;
        if (n < limit)
            lines[n] = at;
        n++;
        at = stop + 1;
    }
    return n;
}

struct named {
    const char *name;
    int class;
};

static int compare_named(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    const int order = strcmp(x->name, y->name);
    return order ? order : (x->class > y->class) - (x->class < y->class);
}

// ImageNet's usual list of labels has a crane that flies and one that lifts. Of lines that are
// labels only, the second and later ones of a name get their class's number. *texts (free_texts)
// holds those names.
static enum sqz_status tell_apart(const char **dirs, const char **labels, int n, char ***texts,
                                  struct sqz_error *err)
{
    enum { NUMBER = 16 };
    struct named *sorted = sqz_new_array((size_t)n, sizeof *sorted);
    char **made = *texts = sqz_new_array((size_t)n, sizeof *made);
    bool enough = sorted && made;
    for (int i = 0; enough && i < n; i++)
        sorted[i] = (struct named){dirs[i], i};
    if (enough)
        qsort(sorted, (size_t)n, sizeof *sorted, compare_named);
    for (int i = 1; enough && i < n; i++) {
        const int class = sorted[i].class;
        if (strcmp(sorted[i].name, sorted[i - 1].name) != 0 || dirs[class] != labels[class])
            continue;
        const size_t size = strlen(sorted[i].name) + NUMBER;
        made[class] = sqz_new_array(size, 1);
        enough = made[class] != NULL;
        if (enough)
            snprintf(made[class], size, "%s (%d)", sorted[i].name, class);
    }
    for (int i = 0; enough && i < n; i++)
        if (made[i])
            dirs[i] = labels[i] = made[i];
    sqz_free(sorted);
    return enough ? SQZ_OK : sqz_fail_memory(err, "class names", (size_t)n * sizeof *sorted);
}

static enum sqz_status apply_lines(struct sqz_model *model, const char *path, const char **lines,
                                   const char **labels, struct sqz_error *err)
{
    struct sqz_error problem = {0};
    const int n = model->net->spec.classes;
    char **texts = NULL;
    for (int i = 0; i < n; i++)
        split_line((char *)lines[i], &lines[i], &labels[i]);
    enum sqz_status status = tell_apart(lines, labels, n, &texts, err);
    if (!status) {
        status = sqz_model_set_classes(model, lines, labels, &problem);
        if (status)
            sqz_fail(err, status, "The class names in %s are unusable: %s", path, problem.text);
    }
    free_texts(texts, n);
    return status;
}

enum sqz_status sqz_model_read_classes(struct sqz_model *model, const char *path,
                                       struct sqz_error *err)
{
    struct sqz_bytes bytes = {0};
    char *text = NULL;
    const char **lines = NULL, **labels = NULL;
    size_t n = (size_t)model->net->spec.classes, got, skip;
    if (!path)
        return sqz_model_set_classes(model, NULL, NULL, err);
    enum sqz_status status = sqz_file_read(path, CLASSES_LIMIT, &bytes, err);
    if (status)
        return status;
    if (bytes.size && memchr(bytes.data, 0, bytes.size)) {
        status = sqz_fail(err, SQZ_E_DATA, "%s is not a text file of class names.", path);
        goto done;
    }
    // A copy, because the last line may end without a newline to put the NUL on.
    text = sqz_copy_string_n(bytes.size ? (const char *)bytes.data : "", bytes.size);
    lines = sqz_new_array(n, sizeof *lines);
    labels = sqz_new_array(n, sizeof *labels);
    if (!text || !lines || !labels) {
        status = sqz_fail_memory(err, "class names", bytes.size);
        goto done;
    }
    skip = strncmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; // a byte order mark
    got = split_lines(text + skip, bytes.size - skip, lines, n);
    if (got != n)
        status = sqz_fail(err, SQZ_E_DATA, "%s has %zu lines, but the model has %zu classes.", path,
                          got, n);
    else
        status = apply_lines(model, path, lines, labels, err);
done:
    sqz_free(lines);
    sqz_free(labels);
    sqz_free(text);
    sqz_bytes_release(&bytes);
    return status;
}
