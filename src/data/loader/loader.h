// Batches, decoded ahead by threads of its own while the trainer computes.
#ifndef SQZ_DATA_LOADER_H
#define SQZ_DATA_LOADER_H

#include "data/sets/dataset.h"
#include "data/augment/mix.h"
#include "data/augment/transform.h"

struct sqz_loader;

enum sqz_bad_image { SQZ_BAD_STOP, SQZ_BAD_SKIP };

// Which rows of a batch are this process's, where several ranks share one.
struct sqz_share {
    // Rows *first .. *end-1 of a batch of n; NULL: all of them.
    void (*rows)(const struct sqz_share *share, int n, int *first, int *end);
    const void *arg; // borrowed
    int rank, ranks;
};
struct sqz_loader_config {
    const struct sqz_dataset *dataset; // borrowed
    struct sqz_preprocess preprocess;
    const struct sqz_augment *augment; // NULL: evaluation transform (copied)
    struct sqz_mix mix;                // training only; zero: nothing is mixed
    int classes;                       // columns of the targets; 0: the dataset's
    int batch;                         // samples; their augmentation splits come on top
    bool shuffle, drop_remainder;
    int repeats;        // > 1: every sample comes this many times in a row, and an epoch sees fewer
                        // samples
    size_t num_samples; // 0: all; otherwise an epoch draws this many (the first ones unshuffled)
    uint64_t seed;
    int workers; // >= 1
    enum sqz_bad_image on_bad;
    struct sqz_share share;
};
struct sqz_batch {
    // own x image_size x image_size x channels, valid until the next call. Labels, targets and
    // samples are of all n rows, also where ranks share them.
    const float *images;
    const int *labels; // n
    // n x classes: the share of every class, where images were mixed; NULL: the labels alone
    const float *targets;
    const size_t *samples; // n dataset indices
    int n;          // rows; with augmentation splits the samples' clean views, then all their
                    // second ones, then all third ones
    int first, own; // of them this process's: first .. first+own-1
};
// Bytes of the batches and the order that a loader allocates (decoding buffers come on top: about
// one decoded image a worker); SIZE_MAX when they cannot be counted in a size_t.
size_t sqz_loader_memory(const struct sqz_loader_config *config);
// SQZ_E_USAGE when `drop_remainder` would leave no batch at all.
enum sqz_status sqz_loader_new(const struct sqz_loader_config *config, struct sqz_loader **out,
                               struct sqz_error *err);
void sqz_loader_free(struct sqz_loader *loader);            // also in mid-epoch
size_t sqz_loader_batch(const struct sqz_loader *loader);   // samples of a full batch
size_t sqz_loader_steps(const struct sqz_loader *loader);   // batches an epoch
size_t sqz_loader_samples(const struct sqz_loader *loader); // samples an epoch, splits not counted
// Begins epoch (0-based) at batch `first`; order and augmentation depend on (seed, epoch, sample)
// only.
enum sqz_status sqz_loader_start(struct sqz_loader *loader, int epoch, size_t first,
                                 struct sqz_error *err);
// The next batch; n = 0 after the last. A sample that fails to decode is SQZ_E_DATA naming the
// file, or with SQZ_BAD_SKIP (and always where the sample is a removed one) a fixed substitute (the
// next sample of the same class that decodes; `samples` then holds its index). Batches before the
// failure are delivered; after it the error is repeated; out->n is set all the same.
enum sqz_status sqz_loader_next(struct sqz_loader *loader, struct sqz_batch *out,
                                struct sqz_error *err);
size_t sqz_loader_substituted(const struct sqz_loader *loader);  // in the batches handed out so far
double sqz_loader_wait_seconds(const struct sqz_loader *loader); // time that `next` waited

#endif
