// Recipes: YAML 1.1's rules, what is refused and with which line, the round trip, the shipped
// files.
#include "train/options/options.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct sqz_options *fresh(void)
{
    struct sqz_options *options = NULL;

    assert_int_equal(sqz_options_new(&options, NULL), SQZ_OK);
    return options;
}

static enum sqz_status parse(struct sqz_options *options, const char *text, struct sqz_error *err)
{
    return sqz_options_parse_yaml(options, text, strlen(text), "my.yaml", SQZ_FROM_YAML, err);
}

static void assert_equal_options(const struct sqz_options *a, const struct sqz_options *b)
{
    for (int i = 0; i < sqz_option_count(); i++) {
        struct sqz_text left = {0}, right = {0};
        sqz_option_value_text(a, i, &left);
        sqz_option_value_text(b, i, &right);
        if (strcmp(sqz_text_get(&left), sqz_text_get(&right)) != 0)
            fail_msg("%s: \"%s\" and \"%s\"", sqz_option_at(i)->name, sqz_text_get(&left),
                     sqz_text_get(&right));
        sqz_text_release(&left);
        sqz_text_release(&right);
    }
}

static void test_values(void **state)
{
    struct sqz_options *options = fresh();
    struct sqz_error err = {0};
    enum sqz_status status =
        parse(options,
              "%YAML 1.1\n---\n# a comment\n"
              "lr: 1e-4\n"
              "weight_decay: 7.0e-05  # after a value\n"
              "shuffle: off\nval_while_train: Yes\nema: no\nlr_epoch_stair: 'true'\n"
              "num_samples: ~\ndrop_rate:\ncolor_jitter: null\n"
              "batch_size: '64'\n"
              "scale:\n  - 0.5\n  - 1\n"
              "ratio: [0.5, 2]\n"
              "mean: 1,2,3\n"
              "re_value: [1, 2, 3]\n"
              "ckpt_path: ''\ndataset: ''\nckpt_save_policy: null\n"
              "data_dir: \"a \\\"b\\\" \\u00e4\"\n"
              "train_split: off\n"
              "config: other.yaml\nhelp: false\n",
              &err);

    (void)state;
    if (status != SQZ_OK)
        fail_msg("%s", err.text);
    assert_true(options->lr == 1e-4 && options->weight_decay == 7e-5);
    assert_true(!options->shuffle && options->val_while_train && !options->ema &&
                options->lr_epoch_stair);
    assert_true(options->num_samples == SQZ_NONE_INT && isnan(options->drop_rate));
    assert_int_equal(options->color_jitter.n, 0);
    assert_int_equal(options->batch_size, 64);
    assert_true(options->scale.n == 2 && options->scale.v[0] == 0.5 && options->scale.v[1] == 1);
    assert_true(options->ratio.v[1] == 2 && options->mean.v[2] == 3);
    assert_string_equal(options->re_value, "[1,2,3]");
    assert_string_equal(options->dataset, "");
    assert_string_equal(options->data_dir, "a \"b\" \xC3\xA4");
    assert_string_equal(options->train_split, "off");
    assert_int_equal(options->origins[sqz_option_find("lr")], SQZ_FROM_YAML);
    assert_int_equal(options->origins[sqz_option_find("seed")], SQZ_FROM_DEFAULT);
    sqz_options_free(options);
}

static void test_refusals(void **state)
{
    static const char *const cases[][2] = {
        // text, a part of the message
        {"", "my.yaml is empty"},
        {"# only a comment\n", "is empty"},
        {"batchsize: 3\n", "line 1: There is no option batchsize; did you mean batch_size?"},
        {"lr: 1\nbatch_size: abc\n",
         "line 2: Option batch_size is \"abc\", but it must be a whole number"},
        {"lr: 1\n\nlr: 2\n", "line 3: Option lr is given twice"},
        {"lr: {a: 1}\n", "line 1: Option lr takes a value or a list"},
        {"lr: [1, 2]\n", "line 1: Option lr takes one value, not a list"},
        {"scale: [[1, 2], 3]\n", "line 1: Option scale takes a flat list"},
        {"scale: [{a: 1}]\n", "takes a flat list"},
        {"lr: &a 1\n", "Anchors"},
        {"lr: 1\nmin_lr: *a\n", "Aliases"}, // or libyaml's own complaint; either names the line
        {"lr: !!float 1\n", "Tags"},
        {"!x lr: 1\n", "Tags"},
        {"[lr, 1]\n", "must be a mapping"},
        {"just text\n", "must be a mapping"},
        {"? [lr]\n: 1\n", "A key must be"},
        {"<<: 1\n", "There is no option <<"},
        {"lr: 1\n---\nlr: 2\n", "single document"},
        {"lr: 'open\n", "is not YAML"},
        {"lr: 1\n\tmin_lr: 2\n", "line 2"},
        {"data_dir: \"a\\0b\"\n", "zero byte"},
        {"shuffle: 'on'\n", "true or false"},
        {"batch_size: null\n", "line 1: Option batch_size is none, but"},
        {"batch_size: 0x10\n", "whole number"},
        {"batch_size: 010\n", "whole number"},
        {"lr: .inf\n", "must be a number"},
        {"lr: .nan\n", "must be a number"},
        {"lr: true\n", "must be a number"},
        {"loss: mse\n", "line 1: Option loss is \"mse\", but it must be CE"},
        {"data_dir: \xFF\xFE\n", "is not YAML"},
        {"config: [1]\n", "takes one value"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sqz_options *options = fresh();
        struct sqz_error err = {0};
        enum sqz_status status = parse(options, cases[i][0], &err);
        if (status != SQZ_E_CONFIG || err.status != SQZ_E_CONFIG)
            fail_msg("case %zu gave status %d", i, (int)status);
        if (!strstr(err.text, cases[i][1]) || !strstr(err.text, "my.yaml"))
            fail_msg("case %zu says: %s", i, err.text);
        sqz_options_free(options);
    }
}

// Deep, long and broken input ends in an error, quickly and without a crash.
static void test_hostile(void **state)
{
    enum { SIZE = 64 * 1024 };
    char *text = sqz_new_array(SIZE + 2, 1);
    struct sqz_options *options = fresh();
    struct sqz_error err = {0};

    (void)state;
    memset(text, '[', SIZE);
    assert_int_equal(parse(options, text, &err), SQZ_E_CONFIG);
    for (size_t i = 0; i + 4 <= SIZE; i += 4)
        memcpy(text + i, "? - ", 4);
    assert_int_equal(parse(options, text, &err), SQZ_E_CONFIG);
    memset(text, 'a', SIZE);
    assert_int_equal(parse(options, text, &err), SQZ_E_CONFIG);
    memset(text, ' ', SIZE + 1);
    assert_int_equal(parse(options, text, &err), SQZ_E_CONFIG);
    assert_non_null(strstr(err.text, "at most 65536"));
    sqz_free(text);
    sqz_options_free(options);
}

// Every prefix of a real recipe, and every byte replaced: no crash, no leak, never a status but
// these.
static void test_mutations(void **state)
{
    const char *recipe =
        "lr: 0.1\nscale: [0.08, 1.0]\ndata_dir: \"a\\x41b\"\nopt: 'sgd'\nre_value:\n- 1\n";
    static const unsigned char bytes[] = {0,   9,   10,  ' ', '!',  '"',  '#',  '%', '&', '\'',
                                          '*', ',', '-', ':', '?',  '[',  '\\', ']', '{', '|',
                                          '}', '>', '@', '`', 0x80, 0xC3, 0xFF, 'A', '7'};
    size_t length = strlen(recipe);

    (void)state;
    for (size_t at = 0; at < length; at++) {
        for (size_t b = 0; b <= sizeof bytes; b++) {
            char text[256];
            size_t size = b < sizeof bytes ? length : at;
            struct sqz_options *options = fresh();
            struct sqz_error err = {0};
            enum sqz_status status;
            memcpy(text, recipe, length);
            if (b < sizeof bytes)
                text[at] = (char)bytes[b];
            status = sqz_options_parse_yaml(options, text, size, "my.yaml", SQZ_FROM_YAML, &err);
            assert_true(status == SQZ_OK || (status == SQZ_E_CONFIG && strlen(err.text) > 10));
            sqz_options_free(options);
        }
    }
}

static void test_round_trip(void **state)
{
    static const char *const values[][2] = {
        {"data_dir", "/tmp/with space: and # 'quotes' \"both\" \\ and \xC3\xA4"},
        {"run_dir", "tab\there\nline \x01\x7F \xC2\x85 \xE2\x80\xA8 \xEF\xBB\xBF end"},
        {"train_split", "null"},
        {"val_split", ""},
        {"resume", "- x"},
        {"ckpt_path", "~"},
        {"ckpt_save_dir", "none"},
        {"lr", "0.30000000000000004"},
        {"min_lr", "2.2250738585072014e-308"},
        {"eps", "1.7976931348623157e308"},
        {"seed", "9223372036854775807"},
        {"num_samples", "12"},
        {"drop_rate", "0.123456789012345678"},
        {"color_jitter", "none"},
        {"re_value", "1,2,3"},
        {"scale", "0.1,0.7"},
        {"dataset", ""},
        {"ckpt_save_policy", "none"},
        {"reduction", "none"},
        {"multi_step_decay_milestones", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16"},
        {"shuffle", "no"}};
    struct sqz_options *options = fresh();
    struct sqz_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (sqz_options_set(options, values[i][0], values[i][1], SQZ_FROM_COMMAND_LINE, &err) !=
            SQZ_OK)
            fail_msg("%s", err.text);
    for (int with_origins = 0; with_origins < 2; with_origins++) {
        struct sqz_text first = {0}, second = {0};
        struct sqz_options *again = fresh();
        sqz_options_write_yaml(options, with_origins, &first);
        if (parse(again, sqz_text_get(&first), &err) != SQZ_OK)
            fail_msg("%s", err.text);
        assert_equal_options(options, again);
        sqz_options_write_yaml(options, false, &second);
        sqz_text_release(&first);
        sqz_options_write_yaml(again, false, &first);
        assert_string_equal(sqz_text_get(&first), sqz_text_get(&second));
        sqz_text_release(&first);
        sqz_text_release(&second);
        sqz_options_free(again);
    }
    sqz_options_free(options);
}

// File names may hold any bytes, and come back through a recipe as they were.
static void test_bytes_round_trip(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "t\xfe",
        "\xff/\x80\xbf",
        "a\xef\xbf\xbe\xef\xbf\xbf",        // U+FFFE, U+FFFF
        "\xf4\x8f\xbe\x80\xf4\x8f\xbf\xbf", // what stands for the bytes 80 and FF
        "\xc3\xa9\xc3",                     // a whole character and half of one
        "\xed\xa0\x80 \xc0\x80 \xf5",       // surrogate, overlong, beyond the last
        "\"\\\n\x7f\xc2\x85\xe2\x80\xa8",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct sqz_options *options = NULL, *back = NULL;
        struct sqz_text yaml = {0};
        struct sqz_error err = {0};
        assert_int_equal(sqz_options_new(&options, NULL), SQZ_OK);
        assert_int_equal(sqz_options_new(&back, NULL), SQZ_OK);
        assert_int_equal(
            sqz_options_set(options, "data_dir", paths[i], SQZ_FROM_COMMAND_LINE, NULL), SQZ_OK);
        sqz_options_write_yaml(options, false, &yaml);
        if (sqz_options_parse_yaml(back, sqz_text_get(&yaml), yaml.length, "test", SQZ_FROM_YAML,
                                   &err))
            fail_msg("path %zu: %s", i, err.text);
        assert_string_equal(back->data_dir, paths[i]);
        sqz_text_release(&yaml);
        sqz_options_free(options);
        sqz_options_free(back);
    }
}

static void test_origins_are_shown(void **state)
{
    struct sqz_options *options = fresh();
    struct sqz_text out = {0};

    (void)state;
    assert_int_equal(sqz_options_set(options, "lr", "0.5", SQZ_FROM_COMMAND_LINE, NULL), SQZ_OK);
    assert_int_equal(parse(options, "batch_size: 8\n", NULL), SQZ_OK);
    sqz_options_write_yaml(options, true, &out);
    assert_non_null(strstr(sqz_text_get(&out), "# Dataset\n"));
    assert_non_null(strstr(sqz_text_get(&out),
                           "lr: 0.5                                      # from the "
                           "command line\n"));
    assert_non_null(strstr(sqz_text_get(&out),
                           "batch_size: 8                                # from the "
                           "recipe file\n"));
    assert_non_null(
        strstr(sqz_text_get(&out), "seed: 42                                     # default\n"));
    sqz_text_release(&out);
    sqz_options_free(options);
}

static void test_files(void **state)
{
    struct sqz_options *options = fresh();
    struct sqz_error err = {0};

    (void)state;
    assert_int_equal(sqz_options_read_yaml(options, "/nowhere/x.yaml", SQZ_FROM_YAML, &err),
                     SQZ_E_NOINPUT);
    assert_non_null(strstr(err.text, "/nowhere/x.yaml"));
    assert_true(sqz_options_read_yaml(options, "/tmp", SQZ_FROM_YAML, &err) != SQZ_OK);
    sqz_options_free(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),     cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_hostile),    cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_origins_are_shown),
        cmocka_unit_test(test_files),      cmocka_unit_test(test_bytes_round_trip)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
