// The list of kept checkpoints, between its text and its entries.
#include "train/run/kept.h"

#include "net/net.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sqz_kept_name(char name[SQZ_KEPT_NAME], const char *model, int64_t epoch,
                   int64_t steps_per_epoch)
{
    snprintf(name, SQZ_KEPT_NAME, "%s-%" PRId64 "_%" PRId64 ".ckpt", model, epoch, steps_per_epoch);
}

// Whether the name is one that sqz_kept_name makes.
static bool is_own_name(const char *name)
{
    static const char digits[] = "0123456789";
    const char *dash = strrchr(name, '-');
    char model[SQZ_KEPT_NAME];
    if (!dash)
        return false;
    snprintf(model, sizeof model, "%.*s", (int)(dash - name), name);
    size_t epoch = strspn(++dash, digits);
    if (!sqz_variant_find(model) || epoch == 0 || dash[epoch] != '_')
        return false;
    dash += epoch + 1;
    size_t steps = strspn(dash, digits);
    return steps > 0 && strcmp(dash + steps, ".ckpt") == 0;
}

// One line; the beginning of the next, or NULL if it is no entry.
static const char *read_entry(const char *text, struct sqz_kept *out)
{
    size_t name = strcspn(text, "\t\n");
    char *end;
    if (text[name] != '\t' || name >= sizeof out->name)
        return NULL;
    memcpy(out->name, text, name);
    out->name[name] = '\0';
    text += name + 1;
    out->top1 = strtod(text, &end);
    return end != text && *end == '\n' && is_own_name(out->name) ? end + 1 : NULL;
}

int sqz_kept_count(const char *text)
{
    struct sqz_kept entry;
    int n = 0;
    for (; *text; n++)
        if (!(text = read_entry(text, &entry)))
            return -1;
    return n;
}

void sqz_kept_read(const char *text, struct sqz_kept *out)
{
    while (*text)
        text = read_entry(text, out++);
}

void sqz_kept_write(const struct sqz_kept *kept, int n, int gone, const char *name, double top1,
                    struct sqz_text *out)
{
    for (int i = 0; i < n; i++)
        if (i != gone && strcmp(kept[i].name, name) != 0)
            sqz_text_add(out, "%s\t%.17g\n", kept[i].name, kept[i].top1);
    sqz_text_add(out, "%s\t%.17g\n", name, top1);
}

int sqz_kept_victim(const struct sqz_kept *kept, int n, int64_t limit, bool by_top1, double top1)
{
    if (limit == 0 || n < limit)
        return -1;
    if (!by_top1)
        return 0;
    int worst = 0;
    for (int i = 1; i < n; i++)
        if (kept[i].top1 < kept[worst].top1)
            worst = i;
    return top1 > kept[worst].top1 ? worst : -2;
}
