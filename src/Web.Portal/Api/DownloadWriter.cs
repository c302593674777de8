using System.Buffers;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.Options;

namespace Tokonomics.Web.Portal.Api;

/// <summary>Writes rows into an answer as they come, as CSV (RFC 4180) or as JSON lines; never more in memory than a few of them.</summary>
internal sealed class DownloadWriter : IAsyncDisposable
{
    private const int FlushAt = 32 * 1024;

    private readonly HttpContext _http;
    private readonly JsonSerializerOptions _json;
    private int _written;

    /// <param name="header">The columns of a CSV; null for JSON lines.</param>
    public DownloadWriter(HttpContext http, string[]? header)
    {
        _http = http;
        _json = http.RequestServices.GetRequiredService<IOptions<JsonOptions>>().Value.SerializerOptions;
        http.Response.Headers.CacheControl = "no-store";
        if (header is not null)
            Write(string.Join(',', header) + "\r\n");
    }

    public ValueTask CsvAsync(ReadOnlySpan<string?> cells)
    {
        var line = new StringBuilder();
        for (var i = 0; i < cells.Length; i++)
            Cell(line.Append(i == 0 ? "" : ","), cells[i] ?? "");
        Write(line.Append("\r\n").ToString());
        return FlushAsync();
    }

    public ValueTask JsonAsync<T>(T row) => JsonAsync(JsonSerializer.SerializeToUtf8Bytes(row, _json));

    public ValueTask JsonAsync(ReadOnlySpan<byte> json)
    {
        _http.Response.BodyWriter.Write(json);
        _http.Response.BodyWriter.Write("\n"u8);
        _written += json.Length + 1;
        return FlushAsync();
    }

    /// <summary>Text that a spreadsheet would take for a formula gets an apostrophe in front: whoever names a key must not have a say in somebody's spreadsheet.</summary>
    public static void Cell(StringBuilder line, string text)
    {
        if (text.Length > 0 && text[0] is '=' or '+' or '-' or '@' or '\t' or '\r')
            text = "'" + text;
        if (text.AsSpan().IndexOfAny(",\"\r\n") < 0)
            line.Append(text);
        else
            line.Append('"').Append(text.Replace("\"", "\"\"", StringComparison.Ordinal)).Append('"');
    }

    private void Write(string text) => _written += Encoding.UTF8.GetBytes(text, _http.Response.BodyWriter) is var bytes ? (int)bytes : 0;

    private async ValueTask FlushAsync()
    {
        if (_written < FlushAt)
            return;
        _written = 0;
        await _http.Response.BodyWriter.FlushAsync(_http.RequestAborted);
    }

    public async ValueTask DisposeAsync() => await _http.Response.BodyWriter.FlushAsync(_http.RequestAborted);
}
