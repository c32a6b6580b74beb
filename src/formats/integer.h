// The integer network in model files (docs/model-format.md, "Integers"): arrays of whole numbers
// beside each layer's name, from which the weights in floating point follow.
#ifndef SQZ_FORMATS_INTEGER_H
#define SQZ_FORMATS_INTEGER_H

#include "formats/formats.h"

// Whether the archive holds an integer network.
bool sqz_archive_has_integers(const struct sqz_archive *archive);
// Adds the arrays of model->integer.
enum sqz_status sqz_integers_to_archive(const struct sqz_model *model, struct sqz_archive *out,
                                        struct sqz_error *err);
// Adds the weights and biases in floating point that the integers stand for, so that whoever uses
// the archive sees an ordinary network. Does nothing without integers.
enum sqz_status sqz_integers_expand(struct sqz_archive *archive, const char *path,
                                    struct sqz_error *err);
// model->integer from the archive, checked; the model's network must be complete.
enum sqz_status sqz_integers_from_archive(const struct sqz_archive *archive, const char *path,
                                          struct sqz_model *model, struct sqz_error *err);

#endif
