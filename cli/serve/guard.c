// Who may ask. A page of another site that a user has open can send requests to the user's own
// machine; by a name that it makes point here (DNS rebinding) it could read the answers, too. So on
// loopback only loopback's own names are taken as Host, and browsers tell where a request is from.
#include "cli/serve/serve.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool serve_same_key(const char *key, const char *given)
{
    size_t n = strlen(key), m = strlen(given);
    unsigned difference = n != m;
    for (size_t i = 0; i < n; i++)
        difference |= (unsigned char)key[i] ^ (unsigned)(unsigned char)given[i < m ? i : m];
    return difference == 0;
}

// Whether `host` is `name`, with or without a port.
static bool is_host(const char *host, const char *name)
{
    size_t n = strlen(name);
    return strncasecmp(host, name, n) == 0 &&
           (host[n] == 0 ||
            (host[n] == ':' && host[n + 1 + strspn(host + n + 1, "0123456789")] == 0));
}

static bool is_own_host(const struct serve_settings *settings, const char *host)
{
    static const char *const loopback[] = {"localhost", "127.0.0.1", "[::1]"};
    for (int i = 0; i < 3; i++)
        if (is_host(host, loopback[i]))
            return true;
    return settings->host && is_host(host, settings->host);
}

static bool is_own_origin(const char *origin, const char *host)
{
    size_t n = strncmp(origin, "http://", 7) == 0 ? 7 : strncmp(origin, "https://", 8) == 0 ? 8 : 0;
    return n && strcasecmp(origin + n, host) == 0;
}

static bool has_key(const struct serve_call *call)
{
    const char *key = call->server->settings.key;
    const char *bearer = http_header(call->request, "Authorization");
    const char *given = http_header(call->request, "X-API-Key");
    if (bearer && strncasecmp(bearer, "Bearer ", 7) == 0)
        given = bearer + 7;
    return serve_same_key(key, given ? given : "");
}

static bool is_well_formed(const struct serve_call *call)
{
    const struct http_request *request = call->request;
    const char *encoding = http_header(request, "Content-Encoding");
    if (http_header_count(request, "Host") != 1)
        serve_error(call, 400, "A request has exactly one Host header.");
    else if (http_header_count(request, "Content-Length") +
                 http_header_count(request, "Transfer-Encoding") >
             1)
        serve_error(call, 400, "A request says in one way how long its body is.");
    else if (encoding && strcasecmp(encoding, "identity") != 0)
        serve_error(call, 415, "Bodies are taken as they are, without Content-Encoding.");
    else
        return true;
    return false;
}

bool serve_guard(const struct serve_call *call, bool open, bool page)
{
    const struct serve_settings *settings = &call->server->settings;
    struct http_request *request = call->request;
    if (!is_well_formed(call))
        return false;
    const char *host = http_header(request, "Host"), *origin = http_header(request, "Origin");
    const char *site = http_header(request, "Sec-Fetch-Site");
    bool named = origin && settings->origin && strcmp(origin, settings->origin) == 0;
    bool from_elsewhere =
        site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0 && !page;
    if (settings->is_loopback && !is_own_host(settings, host)) {
        serve_error(call, 403, "The Host of the request is not one of this server (--allow_host).");
        return false;
    }
    if (!named && (from_elsewhere || (origin && !is_own_origin(origin, host)))) {
        serve_error(call, 403, "Pages of other sites may not use this server (--allow_origin).");
        return false;
    }
    if (named) {
        http_add_header(request, "Access-Control-Allow-Origin", settings->origin);
        http_add_header(request, "Vary", "Origin");
    }
    if (http_method(request) == HTTP_OPTIONS) {
        if (named) {
            http_add_header(request, "Access-Control-Allow-Methods", "GET, POST");
            http_add_header(
                request, "Access-Control-Allow-Headers",
                "Authorization, Content-Type, Inference-Header-Content-Length, X-API-Key");
        }
        serve_reply(call, 204, NULL, NULL, 0);
        return false;
    }
    if (!open && settings->key && !has_key(call)) {
        http_add_header(request, "WWW-Authenticate", "Bearer");
        serve_error(call, 401, "The request needs the server's key: Authorization: Bearer KEY.");
        return false;
    }
    return true;
}
