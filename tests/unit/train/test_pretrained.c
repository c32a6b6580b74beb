// Option pretrained: a run from published weights, with a table of the test's own.
#include "run_support.h"

#include "formats/fetch.h"
#include "formats/published.h"
#include "http_server.h"

static char hash[65], url[128], wrong_url[128];
const struct sqz_published sqz_published_table[] = {
    {"squeezenet1_1", "mindcv", hash, url, "of this test"},
    {"squeezenet1_1", "torchvision", "00000000", wrong_url, "never that file"},
};
const int sqz_published_count = 2;

static struct http_server server;
static struct sqz_bytes file; // what is published: MindCV's format, 10 classes

static int publish(void **state)
{
    struct sqz_error err = {0};
    struct sqz_model *model = NULL;
    struct sqz_net_spec spec = {.variant = sqz_variant_find("squeezenet1_1"),
                                .dialect = sqz_dialect_find("mindcv"),
                                .classes = 10,
                                .channels = 3,
                                .image_h = 32,
                                .image_w = 32};
    if (make_root(state) || sqz_model_create(&spec, &model, &err))
        return -1;
    sqz_net_initialize(model->net, 3, model->weights);
    if (sqz_model_write(model, in_root("published.ckpt"), SQZ_KEEP_EXISTING, &err) ||
        sqz_file_read(in_root("published.ckpt"), 1 << 24, &file, &err))
        fail_msg("%s", err.text);
    sqz_model_free(model);
    sqz_fetch_hash(file.data, file.size, hash);
    if (!http_start(&server, file.data, file.size))
        return -1;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/cut/squeezenet1_1-%.8s.ckpt", server.port, hash);
    snprintf(wrong_url, sizeof wrong_url, "http://127.0.0.1:%d/cut/squeezenet1_1-00000000.pth",
             server.port);
    setenv("no_proxy", "127.0.0.1", 1);
    return 0;
}

static int unpublish(void **state)
{
    http_stop(&server);
    sqz_bytes_release(&file);
    return remove_root(state);
}

static const char *text_of(const char *name, const char *value)
{
    static char texts[8][300];
    static int turn;
    char *text = texts[turn++ % 8];
    snprintf(text, sizeof texts[0], "%s=%s", name, value);
    return text;
}

static void test_same_as_file(void **state)
{
    (void)state;
    const char *const by_path[] = {text_of("run_dir", in_root("path")),
                                   text_of("ckpt_path", in_root("published.ckpt")), NULL};
    const char *const by_name[] = {text_of("run_dir", in_root("name")), "pretrained=true", NULL};
    struct heard heard = {0};
    run_well(by_path, 1, NULL, NULL);
    run_well(by_name, 1, &heard, NULL);
    assert_true(server.requests >= 3); // the connection breaks after every third
    assert_non_null(strstr(heard.notes, "squeezenet1_1-"));
    struct sqz_text x = history_of("path"), y = history_of("name");
    assert_string_equal(sqz_text_get(&x), sqz_text_get(&y));
    sqz_text_release(&x);
    sqz_text_release(&y);
}

// The directory's recipe.yaml names option and file; without a checkpoint it starts again from
// them.
static void test_restart(void **state)
{
    (void)state;
    unlink(in_root("name/last.safetensors"));
    unlink(in_root("name/best.safetensors"));
    struct sqz_options *options = NULL;
    struct sqz_error err = {0};
    if (sqz_options_new(&options, &err))
        fail_msg("%s", err.text);
    put(options, "resume", in_root("name"));
    int asked = server.requests;
    if (run_with(options, 1, NULL, NULL, &err))
        fail_msg("%s", err.text);
    assert_int_equal(server.requests, asked); // it lies in the cache
    struct sqz_text x = history_of("path"), y = history_of("name");
    assert_string_equal(sqz_text_get(&x), sqz_text_get(&y));
    sqz_text_release(&x);
    sqz_text_release(&y);
}

static void refuses(const char *const *pairs, enum sqz_status wanted, const char *word)
{
    struct sqz_error err = {0};
    assert_int_equal(run_with(options_of(pairs), 1, NULL, NULL, &err), wanted);
    if (!strstr(err.text, word))
        fail_msg("\"%s\" does not speak of %s", err.text, word);
}

static void test_refusals(void **state)
{
    (void)state;
    const char *run = text_of("run_dir", in_root("refused"));
    const char *const both[] = {run, "pretrained=true",
                                text_of("ckpt_path", in_root("published.ckpt")), NULL};
    refuses(both, SQZ_E_CONFIG, "exclude");
    const char *const nobody[] = {run, "pretrained=true", "model=squeezenet1_1_bypass", NULL};
    refuses(nobody, SQZ_E_CONFIG, "published");
    const char *const wrong[] = {run, "pretrained=true", "dialect=torchvision", NULL};
    refuses(wrong, SQZ_E_DATA, "SHA-256");
    const char *const empty[] = {run, "pretrained=true", text_of("pretrained_dir", in_root("data")),
                                 NULL};
    refuses(empty, SQZ_E_NOINPUT, "published at");
    assert_false(exists("refused", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_as_file),
                                       cmocka_unit_test(test_restart),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, publish, unpublish);
}
