// Class names read from a file and set by a caller.
#include "support.h"

static void test_lines(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbf"
                               "n01440764 tench, Tinca tinca\n"
                               "n01443537\tgoldfish \r\n"
                               "n123 is no wnid\n"
                               "n02123045x cat\n"
                               "a b\tc d\n"
                               "n01443538\n"
                               "empty label\t";
    static const char *const dirs[] = {"n01440764",      "n01443537", "n123 is no wnid",
                                       "n02123045x cat", "a b",       "n01443538",
                                       "empty label"};
    static const char *const labels[] = {"tench, Tinca tinca", "goldfish ", "n123 is no wnid",
                                         "n02123045x cat",     "c d",       "n01443538",
                                         "empty label"};
    struct sqz_model *model = make_model("squeezenet1_1", "mindcv", 7, 3, 64);
    struct sqz_error err = {0};
    if (sqz_model_read_classes(model, write_scratch("c.txt", text, sizeof text - 1), &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < 7; i++) {
        assert_string_equal(model->classes[i], dirs[i]);
        assert_string_equal(model->labels[i], labels[i]);
    }
    // Without any labels of their own there is no second list.
    if (sqz_model_read_classes(model, write_scratch("c.txt", "a\nb\nc\nd\ne\nf\ng\n", 14), &err))
        fail_msg("%s", err.text);
    assert_string_equal(model->classes[6], "g");
    assert_null(model->labels);
    // Two classes with one label, as in ImageNet's usual list.
    if (sqz_model_read_classes(model, write_scratch("c.txt", "a\nb\nc\nb\ne\nb\ng\n", 14), &err))
        fail_msg("%s", err.text);
    static const char *const apart[] = {"a", "b", "c", "b (3)", "e", "b (5)", "g"};
    for (int i = 0; i < 7; i++)
        assert_string_equal(model->classes[i], apart[i]);
    assert_null(model->labels);
    assert_int_equal(sqz_model_read_classes(model, NULL, &err), SQZ_OK);
    assert_null(model->classes);
    sqz_model_free(model);
    remove_scratch();
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        const char *words;
    } cases[] = {
        {"a\nb\n", 4, "has 2 lines, but the model has 3 classes"},
        {"a\nb\nc\nd", 7, "has 4 lines"},
        {"a\nb\nc\n\n", 7, "has 4 lines"},
        {"", 0, "has 0 lines"},
        {"a\tx\nb\na\ty\n", 10, "same name, a"},
        {"a\n\nc\n", 5, "class 2 is empty"},
        {"\tx\nb\nc\n", 7, "class 1 is empty"},
        {"a\nb\n\xff\n", 6, "class 3 is not valid UTF-8"},
        {"a\nb\nc\0\n", 7, "not a text file"},
    };
    struct sqz_model *model = make_model("squeezenet1_1", "mindcv", 3, 3, 64);
    struct sqz_error err = {0};
    static const char *const before[] = {"x", "y", "z"};
    assert_int_equal(sqz_model_set_classes(model, before, NULL, &err), SQZ_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = write_scratch("c.txt", cases[i].text, cases[i].size);
        assert_int_equal(sqz_model_read_classes(model, path, &err), SQZ_E_DATA);
        if (!strstr(err.text, cases[i].words) || !strstr(err.text, path))
            fail_msg("expected \"%s\", got \"%s\"", cases[i].words, err.text);
        assert_string_equal(model->classes[2], "z"); // untouched
    }
    assert_int_equal(sqz_model_read_classes(model, "/no/such", &err), SQZ_E_NOINPUT);
    sqz_model_free(model);
    remove_scratch();
}

static void test_synset_words(void **state)
{
    (void)state;
    const char *path = test_data("imagenet-samples/synset_words.txt");
    struct sqz_error err = {0};
    if (!path)
        skip();
    struct sqz_model *model = make_model("squeezenet1_1", "mindcv", 1000, 3, 64);
    if (sqz_model_read_classes(model, path, &err))
        fail_msg("%s", err.text);
    assert_string_equal(model->classes[285], "n02124075");
    assert_string_equal(model->labels[285], "Egyptian cat");
    sqz_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_synset_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
