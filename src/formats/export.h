// Exports of a model for other programs: one table of formats.
#ifndef SQZ_FORMATS_EXPORT_H
#define SQZ_FORMATS_EXPORT_H

#include "formats/flat.h"

struct sqz_export_format {
    const char *name, *summary;
    bool directory; // `path` is one, which is made; else a file
    enum sqz_status (*write)(const struct sqz_flat *flat, const struct sqz_model *model,
                             const char *path, enum sqz_overwrite overwrite, struct sqz_error *err);
};
const struct sqz_export_format *sqz_export_format_at(int index);          // NULL past the end
const struct sqz_export_format *sqz_export_format_find(const char *name); // NULL if unknown

#endif
