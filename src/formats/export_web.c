// The export as a web page: one HTML file with the model as .sqz, the predictor as WebAssembly and
// the page of the HTTP server, all from web/. Both are deflated, which takes a third of the class
// names and half of the predictor, and written in 85 characters, which costs 25 %, where base64
// costs 33 %.
#include "formats/export.h"

#include "base/memory.h"
#include "formats/sqz.h"

#include <string.h>
#include <zlib.h>

static const struct {
    const char *name, *text;
} sources[] = {
#include "web_sources.inc"
};
static const uint8_t module[] = {
#include "web_module.inc"
};

static const char *source(const char *name)
{
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        if (strcmp(sources[i].name, name) == 0)
            return sources[i].text;
    return "";
}

// The page has no other scripts than its own: the model's texts are data in the 85 characters.
static const char head[] =
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src "
    "'nonce-page' "
    "'wasm-unsafe-eval'; style-src 'nonce-page'; img-src blob: data:; base-uri 'none'; form-action "
    "'none'\">\n";

// --- Bytes as text ---

enum { LINE_WORDS = 400 };

// The printable characters but the space and those that mean something in HTML or JavaScript.
static void fill_alphabet(char alphabet[85])
{
    for (char c = '!', *to = alphabet; to < alphabet + 85; c++)
        if (!strchr("\"&'<>\\`$%", c))
            *to++ = c;
}

static void add_85(struct sqz_text *out, const uint8_t *data, size_t size)
{
    char alphabet[85], characters[6] = "\0\0\0\0\0\n";
    fill_alphabet(alphabet);
    for (size_t at = 0; at < size; at += 4) {
        uint32_t word = 0;
        for (size_t i = 0; i < 4; i++)
            word = word << 8 | (at + i < size ? data[at + i] : 0);
        for (int i = 4; i >= 0; i--, word /= 85)
            characters[i] = alphabet[word % 85];
        sqz_text_add_bytes(out, characters, at / 4 % LINE_WORDS == LINE_WORDS - 1 ? 6 : 5);
    }
}

// A script element that holds the deflated bytes.
static enum sqz_status add_data(struct sqz_text *out, const char *id, const uint8_t *data,
                                size_t size, struct sqz_error *err)
{
    uLongf packed_size = compressBound((uLong)size);
    uint8_t *packed = sqz_new_array(packed_size, 1);
    if (!packed || compress2(packed, &packed_size, data, (uLong)size, 9) != Z_OK) {
        sqz_free(packed);
        return sqz_fail_memory(err, "a web page", size);
    }
    sqz_text_add(out, "<script type=\"text/plain\" id=\"%s\" data-size=\"%lu\">", id, packed_size);
    add_85(out, packed, packed_size);
    sqz_text_add(out, "</script>\n");
    sqz_free(packed);
    return SQZ_OK;
}

// --- The page ---

// Without the integers: the predictor computes in floating point.
static enum sqz_status pack_model(const struct sqz_model *model, struct sqz_bytes *out,
                                  struct sqz_error *err)
{
    struct sqz_model floats = *model;
    struct sqz_archive archive = {0};
    floats.integer = NULL;
    enum sqz_status status = sqz_model_to_archive(&floats, &archive, err);
    if (!status)
        status = sqz_archive_to_sqz(&archive, SQZ_CODER_RANGE, out, err);
    sqz_archive_release(&archive);
    return status;
}

static enum sqz_status add_mark(struct sqz_text *out, const char *mark, size_t length,
                                const struct sqz_bytes *model, struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    if (strncmp(mark, "{NONCE}", length) == 0)
        sqz_text_add(out, "page");
    else if (strncmp(mark, "{HEAD}", length) == 0)
        sqz_text_add(out, "%s", head);
    else if (strncmp(mark, "{BACKEND}", length) == 0)
        sqz_text_add(out, "%s%s", source("squeezenet.mjs"), source("page.js"));
    else if (strncmp(mark, "{DATA}", length) == 0) {
        status = add_data(out, "module", module, sizeof module, err);
        if (!status)
            status = add_data(out, "model", model->data, model->size, err);
    }
    return status;
}

// The next mark, a word of capitals in braces, or NULL.
static const char *find_mark(const char *at, size_t *length)
{
    for (; (at = strchr(at, '{')); at++) {
        *length = 2 + strspn(at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (*length > 2 && at[*length - 1] == '}')
            return at;
    }
    return NULL;
}

static enum sqz_status write_page(const struct sqz_flat *flat, const struct sqz_model *model,
                                  const char *path, enum sqz_overwrite overwrite, size_t *bytes,
                                  struct sqz_error *err)
{
    struct sqz_text page = {0};
    struct sqz_bytes packed = {0};
    (void)flat;
    enum sqz_status status = pack_model(model, &packed, err);
    size_t length = 0;
    for (const char *at = source("page.html"), *next; !status && at;
         at = next ? next + length : NULL) {
        next = find_mark(at, &length);
        sqz_text_add_bytes(&page, at, next ? (size_t)(next - at) : strlen(at));
        if (next)
            status = add_mark(&page, next, length, &packed, err);
    }
    if (!status && page.failed)
        status = sqz_fail_memory(err, "a web page", page.length);
    if (!status)
        status = sqz_file_write(path, page.data, page.length, overwrite, err);
    *bytes = page.length;
    sqz_text_release(&page);
    sqz_bytes_release(&packed);
    return status;
}

const struct sqz_export_format sqz_export_web = {
    .name = "web",
    .summary = "a web page that classifies by itself: model and program in one HTML file",
    .write = write_page,
};
