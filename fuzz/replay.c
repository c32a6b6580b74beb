// Runs the targets over the files of a corpus, without a fuzzer: what was found once stays found.
//   replay CORPUS...    each a directory of directories named as the targets
//   replay --list       the targets, with their longest inputs
#include "targets.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(1);
    }
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(*size + 1); // + 1: a size of 0 has an address, too
    if (!data || fread(data, 1, *size, file) != *size)
        exit(1);
    fclose(file);
    return data;
}

static int run_dir(const struct fuzz_target *target, const char *dir)
{
    DIR *list = opendir(dir);
    int n = 0;
    for (struct dirent *entry; list && (entry = readdir(list));) {
        char path[4096];
        size_t size;
        if (entry->d_name[0] == '.' ||
            (size_t)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name) >= sizeof path)
            continue;
        printf("%s\n", path); // the last line names the culprit
        fflush(stdout);
        uint8_t *data = read_file(path, &size);
        target->run(data, size);
        free(data);
        n++;
    }
    if (list)
        closedir(list);
    return n;
}

int main(int argc, char **argv)
{
    int total = 0;
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (const struct fuzz_target *target = fuzz_targets; target->name; target++)
            printf("%s %zu\n", target->name, target->longest);
        return 0;
    }
    for (int i = 1; i < argc; i++)
        for (const struct fuzz_target *target = fuzz_targets; target->name; target++) {
            char dir[4096];
            snprintf(dir, sizeof dir, "%s/%s", argv[i], target->name);
            const int n = run_dir(target, dir);
            if (n == 0 && i == 1) {
                fprintf(stderr, "%s has no inputs\n", dir);
                return 1;
            }
            total += n;
        }
    printf("%d inputs\n", total);
    return total == 0;
}
