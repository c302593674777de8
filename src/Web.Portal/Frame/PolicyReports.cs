using System.Text.Json;
using System.Threading.RateLimiting;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Frame;

/// <summary>
/// Where browsers report what the content policy forbade: a page of ours that is wrong, an extension of the reader's, or an attack. Anybody can send one, so it is
/// short, rare, and believed in nothing: of each only the directive, the blocked host and the page's path are logged, without any of the text around them.
/// </summary>
internal sealed partial class PolicyReports(ILogger<PolicyReports> log) : IDisposable
{
    public const string Path = "/csp-report";

    /// <summary>Of a request's body; browsers send less than a tenth of it.</summary>
    public const int MaxBytes = 16 * 1024;

    /// <summary>Reports of one request that are looked at.</summary>
    public const int MaxReports = 10;

    /// <summary>Lines in the log a minute, whoever sends them.</summary>
    public const int MaxLinesPerMinute = 60;

    private static readonly string[] Directives =
        ["default-src", "script-src", "script-src-elem", "script-src-attr", "style-src", "style-src-elem", "style-src-attr", "img-src", "font-src", "connect-src", "manifest-src", "media-src", "object-src", "frame-src", "child-src", "worker-src", "base-uri", "form-action", "frame-ancestors"];

    private static readonly string[] Words = ["inline", "eval", "wasm-eval", "self", "data", "blob", "about", "trusted-types-policy", "trusted-types-sink"];

    private readonly FixedWindowRateLimiter _lines = new(new FixedWindowRateLimiterOptions { PermitLimit = MaxLinesPerMinute, Window = TimeSpan.FromMinutes(1) });

    public static void Map(WebApplication app) => app.MapPost(Path, async (HttpContext http, PolicyReports reports) =>
    {
        if (await BoundedBody.ReadAsync(http.Request, MaxBytes) is not { } body)
            return Results.StatusCode(StatusCodes.Status413PayloadTooLarge);
        reports.Take(body);
        return Results.NoContent();
    }).AllowAnonymous().DisableAntiforgery().RequireRateLimiting(AddressLimits.Reports).ExcludeFromDescription();

    // Both shapes: {"csp-report":{…}} of report-uri, and [{"type":"csp-violation","body":{…}}] of the Reporting API. Anything else is thrown away.
    private void Take(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            var root = json.RootElement;
            if (root.ValueKind == JsonValueKind.Array)
            {
                foreach (var report in root.EnumerateArray().Take(MaxReports))
                    if (report.ValueKind == JsonValueKind.Object && report.TryGetProperty("body", out var inner))
                        Write(inner, "effectiveDirective", "blockedURL", "documentURL");
            }
            else if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty("csp-report", out var report))
            {
                Write(report, report.ValueKind == JsonValueKind.Object && report.TryGetProperty("effective-directive", out _) ? "effective-directive" : "violated-directive", "blocked-uri", "document-uri");
            }
        }
        catch (JsonException)
        {
            // Not a browser's.
        }
    }

    private void Write(JsonElement report, string directive, string blocked, string page)
    {
        if (report.ValueKind != JsonValueKind.Object)
            return;
        var named = Text(report, directive).Split(' ')[0];
        using var line = _lines.AttemptAcquire();
        if (line.IsAcquired)
            Forbade(log, Array.IndexOf(Directives, named) >= 0 ? named : "other", Host(Text(report, blocked)), PathOf(Text(report, page)));
    }

    private static string Text(JsonElement report, string name) => report.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    // A host, or the word that stands in place of an address.
    private static string Host(string blocked) =>
        Array.IndexOf(Words, blocked) >= 0 ? blocked : Uri.TryCreate(blocked, UriKind.Absolute, out var url) && url.Host.Length > 0 ? Safe(url.IdnHost, 100) : "other";

    // Without the query: there tokens are.
    private static string PathOf(string page) => Uri.TryCreate(page, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" ? Safe(url.AbsolutePath, 100) : "other";

    private static string Safe(string text, int most) => string.Concat(text.Take(most).Select(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '.' or '-' or '_' or ':' ? c : '?'));

    public void Dispose() => _lines.Dispose();

    [LoggerMessage(Level = LogLevel.Warning, Message = "A browser reports that the content policy forbade {Directive} from {Host} on {Page}")]
    private static partial void Forbade(ILogger logger, string directive, string host, string page);
}
