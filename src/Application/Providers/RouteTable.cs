using System.Collections.Frozen;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Application.Providers;

/// <summary>What a call of a route costs.</summary>
public enum RouteKind : byte
{
    /// <summary>Money now; the route's dialect reads how much.</summary>
    Metered,

    /// <summary>Nothing.</summary>
    Free,

    /// <summary>Money later, charged by the provider outside of this call.</summary>
    Deferred,
}

/// <summary>A method and the tail of a path. Segments: literal, <c>{id}</c>, <c>{model}</c>, either with a literal behind it, <c>{rest}</c>.</summary>
/// <param name="Template">As the data has it: <c>POST models/{model}:generateContent</c>. It is what the ledger keeps as the operation.</param>
/// <param name="Dialect">The dialect's name; <c>free</c> where nothing is read.</param>
/// <param name="Kind">Metered, free or deferred.</param>
public sealed record Route(string Template, string Dialect, RouteKind Kind)
{
    public string Method { get; } = Template[..Template.IndexOf(' ', StringComparison.Ordinal)];

    internal string[] Segments { get; } = Template[(Template.IndexOf(' ', StringComparison.Ordinal) + 1)..].Split('/');

    /// <summary>The tail of a path to it for a model; null where it names other things too.</summary>
    public string? PathFor(string model)
    {
        var path = Template[(Method.Length + 1)..].Replace("{model}", Uri.EscapeDataString(model), StringComparison.Ordinal);
        return path.Contains('{', StringComparison.Ordinal) ? null : path;
    }

    internal bool IsLiteral { get; } = !Template.Contains('{', StringComparison.Ordinal);
}

/// <summary>A set of routes that several providers share, and the error shape that its clients understand.</summary>
public sealed record Surface(string Name, ErrorShape Errors, IReadOnlyList<Route> Routes);

/// <summary>A surface under the version prefixes at which a provider serves it; the first is used where a path names none.</summary>
public sealed record MountedSurface(Surface Surface, IReadOnlyList<string> Prefixes);

/// <summary>Where a path leads.</summary>
/// <param name="Route">The route it matched.</param>
/// <param name="Surface">The surface the route belongs to.</param>
/// <param name="UpstreamPath">The path at the provider, from its base URL on, without a leading slash; percent-encoding as received.</param>
/// <param name="PathModel">The model, where the path names it; decoded.</param>
/// <param name="Head">What stands first in the path before a tail that only its end matched (Hugging Face: <c>together</c>); null elsewhere.</param>
public sealed record RouteMatch(Route Route, Surface Surface, string UpstreamPath, string? PathModel, string? Head = null)
{
    /// <summary>The path itself asks for a stream.</summary>
    public bool PathStreams { get; } = Route.Template.EndsWith(":streamGenerateContent", StringComparison.Ordinal);

    /// <summary>The same call of another model; null where the path doesn't name the model in one piece.</summary>
    public RouteMatch? WithModel(string model)
    {
        foreach (var written in (ReadOnlySpan<string>)[PathModel ?? "", Uri.EscapeDataString(PathModel ?? "")])
            if (written.Length > 0 && UpstreamPath.LastIndexOf(written, StringComparison.Ordinal) is var at and >= 0
                && (at == 0 || UpstreamPath[at - 1] == '/') && (at + written.Length == UpstreamPath.Length || UpstreamPath[at + written.Length] is '/' or ':'))
                return this with { PathModel = model, UpstreamPath = string.Concat(UpstreamPath.AsSpan(0, at), Uri.EscapeDataString(model), UpstreamPath.AsSpan(at + written.Length)) };
        return null;
    }
}

/// <summary>
/// Finds the route of a path at one provider. The path may begin with the provider's version prefix, with the end of it, or without any:
/// <c>groq/openai/v1/chat/completions</c>, <c>groq/v1/chat/completions</c> and <c>groq/chat/completions</c> are the same call.
/// </summary>
/// <remarks>
/// A metered route is also found behind a head that nobody declared (a gateway's own path before the provider's): what is metered by
/// its tail can't go unseen. A free route is not: a head could turn it into something else.
/// </remarks>
public sealed class RouteTable
{
    private readonly MountedSurface[] _surfaces;
    private readonly FrozenDictionary<string, RouteMatch> _literalPosts;
    private readonly FrozenDictionary<string, RouteMatch>.AlternateLookup<ReadOnlySpan<char>> _literalPostsBySpan;

    public RouteTable(IEnumerable<MountedSurface> surfaces)
    {
        _surfaces = [.. surfaces];
        var posts = new Dictionary<string, RouteMatch>(StringComparer.Ordinal);
        foreach (var mounted in _surfaces)
            foreach (var route in mounted.Surface.Routes)
                if (route is { IsLiteral: true, Method: "POST", Kind: RouteKind.Metered })
                    foreach (var path in mounted.Prefixes.Select(p => Join(p, route.Segments)).Append(string.Join('/', route.Segments)))
                        if (Search("POST", path) is { } match)
                            posts.TryAdd(path, match);
        _literalPosts = posts.ToFrozenDictionary(StringComparer.Ordinal);
        _literalPostsBySpan = _literalPosts.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public IReadOnlyList<MountedSurface> Surfaces => _surfaces;

    /// <summary>The route of a path, or null where nothing meters it.</summary>
    /// <param name="method">Upper case, as sent.</param>
    /// <param name="path">Without leading slash and query, percent-encoding as received, already checked by <see cref="ProxyPath"/>.</param>
    public RouteMatch? Find(string method, ReadOnlySpan<char> path) =>
        method == "POST" && _literalPostsBySpan.TryGetValue(path, out var match) ? match : Search(method, path.ToString());

    private RouteMatch? Search(string method, string path)
    {
        var segments = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        return ByPrefix(method, segments) ?? ByNoPrefix(method, segments) ?? ByEndOfPrefix(method, segments) ?? ByPrefixTwice(method, segments) ?? ByTail(method, segments);
    }

    private RouteMatch? ByPrefix(string method, string[] segments)
    {
        foreach (var mounted in _surfaces)
            foreach (var prefix in mounted.Prefixes)
            {
                var head = Split(prefix);
                if (StartsWith(segments, head, 0) && Match(mounted.Surface, method, segments, head.Length, meteredOnly: false) is { } found)
                    return found with { UpstreamPath = string.Join('/', segments) };
            }

        return null;
    }

    private RouteMatch? ByNoPrefix(string method, string[] segments)
    {
        foreach (var mounted in _surfaces)
            if (Match(mounted.Surface, method, segments, 0, meteredOnly: false) is { } found)
                return found with { UpstreamPath = Join(mounted.Prefixes[0], segments) };
        return null;
    }

    private RouteMatch? ByEndOfPrefix(string method, string[] segments)
    {
        foreach (var mounted in _surfaces)
            foreach (var prefix in mounted.Prefixes)
            {
                var head = Split(prefix);
                for (var from = 1; from < head.Length; from++)
                    if (StartsWith(segments, head, from) && Match(mounted.Surface, method, segments, head.Length - from, meteredOnly: false) is { } found)
                        return found with { UpstreamPath = Join(prefix, segments[(head.Length - from)..]) };
            }

        return null;
    }

    // A base URL that ends in what the SDK puts before its paths itself: v1/v1/messages is v1/messages.
    private RouteMatch? ByPrefixTwice(string method, string[] segments)
    {
        foreach (var mounted in _surfaces)
            foreach (var prefix in mounted.Prefixes)
            {
                var head = Split(prefix);
                for (var first = 0; first < head.Length; first++)
                    for (var second = 0; second < head.Length && StartsWith(segments, head, first); second++)
                    {
                        var at = head.Length - first;
                        if (StartsWith(segments[at..], head, second) && Match(mounted.Surface, method, segments, at + head.Length - second, meteredOnly: false) is { } found)
                            return found with { UpstreamPath = Join(prefix, segments[(at + head.Length - second)..]) };
                    }
            }

        return null;
    }

    private RouteMatch? ByTail(string method, string[] segments)
    {
        for (var from = 1; from < segments.Length; from++)
            foreach (var mounted in _surfaces)
                if (Match(mounted.Surface, method, segments, from, meteredOnly: true) is { } found)
                    return found with { UpstreamPath = string.Join('/', segments), Head = segments[0] };
        return null;
    }

    private static RouteMatch? Match(Surface surface, string method, string[] segments, int from, bool meteredOnly)
    {
        foreach (var route in surface.Routes)
        {
            if (route.Method != method || (meteredOnly && route.Kind != RouteKind.Metered))
                continue;
            if (Matches(route.Segments, segments, from, out var model))
                return new RouteMatch(route, surface, "", model);
        }

        return null;
    }

    private static bool Matches(string[] template, string[] segments, int from, out string? model)
    {
        model = null;
        for (var i = 0; i < template.Length; i++, from++)
        {
            var expected = template[i];
            if (expected == "{rest}")
                return from < segments.Length;
            if (from == segments.Length)
                return false;
            var actual = segments[from].Contains('%', StringComparison.Ordinal) ? Uri.UnescapeDataString(segments[from]) : segments[from];
            if (expected[0] != '{')
            {
                if (actual != expected)
                    return false;
                continue;
            }

            var close = expected.IndexOf('}', StringComparison.Ordinal);
            var suffix = expected.AsSpan(close + 1);
            if (!actual.AsSpan().EndsWith(suffix, StringComparison.Ordinal) || actual.Length == suffix.Length)
                return false;
            var value = actual[..^suffix.Length];
            // "{id}" alone must not swallow a method: GET files/x:download is not GET files/{id}.
            if (suffix.Length == 0 && template[i] == "{id}" && HasMethod(template, i, value))
                return false;
            if (value.Contains('/', StringComparison.Ordinal))
                return false; // an encoded slash: the provider could read another route (threads/x%2Fruns)
            if (expected.StartsWith("{model}", StringComparison.Ordinal))
                model = value;
        }

        return from == segments.Length;
    }

    // Google's APIs put a custom method behind a colon in the last segment; ids of other providers (ft:gpt-4o:org::id) have colons of their own.
    private static bool HasMethod(string[] template, int at, string value) =>
        at == template.Length - 1 && template[0] is "models" or "tunedModels" or "interactions" or "operations" or "files" or "cachedContents" or "fileSearchStores" or "batches" && value.Contains(':', StringComparison.Ordinal);

    private static bool StartsWith(string[] segments, string[] head, int from)
    {
        if (segments.Length < head.Length - from)
            return false;
        for (var i = from; i < head.Length; i++)
            if (segments[i - from] != head[i])
                return false;
        return true;
    }

    private static string[] Split(string prefix) => prefix.Split('/', StringSplitOptions.RemoveEmptyEntries);

    private static string Join(string prefix, string[] segments) =>
        prefix.Length == 0 ? string.Join('/', segments) : $"{prefix}/{string.Join('/', segments)}";
}
