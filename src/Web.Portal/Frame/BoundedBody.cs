namespace Tokonomics.Web.Portal.Frame;

/// <summary>Bodies of requests that anybody may send.</summary>
internal static class BoundedBody
{
    /// <summary>The whole body, byte for byte as it came.</summary>
    /// <returns>Null where it is longer than <paramref name="most"/> bytes; no more than that is kept.</returns>
    public static async Task<ReadOnlyMemory<byte>?> ReadAsync(HttpRequest request, int most)
    {
        if (request.ContentLength > most)
            return null;
        using var body = new MemoryStream();
        var buffer = new byte[16 * 1024];
        while (await request.Body.ReadAsync(buffer, request.HttpContext.RequestAborted) is > 0 and var read)
        {
            if (body.Length + read > most)
                return null;
            body.Write(buffer, 0, read);
        }

        return body.GetBuffer().AsMemory(0, (int)body.Length);
    }
}
