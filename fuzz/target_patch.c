// The patch reader. The grammar makes a base and a new model on its shapes; the
// patch between them has to apply; then it is damaged, signed, and applied again.
#include "sqz_grammar.h"
#include "targets.h"

#include "formats/common.h"
#include "formats/sqz.h"

// The base's values, some of them changed as the bytes say.
static bool make_new(struct sqz_cursor *from, const struct sqz_bytes *base, struct sqz_archive *out)
{
    *out = (struct sqz_archive){0};
    if (sqz_format_sqz.read("base", base->data, base->size, out, NULL))
        return false;
    for (size_t i = 0; i < out->n_arrays; i++) {
        float *values = out->arrays[i].data, factor = 1 + (float)(next(from) % 4) / 8;
        size_t n = out->arrays[i].size / sizeof *values, changes = next(from) % 4;
        for (size_t k = 0; k < n; k++)
            values[k] *= factor;
        for (size_t k = 0; k < changes; k++)
            values[next(from) % n] = values[next(from) % n];
    }
    if (next(from) & 1)
        sqz_archive_set(out, "key", "other");
    return true;
}

static void apply_damaged(struct sqz_cursor *from, const struct sqz_contents *base,
                          struct sqz_bytes *patch)
{
    struct sqz_bytes result = {0};
    damage(from, patch->data, patch->size);
    sign(patch->data, patch->size);
    sqz_patch_apply("patch", patch->data, patch->size, base, &result, NULL);
    sqz_bytes_release(&result);
}

void fuzz_patch(const uint8_t *data, size_t size)
{
    struct sqz_cursor from = {data, size, 0};
    struct sqz_text file = {0};
    struct sqz_contents base = {0};
    struct sqz_archive new = {0};
    struct sqz_bytes patch = {0};
    struct sqz_patch_report report;
    bool ok = make_file(&from, &file);
    struct sqz_bytes bytes = {(uint8_t *)file.data, file.length};
    if (ok && sqz_contents_read("base", bytes.data, bytes.size, &base, NULL))
        abort();
    if (ok && make_new(&from, &bytes, &new)) {
        // Making one applies it, too, and compares; only lack of memory or NaN may stop it.
        if (sqz_patch_make(&base, &new, &patch, &report, NULL) == SQZ_OK)
            apply_damaged(&from, &base, &patch);
    }
    sqz_bytes_release(&patch);
    sqz_archive_release(&new);
    sqz_contents_release(&base);
    sqz_text_release(&file);
}
