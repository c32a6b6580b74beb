// squeezenet data: check, pack, imagenet and synth.
#include "cli/commands.h"
#include "cli/json.h"
#include <squeezenet_tools.h>
#include <stdio.h>
#include <string.h>

const struct cli_flag cli_data_flags[] = {
    {"train_per_class", 0, "N", "synth: images a class in train/ [500]"},
    {"val_per_class", 0, "N", "synth: images a class in val/ [100]"},
    {"image_size", 0, "N", "synth: their side in pixels [32]"},
    {"seed", 0, "N", "synth: another seed, other images [1]"},
    {"shorter", 0, "N", "pack: shrink images until their shorter side has N pixels [256]"},
    {"quality", 0, "N", "pack: JPEG quality of those that are shrunk [90]"},
    {"raw", 0, NULL, "pack: store pixels instead of JPEG files"},
    {"on_bad", 0, "stop|skip", "pack: an image that does not decode: stop, or leave it out [stop]"},
    {"force", 'f', NULL, "pack: replace an existing file"},
    {"threads", 0, "N", "check, pack: decoding threads [physical cores]"},
    {NULL, 0, NULL, NULL},
};

static void print_histogram(const struct sqz_check_result *r)
{
    enum { WIDTH = 40 };
    size_t most = 1;
    for (int i = 0; i < r->n_classes; i++)
        most = r->classes[i].images > most ? r->classes[i].images : most;
    for (int i = 0; i < r->n_classes; i++) {
        int filled = (int)(r->classes[i].images * WIDTH / most);
        printf("  %-24s %8zu ", cli_clean(r->classes[i].name), r->classes[i].images);
        for (int b = 0; b < filled; b++)
            fputs("█", stdout);
        putchar('\n');
    }
}

static enum sqz_status print_check(const struct cli *cli, const struct sqz_check_result *r)
{
    if (cli->json) {
        struct cli_json json = {0};
        cli_json_begin(&json);
        cli_json_int(&json, "images", (int64_t)r->images);
        cli_json_int(&json, "corrupt", (int64_t)r->corrupt);
        cli_json_int(&json, "not_images", (int64_t)r->not_images);
        cli_json_int(&json, "tiny", (int64_t)r->tiny);
        cli_json_int(&json, "empty_classes", (int64_t)r->empty_classes);
        cli_json_open(&json, "classes", '[');
        for (int i = 0; i < r->n_classes; i++) {
            cli_json_open(&json, NULL, '{');
            cli_json_text(&json, "name", r->classes[i].name);
            cli_json_int(&json, "images", (int64_t)r->classes[i].images);
            cli_json_close(&json, '}');
        }
        cli_json_close(&json, ']');
        return cli_json_print(&json);
    }
    printf("%zu images in %d classes; %zu corrupt, %zu no images, %zu tiny, %zu empty classes\n",
           r->images, r->n_classes, r->corrupt, r->not_images, r->tiny, r->empty_classes);
    print_histogram(r);
    return SQZ_OK;
}

static enum sqz_status check(struct cli *cli, const char *dir)
{
    struct sqz_error err = {0};
    struct sqz_context *context = NULL;
    struct sqz_check_result result = SQZ_INIT(sqz_check_result);
    enum sqz_status status = cli_context(cli, &context);
    if (status)
        return status;
    if (sqz_check_data(context, dir, &result, &err)) {
        status = cli_fail(&err);
    } else {
        cli_events_end();
        status = print_check(cli, &result);
        if (!status && (result.corrupt || result.empty_classes))
            status = SQZ_E_DATA;
        else if (!status)
            cli_next(cli, "squeezenet train %s", dir);
    }
    sqz_check_result_release(&result);
    sqz_context_free(context);
    return status;
}

static enum sqz_status synth(struct cli *cli, const char *dir)
{
    struct sqz_error err = {0};
    int train, val, size, seed;
    enum sqz_status status = cli_integer(cli, "train_per_class", 500, 1, 100000, &train);
    if (!status)
        status = cli_integer(cli, "val_per_class", 100, 1, 100000, &val);
    if (!status)
        status = cli_integer(cli, "image_size", 32, 16, 1024, &size);
    if (!status)
        status = cli_integer(cli, "seed", 1, 0, 0x7fffffff, &seed);
    if (status)
        return status;
    if (sqz_synthesize_data(dir, train, val, size, (uint64_t)seed, &err))
        return cli_fail(&err);
    if (cli->json) {
        struct cli_json json = {0};
        cli_json_begin(&json);
        cli_json_text(&json, "dir", dir);
        cli_json_int(&json, "train_per_class", train);
        cli_json_int(&json, "val_per_class", val);
        return cli_json_print(&json);
    }
    printf("%s: 10 classes, %d images each to train on and %d to validate, %dx%d pixels\n",
           cli_clean(dir), train, val, size, size);
    cli_next(cli, "squeezenet train %s", dir);
    return SQZ_OK;
}

static enum sqz_status print_pack_json(const char *out, const struct sqz_pack_result *r)
{
    struct cli_json json = {0};
    cli_json_begin(&json);
    cli_json_text(&json, "file", out);
    cli_json_int(&json, "images", (int64_t)r->images);
    cli_json_int(&json, "shrunk", (int64_t)r->shrunk);
    cli_json_int(&json, "skipped", (int64_t)r->skipped);
    cli_json_int(&json, "bytes", (int64_t)r->bytes);
    return cli_json_print(&json);
}

static enum sqz_status pack(struct cli *cli, const char *dir, const char *out)
{
    struct sqz_error err = {0};
    struct sqz_context *context = NULL;
    struct sqz_pack_options how = {
        .struct_size = sizeof how, .raw = cli_has(cli, "raw"), .force = cli_has(cli, "force")};
    struct sqz_pack_result result = SQZ_INIT(sqz_pack_result);
    enum sqz_status status = cli_on_bad(cli, &how.skip_bad);
    if (!status)
        status = cli_integer(cli, "shorter", 256, 1, 65500, &how.shorter);
    if (!status)
        status = cli_integer(cli, "quality", 90, 1, 100, &how.quality);
    if (!status)
        status = cli_context(cli, &context);
    if (status)
        return status;
    if (sqz_pack_data(context, dir, out, &how, &result, &err)) {
        status = cli_fail(&err);
    } else {
        cli_events_end();
        if (cli->json)
            status = print_pack_json(out, &result);
        else
            printf("%s: %zu images, %zu of them shrunk, %.1f MB\n", cli_clean(out), result.images,
                   result.shrunk, (double)result.bytes / 1e6);
        cli_next(cli, "squeezenet train %s", out);
    }
    sqz_context_free(context);
    return status;
}

static enum sqz_status print_imagenet_json(const char *out, const struct sqz_imagenet_result *r)
{
    struct cli_json json = {0};
    cli_json_begin(&json);
    cli_json_text(&json, "dir", out);
    cli_json_int(&json, "train", (int64_t)r->train);
    cli_json_int(&json, "val", (int64_t)r->val);
    cli_json_int(&json, "classes", r->classes);
    return cli_json_print(&json);
}

static enum sqz_status imagenet(struct cli *cli, const char *const *archives, const char *out)
{
    struct sqz_error err = {0};
    struct sqz_context *context = NULL;
    struct sqz_imagenet_result result = SQZ_INIT(sqz_imagenet_result);
    enum sqz_status status = cli_context(cli, &context);
    if (status)
        return status;
    if (sqz_lay_out_imagenet(context, archives[0], archives[1], archives[2], out, &result, &err)) {
        status = cli_fail(&err);
    } else {
        cli_events_end();
        if (cli->json)
            status = print_imagenet_json(out, &result);
        else
            printf("%s: %d classes, %zu images to train on and %zu to validate\n", cli_clean(out),
                   result.classes, result.train, result.val);
        cli_next(cli, "squeezenet data pack %s %s.pack", out, out);
    }
    sqz_context_free(context);
    return status;
}

enum sqz_status cli_data(struct cli *cli)
{
    static const struct {
        const char *name, *operands;
        int n;
    } kinds[] = {{"check", "DIR", 1},
                 {"synth", "DIR", 1},
                 {"pack", "DIR OUT", 2},
                 {"imagenet", "TRAIN.tar VAL.tar DEVKIT.tar.gz OUT", 4}};
    enum { N = sizeof kinds / sizeof *kinds };
    const char *what = cli->positional[0];
    const char *const *operands = (const char *const *)cli->positional + 1;
    int which = 0;
    while (which < N && strcmp(what, kinds[which].name) != 0)
        which++;
    if (which == N)
        return cli_complain(SQZ_E_USAGE,
                            "squeezenet data knows check, pack, imagenet and synth, not \"%s\".",
                            cli_clean(what));
    if (cli->n_positional != kinds[which].n + 1)
        return cli_complain(SQZ_E_USAGE, "squeezenet data %s is followed by %s.", what,
                            kinds[which].operands);
    switch (which) {
    case 0:
        return check(cli, operands[0]);
    case 1:
        return synth(cli, operands[0]);
    case 2:
        return pack(cli, operands[0], operands[1]);
    default:
        return imagenet(cli, operands, operands[3]);
    }
}
