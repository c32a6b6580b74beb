// Models by name, counted by reference.
#include "cli/serve/models.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct serve_models {
    pthread_mutex_t lock; // guards `current`
    struct sqz_context *context;
    struct sqz_model_options options;
    const char *paths[SERVE_MODELS_MAX];
    struct serve_model *current[SERVE_MODELS_MAX];
    int n;
};

static bool is_name(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t n = strlen(name);
    return n > 0 && n < SERVE_NAME_SIZE && strspn(name, allowed) == n && name[0] != '.';
}

// Splits NAME=MODEL; the name of a bare path is its file's without the suffix, with '-' for what a
// name may not hold.
static void split_word(const char *word, char name[SERVE_NAME_SIZE], const char **path)
{
    const char *equals = strchr(word, '='), *slash = strrchr(word, '/');
    snprintf(name, SERVE_NAME_SIZE, "%.*s", equals ? (int)(equals - word) : 0, word);
    if (equals && is_name(name)) {
        *path = equals + 1;
        return;
    }
    *path = word;
    snprintf(name, SERVE_NAME_SIZE, "%s", slash ? slash + 1 : word);
    char *point = strrchr(name, '.');
    if (point && point != name)
        *point = 0;
    for (char *c = name; *c; c++) {
        const char one[2] = {*c, 0};
        if (!is_name(one) && *c != '.')
            *c = '-';
    }
    if (name[0] == '.')
        name[0] = '-';
}

static enum sqz_status open_one(const struct serve_models *models, const char *name,
                                const char *path, struct serve_model **out, struct sqz_error *err)
{
    struct serve_model *model = calloc(1, sizeof *model);
    if (!model) {
        err->status = SQZ_E_NOMEM;
        snprintf(err->text, sizeof err->text, "There is not enough memory for a model.");
        return SQZ_E_NOMEM;
    }
    model->references = 1;
    model->info = (struct sqz_model_info)SQZ_INIT(sqz_model_info);
    snprintf(model->name, sizeof model->name, "%s", name);
    enum sqz_status status =
        sqz_classifier_open(models->context, path, &models->options, &model->classifier, err);
    if (!status)
        status = sqz_classifier_describe(model->classifier, &model->info, err);
    if (status)
        serve_model_drop(model);
    else
        *out = model;
    return status;
}

enum sqz_status serve_models_open(struct sqz_context *context,
                                  const struct sqz_model_options *options, const char **words,
                                  int n, struct serve_models **out, struct sqz_error *err)
{
    char name[SERVE_NAME_SIZE];
    enum sqz_status status = SQZ_OK;
    struct serve_models *models = calloc(1, sizeof *models);
    if (!models) {
        err->status = SQZ_E_NOMEM;
        snprintf(err->text, sizeof err->text, "There is not enough memory for the models.");
        return SQZ_E_NOMEM;
    }
    pthread_mutex_init(&models->lock, NULL);
    models->context = context;
    models->options = *options;
    for (int i = 0; !status && i < n; i++) {
        split_word(words[i], name, &models->paths[i]);
        for (int j = 0; j < i; j++)
            if (strcmp(models->current[j]->name, name) == 0)
                status = SQZ_E_USAGE;
        if (status) {
            err->status = status;
            snprintf(err->text, sizeof err->text,
                     "Two models have the name \"%s\"; give one another as NAME=MODEL.", name);
            break;
        }
        status = open_one(models, name, models->paths[i], &models->current[i], err);
        models->n += status == SQZ_OK;
    }
    if (status)
        serve_models_free(models);
    else
        *out = models;
    return status;
}

void serve_models_free(struct serve_models *models)
{
    if (!models)
        return;
    for (int i = 0; i < models->n; i++)
        serve_model_drop(models->current[i]);
    pthread_mutex_destroy(&models->lock);
    free(models);
}

int serve_models_reload(struct serve_models *models, void (*tell)(const char *sentence))
{
    struct sqz_error err = {0};
    int replaced = 0;
    for (int i = 0; i < models->n; i++) {
        struct serve_model *fresh = NULL, *old = models->current[i];
        if (open_one(models, old->name, models->paths[i], &fresh, &err)) {
            tell(err.text);
            continue;
        }
        pthread_mutex_lock(&models->lock);
        models->current[i] = fresh;
        pthread_mutex_unlock(&models->lock);
        serve_model_drop(old);
        replaced++;
    }
    return replaced;
}

int serve_models_count(const struct serve_models *models)
{
    return models->n;
}

struct serve_model *serve_models_take_at(struct serve_models *models, int index)
{
    struct serve_model *found = NULL;
    pthread_mutex_lock(&models->lock);
    if (index >= 0 && index < models->n) {
        found = models->current[index];
        __atomic_add_fetch(&found->references, 1, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&models->lock);
    return found;
}

struct serve_model *serve_models_take(struct serve_models *models, const char *name)
{
    for (int i = 0; i < models->n; i++) {
        struct serve_model *model = serve_models_take_at(models, i);
        if (!name || !*name || strcmp(model->name, name) == 0)
            return model;
        serve_model_drop(model);
    }
    return NULL;
}

void serve_model_drop(struct serve_model *model)
{
    if (!model || __atomic_sub_fetch(&model->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    sqz_classifier_free(model->classifier);
    free(model);
}
