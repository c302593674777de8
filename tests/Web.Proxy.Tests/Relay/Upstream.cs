using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Relay;

/// <summary>
/// The whole product with one fake provider behind every provider's name. Each call brings its own answer: a header that the proxy passes on
/// tells the fake which.
/// </summary>
public class Upstream : IAsyncLifetime
{
    /// <summary>Patience of a test for what happens behind a call: generous, since only a failure uses it up.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static readonly string[] Providers =
    [
        "openai", "anthropic", "gemini", "deepseek", "mistral", "groq", "xai", "openrouter", "together", "fireworks", "cerebras", "perplexity", "cohere", "azure-openai", "huggingface",
        "vercel-gateway", "zai", "venice", "ollama", "vllm", "llamacpp", "voyage",
    ];

    private readonly ConcurrentDictionary<string, Func<FakeRequest, Socket, Task>> _answers = [];
    private int _calls;

    public TestProduct Product { get; private set; } = null!;

    public FakeProvider Provider { get; private set; } = null!;

    /// <summary>Over the defaults of the product.</summary>
    protected virtual IEnumerable<KeyValuePair<string, string?>> Settings => [];

    protected virtual Action<Microsoft.Extensions.DependencyInjection.IServiceCollection>? Services => null;

    public async ValueTask InitializeAsync()
    {
        Provider = new FakeProvider((request, socket) => _answers[request.Header("x-case")!](request, socket));
        var settings = Providers.ToDictionary(p => $"Providers:{p}:BaseUrl", p => (string?)Provider.Url.ToString());
        foreach (var (name, value) in Settings)
            settings[name] = value;
        Product = await TestProduct.StartAsync(settings, Providers.ToDictionary(p => p, p => $"secret-of-{p}"), Services);
    }

    public async ValueTask DisposeAsync()
    {
        if (Product is not null)
            await Product.DisposeAsync();
        await Provider.DisposeAsync();
        Stopped();
        GC.SuppressFinalize(this);
    }

    protected virtual void Stopped()
    {
    }

    /// <summary>A call with the live key; the provider answers it as told. The answer's headers have arrived, its body may not.</summary>
    public async Task<HttpResponseMessage> CallAsync(ClientCall call, Func<FakeRequest, Socket, Task> answer, CancellationToken cancellationToken = default)
    {
        using var request = Request(call, answer);
        return await Product.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }

    /// <summary>The same, and its body and row.</summary>
    public async Task<Seen> SeeAsync(ClientCall call, Func<FakeRequest, Socket, Task> answer)
    {
        using var request = Request(call, answer);
        HttpResponseMessage response;
        try
        {
            response = await Product.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        }
        catch (HttpRequestException)
        {
            // Broken off so early that not even the headers arrived: RST overtakes what it follows.
            return new Seen(new HttpResponseMessage(0), [], false, await RowOfCaseAsync(request.Headers.GetValues("x-case").Single()));
        }

        using (response)
        {
            var (body, whole) = await ReadAsync(response);
            return new Seen(response, body, whole, await RowAsync(response.RequestId()));
        }
    }

    public Task<Seen> SeeAsync(ClientCall call, byte[] answer) => SeeAsync(call, (_, socket) => FakeProvider.SendAsync(socket, answer));

    public HttpRequestMessage Request(ClientCall call, Func<FakeRequest, Socket, Task> answer)
    {
        var id = Interlocked.Increment(ref _calls).ToString(System.Globalization.CultureInfo.InvariantCulture);
        _answers[id] = answer;
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Product.Url, call.Path)) { Content = call.Content() };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Product.LiveKey);
        request.Headers.TryAddWithoutValidation("x-case", id);
        request.Headers.TryAddWithoutValidation("X-Tokonomics-Tags", $"case={id}");
        foreach (var (name, value) in call.Headers)
            request.Headers.TryAddWithoutValidation(name, value);
        return request;
    }

    /// <summary>The event of a request, as soon as it is in the ledger: the client may have its last byte before the proxy has written the row.</summary>
    public async Task<JsonElement> RowAsync(string requestId)
    {
        var until = DateTime.UtcNow + Patience;
        while (true)
        {
            try
            {
                return await Product.EventAsync(requestId);
            }
            catch (InvalidOperationException) when (DateTime.UtcNow < until)
            {
                await Task.Delay(20);
            }
        }
    }

    /// <summary>The event of a call whose request id nobody got to see.</summary>
    public async Task<JsonElement> RowOfCaseAsync(string id)
    {
        var until = DateTime.UtcNow + Patience;
        while (true)
        {
            var rows = (await Product.EventsAsync()).Where(e => e.GetProperty("tags").TryGetProperty("case", out var tag) && tag.GetString() == id).ToList();
            if (rows.Count > 0 || DateTime.UtcNow > until)
                return rows.ShouldHaveSingleItem();
            await Task.Delay(20);
        }
    }

    /// <summary>All attempts of a request, once there are so many.</summary>
    public async Task<IReadOnlyList<JsonElement>> RowsAsync(string requestId, int count)
    {
        var until = DateTime.UtcNow + Patience;
        while (true)
        {
            var rows = (await Product.EventsAsync()).Where(e => e.GetProperty("id").GetString() == requestId).OrderBy(e => e.GetProperty("attempt").GetInt32()).ToList();
            if (rows.Count >= count || DateTime.UtcNow > until)
            {
                rows.Count.ShouldBeGreaterThanOrEqualTo(count, requestId);
                return rows;
            }

            await Task.Delay(20);
        }
    }

    /// <summary>Reads to the end; false where the connection broke before it.</summary>
    public static async Task<(byte[] Body, bool Whole)> ReadAsync(HttpResponseMessage response)
    {
        var body = new MemoryStream();
        try
        {
            await using var stream = await response.Content.ReadAsStreamAsync();
            await stream.CopyToAsync(body);
            return (body.ToArray(), true);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            return (body.ToArray(), false);
        }
    }

    /// <summary>Waits until the other side of a provider's connection has closed it.</summary>
    public static async Task ClosedAsync(Socket socket)
    {
        var sink = new byte[4096];
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            while (await socket.ReceiveAsync(sink, patience.Token) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // Closed with RST.
        }
    }
}

/// <summary>A request to make.</summary>
public sealed record ClientCall(string Path, byte[] Body, params (string Name, string Value)[] Headers)
{
    public ClientCall(string path, string body, params (string Name, string Value)[] headers)
        : this(path, Encoding.UTF8.GetBytes(body), headers)
    {
    }

    public HttpContent Content() => new ByteArrayContent(Body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };

    public static ClientCall Chat(bool stream = false, string model = "gpt-4o-mini", string provider = "openai", string more = "") =>
        new($"/proxy/{provider}/v1/chat/completions", ProxyCalls.Chat(model, stream, more: more));

    /// <summary>A stream that reports usage because the client asked: nothing is injected, nothing swallowed.</summary>
    public static ClientCall ChatStream(string provider = "openai") => Chat(stream: true, provider: provider, more: ",\"stream_options\":{\"include_usage\":true}");

    public static ClientCall Responses(bool stream) => new("/proxy/openai/v1/responses", $$"""{"model":"gpt-4o-mini","input":"Hello","stream":{{(stream ? "true" : "false")}}}""");

    public static ClientCall Messages(bool stream) =>
        new("/proxy/anthropic/v1/messages", $$"""{"model":"claude-sonnet-4-5","max_tokens":64,"messages":[{"role":"user","content":"Hello"}],"stream":{{(stream ? "true" : "false")}}}""");

    public static ClientCall Gemini(bool stream) => new(
        "/proxy/gemini/v1beta/models/gemini-2.5-flash:" + (stream ? "streamGenerateContent?alt=sse" : "generateContent"), """{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}""");

    public static ClientCall GeminiArray() => new("/proxy/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent", """{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}""");

    public static ClientCall Cohere(bool stream) =>
        new("/proxy/cohere/v2/chat", $$"""{"model":"command-a-03-2025","messages":[{"role":"user","content":"Hello"}],"stream":{{(stream ? "true" : "false")}}}""");

    public static ClientCall Ollama(bool stream) =>
        new("/proxy/ollama/api/chat", $$"""{"model":"llama3.2","messages":[{"role":"user","content":"Hello"}],"stream":{{(stream ? "true" : "false")}}}""");
}

/// <summary>What came of a call.</summary>
public sealed record Seen(HttpResponseMessage Response, byte[] Body, bool Whole, JsonElement Row)
{
    public string Text => Encoding.UTF8.GetString(Body);

    public int Status => (int)Response.StatusCode;

    public string? this[string name] => Row.GetProperty(name) is { ValueKind: not JsonValueKind.Null } value ? value.ToString() : null;

    public long Input => Row.GetProperty("usage").GetProperty("input_tokens").GetInt64();

    public long Output => Row.GetProperty("usage").GetProperty("output_tokens").GetInt64();

    public string? Header(string name) =>
        Response.Headers.NonValidated.TryGetValues(name, out var values) || Response.Content.Headers.NonValidated.TryGetValues(name, out values) ? values.ToString() : null;
}
