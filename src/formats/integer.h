// The integer network in model files (docs/model-format.md, "Integers"): arrays of whole numbers
// beside each layer's name, from which the weights in floating point follow.
#ifndef SQZ_FORMATS_INTEGER_H
#define SQZ_FORMATS_INTEGER_H

#include "formats/formats.h"

// The integers that an engine should run at this precision; *out NULL: none. SQZ_E_USAGE when the
// model lacks what is asked for.
enum sqz_status sqz_model_integers(const struct sqz_model *model, enum sqz_precision precision,
                                   const struct sqz_integer_net **out, struct sqz_error *err);
// Whether the archive holds an integer network.
bool sqz_archive_has_integers(const struct sqz_archive *archive);
// Whether it holds one for this model: another dialect or image size than the file's has other
// padding and other maps, for which only the weights in floating point hold.
bool sqz_integers_fit(const struct sqz_archive *archive, const char *path,
                      const struct sqz_model *model);
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
