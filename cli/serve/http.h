// HTTP/1.1 for the server: everything that the rest of it knows of a connection. One file,
// http_evhttp.c, knows the library that does the work. Every function is the loop thread's, except
// for http_wake.
#ifndef CLI_SERVE_HTTP_H
#define CLI_SERVE_HTTP_H

#include "cli/serve/text.h"
#include <squeezenet.h>

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_OPTIONS };

struct http_limits {
    size_t header, body; // bytes of one request
    size_t buffered;     // bytes of all requests that are being received
    int connections;
    double timeout; // seconds to send a request, to take an answer, or without either
    double quiet;   // seconds without a byte in the middle of a request
};

struct http_server;
struct http_request; // lives until it is answered or its client has gone
typedef void (*http_handler_fn)(void *arg, struct http_request *request);
typedef void (*http_fn)(void *arg);

// `listener`: a listening socket, owned from now on. Fails with SQZ_E_NOINPUT where libevent is not
// installed.
enum sqz_status http_new(int listener, const struct http_limits *limits, http_handler_fn handler,
                         void *arg, struct http_server **out, struct sqz_error *err);
void http_free(struct http_server *server);
bool http_on_signal(struct http_server *server, int signal, http_fn fn, void *arg);
void http_on_wake(struct http_server *server, http_fn fn, void *arg);
void http_on_tick(struct http_server *server, http_fn fn, void *arg); // four times a second
void http_wake(struct http_server *server); // any thread: the loop thread calls the function
void http_run(struct http_server *server);  // until http_leave
void http_leave(struct http_server *server);
void http_stop_listening(struct http_server *server);
int http_connections(const struct http_server *server);
int http_busy(const struct http_server *server); // connections with a request that is not answered

enum http_method http_method(const struct http_request *request);
// The path without the query, never NULL; NULL in place of it where the request names a host or is
// no URI.
const char *http_path(const struct http_request *request);
// The value of ?name=; false when it is not there or longer than `size`.
bool http_query(const struct http_request *request, const char *name, char *out, size_t size);
const char *http_header(const struct http_request *request, const char *name); // NULL: not there
int http_header_count(const struct http_request *request, const char *name);
// Hands over the body, the caller's to free, with a NUL after its end; once. NULL: no memory.
char *http_take_body(struct http_request *request, size_t *size);
size_t http_body_size(const struct http_request *request);
double http_started(const struct http_request *request); // when its first byte came, monotonic

// `fn` is called if the client goes before the answer: the request must not be used from then on.
void http_on_gone(struct http_request *request, http_fn fn, void *arg);
void http_add_header(struct http_request *request, const char *name, const char *value);
// Answers; the request is gone. HEAD requests get no body.
void http_reply(struct http_request *request, int code, const char *type, const void *data,
                size_t size);
double serve_now(void); // monotonic seconds

#endif
