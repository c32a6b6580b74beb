// squeezenet serve: an HTTP server for models.
#include "cli/commands.h"
#include "cli/serve/json.h"
#include "cli/serve/serve.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

const struct cli_flag cli_serve_flags[] = {
    {"host", 0, "ADDRESS", "address to listen on [127.0.0.1]"},
    {"port", 0, "N", "port to listen on; 0 finds a free one [8080]"},
    {"api_key_file", 0, "FILE", "its first line is the key that requests have to give"},
    {"insecure", 0, NULL, "listen beyond this machine without a key"},
    {"allow_host", 0, "NAME", "one more name that requests may give as Host"},
    {"allow_origin", 0, "ORIGIN", "pages of this origin may send requests, as https://example.org"},
    {"max_body", 0, "MB", "largest request [16]"},
    {"max_pixels", 0, "N", "largest image, in millions of pixels [50]"},
    {"max_connections", 0, "N", "connections at a time; others wait [64]"},
    {"max_queue", 0, "N", "images that may wait; then the answer is 429 [256]"},
    {"timeout", 0, "S", "seconds to send a request or to take an answer [30]"},
    {"log", 0, "FORMAT", "access log on stderr: none, text or json [none]"},
    {"classes", 0, "FILE", "class names, one a line in index order"},
    {"dialect", 0, "NAME", "mindcv, torchvision or caffe, instead of the file's"},
    {"threads", 0, "N", "compute threads [physical cores]"},
    {"precision", 0, "NAME", "fp32, int8 or auto: integers where the model has them [auto]"},
    {NULL, 0, NULL, NULL},
};

enum { KEY_MIN = 16, KEY_MAX = 512 };

static enum sqz_status read_settings(const struct cli *cli, struct serve_settings *out)
{
    static const char *const logs[] = {"none", "text", "json"};
    const char *log = cli_value(cli, "log");
    int body, pixels, timeout;
    enum sqz_status status = cli_integer(cli, "max_body", 16, 1, 1024, &body);
    if (!status)
        status = cli_integer(cli, "max_pixels", 50, 1, 1000, &pixels);
    if (!status)
        status = cli_integer(cli, "max_connections", 64, 1, 1000, &out->limits.connections);
    if (!status)
        status = cli_integer(cli, "max_queue", 256, 1, 100000, &out->max_waiting);
    if (!status)
        status = cli_integer(cli, "timeout", 30, 1, 3600, &timeout);
    if (status)
        return status;
    while (log && out->log < 3 && strcmp(log, logs[out->log]) != 0)
        out->log++;
    if (out->log == 3)
        return cli_complain(SQZ_E_USAGE, "--log knows none, text and json, not \"%s\".", log);
    out->limits.header = 16384;
    out->limits.body = (size_t)body << 20;
    out->limits.buffered = (out->limits.body + 16384) * 16;
    out->limits.timeout = timeout;
    out->limits.quiet = timeout < 10 ? timeout : 10;
    out->max_pixels = (size_t)pixels * 1000000;
    out->max_age = timeout < 10 ? timeout : 10;
    out->host = cli_value(cli, "allow_host");
    out->origin = cli_value(cli, "allow_origin");
    return SQZ_OK;
}

static enum sqz_status read_key(const char *path, char key[KEY_MAX + 2])
{
    FILE *file = fopen(path, "re");
    bool is_read = file && fgets(key, KEY_MAX + 2, file);
    if (file)
        fclose(file);
    if (!is_read)
        return cli_complain(SQZ_E_NOINPUT, "Cannot read a key from %s.", path);
    key[strcspn(key, "\r\n")] = 0;
    size_t n = strlen(key);
    if (n < KEY_MIN || n > KEY_MAX || strspn(key, " ") > 0)
        return cli_complain(SQZ_E_DATA, "The key in %s has to be %d to %d characters long.", path,
                            KEY_MIN, KEY_MAX);
    return SQZ_OK;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *v6 = (const void *)address;
    return address->sa_family == AF_UNIX ||
           (address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr));
}

// The socket that systemd hands over (socket activation), -1 if it does not.
static int inherited_socket(void)
{
    const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
    return pid && n && atol(pid) == (long)getpid() && strcmp(n, "1") == 0 ? 3 : -1;
}

static enum sqz_status bind_socket(const char *host, int port, int *out)
{
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    char service[12];
    const int one = 1;
    snprintf(service, sizeof service, "%d", port);
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (getaddrinfo(host, service, &hints, &found) != 0 || !found)
        return cli_complain(SQZ_E_USAGE, "--host takes an address such as 127.0.0.1, not \"%s\".",
                            host);
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool listens = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
                   bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 128) == 0;
    int reason = errno;
    freeaddrinfo(found);
    if (listens) {
        *out = fd;
        return SQZ_OK;
    }
    if (fd >= 0)
        close(fd);
    return cli_complain(SQZ_E_IO, "Cannot listen on %s port %d: %s.", host, port, strerror(reason));
}

static enum sqz_status open_socket(const struct cli *cli, struct serve_settings *settings,
                                   char url[128])
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    char host[64] = "", port[12] = "";
    int number;
    const char *wanted = cli_value(cli, "host");
    enum sqz_status status = cli_integer(cli, "port", 8080, 0, 65535, &number);
    settings->listener = inherited_socket();
    if (!status && settings->listener < 0)
        status = bind_socket(wanted ? wanted : "127.0.0.1", number, &settings->listener);
    if (status)
        return status;
    getsockname(settings->listener, (struct sockaddr *)&address, &size);
    getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    settings->is_loopback = is_loopback((struct sockaddr *)&address);
    bool is_v6 = address.ss_family == AF_INET6;
    snprintf(url, 128, "http://%s%s%s:%s/", is_v6 ? "[" : "", host, is_v6 ? "]" : "", port);
    if (settings->is_loopback || settings->key || cli_has(cli, "insecure"))
        return SQZ_OK;
    close(settings->listener);
    return cli_complain(SQZ_E_USAGE,
                        "%s is reached by other machines: give --api_key_file, or say --insecure.",
                        host);
}

static enum sqz_status run(struct cli *cli, struct serve_server *server, const char *url)
{
    struct sqz_error err = {0};
    struct sqz_context *context = NULL;
    struct sqz_model_options options = SQZ_INIT(sqz_model_options);
    enum sqz_status status = cli_context(cli, &context);
    if (status)
        return status;
    options.classes_file = cli_value(cli, "classes");
    options.dialect = cli_value(cli, "dialect");
    status = serve_models_open(context, &options, cli->positional, cli->n_positional,
                               &server->models, &err);
    if (!status) {
        sqz_context_on_event(context, NULL, NULL); // from here on another thread uses it
        printf("%s\n", url);
        fflush(stdout);
        if (!cli->quiet)
            fprintf(stderr, "Serving at %s; Ctrl-C stops.\n", url);
        status = serve_run(server, &err);
    } else {
        close(server->settings.listener);
    }
    serve_models_free(server->models);
    sqz_context_free(context);
    return status ? cli_fail(&err) : SQZ_OK;
}

enum sqz_status cli_serve(struct cli *cli)
{
    struct sqz_error err = {0};
    struct serve_server server = {0};
    char key[KEY_MAX + 2] = "", url[128];
    const char *key_file = cli_value(cli, "api_key_file");
    if (cli->n_positional > SERVE_MODELS_MAX)
        return cli_complain(SQZ_E_USAGE, "At most %d models.", SERVE_MODELS_MAX);
    enum sqz_status status = read_settings(cli, &server.settings);
    if (!status && serve_json_open(&err))
        status = cli_fail(&err);
    if (!status && key_file)
        status = read_key(key_file, key);
    if (key_file)
        server.settings.key = key;
    if (!status)
        status = open_socket(cli, &server.settings, url);
    if (status)
        return status;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return run(cli, &server, url);
}
