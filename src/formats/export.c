// The formats of exports: a flat model as it is, as C sources with the runtime beside them, or a
// web page (export_web.c).
#include "formats/export.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static enum sqz_status write_flat(const struct sqz_flat *flat, const struct sqz_model *model,
                                  const char *path, enum sqz_overwrite overwrite, size_t *bytes,
                                  struct sqz_error *err)
{
    (void)model;
    *bytes = flat->bytes.size;
    return sqz_file_write(path, flat->bytes.data, flat->bytes.size, overwrite, err);
}

// --- C ---

// The runtime and what builds the example, from deploy/.
static const struct {
    const char *name, *text;
} sources[] = {
#include "deploy_sources.inc"
};

static enum sqz_status write_in(const char *dir, const char *name, const char *text, size_t size,
                                enum sqz_overwrite overwrite, struct sqz_error *err)
{
    char *path = sqz_path_join(dir, name);
    if (!path)
        return sqz_fail_memory(err, "a path", strlen(dir) + strlen(name));
    enum sqz_status status = sqz_file_write(path, text, size, overwrite, err);
    sqz_free(path);
    return status;
}

static enum sqz_status write_header(const struct sqz_flat *flat, const struct sqz_model *model,
                                    const char *dir, enum sqz_overwrite overwrite,
                                    struct sqz_error *err)
{
    const struct sqz_tensor *image = &model->net->tensors[0];
    char text[1024];
    const int n = snprintf(
        text, sizeof text,
        "// %s for squeezenet_rt.h. Rows of the image are %s.\n"
        "#ifndef MODEL_H\n#define MODEL_H\n\n#include \"squeezenet_rt.h\"\n\n"
        "#if SQZ_RT_N > 4\n#error \"MODEL_ARENA is for SQZ_RT_N up to 4; sqz_rt_arena tells it\"\n"
        "#endif\n"
        "#define MODEL_HEIGHT   %d\n#define MODEL_WIDTH    %d\n#define MODEL_CHANNELS %d\n"
        "#define MODEL_CLASSES  %d\n#define MODEL_ARENA    %zu\n\n"
        "extern const unsigned char model[];\nextern const unsigned long model_size;\n\n#endif\n",
        model->net->spec.variant->name, model->net->spec.channels == 3 ? "RGB" : "gray", image->h,
        image->w, image->c, model->net->spec.classes, flat->arena);
    return write_in(dir, "model.h", text, (size_t)n, overwrite, err);
}

static enum sqz_status write_array(const struct sqz_flat *flat, const char *dir,
                                   enum sqz_overwrite overwrite, struct sqz_error *err)
{
    enum { LINE = 24 };
    static const char head[] = "// The model's bytes, which the runtime reads where they lie.\n"
                               "#include \"model.h\"\n\n"
                               "#ifdef __arm__\n__attribute__((section(\".model\")))\n#endif\n"
                               "__attribute__((aligned(16))) const unsigned char model[] = {\n";
    const size_t size = flat->bytes.size, room = sizeof head + 4 * size + size / LINE + 128;
    char *text = sqz_new_array(room, 1);
    if (!text)
        return sqz_fail_memory(err, "C source", room);
    memcpy(text, head, sizeof head - 1);
    char *to = text + sizeof head - 1;
    for (size_t i = 0; i < size; i++) {
        const unsigned byte = flat->bytes.data[i];
        if (byte >= 100)
            *to++ = (char)('0' + byte / 100);
        if (byte >= 10)
            *to++ = (char)('0' + byte / 10 % 10);
        *to++ = (char)('0' + byte % 10);
        *to++ = ',';
        if (i % LINE == LINE - 1)
            *to++ = '\n';
    }
    to += snprintf(to, room - (size_t)(to - text),
                   "\n};\nconst unsigned long model_size = sizeof model;\n");
    enum sqz_status status = write_in(dir, "model.c", text, (size_t)(to - text), overwrite, err);
    sqz_free(text);
    return status;
}

static enum sqz_status write_c(const struct sqz_flat *flat, const struct sqz_model *model,
                               const char *path, enum sqz_overwrite overwrite, size_t *bytes,
                               struct sqz_error *err)
{
    *bytes = flat->bytes.size;
    enum sqz_status status = sqz_dir_make(path, err);
    if (!status)
        status = write_header(flat, model, path, overwrite, err);
    if (!status)
        status = write_array(flat, path, overwrite, err);
    for (size_t i = 0; !status && i < sizeof sources / sizeof *sources; i++)
        status = write_in(path, sources[i].name, sources[i].text, strlen(sources[i].text),
                          overwrite, err);
    return status;
}

// --- The table ---

static const struct sqz_export_format format_c = {
    .name = "c",
    .summary = "C sources for a microcontroller: model, runtime, example and Makefile",
    .directory = true,
    .flat = true,
    .write = write_c,
};
static const struct sqz_export_format format_flat = {
    .name = "flat",
    .summary = "the model's bytes for the same runtime, to be put into flash or a file",
    .flat = true,
    .write = write_flat,
};
static const struct sqz_export_format *const formats[] = {&format_c, &format_flat, &sqz_export_web};

const struct sqz_export_format *sqz_export_format_at(int index)
{
    return index >= 0 && index < (int)(sizeof formats / sizeof *formats) ? formats[index] : NULL;
}

const struct sqz_export_format *sqz_export_format_find(const char *name)
{
    const struct sqz_export_format *format;
    for (int i = 0; (format = sqz_export_format_at(i)); i++)
        if (strcmp(format->name, name) == 0)
            return format;
    return NULL;
}
