using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Providers;

namespace Tokonomics.Infrastructure.Providers;

/// <summary>Reads the rows of <c>providers.json</c> and <c>surfaces.json</c> and lays the operator's settings over them.</summary>
public static class ProviderData
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        ReadCommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
        UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow,
    };

    private sealed record SurfaceRow(string Errors, Dictionary<string, string> Metered, List<string> Free, List<string> Deferred);

    private sealed record ProviderRow
    {
        public required string Name { get; init; }
        public required string BaseUrl { get; init; }
        public string? BaseUrlHelp { get; init; }
        public required string Auth { get; init; }
        public required string StreamUsage { get; init; }
        public List<string> Quirks { get; init; } = [];
        public bool BillsOnDisconnect { get; init; }
        public required Dictionary<string, List<string>> Surfaces { get; init; }
    }

    /// <summary>The built-in providers with the settings <c>Providers:{name}:BaseUrl|StreamUsage|FirstByteTimeout|IdleTimeout</c> applied.</summary>
    /// <exception cref="InvalidOperationException">A setting names no provider, or has a value that can't be; all such faults in one message.</exception>
    public static ProviderCatalogue Load(IConfiguration configuration)
    {
        var surfaces = Read<Dictionary<string, SurfaceRow>>("providers/surfaces.json")
            .ToDictionary(s => s.Key, s => new Surface(s.Key, Errors(s.Value.Errors),
            [
                .. s.Value.Metered.Select(m => new Route(m.Key, m.Value, RouteKind.Metered)),
                .. s.Value.Free.Select(f => new Route(f, "free", RouteKind.Free)),
                .. s.Value.Deferred.Select(d => new Route(d, "free", RouteKind.Deferred)),
            ]));
        var rows = Read<List<ProviderRow>>("providers/providers.json");
        var faults = new List<string>();
        var settings = configuration.GetSection("Providers");
        foreach (var unknown in settings.GetChildren().Where(c => rows.All(r => !Same(r.Name, c.Key))))
            faults.Add($"Providers:{unknown.Key} names no provider; known are {string.Join(", ", rows.Select(r => r.Name))}");
        var providers = new Dictionary<string, Provider>(StringComparer.Ordinal);
        foreach (var row in rows)
        {
            var own = settings.GetChildren().FirstOrDefault(c => Same(row.Name, c.Key));
            providers.Add(row.Name, new Provider
            {
                Name = row.Name,
                BaseUrl = BaseUrl(row, own?["BaseUrl"], faults),
                BaseUrlHelp = row.BaseUrlHelp,
                Auth = Auth(row.Auth),
                Quirks = row.Quirks.Aggregate(ProviderQuirks.None, (all, q) => all | Quirk(q)),
                BillsAfterDisconnect = row.BillsOnDisconnect,
                StreamUsageOnDemand = OnDemand(row.Name, own?["StreamUsage"] ?? row.StreamUsage, faults),
                FirstByteTimeout = Timeout(row.Name, own, "FirstByteTimeout", TimeSpan.FromMinutes(10), faults),
                IdleTimeout = Timeout(row.Name, own, "IdleTimeout", TimeSpan.FromMinutes(5), faults),
                Routes = new RouteTable(row.Surfaces.Select(s => new MountedSurface(surfaces[s.Key], s.Value))),
            });
        }

        return faults.Count == 0
            ? new ProviderCatalogue(providers, surfaces)
            : throw new InvalidOperationException(string.Join(Environment.NewLine, faults));
    }

    private static T Read<T>(string resource)
    {
        using var stream = typeof(ProviderData).Assembly.GetManifestResourceStream(resource)
            ?? throw new InvalidOperationException($"{resource} is missing from the build");
        return JsonSerializer.Deserialize<T>(stream, Json)!;
    }

    // "azure-openai" can't be the name of an environment variable in every shell: azure_openai is taken for it.
    private static bool Same(string name, string setting) =>
        string.Equals(name, setting.Replace('_', '-'), StringComparison.OrdinalIgnoreCase);

    private static Uri? BaseUrl(ProviderRow row, string? setting, List<string> faults)
    {
        var text = setting ?? row.BaseUrl;
        if (text.Length == 0)
            return null;
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") || url.Query.Length > 0 || url.UserInfo.Length > 0)
        {
            // A URL with a user in it has a password in it, and this text goes to the terminal and the log.
            var shown = text.Contains('@', StringComparison.Ordinal) ? "has a user in it" : $"is '{text}'";
            faults.Add($"Providers:{row.Name}:BaseUrl {shown}: it must be an http or https URL without query or user");
            return null;
        }

        // https://host/v1 is what an SDK calls a base URL; ours ends before the version prefix, so that one is taken off.
        var path = url.AbsolutePath.Trim('/');
        foreach (var prefix in row.Surfaces.Values.SelectMany(p => p).Where(p => p.Length > 0).OrderByDescending(p => p.Length))
            if (path == prefix || path.EndsWith('/' + prefix, StringComparison.Ordinal))
                return new UriBuilder(url) { Path = path[..^prefix.Length].TrimEnd('/') }.Uri;
        return url;
    }

    private static ErrorShape Errors(string name) => name switch
    {
        "openai" => ErrorShape.OpenAi,
        "anthropic" => ErrorShape.Anthropic,
        "gemini" => ErrorShape.Gemini,
        "cohere" => ErrorShape.Cohere,
        "ollama" => ErrorShape.Ollama,
        _ => throw new InvalidOperationException($"surfaces.json: unknown errors '{name}'"),
    };

    private static ProviderAuth Auth(string name) => name switch
    {
        "bearer" => ProviderAuth.Bearer,
        "x-api-key" => ProviderAuth.XApiKey,
        "x-goog-api-key" => ProviderAuth.XGoogApiKey,
        "api-key" => ProviderAuth.ApiKey,
        "none" => ProviderAuth.None,
        _ => throw new InvalidOperationException($"providers.json: unknown auth '{name}'"),
    };

    private static ProviderQuirks Quirk(string name) => name switch
    {
        "reasoning-outside-completion" => ProviderQuirks.ReasoningOutsideCompletion,
        "audio-outside-prompt" => ProviderQuirks.AudioOutsidePrompt,
        "thinking-only-in-total" => ProviderQuirks.ThinkingOnlyInTotal,
        "google-reasoning-outside-total" => ProviderQuirks.GoogleReasoningOutsideTotal,
        _ => throw new InvalidOperationException($"providers.json: unknown quirk '{name}'"),
    };

    private static bool OnDemand(string provider, string value, List<string> faults)
    {
        if (value is not ("on-demand" or "unasked"))
            faults.Add($"Providers:{provider}:StreamUsage is '{value}': it must be on-demand or unasked");
        return value == "on-demand";
    }

    private static TimeSpan Timeout(string provider, IConfiguration? own, string name, TimeSpan otherwise, List<string> faults)
    {
        if (own?[name] is not { } text)
            return otherwise;
        if (TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var value) && value >= TimeSpan.FromMilliseconds(50) && value <= TimeSpan.FromHours(24))
            return value;
        faults.Add($"Providers:{provider}:{name} is '{text}': it must be a time from 00:00:00.05 to 1.00:00:00");
        return otherwise;
    }
}
