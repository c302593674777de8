using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Providers;

namespace Tokonomics.Infrastructure.Providers;

/// <summary>Asks a provider something that needs a key and costs nothing: in most cases which models there are.</summary>
public sealed class CredentialProbe(ProviderCatalogue catalogue, EndpointOptions endpoints) : ICredentialProbe, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private const int MostBytes = 64 * 1024;
    private const int LongestAnswer = 300;

    // Where the list of models is open to everybody, or there is none, by the providers' API references (2026-11-22). Null: nothing is known that tells.
    private static readonly Dictionary<string, string?> Questions = new(StringComparer.Ordinal)
    {
        ["anthropic"] = "v1/models?limit=1",
        ["gemini"] = "v1beta/models?pageSize=1",
        ["cohere"] = "v1/models?page_size=1",
        ["openrouter"] = "api/v1/key",
        ["vercel-gateway"] = "v1/credits",
        ["venice"] = "api/v1/api_keys/rate_limits",
        ["azure-openai"] = "openai/models?api-version=2024-10-21",
        ["huggingface"] = null,
        ["perplexity"] = null,
        ["voyage"] = null,
    };

    private readonly UpstreamClients _clients = new(TimeSpan.FromSeconds(5), endpoints.AllowPrivate);

    public async Task<CredentialTest> AskAsync(string provider, CustomEndpoint? endpoint, string secret, CancellationToken cancellationToken)
    {
        var known = endpoint is null ? catalogue.Find(provider) : null;
        if (endpoint is null && known?.BaseUrl is null)
            return new CredentialTest(null, 0, known?.BaseUrlHelp ?? $"{provider} has no base URL.");
        if (Question(known, endpoint) is not { } question)
            return new CredentialTest(null, 0, $"{provider} has no question that needs the key and costs nothing; its first call will tell.");
        var auth = known?.Auth ?? endpoint!.Surface switch { "anthropic" => ProviderAuth.XApiKey, "gemini" => ProviderAuth.XGoogApiKey, _ => ProviderAuth.Bearer };
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"{(known?.BaseUrl ?? endpoint!.BaseUrl).AbsoluteUri.TrimEnd('/')}/{question}"));
        switch (auth)
        {
            case ProviderAuth.Bearer:
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", secret);
                break;
            case ProviderAuth.XApiKey:
                request.Headers.TryAddWithoutValidation("x-api-key", secret);
                request.Headers.TryAddWithoutValidation("anthropic-version", "2023-06-01");
                break;
            case ProviderAuth.XGoogApiKey:
                request.Headers.TryAddWithoutValidation("x-goog-api-key", secret);
                break;
            case ProviderAuth.ApiKey:
                request.Headers.TryAddWithoutValidation("api-key", secret);
                break;
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        try
        {
            // Only where it goes to matters of a provider here: whose connection is guarded.
            using var answer = await _clients.For(known ?? Guarded(endpoint!)).SendAsync(request, patience.Token);
            var status = (int)answer.StatusCode;
            var said = await SaidAsync(answer, secret, patience.Token);
            return status switch
            {
                >= 200 and < 300 => new CredentialTest(true, status, $"{provider} takes the key."),
                401 or 403 => new CredentialTest(false, status, said),
                _ => new CredentialTest(null, status, said),
            };
        }
        catch (Exception e) when (e is HttpRequestException or IOException or SocketException or AddressRefusedException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            var refused = e as AddressRefusedException ?? e.InnerException as AddressRefusedException;
            return new CredentialTest(null, 0, refused?.Message ?? $"{provider} could not be reached.");
        }
    }

    private static string? Question(Provider? known, CustomEndpoint? endpoint)
    {
        if (endpoint is not null)
        {
            // Its base URL may or may not end in the version.
            var version = endpoint.BaseUrl.AbsolutePath.Length > 1 ? "" : endpoint.Surface == "gemini" ? "v1beta/" : "v1/";
            return endpoint.Surface == "ollama" ? "api/tags" : version + "models";
        }

        if (Questions.TryGetValue(known!.Name, out var own))
            return own;
        var first = known.Routes.Surfaces[0];
        if (first.Surface.Name == "ollama")
            return "api/tags";
        var prefix = first.Prefixes.FirstOrDefault(p => p.Length > 0);
        return prefix is null ? "models" : prefix + "/models";
    }

    private static Provider Guarded(CustomEndpoint endpoint) => new() { Name = endpoint.Name, BaseUrl = endpoint.BaseUrl, Guarded = true, Routes = new RouteTable([]) };

    /// <summary>The provider's own words, shortened; the key itself is in none of them.</summary>
    private static async Task<string> SaidAsync(HttpResponseMessage answer, string secret, CancellationToken cancellationToken)
    {
        var status = $"HTTP {((int)answer.StatusCode).ToString(CultureInfo.InvariantCulture)}";
        var text = Message(await AnswerWords.BeginningAsync(answer, MostBytes, cancellationToken))?.Trim();
        return string.IsNullOrEmpty(text) ? status : $"{status}: {AnswerWords.Short(text.Replace(secret, "…", StringComparison.Ordinal), LongestAnswer)}";
    }

    private static string? Message(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            var at = json.RootElement;
            if (at.ValueKind == JsonValueKind.Array && at.GetArrayLength() > 0)
                at = at[0];
            if (at.ValueKind != JsonValueKind.Object)
                return null;
            foreach (var name in (ReadOnlySpan<string>)["error", "message", "detail"])
                if (at.TryGetProperty(name, out var found))
                {
                    if (found.ValueKind == JsonValueKind.String)
                        return found.GetString();
                    if (found.ValueKind == JsonValueKind.Object && found.TryGetProperty("message", out var message) && message.ValueKind == JsonValueKind.String)
                        return message.GetString();
                }

            return null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public void Dispose() => _clients.Dispose();
}
