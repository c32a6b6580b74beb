// The server: routes, signals, and the end.
#include "cli/serve/serve.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DRAIN_SECONDS 30.0

static void answer_done(void *arg)
{
    struct serve_server *server = arg;
    for (struct serve_job *job = serve_queue_done(server->queue), *next; job; job = next) {
        struct serve_call call = {server, job->request, job->route};
        next = job->next;
        if (job->is_first)
            serve_metrics_batch(&server->metrics, job->batch);
        if (job->request && serve_job_succeeded(&call, job))
            job->answer(job);
        serve_job_free(job);
    }
}

// --- Routes ---

static void reply_metrics(const struct serve_call *call)
{
    struct serve_server *server = call->server;
    struct serve_text out = {0};
    serve_metrics_print(&server->metrics, &out);
    serve_text_add(&out,
                   "# HELP squeezenet_queue_images Images that wait.\n"
                   "# TYPE squeezenet_queue_images gauge\nsqueezenet_queue_images %d\n"
                   "# HELP squeezenet_connections Open connections.\n"
                   "# TYPE squeezenet_connections gauge\nsqueezenet_connections %d\n"
                   "# HELP squeezenet_model_info The models that are served.\n"
                   "# TYPE squeezenet_model_info gauge\n",
                   serve_queue_waiting(server->queue), http_connections(server->http));
    for (int i = 0; i < serve_models_count(server->models); i++) {
        struct serve_model *model = serve_models_take_at(server->models, i);
        serve_text_add(&out,
                       "squeezenet_model_info{model=\"%s\",variant=\"%s\",classes=\"%d\"} 1\n",
                       model->name, model->info.variant, model->info.classes);
        serve_model_drop(model);
    }
    if (out.failed)
        serve_error(call, 503, "There is not enough memory for the answer.");
    else
        serve_reply(call, 200, "text/plain; version=0.0.4", out.data, out.length);
    serve_text_release(&out);
}

static void reply_health(const struct serve_call *call)
{
    if (call->server->drains)
        serve_error(call, 503, "The server is stopping.");
    else
        serve_reply(call, 200, "application/json", "{\"status\":\"ok\"}\n", 16);
}

static void reply_empty(const struct serve_call *call)
{
    serve_reply(call, 200, "application/json", NULL, 0);
}

static void model_ready(const struct serve_call *call, struct serve_model *model)
{
    serve_model_drop(model);
    if (call->server->drains)
        serve_error(call, 503, "The server is stopping.");
    else
        reply_empty(call);
}

// A path; '*' stands for a model's name. Handlers of models get a reference of theirs.
static const struct route {
    const char *path;
    bool is_post, is_open, is_page;
    void (*run)(const struct serve_call *call);
    void (*run_model)(const struct serve_call *call, struct serve_model *model);
} routes[] = {
    {"/", false, true, true, serve_page, NULL},
    {"/healthz", false, true, false, reply_health, NULL},
    {"/metrics", false, false, false, reply_metrics, NULL},
    {"/v1/predict", true, false, false, serve_predict, NULL},
    {"/v1/models/*:predict", true, false, false, NULL, serve_tensorflow_predict},
    {"/v1/models/*", false, false, false, NULL, serve_tensorflow_status},
    {"/v2", false, false, false, serve_oip_server, NULL},
    {"/v2/health/live", false, true, false, reply_empty, NULL},
    {"/v2/health/ready", false, true, false, reply_health, NULL},
    {"/v2/models/*", false, false, false, NULL, serve_oip_metadata},
    {"/v2/models/*/ready", false, false, false, NULL, model_ready},
    {"/v2/models/*/infer", true, false, false, NULL, serve_oip_infer},
    {"/v2/models/*/versions/1", false, false, false, NULL, serve_oip_metadata},
    {"/v2/models/*/versions/1/ready", false, false, false, NULL, model_ready},
    {"/v2/models/*/versions/1/infer", true, false, false, NULL, serve_oip_infer},
};

// Whether a path is the route's; `name` gets what the star stands for.
static bool matches(const char *route, const char *path, char name[SERVE_NAME_SIZE])
{
    const char *star = strchr(route, '*');
    name[0] = 0;
    if (!star)
        return strcmp(route, path) == 0;
    size_t before = (size_t)(star - route), after = strlen(star + 1), n = strlen(path);
    if (n <= before + after || strncmp(route, path, before) != 0 ||
        strcmp(star + 1, path + n - after) != 0 || n - before - after >= SERVE_NAME_SIZE)
        return false;
    memcpy(name, path + before, n - before - after);
    name[n - before - after] = 0;
    return strpbrk(name, "/:") == NULL;
}

static void on_request(void *arg, struct http_request *request)
{
    struct serve_call call = {arg, request, "none"};
    const char *path = http_path(request);
    char name[SERVE_NAME_SIZE] = "";
    const struct route *found = NULL;
    for (size_t i = 0; path && !found && i < sizeof routes / sizeof *routes; i++)
        if (matches(routes[i].path, path, name))
            found = &routes[i];
    if (found)
        call.route = found->path;
    if (!serve_guard(&call, found && found->is_open, found && found->is_page))
        return;
    enum http_method method = http_method(request);
    if (!path)
        serve_error(&call, 400, "The request's target is not a path.");
    else if (!found)
        serve_error(&call, 404, "There is nothing at this path.");
    else if ((method == HTTP_POST) != found->is_post) {
        http_add_header(request, "Allow", found->is_post ? "POST" : "GET, HEAD");
        serve_error(&call, 405, "This path takes %s.", found->is_post ? "POST" : "GET");
    } else if (found->is_post && call.server->drains)
        serve_error(&call, 503, "The server is stopping.");
    else if (found->run)
        found->run(&call);
    else {
        struct serve_model *model = serve_models_take(call.server->models, name);
        if (model)
            found->run_model(&call, model);
        else
            serve_error(&call, 404, "There is no model \"%s\".", name);
    }
}

// --- Signals and the end ---

static void stop(void *arg)
{
    struct serve_server *server = arg;
    if (server->drains)
        _exit(SQZ_E_STOPPED); // asked a second time
    server->drains = true;
    server->drain_end = serve_now() + DRAIN_SECONDS;
    http_stop_listening(server->http);
}

static void reload(void *arg)
{
    struct serve_server *server = arg;
    serve_queue_reload(server->queue);
}

static void on_tick(void *arg)
{
    struct serve_server *server = arg;
    bool is_done = serve_queue_unanswered(server->queue) == 0 && http_busy(server->http) == 0;
    if (server->drains && (is_done || serve_now() > server->drain_end))
        http_leave(server->http);
}

static void wake(void *arg)
{
    const struct serve_server *server = arg;
    http_wake(server->http);
}

enum sqz_status serve_run(struct serve_server *server, struct sqz_error *err)
{
    struct serve_queue_options options = {.models = server->models,
                                          .max_waiting = server->settings.max_waiting,
                                          .max_age = server->settings.max_age,
                                          .wake = wake,
                                          .tell = serve_log_line,
                                          .arg = server};
    enum sqz_status status = http_new(server->settings.listener, &server->settings.limits,
                                      on_request, server, &server->http, err);
    if (status)
        return status;
    signal(SIGPIPE, SIG_IGN);
    http_on_wake(server->http, answer_done, server);
    http_on_tick(server->http, on_tick, server);
    if (!http_on_signal(server->http, SIGTERM, stop, server) ||
        !http_on_signal(server->http, SIGINT, stop, server) ||
        !http_on_signal(server->http, SIGHUP, reload, server)) {
        err->status = status = SQZ_E_NOMEM;
        snprintf(err->text, sizeof err->text, "There is not enough memory for the server.");
    }
    if (!status)
        status = serve_queue_new(&options, &server->queue, err);
    if (!status)
        http_run(server->http);
    serve_queue_free(server->queue);
    http_free(server->http);
    return status;
}
