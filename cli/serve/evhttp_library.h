// libevent's functions, found when the server starts: other commands start without the library.
#ifndef CLI_SERVE_EVHTTP_LIBRARY_H
#define CLI_SERVE_EVHTTP_LIBRARY_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <squeezenet.h>

// clang-format off
#define EVHTTP_FUNCTIONS(X) \
    X(event_base_new) X(event_base_free) X(event_base_dispatch) X(event_base_loopbreak) \
    X(event_new) X(event_add) X(event_free) X(evhttp_new) X(evhttp_free) X(evhttp_bind_listener) \
    X(evhttp_set_bevcb) X(evhttp_set_gencb) X(evhttp_set_timeout) X(evhttp_set_max_headers_size) \
    X(evhttp_set_max_body_size) X(evhttp_set_allowed_methods) X(evhttp_set_default_content_type) \
    X(evhttp_request_get_command) X(evhttp_request_get_connection) \
    X(evhttp_request_get_evhttp_uri) X(evhttp_request_get_input_buffer) \
    X(evhttp_request_get_input_headers) X(evhttp_request_get_output_headers) \
    X(evhttp_request_set_on_complete_cb) X(evhttp_connection_get_bufferevent) \
    X(evhttp_connection_set_closecb) X(evhttp_find_header) X(evhttp_add_header) \
    X(evhttp_send_reply) X(evhttp_uri_get_host) X(evhttp_uri_get_path) X(evhttp_uri_get_query) \
    X(evhttp_parse_query_str) X(evhttp_clear_headers) X(evbuffer_new) X(evbuffer_free) \
    X(evbuffer_add) X(evbuffer_remove) X(evbuffer_get_length) X(bufferevent_socket_new) \
    X(bufferevent_incref) X(bufferevent_decref) X(bufferevent_getcb) \
    X(bufferevent_trigger_event) X(bufferevent_get_input) X(evbuffer_add_cb) \
    X(bufferevent_getfd) X(bufferevent_free) X(evconnlistener_new) X(evconnlistener_enable) \
    X(evconnlistener_disable) X(event_set_log_callback)
// clang-format on

extern struct evhttp_library {
#define X(name) __typeof__(&(name)) name;
    EVHTTP_FUNCTIONS(X)
#undef X
} ev;

// Opens it; SQZ_E_NOINPUT says what to install.
enum sqz_status evhttp_library_open(struct sqz_error *err);

#endif
