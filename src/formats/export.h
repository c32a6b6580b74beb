// Exports of a model for other programs: one table of formats.
#ifndef SQZ_FORMATS_EXPORT_H
#define SQZ_FORMATS_EXPORT_H

#include "formats/flat.h"

struct sqz_export_format {
    const char *name, *summary;
    bool directory; // `path` is one, which is made; else a file
    bool flat;      // for integer networks: `write` gets a flat model; else NULL
    // *bytes: of the file, or of the model in the directory.
    enum sqz_status (*write)(const struct sqz_flat *flat, const struct sqz_model *model,
                             const char *path, enum sqz_overwrite overwrite, size_t *bytes,
                             struct sqz_error *err);
};
extern const struct sqz_export_format sqz_export_web;
const struct sqz_export_format *sqz_export_format_at(int index);          // NULL past the end
const struct sqz_export_format *sqz_export_format_find(const char *name); // NULL if unknown

#endif
