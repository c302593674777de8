using System.Net.Http.Json;
using System.Text;
using System.Threading.Channels;

// Sends calls to the provider itself while Tokonomics can't be reached, and reports them afterwards. For any SDK that takes an HttpClient:
// new OpenAIClientOptions { Transport = new HttpClientPipelineTransport(new HttpClient(new FailOpenHandler(…))) }. .NET 8 or newer.

namespace TokonomicsFailOpen;

/// <param name="proxy">Where it is: <c>https://tokonomics.example</c>.</param>
/// <param name="basePath">The path of the SDK's base URL there: <c>/proxy/openai/v1</c>.</param>
/// <param name="direct">What the base URL would be without: <c>https://api.openai.com/v1</c>.</param>
/// <param name="meteringKey"><c>mk_live_…</c>, to report with.</param>
/// <param name="providerKey">The header with the provider's own key: <c>("Authorization", "Bearer sk-…")</c>.</param>
/// <param name="probe">How often it is asked whether it is alive while a call waits, and how soon again when it was not; 5 s where it isn't said.</param>
public sealed class FailOpenHandler(Uri proxy, string basePath, Uri direct, string meteringKey, (string Name, string Value) providerKey, TimeSpan? probe = null) : DelegatingHandler(new SocketsHttpHandler())
{
    // Answers of the proxy's own that are no outage. A cap that can't be checked is a cap; and of the others the provider may be at work already.
    private static readonly HashSet<string> Final = ["budget_unverifiable", "provider_timeout", "provider_broke_off"];

    private readonly TimeSpan _probe = probe ?? TimeSpan.FromSeconds(5);
    private readonly HttpClient _own = new() { Timeout = TimeSpan.FromSeconds(10) };
    private readonly Channel<Dictionary<string, object?>> _pending = Channel.CreateUnbounded<Dictionary<string, object?>>();
    private long _awayUntil;
    private int _unreported;
    private Task? _delivering;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var body = request.Content is null ? null : await request.Content.ReadAsByteArrayAsync(cancellationToken);
        if (await ViaProxyAsync(request, body, cancellationToken) is { } answer)
        {
            Volatile.Write(ref _awayUntil, 0);
            return answer;
        }

        Volatile.Write(ref _awayUntil, Environment.TickCount64 + (long)_probe.TotalMilliseconds);
        return await PastAsync(request, body, cancellationToken);
    }

    /// <summary>Ends when every call that went past the proxy is reported: before a process ends.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken = default)
    {
        while (Volatile.Read(ref _unreported) > 0)
            await Task.Delay(20, cancellationToken);
    }

    private async Task<bool> AliveAsync()
    {
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        try
        {
            using var answer = await _own.GetAsync(new Uri(proxy, "/healthz"), soon.Token);
            return answer.IsSuccessStatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            return false;
        }
    }

    private async Task<HttpResponseMessage?> ViaProxyAsync(HttpRequestMessage request, byte[]? body, CancellationToken cancellationToken)
    {
        var away = Volatile.Read(ref _awayUntil);
        if (away > 0 && (Environment.TickCount64 < away || !await AliveAsync()))
            return null;
        using var hung = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            var sending = base.SendAsync(Copy(request, request.RequestUri!, body), hung.Token);
            while (await Task.WhenAny(sending, Task.Delay(_probe, cancellationToken)) != sending)
                if (!cancellationToken.IsCancellationRequested && !await AliveAsync())
                    await hung.CancelAsync();
            var answer = await sending;
            var own = answer.Headers.TryGetValues("x-tokonomics-error", out var code) ? code.First() : null;
            // A provider's own errors pass; so do refusals by cap, limit or key. A balancer that finds no proxy answers without an id of ours.
            if ((int)answer.StatusCode < 500 || (own is null ? (int)answer.StatusCode is not (502 or 503 or 504) || answer.Headers.Contains("x-tokonomics-request-id") : Final.Contains(own)))
                return answer;
            answer.Dispose();
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
        }

        return null;
    }

    private async Task<HttpResponseMessage> PastAsync(HttpRequestMessage request, byte[]? body, CancellationToken cancellationToken)
    {
        var began = Environment.TickCount64;
        var path = request.RequestUri!.PathAndQuery;
        var tags = request.Headers.TryGetValues("X-Tokonomics-Tags", out var sent) ? string.Join(',', sent).Split(',').Select(t => t.Split('=', 2)).Where(t => t.Length == 2).ToDictionary(t => t[0].Trim(), t => t[1].Trim()) : [];
        var call = new Dictionary<string, object?>
        {
            ["id"] = Guid.NewGuid().ToString(), ["at"] = DateTimeOffset.UtcNow, ["path"] = path, ["method"] = request.Method.Method, ["request"] = body is null ? null : Encoding.UTF8.GetString(body), ["tags"] = tags,
        };

        using var past = Copy(request, new Uri(direct.ToString().TrimEnd('/') + path[basePath.Length..]), body);
        foreach (var (name, values) in request.Headers)
            if (name.StartsWith("X-Tokonomics-", StringComparison.OrdinalIgnoreCase) || values.Any(v => v.Contains(meteringKey, StringComparison.Ordinal)))
                past.Headers.Remove(name);
        past.Headers.Remove(providerKey.Name);
        past.Headers.TryAddWithoutValidation(providerKey.Name, providerKey.Value);
        HttpResponseMessage answer;
        try
        {
            answer = await base.SendAsync(past, cancellationToken);
        }
        catch (Exception e)
        {
            if (e is not HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError })
                Report(call, began);
            throw;
        }

        call["status"] = (int)answer.StatusCode;
        call["provider_request_id"] = answer.Headers.TryGetValues("x-request-id", out var ids) || answer.Headers.TryGetValues("request-id", out ids) ? ids.First() : null;
        var content = new StreamContent(new Told(await answer.Content.ReadAsStreamAsync(cancellationToken), (text, whole) => Report(call, began, text, whole)));
        foreach (var (name, values) in answer.Content.Headers)
            content.Headers.TryAddWithoutValidation(name, values);
        answer.Content = content;
        return answer;
    }

    private void Report(Dictionary<string, object?> call, long began, string? response = null, bool whole = true)
    {
        (call["latency_ms"], call["response"], call["complete"]) = (Environment.TickCount64 - began, response, whole);
        Interlocked.Increment(ref _unreported);
        _pending.Writer.TryWrite(call);
        if (Interlocked.CompareExchange(ref _delivering, Task.CompletedTask, null) is null)
            _delivering = Task.Run(DeliverAsync);
    }

    private async Task DeliverAsync()
    {
        while (await _pending.Reader.WaitToReadAsync())
        {
            var some = new List<Dictionary<string, object?>>();
            while (some.Count < 20 && _pending.Reader.TryRead(out var call))
                some.Add(call);
            for (var wait = TimeSpan.FromSeconds(1); ; wait = wait < TimeSpan.FromMinutes(1) ? wait * 2 : wait)
            {
                try
                {
                    using var report = new HttpRequestMessage(HttpMethod.Post, new Uri(proxy, "/api/v1/usage/import")) { Content = JsonContent.Create(new { calls = some }) };
                    report.Headers.TryAddWithoutValidation("Authorization", $"Bearer {meteringKey}");
                    using var answer = await _own.SendAsync(report);
                    if ((int)answer.StatusCode == 422)
                        await Console.Error.WriteLineAsync($"Tokonomics takes no report of {some.Count} calls: {await answer.Content.ReadAsStringAsync()}");
                    if ((int)answer.StatusCode is 200 or 422)
                        break;
                }
                catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
                {
                }

                await Task.Delay(wait < _probe ? wait : _probe);
            }

            Interlocked.Add(ref _unreported, -some.Count);
        }
    }

    private static HttpRequestMessage Copy(HttpRequestMessage request, Uri to, byte[]? body)
    {
        var copy = new HttpRequestMessage(request.Method, to) { Content = body is null ? null : new ByteArrayContent(body), Version = request.Version, VersionPolicy = request.VersionPolicy };
        foreach (var (name, values) in request.Headers)
            if (!name.Equals("Host", StringComparison.OrdinalIgnoreCase))
                copy.Headers.TryAddWithoutValidation(name, values);
        foreach (var (name, values) in request.Content?.Headers ?? Enumerable.Empty<KeyValuePair<string, IEnumerable<string>>>())
            copy.Content?.Headers.TryAddWithoutValidation(name, values);
        return copy;
    }

    // Hands an answer on as it comes, and tells of it when it has ended.
    private sealed class Told(Stream inner, Action<string, bool> tell) : Stream
    {
        private readonly MemoryStream _seen = new();
        private int _told;

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = await inner.ReadAsync(buffer, cancellationToken);
            return Seen(buffer.Span, read);
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
        public override int Read(byte[] buffer, int offset, int count) => Seen(buffer.AsSpan(offset, count), inner.Read(buffer, offset, count));
        public override void Flush() { }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        private int Seen(Span<byte> buffer, int read)
        {
            _seen.Write(buffer[..read]);
            if (read == 0 && buffer.Length > 0)
                End(true);
            return read;
        }

        private void End(bool whole)
        {
            if (Interlocked.Exchange(ref _told, 1) == 0)
                tell(Encoding.UTF8.GetString(_seen.GetBuffer(), 0, (int)_seen.Length), whole);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                End(false);
                inner.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
