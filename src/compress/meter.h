// How far a changed network's answers are from the original's, on some images.
#ifndef SQZ_COMPRESS_METER_H
#define SQZ_COMPRESS_METER_H

#include "base/threads.h"
#include "compress/moments.h"

struct sqz_meter;
struct sqz_reading {
    double kl; // mean over the images of KL(original || changed) of the softmax, in nats
    // The same of softened answers: where the original is sure of nearly all images (those that
    // it was trained on, mostly), its plain answers hardly show what a change does to others.
    double soft_kl;
    double agreement; // share of images with the same most probable class
    // Top-1 accuracy that is lost if the original's probabilities are right: over the images, the
    // mean of what the original gives its own choice minus what it gives the changed one's. It
    // needs no labels, and it wavers far less than a count of hits.
    double drop;
};
// Borrows net, kernels and pool. Keeps images [0, n) and what the original answers.
enum sqz_status sqz_meter_new(const struct sqz_net *net, const float *weights,
                              const struct sqz_kernels *kernels, struct sqz_pool *pool,
                              sqz_images_fn images, void *images_arg, int n, struct sqz_meter **out,
                              struct sqz_error *err);
void sqz_meter_free(struct sqz_meter *meter);
enum sqz_status sqz_meter_read(struct sqz_meter *meter, const float *weights,
                               struct sqz_reading *out, struct sqz_error *err);

#endif
