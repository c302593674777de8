using System.Buffers;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.Options;

namespace Tokonomics.Web.Portal.Api;

/// <summary>Writes rows into an answer as they come, as CSV or as JSON lines; never more in memory than a few of them.</summary>
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

    public ValueTask CsvAsync(params ReadOnlySpan<object?> cells)
    {
        Write(new Csv().Row(cells).ToString());
        return FlushAsync();
    }

    public ValueTask JsonAsync<T>(T row) => LineAsync(JsonSerializer.SerializeToUtf8Bytes(row, _json));

    /// <summary>A line that is JSON already.</summary>
    public ValueTask LineAsync(ReadOnlySpan<byte> json)
    {
        _http.Response.BodyWriter.Write(json);
        _http.Response.BodyWriter.Write("\n"u8);
        _written += json.Length + 1;
        return FlushAsync();
    }

    private void Write(string text) => _written += (int)Encoding.UTF8.GetBytes(text, _http.Response.BodyWriter);

    private async ValueTask FlushAsync()
    {
        if (_written < FlushAt)
            return;
        _written = 0;
        await _http.Response.BodyWriter.FlushAsync(_http.RequestAborted);
    }

    public async ValueTask DisposeAsync() => await _http.Response.BodyWriter.FlushAsync(_http.RequestAborted);
}
