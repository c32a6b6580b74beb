// Opens libcurl when the first file is fetched. Linked, it would bring some thirty libraries into
// every run, and the start of `predict` is counted in milliseconds.
#include "formats/curl_library.h"

#include <dlfcn.h>
#include <pthread.h>

static struct sqz_curl library;
static bool is_there;

static void open_library(void)
{
    static const struct {
        const char *name;
        void **function;
    } wanted[] = {{"curl_global_init", (void **)&library.global_init},
                  {"curl_easy_init", (void **)&library.easy_init},
                  {"curl_easy_setopt", (void **)&library.easy_setopt},
                  {"curl_easy_perform", (void **)&library.easy_perform},
                  {"curl_easy_getinfo", (void **)&library.easy_getinfo},
                  {"curl_easy_header", (void **)&library.easy_header},
                  {"curl_easy_strerror", (void **)&library.easy_strerror},
                  {"curl_easy_cleanup", (void **)&library.easy_cleanup}};
    void *handle = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        handle = dlopen("libcurl-gnutls.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!(*wanted[i].function = dlsym(handle, wanted[i].name)))
            return;
    is_there = library.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
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
