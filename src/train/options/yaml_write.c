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

// Single quotes fold line breaks and cannot hold control characters; such text is escaped. The line
// breaks of Unicode (U+0085, U+2028, U+2029), its C1 controls and the byte-order mark count as
// such.
static bool needs_escapes(const unsigned char *s)
{
    for (; *s; s++)
        if (*s < 0x20 || *s == 0x7F || (s[0] == 0xC2 && s[1] < 0xA0) ||
            (s[0] == 0xE2 && s[1] == 0x80 && (s[2] == 0xA8 || s[2] == 0xA9)) ||
            (s[0] == 0xEF && s[1] == 0xBB && s[2] == 0xBF))
            return true;
    return false;
}

static void add_escaped(const unsigned char *s, struct sqz_text *out)
{
    sqz_text_add(out, "\"");
    while (*s) {
        if (*s < 0x20 || *s == 0x7F) {
            sqz_text_add(out, "\\x%02X", *s++);
        } else if (s[0] == 0xC2 && s[1] >= 0x80 && s[1] < 0xA0) {
            sqz_text_add(out, "\\x%02X", s[1]);
            s += 2;
        } else if (s[0] == 0xE2 && s[1] == 0x80 && (s[2] == 0xA8 || s[2] == 0xA9)) {
            sqz_text_add(out, "\\u20%02X", s[2] == 0xA8 ? 0x28 : 0x29);
            s += 3;
        } else if (s[0] == 0xEF && s[1] == 0xBB && s[2] == 0xBF) {
            sqz_text_add(out, "\\uFEFF");
            s += 3;
        } else {
            sqz_text_add(out, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
            s++;
        }
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
