// Recipes: a flat YAML 1.1 mapping of options, read through libyaml's events, and written back.
#include "base/file.h"
#include "train/options/option_value.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

// Far above any recipe; the bound keeps libyaml's own memory small on hostile input.
enum { YAML_SIZE_MAX = 64 * 1024 };

struct recipe {
    struct sqz_options *options;
    const char *name;
    enum sqz_option_origin origin;
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    bool *seen; // by option
    struct sqz_error *err;
};

static enum sqz_status fail_at(const struct recipe *recipe, size_t line, const char *text)
{
    return sqz_fail(recipe->err, SQZ_E_CONFIG, "%.300s, line %zu: %.600s", recipe->name, line + 1,
                    text);
}

static enum sqz_status fail_here(const struct recipe *recipe, const char *text)
{
    return fail_at(recipe, recipe->event.start_mark.line, text);
}

// The next event; anchors, aliases and explicit tags end here.
static enum sqz_status next(struct recipe *recipe)
{
    yaml_event_t *event = &recipe->event;
    const void *anchor = NULL, *tag = NULL;

    if (recipe->has_event)
        yaml_event_delete(event);
    recipe->has_event = false;
    if (!yaml_parser_parse(&recipe->parser, event)) {
        const yaml_parser_t *parser = &recipe->parser;
        char text[256];
        if (parser->error == YAML_MEMORY_ERROR)
            return sqz_fail_memory(recipe->err, recipe->name, YAML_SIZE_MAX);
        snprintf(text, sizeof text, "This is not YAML (%s).",
                 parser->problem ? parser->problem : "?");
        return fail_at(recipe, parser->problem_mark.line, text);
    }
    recipe->has_event = true;
    if (event->type == YAML_ALIAS_EVENT)
        return fail_here(recipe,
                         "Aliases (*name) are not allowed in a recipe; write the value out.");
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor)
        return fail_here(recipe, "Anchors (&name) are not allowed in a recipe.");
    if (tag)
        return fail_here(recipe, "Tags (!name) are not allowed in a recipe.");
    return SQZ_OK;
}

static bool is_plain(const yaml_event_t *event)
{
    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static bool is_null(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;

    return is_plain(event) && (!*text || !strcmp(text, "~") || !strcmp(text, "null") ||
                               !strcmp(text, "Null") || !strcmp(text, "NULL"));
}

// A scalar as it would be typed. YAML 1.1's on and off exist only unquoted.
static const char *scalar_text(const yaml_event_t *event, enum sqz_option_type type)
{
    const char *text = (const char *)event->data.scalar.value;

    if (type == SQZ_OPTION_BOOL && is_plain(event)) {
        if (!strcmp(text, "on") || !strcmp(text, "On") || !strcmp(text, "ON"))
            return "true";
        if (!strcmp(text, "off") || !strcmp(text, "Off") || !strcmp(text, "OFF"))
            return "false";
    }
    return text;
}

static enum sqz_status set(struct recipe *recipe, const char *key, const char *value, size_t line)
{
    struct sqz_error inner = {0};
    enum sqz_status status = sqz_options_set(recipe->options, key, value, recipe->origin, &inner);
    if (!status && value && strcmp(key, "distribute") == 0)
        recipe->options->recipe_distributes = sqz_words_contain("yes true 1", value, NULL, 0);

    if (status == SQZ_E_CONFIG || status == SQZ_E_USAGE)
        return fail_at(recipe, line, inner.text);
    if (status != SQZ_OK)
        return sqz_fail(recipe->err, status, "%s", inner.text);
    return SQZ_OK;
}

static enum sqz_status read_list(struct recipe *recipe, const char *key, bool allowed)
{
    struct sqz_text joined = {0};
    size_t line = recipe->event.start_mark.line;
    enum sqz_status status;
    char text[200];
    int n = 0;

    if (!allowed) {
        snprintf(text, sizeof text, "Option %.80s takes one value, not a list.", key);
        return fail_here(recipe, text);
    }
    sqz_text_add(&joined, "[");
    while ((status = next(recipe)) == SQZ_OK && recipe->event.type == YAML_SCALAR_EVENT)
        sqz_text_add(&joined, "%s%s", n++ ? "," : "",
                     (const char *)recipe->event.data.scalar.value);
    sqz_text_add(&joined, "]");
    if (status == SQZ_OK && recipe->event.type != YAML_SEQUENCE_END_EVENT) {
        snprintf(text, sizeof text, "Option %.80s takes a flat list.", key);
        status = fail_here(recipe, text);
    }
    if (status == SQZ_OK && joined.failed)
        status = sqz_fail_memory(recipe->err, key, joined.length);
    if (status == SQZ_OK)
        status = set(recipe, key, joined.data, line);
    sqz_text_release(&joined);
    return status;
}

// Bytes that belong to no character, as yaml_write.c writes them: U+10FF80 to U+10FFFF.
static void restore_bytes(unsigned char *text)
{
    unsigned char *out = text;
    while (*text)
        if (text[0] == 0xF4 && text[1] == 0x8F && (text[2] == 0xBE || text[2] == 0xBF)) {
            *out++ = (unsigned char)(text[2] << 6 | (text[3] & 0x3F));
            text += 4;
        } else {
            *out++ = *text++;
        }
    *out = '\0';
}

static enum sqz_status read_value(struct recipe *recipe, const char *key, int index)
{
    const yaml_event_t *event = &recipe->event;
    enum sqz_option_type type;
    enum sqz_status status = next(recipe);
    char text[200];

    if (status != SQZ_OK)
        return status;
    if (event->type == YAML_MAPPING_START_EVENT) {
        snprintf(text, sizeof text, "Option %.80s takes a value or a list, not a mapping.", key);
        return fail_here(recipe, text);
    }
    // "config" and "help" are no options, but MindCV writes them into its own files.
    if (index < 0) {
        if (event->type != YAML_SCALAR_EVENT)
            return fail_here(recipe, "This key takes one value.");
        return SQZ_OK;
    }
    type = sqz_option_at(index)->type;
    if (event->type == YAML_SEQUENCE_START_EVENT)
        return read_list(recipe, key, type == SQZ_OPTION_LIST || !strcmp(key, "re_value"));
    if (strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
        return fail_here(recipe, "A value holds a zero byte.");
    restore_bytes(event->data.scalar.value);
    return set(recipe, key, is_null(event) ? NULL : scalar_text(event, type),
               event->start_mark.line);
}

static enum sqz_status read_pair(struct recipe *recipe)
{
    const yaml_event_t *event = &recipe->event;
    char key[64], text[256];
    int index;

    if (event->type != YAML_SCALAR_EVENT)
        return fail_here(recipe, "A key must be the name of an option.");
    snprintf(key, sizeof key, "%s", (const char *)event->data.scalar.value);
    index = sqz_option_find((const char *)event->data.scalar.value);
    if (index < 0 && strcmp(key, "config") != 0 && strcmp(key, "help") != 0)
        return set(recipe, (const char *)event->data.scalar.value, NULL, event->start_mark.line);
    if (index >= 0 && recipe->seen[index]) {
        snprintf(text, sizeof text, "Option %s is given twice.", key);
        return fail_here(recipe, text);
    }
    if (index >= 0)
        recipe->seen[index] = true;
    return read_value(recipe, key, index);
}

static enum sqz_status read_document(struct recipe *recipe)
{
    enum sqz_status status = next(recipe); // the stream's start

    if (status == SQZ_OK)
        status = next(recipe);
    if (status == SQZ_OK && recipe->event.type == YAML_STREAM_END_EVENT)
        return sqz_fail(recipe->err, SQZ_E_CONFIG,
                        "%.300s is empty; a recipe holds lines like "
                        "\"batch_size: 32\".",
                        recipe->name);
    if (status == SQZ_OK)
        status = next(recipe);
    if (status == SQZ_OK && recipe->event.type != YAML_MAPPING_START_EVENT)
        return fail_here(recipe, "A recipe must be a mapping, with lines like \"batch_size: 32\".");
    while (status == SQZ_OK) {
        status = next(recipe);
        if (status == SQZ_OK && recipe->event.type == YAML_MAPPING_END_EVENT)
            break;
        if (status == SQZ_OK)
            status = read_pair(recipe);
    }
    if (status == SQZ_OK)
        status = next(recipe); // the document's end
    if (status == SQZ_OK)
        status = next(recipe);
    if (status == SQZ_OK && recipe->event.type != YAML_STREAM_END_EVENT)
        return fail_here(recipe, "A recipe must be a single document.");
    return status;
}

enum sqz_status sqz_options_parse_yaml(struct sqz_options *options, const char *text, size_t size,
                                       const char *name, enum sqz_option_origin origin,
                                       struct sqz_error *err)
{
    struct recipe recipe = {.options = options, .name = name, .origin = origin, .err = err};
    enum sqz_status status;

    if (size > YAML_SIZE_MAX)
        return sqz_fail(err, SQZ_E_CONFIG, "%.300s has %zu bytes, but a recipe has at most %d.",
                        name, size, YAML_SIZE_MAX);
    recipe.seen = sqz_new_array((size_t)sqz_option_count(), sizeof *recipe.seen);
    if (!recipe.seen)
        return sqz_fail_memory(err, name, (size_t)sqz_option_count());
    if (!yaml_parser_initialize(&recipe.parser)) {
        sqz_free(recipe.seen);
        return sqz_fail_memory(err, name, size);
    }
    yaml_parser_set_input_string(&recipe.parser, (const unsigned char *)text, size);
    status = read_document(&recipe);
    options->has_recipe = options->has_recipe || (!status && origin == SQZ_FROM_YAML);
    if (recipe.has_event)
        yaml_event_delete(&recipe.event);
    yaml_parser_delete(&recipe.parser);
    sqz_free(recipe.seen);
    return status;
}

enum sqz_status sqz_options_read_yaml(struct sqz_options *options, const char *path,
                                      enum sqz_option_origin origin, struct sqz_error *err)
{
    struct sqz_bytes bytes = {0};
    enum sqz_status status = sqz_file_read(path, YAML_SIZE_MAX, &bytes, err);

    if (status == SQZ_OK)
        status = sqz_options_parse_yaml(options, (const char *)bytes.data, bytes.size, path, origin,
                                        err);
    sqz_bytes_release(&bytes);
    return status;
}
