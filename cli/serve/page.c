// GET /: the page, compiled in from web/page.html and page.js. Its script and its style run by a
// nonce that is new in every answer; nothing else may run, and nothing is loaded from elsewhere.
#include "cli/serve/serve.h"
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static const char page[] =
#include "serve_page.inc"
    ;

void serve_page(const struct serve_call *call)
{
    static const char mark[] = "{NONCE}";
    uint8_t bytes[16];
    char nonce[2 * sizeof bytes + 1], policy[400];
    struct serve_text html = {0};
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
        serve_error(call, 503, "There are no random numbers now; try again.");
        return;
    }
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(nonce + 2 * i, 3, "%02x", bytes[i]);
    snprintf(policy, sizeof policy,
             "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; connect-src 'self'; "
             "img-src blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
             nonce, nonce);
    for (const char *at = page, *next; at; at = next ? next + sizeof mark - 1 : NULL) {
        next = strstr(at, mark);
        serve_text_add_bytes(&html, at, next ? (size_t)(next - at) : strlen(at));
        if (next)
            serve_text_add(&html, "%s", nonce);
    }
    http_add_header(call->request, "Content-Security-Policy", policy);
    http_add_header(call->request, "Referrer-Policy", "no-referrer");
    http_add_header(call->request, "Cross-Origin-Opener-Policy", "same-origin");
    if (html.failed)
        serve_error(call, 503, "There is not enough memory for the page.");
    else
        serve_reply(call, 200, "text/html; charset=utf-8", html.data, html.length);
    serve_text_release(&html);
}
