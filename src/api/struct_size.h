// Public structs begin with struct_size, so that programs and libraries of different versions
// understand each other: a member that the other side does not know is zero, or is not written.
#ifndef SQZ_API_STRUCT_SIZE_H
#define SQZ_API_STRUCT_SIZE_H

#include "base/error.h"

// Fails unless the caller's struct, which begins with struct_size, was initialised.
enum sqz_status sqz_struct_check(const void *theirs, const char *type, struct sqz_error *err);
// The caller's struct as `size` bytes of the library's layout. NULL stands for a zeroed one.
enum sqz_status sqz_struct_in(void *ours, size_t size, const void *theirs, const char *type,
                              struct sqz_error *err);
// Gives the caller the members that it knows; its struct_size stays.
void sqz_struct_out(void *theirs, const void *ours, size_t size);

#define SQZ_STRUCT_CHECK(type, theirs, err) sqz_struct_check(theirs, "struct " #type, err)
#define SQZ_STRUCT_IN(type, ours, theirs, err) \
    sqz_struct_in(ours, sizeof(struct type), theirs, "struct " #type, err)
#define SQZ_STRUCT_OUT(type, theirs, ours) sqz_struct_out(theirs, ours, sizeof(struct type))

#endif
