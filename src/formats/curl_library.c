// Opens libcurl when the first file is fetched.
#include "formats/curl_library.h"

#include "base/library.h"

#include <pthread.h>

static struct sqz_curl library;
static bool is_there;

static void open_library(void)
{
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4", NULL};
    static const struct sqz_symbol symbols[] = {
        {"curl_global_init", (void **)&library.global_init},
        {"curl_easy_init", (void **)&library.easy_init},
        {"curl_easy_setopt", (void **)&library.easy_setopt},
        {"curl_easy_perform", (void **)&library.easy_perform},
        {"curl_easy_getinfo", (void **)&library.easy_getinfo},
        {"curl_easy_header", (void **)&library.easy_header},
        {"curl_easy_strerror", (void **)&library.easy_strerror},
        {"curl_easy_cleanup", (void **)&library.easy_cleanup}};
    is_there = sqz_library_open(names, symbols, sizeof symbols / sizeof *symbols) &&
               library.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

enum sqz_status sqz_curl_open(const struct sqz_curl **out, struct sqz_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_library);
    if (!is_there)
        return sqz_fail(err, SQZ_E_NOINPUT,
                        "Fetching needs libcurl (7.83 or newer), which is not here; on Debian "
                        "\"apt-get install libcurl4 ca-certificates\" brings it.");
    *out = &library;
    return SQZ_OK;
}
