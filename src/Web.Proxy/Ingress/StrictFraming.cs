using System.Buffers;
using System.Text;
using Microsoft.Net.Http.Headers;
using Tokonomics.Application.Dialects;
using Tokonomics.Web.Proxy.Forwarding;

namespace Tokonomics.Web.Proxy.Ingress;

/// <summary>
/// Refuses what Kestrel accepts but another server on the way may read differently: the seeds of request smuggling. Checked by raw sockets,
/// Kestrel 10.0: a length beside chunked framing, chunked named twice, and control characters in values all pass without this.
/// </summary>
internal sealed class StrictFraming(RequestDelegate next)
{
    // RFC 9110 5.5: a value has visible characters, spaces and tabs, and bytes beyond ASCII.
    private static readonly SearchValues<char> Controls = SearchValues.Create([.. Enumerable.Range(0, 0x20).Where(c => c != '\t').Append(0x7f).Select(c => (char)c)]);

    public Task InvokeAsync(HttpContext context)
    {
        var headers = context.Request.Headers;
        if (headers.TryGetValue(HeaderNames.TransferEncoding, out var coding))
        {
            // Kestrel takes Content-Length away where Transfer-Encoding stands too, and leaves what it was under another name.
            if (headers.ContainsKey("X-Content-Length") || headers.ContainsKey(HeaderNames.ContentLength))
                return RefuseAsync(context, "the request has both Content-Length and Transfer-Encoding; send one of them");
            if (coding.Count != 1 || !"chunked".Equals(coding[0], StringComparison.OrdinalIgnoreCase))
                return RefuseAsync(context, "Transfer-Encoding must be 'chunked', once and alone");
        }

        foreach (var (_, values) in headers)
            foreach (var value in values)
                if (value.AsSpan().ContainsAny(Controls))
                    return RefuseAsync(context, "a header has a control character in its value");
        return next(context);
    }

    private static Task RefuseAsync(HttpContext context, string message)
    {
        context.Response.Headers.Connection = "close";
        return new Refusal(400, "bad_framing", message).WriteAsync(context, ErrorShape.OpenAi);
    }
}

/// <summary>
/// Reads Content-Length for Kestrel, which takes a sign before the number for a part of it: what isn't digits alone becomes a text that
/// Kestrel refuses.
/// </summary>
internal sealed class PlainDigits : Encoding
{
    public static readonly PlainDigits Instance = new();

    public override int GetCharCount(byte[] bytes, int index, int count) => count;

    public override int GetChars(byte[] bytes, int byteIndex, int byteCount, char[] chars, int charIndex)
    {
        for (var i = 0; i < byteCount; i++)
            chars[charIndex + i] = char.IsAsciiDigit((char)bytes[byteIndex + i]) ? (char)bytes[byteIndex + i] : '?';
        return byteCount;
    }

    public override int GetByteCount(char[] chars, int index, int count) => Latin1.GetByteCount(chars, index, count);

    public override int GetBytes(char[] chars, int charIndex, int charCount, byte[] bytes, int byteIndex) => Latin1.GetBytes(chars, charIndex, charCount, bytes, byteIndex);

    public override int GetMaxByteCount(int charCount) => charCount;

    public override int GetMaxCharCount(int byteCount) => byteCount;
}
