using System.Globalization;
using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Forwarding;

namespace Tokonomics.Web.Proxy.Tests.Ingress;

/// <summary>
/// One product for all tests of what comes in: every provider it names is one and the same fake, which keeps what reaches it and gives each
/// dialect a small answer with usage. Limits are small, so that tests of them are.
/// </summary>
public sealed class IngressProduct : IAsyncLifetime
{
    public const int MaxBodyBytes = 256 * 1024;
    public const int MaxUploadBytes = 128 * 1024;
    public const int MaxBufferedBytes = 2 * 1024 * 1024;
    public const string ProviderKey = "sk-provider-0123456789abcdefghij";

    private static readonly string[] Names = ["openai", "anthropic", "gemini", "cohere", "ollama", "deepseek", "groq", "mistral"];

    public TestProduct Product { get; private set; } = null!;

    public FakeProvider Provider { get; private set; } = null!;

    /// <summary>What the provider answers, where a test wants something else than <see cref="Answer"/>.</summary>
    internal Func<FakeRequest, string>? Answering { get; set; }

    public int Port => Product.Url.Port;

    public string Key => Product.LiveKey;

    public async ValueTask InitializeAsync()
    {
        Provider = new FakeProvider((request, socket) => FakeProvider.SendAsync(socket, (Answering ?? Answer)(request)));
        var settings = new Dictionary<string, string?>
        {
            ["Proxy:MaxBodyBytes"] = MaxBodyBytes.ToString(CultureInfo.InvariantCulture),
            ["Proxy:MaxUploadBytes"] = MaxUploadBytes.ToString(CultureInfo.InvariantCulture),
            ["Proxy:MaxBufferedBytes"] = MaxBufferedBytes.ToString(CultureInfo.InvariantCulture),
        };
        foreach (var name in Names)
            settings[$"Providers:{name}:BaseUrl"] = Provider.Url.ToString();
        Product = await TestProduct.StartAsync(settings, Names.ToDictionary(n => n, _ => ProviderKey));
    }

    public async ValueTask DisposeAsync()
    {
        await Product.DisposeAsync();
        await Provider.DisposeAsync();
    }

    internal Task<RawClient> ConnectAsync() => RawClient.ConnectAsync(Port);

    /// <summary>Sends bytes on a connection of their own and reads the first answer; null where there is none.</summary>
    internal async Task<RawAnswer?> SendAsync(string bytes, bool finish = false)
    {
        await using var client = await ConnectAsync();
        await client.SendAsync(bytes);
        if (finish)
            client.FinishSending();
        return await client.ReadAsync();
    }

    /// <summary>The head of a sound request with this product's live key; header lines are given with their line ends.</summary>
    internal string Head(string line, string headers = "") => $"{line}\r\nHost: localhost\r\nAuthorization: Bearer {Key}\r\n{headers}\r\n";

    internal string Post(string target, string body, string headers = "") =>
        Head($"POST {target} HTTP/1.1", $"Content-Type: application/json\r\nContent-Length: {body.Length}\r\n{headers}") + body;

    /// <summary>Runs something and says how many requests reached the provider, and how many rows the ledger has more.</summary>
    internal async Task<(int Forwarded, long Recorded)> CountAsync(Func<Task> run)
    {
        var (forwarded, recorded) = (Provider.Requests.Count, await RowsAsync());
        await run();
        return (Provider.Requests.Count - forwarded, await RowsAsync() - recorded);
    }

    /// <summary>The ledger's row of a request. The client has its answer a moment before the call is settled.</summary>
    internal async Task<JsonElement> EventAsync(string requestId)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return await Product.EventAsync(requestId);
            }
            catch (InvalidOperationException) when (attempt < 500)
            {
                await Task.Delay(20);
            }
        }
    }

    internal async Task<long> RowsAsync()
    {
        await Product.FlushAsync();
        await using var database = new SqliteConnection($"Data Source={Directory.GetFiles(Product.DataFolder, "*.db").Single()};Mode=ReadOnly");
        await database.OpenAsync();
        await using var command = database.CreateCommand();
        command.CommandText = "SELECT count(*) FROM usage_events";
        return (long)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>All memory of request bodies comes back, a moment after the answers.</summary>
    internal Task FreedAsync() => ConnectionTests.EventuallyAsync(() => Buffers.Taken == 0, "the memory of request bodies comes back");

    internal BufferBudget Buffers => Product.Services.GetRequiredService<BufferBudget>();

    internal FakeRequest LastRequest => Provider.Requests.Last();

    /// <summary>A small answer in the dialect of the path that was asked for.</summary>
    internal static string Answer(FakeRequest request)
    {
        var path = request.Line.Split(' ')[1];
        if (path.Contains("messages", StringComparison.Ordinal))
            return FakeProvider.Json("""{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":5}}""");
        if (path.Contains(":generateContent", StringComparison.Ordinal))
            return FakeProvider.Json("""{"candidates":[],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":5,"totalTokenCount":8},"modelVersion":"gemini-2.5-flash"}""");
        return FakeProvider.Json("""{"id":"c1","object":"chat.completion","model":"gpt-4o-mini","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}""");
    }

    /// <summary>The message of an error, and that it is told in the shape that this dialect's clients read.</summary>
    internal static string ErrorMessage(string shape, string body)
    {
        var json = JsonDocument.Parse(body).RootElement;
        switch (shape)
        {
            case "anthropic":
                json.GetProperty("type").GetString().ShouldBe("error");
                json.GetProperty("error").GetProperty("type").GetString().ShouldNotBeNullOrEmpty();
                return json.GetProperty("error").GetProperty("message").GetString()!;
            case "gemini":
                json.GetProperty("error").GetProperty("code").GetInt32().ShouldBeInRange(400, 599);
                json.GetProperty("error").GetProperty("status").GetString().ShouldNotBeNullOrEmpty();
                return json.GetProperty("error").GetProperty("message").GetString()!;
            case "cohere":
                return json.GetProperty("message").GetString()!;
            case "ollama":
                return json.GetProperty("error").GetString()!;
            default:
                json.GetProperty("error").GetProperty("type").GetString().ShouldNotBeNullOrEmpty();
                json.GetProperty("error").GetProperty("code").GetString().ShouldNotBeNullOrEmpty();
                return json.GetProperty("error").GetProperty("message").GetString()!;
        }
    }
}

[CollectionDefinition("ingress")]
public sealed class Ingressing : ICollectionFixture<IngressProduct>;
