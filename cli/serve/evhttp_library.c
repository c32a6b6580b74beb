// Finds libevent's functions.
#include "cli/serve/evhttp_library.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

struct evhttp_library ev;

enum sqz_status evhttp_library_open(struct sqz_error *err)
{
    static const struct {
        const char *name;
        size_t offset;
    } functions[] = {
#define X(name) {#name, offsetof(__typeof__(ev), name)},
        EVHTTP_FUNCTIONS(X)
#undef X
    };
    void *library = dlopen("libevent_extra-2.1.so.7", RTLD_NOW | RTLD_LOCAL);
    bool complete = library != NULL;
    for (size_t i = 0; complete && i < sizeof functions / sizeof *functions; i++) {
        void *found = dlsym(library, functions[i].name);
        memcpy((char *)&ev + functions[i].offset, &found, sizeof found);
        complete = found != NULL;
    }
    if (complete)
        return SQZ_OK;
    err->status = SQZ_E_NOINPUT;
    snprintf(err->text, sizeof err->text,
             "The server needs libevent 2.1, which is not installed "
             "(Debian: apt-get install libevent-extra-2.1-7).");
    return err->status;
}
