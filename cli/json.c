// Writes JSON for --json.
#include "cli/json.h"
#include "cli/cli.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct cli_json *json, const char *text)
{
    serve_text_add_bytes(&json->text, text, strlen(text));
}

static void add_key(struct cli_json *json, const char *key, const char *suffix)
{
    char name[256];
    if (json->comma)
        add(json, ",");
    json->comma = true;
    if (!key)
        return;
    snprintf(name, sizeof name, "%s%s", key, suffix);
    serve_text_add_quoted(&json->text, name);
    add(json, ":");
}

void cli_json_begin(struct cli_json *json)
{
    add(json, "{");
    cli_json_int(json, "schema", 1);
}

void cli_json_int(struct cli_json *json, const char *key, int64_t value)
{
    add_key(json, key, "");
    serve_text_add(&json->text, "%lld", (long long)value);
}

void cli_json_bool(struct cli_json *json, const char *key, bool value)
{
    add_key(json, key, "");
    add(json, value ? "true" : "false");
}

void cli_json_real(struct cli_json *json, const char *key, double value)
{
    char number[40];
    snprintf(number, sizeof number, "%.10g", value);
    add_key(json, key, "");
    add(json, isfinite(value) ? number : "null");
    if (isfinite(value) && !strpbrk(number, ".e")) // stays a real for readers that tell
        add(json, ".0");
}

void cli_json_text(struct cli_json *json, const char *key, const char *text)
{
    add_key(json, key, "");
    if (!text) {
        add(json, "null");
        return;
    }
    serve_text_add_quoted(&json->text, text);
    if (!key || sqz_text_is_utf8(text))
        return;
    size_t n = sqz_text_escape(SQZ_TEXT_PERCENT, text, NULL, 0);
    char *exact = malloc(n + 1);
    json->text.failed |= !exact;
    if (exact) {
        sqz_text_escape(SQZ_TEXT_PERCENT, text, exact, n + 1);
        add_key(json, key, "_bytes");
        serve_text_add_quoted(&json->text, exact);
    }
    free(exact);
}

void cli_json_open(struct cli_json *json, const char *key, char bracket)
{
    add_key(json, key, "");
    add(json, bracket == '{' ? "{" : "[");
    json->comma = false;
}

void cli_json_close(struct cli_json *json, char bracket)
{
    add(json, bracket == '}' ? "}" : "]");
    json->comma = true;
}

void cli_json_line(struct cli_json *json, FILE *file)
{
    add(json, "}\n");
    if (!json->text.failed)
        fwrite(json->text.data, 1, json->text.length, file);
    json->text.length = 0;
    json->comma = false;
}

enum sqz_status cli_json_print(struct cli_json *json)
{
    enum sqz_status status = SQZ_OK;
    add(json, "}\n");
    if (json->text.failed)
        status = cli_complain(SQZ_E_NOMEM, "There is not enough memory for the JSON output.");
    else
        fputs(json->text.data, stdout);
    serve_text_release(&json->text);
    *json = (struct cli_json){0};
    return status;
}
