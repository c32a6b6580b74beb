// The functions of libzip that pth_zip.c uses, found at run time.
#ifndef SQZ_FORMATS_ZIP_LIBRARY_H
#define SQZ_FORMATS_ZIP_LIBRARY_H

#include "base/error.h"
#include <zip.h>

struct sqz_zip {
    __typeof__(zip_source_buffer_create) *source_buffer_create;
    __typeof__(zip_source_free) *source_free;
    __typeof__(zip_open_from_source) *open_from_source;
    __typeof__(zip_discard) *discard;
    __typeof__(zip_get_num_entries) *get_num_entries;
    __typeof__(zip_get_name) *get_name;
    __typeof__(zip_name_locate) *name_locate;
    __typeof__(zip_stat_init) *stat_init;
    __typeof__(zip_stat) *stat;
    __typeof__(zip_fopen_index) *fopen_index;
    __typeof__(zip_fread) *fread;
    __typeof__(zip_fclose) *fclose;
    __typeof__(zip_error_init) *error_init;
    __typeof__(zip_error_strerror) *error_strerror;
    __typeof__(zip_error_fini) *error_fini;
};
// Opened once and kept for the life of the process. SQZ_E_NOINPUT names the package to install.
enum sqz_status sqz_zip_open(const struct sqz_zip **out, struct sqz_error *err);

#endif
