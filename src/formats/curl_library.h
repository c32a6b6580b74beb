// The functions of libcurl that fetch.c uses, found at run time.
#ifndef SQZ_FORMATS_CURL_LIBRARY_H
#define SQZ_FORMATS_CURL_LIBRARY_H

#include "base/error.h"

#define CURL_DISABLE_DEPRECATION // options that 7.84 needs are deprecated later
#include <curl/curl.h>

struct sqz_curl {
    __typeof__(curl_global_init) *global_init;
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_setopt) *easy_setopt;
    __typeof__(curl_easy_perform) *easy_perform;
    __typeof__(curl_easy_getinfo) *easy_getinfo;
    __typeof__(curl_easy_header) *easy_header;
    __typeof__(curl_easy_strerror) *easy_strerror;
    __typeof__(curl_easy_cleanup) *easy_cleanup;
};
// Opened once and kept for the life of the process. SQZ_E_NOINPUT names the package to install.
enum sqz_status sqz_curl_open(const struct sqz_curl **out, struct sqz_error *err);

#endif
