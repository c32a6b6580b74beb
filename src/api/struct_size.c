// Copies public structs between the caller's layout and the library's.
#include "api/struct_size.h"
#include <string.h>

enum { LARGEST = 1 << 16 }; // bytes; more can only be uninitialised memory

static size_t stated_size(const void *theirs)
{
    size_t size;
    memcpy(&size, theirs, sizeof size);
    return size;
}

enum sqz_status sqz_struct_check(const void *theirs, const char *type, struct sqz_error *err)
{
    size_t size = stated_size(theirs);
    if (size >= sizeof size && size <= LARGEST)
        return SQZ_OK;
    return sqz_fail(err, SQZ_E_USAGE,
                    "The struct_size of a %s is %zu: initialise the struct with SQZ_INIT.", type,
                    size);
}

enum sqz_status sqz_struct_in(void *ours, size_t size, const void *theirs, const char *type,
                              struct sqz_error *err)
{
    memset(ours, 0, size);
    if (!theirs)
        return SQZ_OK;
    enum sqz_status status = sqz_struct_check(theirs, type, err);
    if (status)
        return status;
    size_t stated = stated_size(theirs);
    const unsigned char *bytes = theirs;
    for (size_t i = size; i < stated; i++)
        if (bytes[i])
            return sqz_fail(err, SQZ_E_USAGE,
                            "A %s of %zu bytes sets members that version %s of the library, which "
                            "knows %zu bytes, does not have.",
                            type, stated, SQZ_VERSION, size);
    memcpy(ours, theirs, stated < size ? stated : size);
    return SQZ_OK;
}

void sqz_struct_out(void *theirs, const void *ours, size_t size)
{
    size_t stated = stated_size(theirs), end = stated < size ? stated : size;
    if (end > sizeof stated)
        memcpy((char *)theirs + sizeof stated, (const char *)ours + sizeof stated,
               end - sizeof stated);
}
