// A buffer of a network's parameters as arrays "PREFIX.PARAMETER" of an archive: optimizer states,
// moving averages and the like in checkpoints, in MindCV's layout.
#ifndef SQZ_TRAIN_SETUP_PARAM_ARRAYS_H
#define SQZ_TRAIN_SETUP_PARAM_ARRAYS_H

#include "formats/formats.h"

enum sqz_status sqz_param_arrays_add(struct sqz_archive *archive, const struct sqz_net *net,
                                     const char *prefix, const float *values,
                                     struct sqz_error *err);
// Whether the archive holds them.
bool sqz_param_arrays_has(const struct sqz_archive *archive, const struct sqz_net *net,
                          const char *prefix);
// All of them into `values`. SQZ_E_DATA, with `path` in the sentence, when one is not usable.
enum sqz_status sqz_param_arrays_take(const char *path, const struct sqz_archive *archive,
                                      const struct sqz_net *net, const char *prefix, float *values,
                                      struct sqz_error *err);

#endif
