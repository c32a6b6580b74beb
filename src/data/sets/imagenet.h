// ImageNet-1K's published archives: what its development kit says. Private to src/data.
#ifndef SQZ_DATA_IMAGENET_H
#define SQZ_DATA_IMAGENET_H

#include "base/file.h"

#define SQZ_WNID_LENGTH 9 // "n01440764"

struct sqz_synset {
    int id; // ILSVRC2012_ID: 1.. ; the leaves come first
    bool is_leaf;
    char wnid[SQZ_WNID_LENGTH + 1];
    char *words; // owned
};
struct sqz_synsets {
    struct sqz_synset *list;
    size_t count;
};
void sqz_synsets_release(struct sqz_synsets *synsets);
// meta.mat of the development kit: the struct array `synsets` of a MATLAB 5 file.
enum sqz_status sqz_synsets_read(const uint8_t *data, size_t size, const char *name,
                                 struct sqz_synsets *out, struct sqz_error *err);

// data imagenet. `note` (may be NULL) is told how far it is.
struct sqz_imagenet_archives {
    const char *train, *val, *devkit;
    const int *stop; // may be NULL
    void (*note)(void *arg, const char *text);
    void *note_arg;
};
struct sqz_imagenet_report {
    size_t train, val;
    int classes;
};
enum sqz_status sqz_imagenet_lay_out(const struct sqz_imagenet_archives *archives, const char *out,
                                     struct sqz_imagenet_report *report, struct sqz_error *err);

#endif
