// Opens libzip when the first .pth is read: it brings libcrypto, 1.4 MB, which nothing else needs.
#include "formats/zip_library.h"

#include "base/library.h"

#include <pthread.h>

static struct sqz_zip library;
static bool is_there;

static void open_library(void)
{
    static const char *const names[] = {"libzip.so.4", "libzip.so.5", NULL};
    static const struct sqz_symbol symbols[] = {
        {"zip_source_buffer_create", (void **)&library.source_buffer_create},
        {"zip_source_free", (void **)&library.source_free},
        {"zip_open_from_source", (void **)&library.open_from_source},
        {"zip_discard", (void **)&library.discard},
        {"zip_get_num_entries", (void **)&library.get_num_entries},
        {"zip_get_name", (void **)&library.get_name},
        {"zip_name_locate", (void **)&library.name_locate},
        {"zip_stat_init", (void **)&library.stat_init},
        {"zip_stat", (void **)&library.stat},
        {"zip_fopen_index", (void **)&library.fopen_index},
        {"zip_fread", (void **)&library.fread},
        {"zip_fclose", (void **)&library.fclose},
        {"zip_error_init", (void **)&library.error_init},
        {"zip_error_strerror", (void **)&library.error_strerror},
        {"zip_error_fini", (void **)&library.error_fini}};
    is_there = sqz_library_open(names, symbols, sizeof symbols / sizeof *symbols);
}

enum sqz_status sqz_zip_open(const struct sqz_zip **out, struct sqz_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_library);
    if (!is_there)
        return sqz_fail(err, SQZ_E_NOINPUT,
                        "Reading a .pth needs libzip, which is not here; on Debian \"apt-get "
                        "install libzip4\" brings it.");
    *out = &library;
    return SQZ_OK;
}
