// Reading and printing the value of one option: types, limits, choices.
#include "train/options/option_value.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct interval {
    double low, high;
    bool open_low, open_high;
};

// From options.def only, so the text is known to be well formed; "" is everything.
static struct interval interval_of(const char *text)
{
    struct interval interval = {-INFINITY, INFINITY, true, true};
    char *end;

    if (*text == '\0')
        return interval;
    interval.open_low = *text == '(';
    interval.low = strtod(text + 1, &end);
    interval.high = strtod(end + 1, &end);
    interval.open_high = *end == ')';
    return interval;
}

static bool in_interval(const struct interval *interval, double value)
{
    return (interval->open_low ? value > interval->low : value >= interval->low) &&
           (interval->open_high ? value < interval->high : value <= interval->high);
}

static void describe_interval(const struct interval *interval, struct sqz_text *out)
{
    const char *link = " ";

    if (isfinite(interval->low)) {
        sqz_text_add(out, "%s%s ", link, interval->open_low ? "greater than" : "of at least");
        sqz_text_add_double(out, interval->low);
        link = " and ";
    }
    if (isfinite(interval->high)) {
        sqz_text_add(out, "%s%s ", link, interval->open_high ? "below" : "at most");
        sqz_text_add_double(out, interval->high);
    }
}

// The place of `word` in the list, -1 if it is not there; *at and *n are its spelling in the list.
static int find_word(const char *words, const char *word, const char **at, size_t *n)
{
    size_t length = strlen(word);

    for (int i = 0; *words; i++) {
        *n = strcspn(words, " ");
        *at = words;
        words += *n;
        words += strspn(words, " ");
        if (*n == 2 && memcmp(*at, "''", 2) == 0)
            *n = 0;
        if (*n == length && strncasecmp(*at, word, *n) == 0)
            return i;
    }
    return -1;
}

bool sqz_words_contain(const char *words, const char *word, char *canonical, size_t size)
{
    const char *at;
    size_t n;

    if (find_word(words, word, &at, &n) < 0)
        return false;
    if (canonical)
        snprintf(canonical, size, "%.*s", (int)n, at);
    return true;
}

int sqz_words_find(const char *words, const char *word)
{
    const char *at;
    size_t n;
    return find_word(words, word, &at, &n);
}

// Plain decimals only: strtod alone would also take "inf", "nan", hexadecimal and leading blanks.
static bool parse_number(const char *text, size_t length, double *out)
{
    char copy[64];
    char *end;

    if (length == 0 || length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (strspn(copy, "+-.eE0123456789") != length)
        return false;
    *out = strtod(copy, &end);
    return *end == '\0' && isfinite(*out);
}

static bool parse_integer(const char *text, int64_t *out)
{
    const char *digits = text + (*text == '-' || *text == '+');
    long long value;

    // 042 is refused because YAML 1.1 would read it as octal, and a reader as forty-two.
    if (*digits == '\0' || strspn(digits, "0123456789") != strlen(digits) ||
        (*digits == '0' && digits[1] != '\0'))
        return false;
    errno = 0;
    value = strtoll(text, NULL, 10);
    if (errno != 0 || value == INT64_MIN)
        return false;
    *out = value;
    return true;
}

static bool is_none_word(const char *text)
{
    return strcasecmp(text, "none") == 0 || strcasecmp(text, "null") == 0 || strcmp(text, "~") == 0;
}

static bool fallback_is_none(const struct sqz_option *option)
{
    return strcmp(option->fallback, "none") == 0;
}

static enum sqz_status parse_bool(const struct sqz_option *option, const char *value, bool *field,
                                  struct sqz_text *why)
{
    bool yes = value && sqz_words_contain("yes true 1", value, NULL, 0);

    if (!yes && !(value && sqz_words_contain("no false 0", value, NULL, 0))) {
        sqz_text_add(why, "it must be true or false");
        return SQZ_E_CONFIG;
    }
    if (*option->limits && !sqz_words_contain(option->limits, yes ? "true" : "false", NULL, 0)) {
        sqz_text_add(why, "it can only be %s", option->limits);
        return SQZ_E_CONFIG;
    }
    *field = yes;
    return SQZ_OK;
}

static enum sqz_status parse_int(const struct sqz_option *option, const char *value, int64_t *field,
                                 struct sqz_text *why)
{
    struct interval interval = interval_of(option->limits);
    int64_t number;

    if (fallback_is_none(option) && (!value || is_none_word(value))) {
        *field = SQZ_NONE_INT;
        return SQZ_OK;
    }
    if (value && parse_integer(value, &number) && in_interval(&interval, (double)number)) {
        *field = number;
        return SQZ_OK;
    }
    sqz_text_add(why, "it must be %sa whole number", fallback_is_none(option) ? "none or " : "");
    describe_interval(&interval, why);
    return SQZ_E_CONFIG;
}

static enum sqz_status parse_float(const struct sqz_option *option, const char *value,
                                   double *field, struct sqz_text *why)
{
    struct interval interval = interval_of(option->limits);
    double number;

    if (fallback_is_none(option) && (!value || is_none_word(value))) {
        *field = NAN;
        return SQZ_OK;
    }
    if (value && parse_number(value, strlen(value), &number) && in_interval(&interval, number)) {
        *field = number;
        return SQZ_OK;
    }
    sqz_text_add(why, "it must be %sa number", fallback_is_none(option) ? "none or " : "");
    describe_interval(&interval, why);
    return SQZ_E_CONFIG;
}

// Both "0.08,1.0" and "[0.08, 1.0]"; false if an entry is no number or there are too many.
static bool split_list(const char *text, struct sqz_list *list)
{
    size_t length;

    list->n = 0;
    text += strspn(text, " ");
    length = strlen(text);
    while (length && text[length - 1] == ' ')
        length--;
    if (length >= 2 &&
        ((*text == '[' && text[length - 1] == ']') || (*text == '(' && text[length - 1] == ')'))) {
        text++;
        length -= 2;
    }
    if (strspn(text, " ") >= length)
        return true;
    for (;;) {
        const char *comma = memchr(text, ',', length);
        size_t n = comma ? (size_t)(comma - text) : length, start = 0, stop = n;
        while (start < n && text[start] == ' ')
            start++;
        while (stop > start && text[stop - 1] == ' ')
            stop--;
        if (list->n == SQZ_LIST_MAX || !parse_number(text + start, stop - start, &list->v[list->n]))
            return false;
        list->n++;
        if (!comma)
            return true;
        text += n + 1;
        length -= n + 1;
    }
}

static bool count_allowed(const char *counts, int n)
{
    long first = strtol(counts, (char **)&counts, 10);

    if (*counts == '-')
        return n >= first && n <= strtol(counts + 1, NULL, 10);
    while (first != n && *counts == ',')
        first = strtol(counts + 1, (char **)&counts, 10);
    return first == n;
}

static enum sqz_status parse_list(const struct sqz_option *option, const char *value,
                                  struct sqz_list *field, struct sqz_text *why)
{
    const char *colon = strchr(option->limits, ':');
    struct interval interval = interval_of(colon + 1);
    struct sqz_list list = {0};
    bool good = !value || is_none_word(value) || split_list(value, &list);

    good = good && count_allowed(option->limits, list.n);
    for (int i = 0; good && i < list.n; i++)
        good = in_interval(&interval, list.v[i]);
    if (good) {
        for (int i = list.n; i < SQZ_LIST_MAX; i++)
            list.v[i] = 0;
        *field = list;
        return SQZ_OK;
    }
    sqz_text_add(why, "it must be ");
    for (const char *p = option->limits; p < colon; p++) {
        if (*p == ',')
            sqz_text_add(why, " or ");
        else if (*p == '-')
            sqz_text_add(why, " to ");
        else
            sqz_text_add(why, "%c", *p);
    }
    sqz_text_add(why, " comma-separated numbers, each");
    if (isfinite(interval.low) || isfinite(interval.high))
        describe_interval(&interval, why);
    else
        sqz_text_add(why, " finite");
    return SQZ_E_CONFIG;
}

static void list_words(const char *words, struct sqz_text *out)
{
    for (const char *p = words; *p;) {
        size_t n = strcspn(p, " ");
        const char *next = p + n + strspn(p + n, " ");
        sqz_text_add(out, "%s%.*s", p == words ? "" : *next ? ", " : " or ", (int)n, p);
        p = next;
    }
}

static enum sqz_status parse_text(const struct sqz_option *option, const char *value, char **field,
                                  struct sqz_text *why)
{
    bool may_be_empty = sqz_words_contain(option->limits, "", NULL, 0);
    bool is_choice = *option->limits != '\0';
    char canonical[64];
    char *copy;

    // The word "none" is a value of its own where it is among the choices (reduction).
    if (!value)
        value = "";
    else if (is_none_word(value) && (fallback_is_none(option) || may_be_empty) &&
             !sqz_words_contain(option->limits, value, NULL, 0))
        value = "";
    if (is_choice) {
        if (!sqz_words_contain(option->limits, value, canonical, sizeof canonical)) {
            sqz_text_add(why, "it must be ");
            list_words(option->limits, why);
            return SQZ_E_CONFIG;
        }
        value = canonical;
    }
    copy = sqz_copy_string(value);
    if (!copy)
        return SQZ_E_NOMEM;
    sqz_free(*field);
    *field = copy;
    return SQZ_OK;
}

enum sqz_status sqz_option_parse(const struct sqz_option *option, const char *value, void *field,
                                 struct sqz_text *why)
{
    switch (option->type) {
    case SQZ_OPTION_BOOL:
        return parse_bool(option, value, field, why);
    case SQZ_OPTION_INT:
        return parse_int(option, value, field, why);
    case SQZ_OPTION_FLOAT:
        return parse_float(option, value, field, why);
    case SQZ_OPTION_TEXT:
        return parse_text(option, value, field, why);
    case SQZ_OPTION_LIST:
        return parse_list(option, value, field, why);
    }
    return SQZ_E_INTERNAL;
}

bool sqz_option_is_later(const struct sqz_option *option, const void *field)
{
    struct sqz_text value = {0};
    const char *later = option->support;
    bool refused;

    if (strncmp(later, "later: ", 7) != 0)
        return false;
    later += 7;
    sqz_option_add_value(option, field, &value);
    if (strcmp(later, "other") != 0) {
        refused = sqz_words_contain(later, sqz_text_get(&value), NULL, 0);
    } else if (option->type == SQZ_OPTION_INT || option->type == SQZ_OPTION_FLOAT) {
        double number = option->type == SQZ_OPTION_INT ? (double)*(const int64_t *)field
                                                       : *(const double *)field;
        refused =
            fallback_is_none(option) ? !isnan(number) : number != strtod(option->fallback, NULL);
    } else {
        refused = strcmp(sqz_text_get(&value), option->fallback) != 0;
    }
    sqz_text_release(&value);
    return refused;
}

void sqz_text_add_double(struct sqz_text *out, double value)
{
    char text[32];

    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    // %g with few digits turns 100 into 1e+02; plain digits are shorter to read.
    if (fabs(value) < 1e15 && value == (double)(int64_t)value)
        snprintf(text, sizeof text, "%lld", (long long)value);
    sqz_text_add(out, "%s", text);
}

void sqz_option_add_value(const struct sqz_option *option, const void *field, struct sqz_text *out)
{
    const struct sqz_list *list = field;

    switch (option->type) {
    case SQZ_OPTION_BOOL:
        sqz_text_add(out, "%s", *(const bool *)field ? "true" : "false");
        break;
    case SQZ_OPTION_INT:
        if (*(const int64_t *)field == SQZ_NONE_INT)
            sqz_text_add(out, "none");
        else
            sqz_text_add(out, "%lld", (long long)*(const int64_t *)field);
        break;
    case SQZ_OPTION_FLOAT:
        if (isnan(*(const double *)field))
            sqz_text_add(out, "none");
        else
            sqz_text_add_double(out, *(const double *)field);
        break;
    case SQZ_OPTION_TEXT:
        if (**(char *const *)field == '\0' && fallback_is_none(option))
            sqz_text_add(out, "none");
        else
            sqz_text_add(out, "%s", *(char *const *)field);
        break;
    case SQZ_OPTION_LIST:
        if (list->n == 0)
            sqz_text_add(out, "none");
        for (int i = 0; i < list->n; i++) {
            sqz_text_add(out, "%s", i ? "," : "");
            sqz_text_add_double(out, list->v[i]);
        }
        break;
    }
}
