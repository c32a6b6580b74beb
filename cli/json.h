// The --json output: one object, built in memory, printed whole or not at all.
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include "cli/serve/text.h"
#include <squeezenet.h>
#include <stdio.h>

// Zero-initialise, then cli_json_begin. Every call adds a member to the innermost open object
// (`key`) or array (key NULL). Out of memory is remembered, and told by cli_json_print.
struct cli_json {
    struct serve_text text;
    bool comma;
};
void cli_json_begin(struct cli_json *json); // the outermost object, with its "schema"
void cli_json_int(struct cli_json *json, const char *key, int64_t value);
void cli_json_bool(struct cli_json *json, const char *key, bool value);
void cli_json_real(struct cli_json *json, const char *key, double value); // not finite: null
// NULL: null. Bytes that are no UTF-8 become U+FFFD; a second member "KEY_bytes" then holds the
// exact ones, percent-encoded.
void cli_json_text(struct cli_json *json, const char *key, const char *text);
void cli_json_open(struct cli_json *json, const char *key, char bracket); // '{' or '['
void cli_json_close(struct cli_json *json, char bracket);                 // '}' or ']'
// Closes the outermost object and writes it as one line; then the next one may begin in its memory.
void cli_json_line(struct cli_json *json, FILE *file);
// Closes the outermost object, prints it on stdout and releases it.
enum sqz_status cli_json_print(struct cli_json *json);

#endif
