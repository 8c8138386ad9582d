/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error_page.h"

struct page {
    int status;
    const char *text;
};

/* Swift's words (swift.common.swob RESPONSE_REASONS, facts: proxy 3). A status without a text has an empty body. */
static const struct page pages[] = {
    {202, "The request is accepted for processing."},
    {301, "The resource has moved permanently."},
    {302, "The resource has moved temporarily."},
    {303, "The response to the request can be found under a different URI."},
    {307, "The resource has moved temporarily."},
    {400,
     "The server could not comply with the request since it is either malformed or otherwise incorrect."},
    {401, "This server could not verify that you are authorized to access the document you requested."},
    {402, "Access was denied for financial reasons."},
    {403, "Access was denied to this resource."},
    {404, "The resource could not be found."},
    {405, "The method is not allowed for this resource."},
    {406, "The resource is not available in a format acceptable to your browser."},
    {408, "The server has waited too long for the request to be sent by the client."},
    {409, "There was a conflict when trying to complete your request."},
    {410, "This resource is no longer available."},
    {411, "Content-Length header required."},
    {412, "A precondition for this request was not met."},
    {413, "The body of your request was too large for this server."},
    {414, "The request URI was too long for this server."},
    {415, "The request media type is not supported by this server."},
    {416, "The Range requested is not available."},
    {417, "Expectation failed."},
    {422, "Unable to process the contained instructions"},
    {499, "The client was disconnected during request."},
    {500, "The server has either erred or is incapable of performing the requested operation."},
    {501, "The requested method is not implemented by this server."},
    {502, "Bad gateway."},
    {503, "The server is currently unavailable. Please try again at a later time."},
    {504, "A timeout has occurred speaking to a backend server."},
    {507, "There was not enough space to save the resource."},
};

#define HTML_TYPE "text/html; charset=UTF-8"

void error_page(struct http_response *rsp, int status)
{
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        if (pages[i].status == status) {
            struct str body = arena_printf(rsp->arena, "<html><h1>%s</h1><p>%s</p></html>",
                                           http_reason(status), pages[i].text);
            http_response_text(rsp, status, HTML_TYPE, body);
            return;
        }
    http_response_text(rsp, status, HTML_TYPE, STR(""));
}

void error_text(struct http_response *rsp, int status, const char *content_type, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct str body = arena_vprintf(rsp->arena, format, args);
    va_end(args);
    http_response_text(rsp, status, content_type ? content_type : HTML_TYPE, body);
}
