using Microsoft.Net.Http.Headers;

namespace Tokonomics.Web.Proxy.Ingress;

/// <summary>
/// Refuses what Kestrel accepts but another server on the way may read differently: the seeds of request smuggling. Checked by raw sockets,
/// Kestrel 10.0: a length beside chunked framing, and a length with a sign, both pass without this.
/// </summary>
internal sealed class StrictFraming(RequestDelegate next)
{
    public Task InvokeAsync(HttpContext context)
    {
        var headers = context.Request.Headers;
        // Kestrel takes Content-Length away where Transfer-Encoding stands too, and leaves what it was under another name.
        if (headers.ContainsKey(HeaderNames.TransferEncoding) && (headers.ContainsKey("X-Content-Length") || headers.ContainsKey(HeaderNames.ContentLength)))
            return RefuseAsync(context, "the request has both Content-Length and Transfer-Encoding; send one of them");
        if (headers.TryGetValue(HeaderNames.ContentLength, out var length) && length.ToString().AsSpan().ContainsAnyExceptInRange('0', '9'))
            return RefuseAsync(context, "Content-Length must be a plain decimal number");
        return next(context);
    }

    private static async Task RefuseAsync(HttpContext context, string message)
    {
        context.Response.StatusCode = StatusCodes.Status400BadRequest;
        context.Response.ContentType = "application/json";
        context.Response.Headers.Connection = "close";
        await context.Response.WriteAsync($$$"""{"error":{"message":"{{{message}}}","type":"invalid_request_error","param":null,"code":"bad_framing"}}""");
    }
}
