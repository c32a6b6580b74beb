// What a confusion matrix says, as CSV.
#include "train/eval/evaluate.h"

#include "base/escape.h"

#include <inttypes.h>
#include <string.h>

// Quoted as RFC 4180 has it where the name needs it.
static void add_name(char *const *classes, int c, struct sqz_text *out)
{
    if (!classes) {
        sqz_text_add(out, "%d", c);
        return;
    }
    sqz_text_add_escaped(out, SQZ_TEXT_CSV, classes[c]);
}

void sqz_confusion_csv(const int64_t *confusion, int n, char *const *classes, struct sqz_text *out)
{
    sqz_text_add(out, "class");
    for (int c = 0; c < n; c++) {
        sqz_text_add(out, ",");
        add_name(classes, c, out);
    }
    for (int label = 0; label < n; label++) {
        sqz_text_add(out, "\n");
        add_name(classes, label, out);
        for (int c = 0; c < n; c++)
            sqz_text_add(out, ",%" PRId64, confusion[(size_t)label * (size_t)n + (size_t)c]);
    }
    sqz_text_add(out, "\n");
}

// An empty field where there is nothing to divide by.
static void add_share(struct sqz_text *out, int64_t part, int64_t whole)
{
    if (whole > 0)
        sqz_text_add(out, ",%.6f", (double)part / (double)whole);
    else
        sqz_text_add(out, ",");
}

void sqz_per_class_csv(const int64_t *confusion, int n, char *const *classes, struct sqz_text *out)
{
    sqz_text_add(out, "class,samples,predicted,correct,recall,precision,f1\n");
    for (int c = 0; c < n; c++) {
        int64_t samples = 0, as = 0, correct = confusion[(size_t)c * (size_t)n + (size_t)c];
        for (int k = 0; k < n; k++) {
            samples += confusion[(size_t)c * (size_t)n + (size_t)k];
            as += confusion[(size_t)k * (size_t)n + (size_t)c];
        }
        add_name(classes, c, out);
        sqz_text_add(out, ",%" PRId64 ",%" PRId64 ",%" PRId64, samples, as, correct);
        add_share(out, correct, samples);
        add_share(out, correct, as);
        add_share(out, 2 * correct, samples + as);
        sqz_text_add(out, "\n");
    }
}
