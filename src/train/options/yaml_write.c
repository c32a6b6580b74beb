// The merged configuration as YAML that reads back to equal options.
#include "train/options/option_value.h"

#include <string.h>

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Text that needs no quotes for any YAML reader: a name, a path or a bare number.
static bool is_plain_text(const char *text)
{
    static const char words[] = "null true false yes no on off y n none";
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";

    if (*text && strspn(text, "0123456789") == strlen(text))
        return true;
    if (!is_letter(*text) && *text != '/' && strncmp(text, "./", 2) != 0 &&
        strncmp(text, "../", 3) != 0)
        return false;
    return strspn(text, safe) == strlen(text) && !sqz_words_contain(words, text, NULL, 0);
}

// Length of the UTF-8 character at s; 0 for bytes that are none, and for the private characters
// that stand for such bytes (U+10FF80 to U+10FFFF).
static size_t utf8_length(const unsigned char *s)
{
    size_t n = *s < 0x80 ? 1 : *s >= 0xC2 && *s < 0xE0 ? 2 : (*s & 0xF0) == 0xE0 ? 3 : 4;
    if (n == 4 && (*s < 0xF0 || *s > 0xF4))
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    bool too_long = (*s == 0xE0 && s[1] < 0xA0) || (*s == 0xF0 && s[1] < 0x90);
    bool surrogate = *s == 0xED && s[1] >= 0xA0, beyond = *s == 0xF4 && s[1] >= 0x90;
    bool private = *s == 0xF4 && s[1] == 0x8F && s[2] >= 0xBE;
    return too_long || surrogate || beyond || private ? 0 : n;
}

static unsigned code_point(const unsigned char *s, size_t n)
{
    unsigned value = n == 1 ? *s : *s & (0x7FU >> n);
    for (size_t i = 1; i < n; i++)
        value = value << 6 | (s[i] & 0x3FU);
    return value;
}

// Control characters (C0, C1), the line breaks of Unicode, the byte-order mark and what is no
// character: no YAML reader takes these as they are.
static bool is_special(unsigned c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || c == 0xFEFF ||
           c == 0xFFFE || c == 0xFFFF;
}

// Single quotes fold line breaks and cannot hold special characters; such text is escaped.
static bool needs_escapes(const unsigned char *s)
{
    for (size_t n; *s; s += n)
        if (!(n = utf8_length(s)) || is_special(code_point(s, n)))
            return true;
    return false;
}

// YAML knows only characters. A byte that is part of none, as file names may hold, is written as a
// private one, U+10FF00 + byte, which yaml.c turns back.
static void add_escaped(const unsigned char *s, struct sqz_text *out)
{
    sqz_text_add(out, "\"");
    while (*s) {
        size_t n = utf8_length(s);
        unsigned c = n ? code_point(s, n) : 0;
        if (!n)
            sqz_text_add(out, "\\U0010FF%02X", *s++);
        else if (is_special(c) && c < 0x100)
            sqz_text_add(out, "\\x%02X", c);
        else if (is_special(c))
            sqz_text_add(out, "\\u%04X", c);
        else
            sqz_text_add(out, c == '"' || c == '\\' ? "\\%.*s" : "%.*s", (int)n, (const char *)s);
        s += n;
    }
    sqz_text_add(out, "\"");
}

static void add_quoted(const char *text, struct sqz_text *out)
{
    if (needs_escapes((const unsigned char *)text)) {
        add_escaped((const unsigned char *)text, out);
        return;
    }
    sqz_text_add(out, "'");
    for (const char *p = text; *p; p++)
        sqz_text_add(out, *p == '\'' ? "''" : "%c", *p);
    sqz_text_add(out, "'");
}

static void add_value(const struct sqz_options *options, int index, struct sqz_text *out)
{
    const struct sqz_option *option = sqz_option_at(index);
    const void *field = (const char *)options + option->offset;
    struct sqz_text value = {0};

    sqz_option_value_text(options, index, &value);
    out->failed = out->failed || value.failed;
    if (option->type == SQZ_OPTION_TEXT) {
        const char *text = *(char *const *)field;
        if (!*text && strcmp(option->fallback, "none") == 0)
            sqz_text_add(out, "null");
        else if (is_plain_text(text))
            sqz_text_add(out, "%s", text);
        else
            add_quoted(text, out);
    } else if (strcmp(sqz_text_get(&value), "none") == 0) {
        sqz_text_add(out, "null");
    } else if (option->type == SQZ_OPTION_LIST) {
        sqz_text_add(out, "[");
        for (const char *p = sqz_text_get(&value); *p; p++)
            sqz_text_add(out, *p == ',' ? ", " : "%c", *p);
        sqz_text_add(out, "]");
    } else {
        sqz_text_add(out, "%s", sqz_text_get(&value));
    }
    sqz_text_release(&value);
}

static const char *origin_text(enum sqz_option_origin origin)
{
    switch (origin) {
    case SQZ_FROM_DEFAULT:
        return "default";
    case SQZ_FROM_BUILTIN_RECIPE:
        return "from the built-in recipe";
    case SQZ_FROM_MODEL:
        return "from the model file";
    case SQZ_FROM_YAML:
        return "from the recipe file";
    case SQZ_FROM_COMMAND_LINE:
        return "from the command line";
    }
    return "";
}

void sqz_options_write_yaml(const struct sqz_options *options, bool with_origins,
                            struct sqz_text *out)
{
    const char *group = "";

    for (int i = 0; i < sqz_option_count(); i++) {
        const struct sqz_option *option = sqz_option_at(i);
        size_t start;
        if (strcmp(option->group, group) != 0)
            sqz_text_add(out, "%s# %s\n", i ? "\n" : "", option->group);
        group = option->group;
        start = out->length;
        sqz_text_add(out, "%s: ", option->name);
        add_value(options, i, out);
        if (with_origins) {
            int used = (int)(out->length - start);
            sqz_text_add(out, "%*s # %s", used < 44 ? 44 - used : 0, "",
                         origin_text(options->origins[i]));
        }
        sqz_text_add(out, "\n");
    }
}
