// The models that the server has, by name. A request keeps the model that it began with, also while
// a reload puts another in its place.
#ifndef CLI_SERVE_MODELS_H
#define CLI_SERVE_MODELS_H

#include <squeezenet.h>

enum { SERVE_MODELS_MAX = 16, SERVE_NAME_SIZE = 64 };

struct serve_model {
    char name[SERVE_NAME_SIZE];
    struct sqz_classifier *classifier; // the compute thread's
    struct sqz_model_info info;
    int references;
};
struct serve_models;
// Each word is MODEL or NAME=MODEL; without a name it is the file's, up to the last point. Writes
// one sentence on failure.
enum sqz_status serve_models_open(struct sqz_context *context,
                                  const struct sqz_model_options *options, const char **words,
                                  int n, struct serve_models **out, struct sqz_error *err);
void serve_models_free(struct serve_models *models);
// Reads every file again and puts the new models in place of the old. One that cannot be read keeps
// its old one, and `tell` gets the sentence. Returns how many were replaced.
int serve_models_reload(struct serve_models *models, void (*tell)(const char *sentence));
int serve_models_count(const struct serve_models *models);
// The model of that name (NULL or "": the first), or NULL. To be given back by serve_model_drop.
// Any thread.
struct serve_model *serve_models_take(struct serve_models *models, const char *name);
struct serve_model *serve_models_take_at(struct serve_models *models, int index);
void serve_model_drop(struct serve_model *model); // any thread; NULL too

#endif
