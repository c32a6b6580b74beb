// Where the real test data is (docs/data.md), for tests that need it; they skip loudly without it.
#ifndef SQZ_TESTS_TESTDATA_H
#define SQZ_TESTS_TESTDATA_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

// $SQUEEZENET_TEST_DATA/<name>, else <project>/../shared/data/<name>; NULL (after saying so on
// stderr) when it is not there. Overwritten by the next call.
static inline const char *test_data(const char *name)
{
    static char path[4096];
    const char *root = getenv("SQUEEZENET_TEST_DATA");
    struct stat info;
    if (root)
        snprintf(path, sizeof path, "%s/%s", root, name);
    else
        snprintf(path, sizeof path, "%s/../shared/data/%s", SQZ_TEST_SOURCE, name);
    if (stat(path, &info) == 0)
        return path;
    fprintf(stderr, "SKIPPED, NOT TESTED: %s is not there (set SQUEEZENET_TEST_DATA)\n", path);
    return NULL;
}

#endif
