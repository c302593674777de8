using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Domain.Money;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Budgets;

namespace Tokonomics.Web.Proxy.Tests.Caching;

/// <summary>One product for the tests of a class, with a clock that can be set ahead.</summary>
public sealed class CacheProduct : CapProduct
{
    private int _prompts;

    public AheadClock Clock { get; } = new();

    protected override Action<IServiceCollection>? Services => services => services.AddSingleton<TimeProvider>(Clock);

    /// <summary>A prompt that nobody has sent.</summary>
    public string NewPrompt() => $"Prompt {Interlocked.Increment(ref _prompts)}";

    public async Task<string> KeyAsync(int? seconds = 600, string? token = null, object? limits = null, string[]? models = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Product.Url, "/api/v1/keys"));
        request.Headers.Authorization = new("Bearer", token ?? Product.Token);
        request.Content = JsonContent.Create(new { name = "repeats", environment = "test", cache_seconds = seconds, limits, allowed_models = models ?? [] });
        using var answer = await Product.Client.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        ((int)answer.StatusCode).ShouldBe(201, text);
        return JsonDocument.Parse(text).RootElement.GetProperty("key").GetString()!;
    }

    public sealed record Seen(int Status, string Cache, string Error, byte[] Body, string Id, HttpResponseMessage Answer)
    {
        public string Text => Encoding.UTF8.GetString(Body);

        public bool IsHit => Cache.StartsWith("hit; age=", StringComparison.Ordinal);

        public string? Header(string name) => Answer.Headers.TryGetValues(name, out var values) ? values.Single() : null;
    }

    public async Task<Seen> SendAsync(string path, string body, string key, params (string, string)[] headers)
    {
        var answer = await Product.PostAsync(path, body, key, headers);
        var bytes = new MemoryStream();
        try
        {
            await (await answer.Content.ReadAsStreamAsync()).CopyToAsync(bytes);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            // Broken off.
        }

        string Of(string name) => answer.Headers.TryGetValues(name, out var values) ? values.Single() : "";
        return new Seen((int)answer.StatusCode, Of("x-tokonomics-cache"), Of("x-tokonomics-error"), bytes.ToArray(), answer.RequestId(), answer);
    }

    public Task<Seen> ChatAsync(string key, string prompt, bool stream = false, string model = "sandbox-small", string more = "", params (string, string)[] headers) =>
        SendAsync("/v1/chat/completions", ProxyCalls.Chat(model, stream, prompt, more), key, headers);

    /// <summary>The last attempt's row.</summary>
    public async Task<JsonElement> RowAsync(Seen seen) => (await Product.EventAsync(seen.Id)).GetProperty("attempts").EnumerateArray().Last();

    public static NanoUsd Usd(JsonElement row, string field) => NanoUsd.Parse(row.GetProperty(field).GetString())!.Value;
}

public sealed class AheadClock : TimeProvider
{
    public TimeSpan Ahead { get; set; }

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Ahead;
}
