/* SPDX-License-Identifier: Apache-2.0
 *
 * http_response.c: what a handler fills in, and the phrases. The words for a status are Swift's
 * (swift.common.swob.RESPONSE_REASONS), for those it lacks the ones of RFC 9110 and 6585.
 */
#include "http/http_request.h"

struct phrase {
    int status;
    const char *text;
};

static const struct phrase phrases[] = {
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Request Entity Too Large"},
    {414, "Request URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Requested Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Entity"},
    {423, "Locked"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {498, "Rate Limited"},
    {499, "Client Disconnect"},
    {500, "Internal Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {529, "Too Many Backend Requests"},
};

const char *http_reason(int status)
{
    size_t from = 0, to = sizeof phrases / sizeof *phrases;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (phrases[middle].status == status)
            return phrases[middle].text;
        if (phrases[middle].status < status)
            from = middle + 1;
        else
            to = middle;
    }
    return "Unknown";
}

void http_response_init(struct http_response *rsp, struct arena *arena)
{
    *rsp = (struct http_response){.arena = arena};
    header_init(&rsp->headers, arena);
}

void http_response_text(struct http_response *rsp, int status, const char *content_type, struct str bytes)
{
    rsp->status = status;
    header_remove(&rsp->headers, STR("Content-Length"));
    header_set(&rsp->headers, STR("Content-Type"), str_from(content_type));
    http_body_close(rsp->body);
    rsp->body = http_body_memory(rsp->arena, bytes);
}

void http_response_clear(struct http_response *rsp)
{
    bool close = rsp->close;
    http_body_close(rsp->body);
    http_response_init(rsp, rsp->arena);
    rsp->close = close;
}
