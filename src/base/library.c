// Shared libraries opened at run time.
#include "base/library.h"

#include <dlfcn.h>

bool sqz_library_open(const char *const *names, const struct sqz_symbol *symbols, size_t n)
{
    void *library = NULL;
    for (; !library && *names; names++)
        library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; library && i < n; i++)
        if (!(*symbols[i].function = dlsym(library, symbols[i].name)))
            return false;
    return library != NULL;
}
