// HTTP by libevent's evhttp, which has no limit on connections, none on the time that a request may
// take, and none on what all requests hold together. So every connection's input tells what comes,
// a reference of ours shows when it ends, and a timer shuts down the sockets of those that take too
// long.
#include "cli/serve/http.h"
#include "cli/serve/evhttp_library.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum state { IDLE, READING, WORKING, WRITING };
struct http_request {
    struct evhttp_request *event; // NULL: there is none now
    struct connection *connection;
    http_fn gone;
    void *gone_arg;
    double started;
};
struct connection {
    struct http_server *server;
    struct bufferevent *socket; // ours is one of two references
    struct http_request request;
    enum state state;
    double since, last; // when the state began; when the last byte came
    size_t bytes;       // of the present request
    struct connection *next, **link;
};
struct http_server {
    struct event_base *base;
    struct evhttp *http;
    struct evconnlistener *listener; // owned by `http`
    struct event *wake, *tick, *signals[8];
    struct {
        http_fn fn;
        void *arg;
    } on_wake, on_tick, on_signal[8];
    int wake_fd, n_signals, n_connections, n_busy;
    bool listens, full;
    struct http_limits limits;
    size_t buffered;
    http_handler_fn handler;
    void *arg;
    struct connection *connections;
};

double serve_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void enter(struct connection *c, enum state state)
{
    c->server->n_busy +=
        (state == WORKING || state == WRITING) - (c->state == WORKING || c->state == WRITING);
    c->state = state;
    c->since = c->last = serve_now();
    if (state == IDLE) {
        c->server->buffered -= c->bytes;
        c->bytes = 0;
    }
}

static void listen_if_room(struct http_server *server)
{
    bool full = server->n_connections >= server->limits.connections;
    if (full == server->full || !server->listens)
        return;
    server->full = full;
    if (full)
        ev.evconnlistener_disable(server->listener);
    else
        ev.evconnlistener_enable(server->listener);
}

// --- Connections ---

static void on_input(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
    struct connection *c = arg;
    (void)buffer;
    if (info->n_added == 0)
        return;
    if (c->state == IDLE) {
        enter(c, READING);
        c->request.started = c->since;
    }
    c->last = serve_now();
    c->bytes += info->n_added;
    c->server->buffered += info->n_added;
    // The framing of chunks comes on top of a body: eight times as much is for those of few bytes.
    size_t most = c->server->limits.header + 8 * c->server->limits.body;
    if (c->bytes > most || c->server->buffered > c->server->limits.buffered) {
        shutdown(ev.bufferevent_getfd(c->socket), SHUT_RDWR);
        c->since = 0; // the next tick ends it; evhttp is in the middle of reading now
    }
}

static void end(struct connection *c)
{
    enter(c, IDLE);
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    c->server->n_connections--;
    ev.bufferevent_decref(c->socket); // closes it
    free(c);
}

// evhttp has dropped a connection when its callbacks are gone; only our reference is left.
static void end_dropped(struct http_server *server)
{
    for (struct connection *c = server->connections, *next; c; c = next) {
        bufferevent_data_cb read_fn, write_fn;
        bufferevent_event_cb event_fn;
        void *arg;
        next = c->next;
        ev.bufferevent_getcb(c->socket, &read_fn, &write_fn, &event_fn, &arg);
        if (!event_fn)
            end(c);
    }
    listen_if_room(server);
}

static struct bufferevent *on_connection(struct event_base *base, void *arg)
{
    struct http_server *server = arg;
    end_dropped(server);
    struct connection *c = calloc(1, sizeof *c);
    struct bufferevent *socket = ev.bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (!c || !socket || !ev.evbuffer_add_cb(ev.bufferevent_get_input(socket), on_input, c)) {
        if (socket)
            ev.bufferevent_free(socket);
        free(c);
        return NULL; // evhttp then makes one of its own, or refuses: on_request ends it
    }
    ev.bufferevent_incref(socket);
    c->server = server;
    c->socket = socket;
    c->request.connection = c;
    c->since = c->last = serve_now();
    c->next = server->connections;
    c->link = &server->connections;
    if (c->next)
        c->next->link = &c->next;
    server->connections = c;
    server->n_connections++;
    listen_if_room(server);
    return socket;
}

// --- Requests ---

static void on_close(struct evhttp_connection *connection, void *arg)
{
    struct http_request *request = arg;
    (void)connection;
    if (!request->event)
        return;
    request->event = NULL;
    if (request->gone)
        request->gone(request->gone_arg);
    request->gone = NULL;
}

static void on_complete(struct evhttp_request *event, void *arg)
{
    (void)event;
    enter(arg, IDLE);
}

static void on_request(struct evhttp_request *event, void *arg)
{
    struct http_server *server = arg;
    struct evhttp_connection *connection = ev.evhttp_request_get_connection(event);
    struct bufferevent *socket = ev.evhttp_connection_get_bufferevent(connection);
    struct connection *c = server->connections;
    while (c && c->socket != socket)
        c = c->next;
    if (!c) { // without memory when it came
        ev.evhttp_send_reply(event, 503, "Service Unavailable", NULL);
        return;
    }
    enter(c, WORKING);
    c->request.event = event;
    c->request.gone = NULL;
    ev.evhttp_connection_set_closecb(connection, on_close, &c->request);
    ev.evhttp_request_set_on_complete_cb(event, on_complete, c);
    server->handler(server->arg, &c->request);
}

enum http_method http_method(const struct http_request *request)
{
    switch (ev.evhttp_request_get_command(request->event)) {
    case EVHTTP_REQ_POST:
        return HTTP_POST;
    case EVHTTP_REQ_HEAD:
        return HTTP_HEAD;
    case EVHTTP_REQ_OPTIONS:
        return HTTP_OPTIONS;
    default:
        return HTTP_GET;
    }
}

const char *http_path(const struct http_request *request)
{
    const struct evhttp_uri *uri = ev.evhttp_request_get_evhttp_uri(request->event);
    if (!uri || ev.evhttp_uri_get_host(uri))
        return NULL;
    return ev.evhttp_uri_get_path(uri);
}

bool http_query(const struct http_request *request, const char *name, char *out, size_t size)
{
    const struct evhttp_uri *uri = ev.evhttp_request_get_evhttp_uri(request->event);
    const char *query = uri ? ev.evhttp_uri_get_query(uri) : NULL, *value;
    struct evkeyvalq pairs;
    if (!query || ev.evhttp_parse_query_str(query, &pairs) < 0)
        return false;
    value = ev.evhttp_find_header(&pairs, name);
    bool fits = value && strlen(value) < size;
    if (fits)
        memcpy(out, value, strlen(value) + 1);
    ev.evhttp_clear_headers(&pairs);
    return fits;
}

const char *http_header(const struct http_request *request, const char *name)
{
    return ev.evhttp_find_header(ev.evhttp_request_get_input_headers(request->event), name);
}

int http_header_count(const struct http_request *request, const char *name)
{
    const struct evkeyval *header;
    int n = 0;
    TAILQ_FOREACH(header, ev.evhttp_request_get_input_headers(request->event), next)
    n += strcasecmp(header->key, name) == 0;
    return n;
}

size_t http_body_size(const struct http_request *request)
{
    return ev.evbuffer_get_length(ev.evhttp_request_get_input_buffer(request->event));
}

char *http_take_body(struct http_request *request, size_t *size)
{
    struct evbuffer *input = ev.evhttp_request_get_input_buffer(request->event);
    *size = ev.evbuffer_get_length(input);
    char *body = malloc(*size + 1);
    if (!body)
        return NULL;
    if (*size && ev.evbuffer_remove(input, body, *size) != (int)*size) {
        free(body);
        return NULL;
    }
    body[*size] = 0;
    return body;
}

double http_started(const struct http_request *request)
{
    return request->started;
}

void http_on_gone(struct http_request *request, http_fn fn, void *arg)
{
    request->gone = fn;
    request->gone_arg = arg;
}

void http_add_header(struct http_request *request, const char *name, const char *value)
{
    ev.evhttp_add_header(ev.evhttp_request_get_output_headers(request->event), name, value);
}

void http_reply(struct http_request *request, int code, const char *type, const void *data,
                size_t size)
{
    struct evhttp_request *event = request->event;
    struct evbuffer *body = ev.evbuffer_new();
    char length[24];
    if (type)
        http_add_header(request, "Content-Type", type);
    if (ev.evhttp_request_get_command(event) == EVHTTP_REQ_HEAD) {
        snprintf(length, sizeof length, "%zu", size);
        http_add_header(request, "Content-Length", length);
    } else if (body && size && ev.evbuffer_add(body, data, size) < 0) {
        code = 503;
    }
    enter(request->connection, WRITING);
    request->event = NULL;
    request->gone = NULL;
    ev.evhttp_send_reply(event, code, NULL, body);
    if (body)
        ev.evbuffer_free(body);
}

// --- The loop ---

static void tick(evutil_socket_t fd, short what, void *arg)
{
    struct http_server *server = arg;
    double now = serve_now();
    (void)fd, (void)what;
    for (struct connection *c = server->connections; c; c = c->next) {
        double limit = server->limits.timeout, time = now - c->since;
        if (c->state == IDLE && (server->full || !server->listens) && limit > 1)
            limit = 1; // somebody waits for a place
        bool is_slow = c->state != WORKING && time > limit;
        bool is_quiet = c->state == READING && now - c->last > server->limits.quiet;
        if (is_slow || is_quiet) { // evhttp may be reading nothing, so that it has to be told
            shutdown(ev.bufferevent_getfd(c->socket), SHUT_RDWR);
            ev.bufferevent_trigger_event(c->socket, BEV_EVENT_READING | BEV_EVENT_TIMEOUT, 0);
        }
    }
    end_dropped(server);
    if (server->on_tick.fn)
        server->on_tick.fn(server->on_tick.arg);
}

static void woken(evutil_socket_t fd, short what, void *arg)
{
    struct http_server *server = arg;
    uint64_t count;
    (void)what;
    if (read(fd, &count, sizeof count) == sizeof count && server->on_wake.fn)
        server->on_wake.fn(server->on_wake.arg);
}

static void signalled(evutil_socket_t number, short what, void *arg)
{
    struct http_server *server = arg;
    (void)what;
    if (server->on_signal[number % 8].fn)
        server->on_signal[number % 8].fn(server->on_signal[number % 8].arg);
}

bool http_on_signal(struct http_server *server, int number, http_fn fn, void *arg)
{
    struct event *event =
        ev.event_new(server->base, number, EV_SIGNAL | EV_PERSIST, signalled, server);
    if (!event || server->n_signals == 8)
        return false;
    server->signals[server->n_signals++] = event;
    server->on_signal[number % 8].fn = fn;
    server->on_signal[number % 8].arg = arg;
    return ev.event_add(event, NULL) == 0;
}

void http_on_wake(struct http_server *server, http_fn fn, void *arg)
{
    server->on_wake.fn = fn;
    server->on_wake.arg = arg;
}

void http_on_tick(struct http_server *server, http_fn fn, void *arg)
{
    server->on_tick.fn = fn;
    server->on_tick.arg = arg;
}

void http_wake(struct http_server *server)
{
    const uint64_t one = 1;
    while (write(server->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

void http_run(struct http_server *server)
{
    ev.event_base_dispatch(server->base);
}

void http_leave(struct http_server *server)
{
    ev.event_base_loopbreak(server->base);
}

void http_stop_listening(struct http_server *server)
{
    if (server->listens)
        ev.evconnlistener_disable(server->listener);
    server->listens = false;
}

int http_connections(const struct http_server *server)
{
    return server->n_connections;
}

int http_busy(const struct http_server *server)
{
    return server->n_busy;
}

// Words of the library's own warnings may hold what a client sent.
static void drop_message(int severity, const char *text)
{
    (void)severity, (void)text;
}

static bool start(struct http_server *server, int listener)
{
    const struct timeval interval = {0, 250000};
    server->base = ev.event_base_new();
    if (!server->base)
        return false;
    server->http = ev.evhttp_new(server->base);
    server->listener = ev.evconnlistener_new(
        server->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listener);
    if (!server->http || !server->listener ||
        !ev.evhttp_bind_listener(server->http, server->listener))
        return false;
    ev.evhttp_set_bevcb(server->http, on_connection, server);
    ev.evhttp_set_gencb(server->http, on_request, server);
    ev.evhttp_set_timeout(server->http, 3600); // ours is shorter
    ev.evhttp_set_max_headers_size(server->http, (ev_ssize_t)server->limits.header);
    ev.evhttp_set_max_body_size(server->http, (ev_ssize_t)server->limits.body);
    ev.evhttp_set_allowed_methods(server->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
                                                    EVHTTP_REQ_OPTIONS);
    ev.evhttp_set_default_content_type(server->http, NULL);
    server->wake = ev.event_new(server->base, server->wake_fd, EV_READ | EV_PERSIST, woken, server);
    server->tick = ev.event_new(server->base, -1, EV_PERSIST, tick, server);
    return server->wake && server->tick && ev.event_add(server->wake, NULL) == 0 &&
           ev.event_add(server->tick, &interval) == 0;
}

enum sqz_status http_new(int listener, const struct http_limits *limits, http_handler_fn handler,
                         void *arg, struct http_server **out, struct sqz_error *err)
{
    enum sqz_status status = evhttp_library_open(err);
    if (status)
        return status;
    struct http_server *server = calloc(1, sizeof *server);
    if (server) {
        ev.event_set_log_callback(drop_message);
        *server = (struct http_server){
            .limits = *limits, .handler = handler, .arg = arg, .listens = true};
        server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    if (!server || server->wake_fd < 0 || !start(server, listener)) {
        http_free(server);
        err->status = SQZ_E_NOMEM;
        snprintf(err->text, sizeof err->text, "There is not enough memory for the server.");
        return SQZ_E_NOMEM;
    }
    *out = server;
    return SQZ_OK;
}

void http_free(struct http_server *server)
{
    if (!server)
        return;
    server->listens = false;
    if (server->http)
        ev.evhttp_free(server->http);
    while (server->connections)
        end(server->connections);
    for (int i = 0; i < server->n_signals; i++)
        ev.event_free(server->signals[i]);
    if (server->wake)
        ev.event_free(server->wake);
    if (server->tick)
        ev.event_free(server->tick);
    if (server->base)
        ev.event_base_free(server->base);
    if (server->wake_fd >= 0)
        close(server->wake_fd);
    free(server);
}
