// What lies at a path, for tests that know that it can be looked at.
#ifndef SQZ_TESTS_PATHS_H
#define SQZ_TESTS_PATHS_H

#include <stdbool.h>
#include <sys/stat.h>

static inline bool path_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

static inline bool path_is_dir(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

#endif
