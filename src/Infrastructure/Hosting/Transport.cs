using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using IPNetwork = System.Net.IPNetwork;

namespace Tokonomics.Infrastructure.Hosting;

/// <summary>Settings under <c>Proxy</c> that every host obeys: what stands before it, and whether a call may come in the clear.</summary>
public sealed class TransportOptions
{
    /// <summary>Addresses and networks of the balancers before it (`10.0.0.0/8, 192.0.2.7`). X-Forwarded-For, -Proto and -Host are believed of these peers alone; empty: of nobody.</summary>
    public string TrustedProxies { get; set; } = "";

    /// <summary>Calls over plain http are refused (403 `tls_required`), for TLS that ends at a balancer in TrustedProxies. Where this process has an https address of its own, they are refused without this.</summary>
    public bool RequireTls { get; set; }

    internal IEnumerable<string> Parts => TrustedProxies.Split([',', ' ', ';'], StringSplitOptions.RemoveEmptyEntries);

    internal static IPNetwork? Network(string text) =>
        IPNetwork.TryParse(text, out var network) ? network
        : IPAddress.TryParse(text, out var address) ? new IPNetwork(address, address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? 32 : 128)
        : null;

    internal sealed class Check : IValidateOptions<TransportOptions>
    {
        public ValidateOptionsResult Validate(string? name, TransportOptions options) =>
            options.Parts.FirstOrDefault(p => Network(p) is null) is { } wrong
                ? ValidateOptionsResult.Fail($"Proxy:TrustedProxies has '{wrong}': it must be addresses or networks, such as 10.0.0.0/8 or 192.0.2.7, separated by commas")
                : ValidateOptionsResult.Success;
    }
}

internal static class Transport
{
    // Whoever sends one of these is a program with a key.
    private static readonly string[] KeyHeaders = ["Authorization", "x-api-key", "x-goog-api-key", "api-key", "X-Tokonomics-Key"];

    /// <summary>
    /// Finds how a request came, and once there is TLS refuses calls without it. They are not redirected: the key has crossed the network in the
    /// clear by then, a redirect would make that work unnoticed for ever, and a POST doesn't survive it. Pages are redirected.
    /// </summary>
    public static void UseTransport(this WebApplication app, Func<HttpContext, string, Task<bool>>? refusePlain)
    {
        var options = app.Services.GetRequiredService<IOptions<TransportOptions>>().Value;
        var trusted = options.Parts.Select(TransportOptions.Network).OfType<IPNetwork>().ToList();
        if (trusted.Count > 0)
            app.UseForwardedHeaders(Forwarded(trusted));

        if (!Uri.TryCreate(app.Configuration["Portal:PublicUrl"], UriKind.Absolute, out var portal))
            throw new StartupException($"Portal:PublicUrl is '{app.Configuration["Portal:PublicUrl"]}'; it must be an address such as https://tokonomics.example.com");
        var required = options.RequireTls;
        if (required && trusted.Count == 0 && !Addresses(app).Any(IsHttps))
            throw new StartupException("Proxy:RequireTls is set, but no call can come over TLS: give this process an https address and a certificate (Kestrel:Endpoints:Https), or name the balancer before it in Proxy:TrustedProxies");
        var own = new Lazy<bool>(() => app.Urls.Any(IsHttps)); // known once it listens
        app.Use((context, next) => context.Request.IsHttps || !(required || own.Value) ? next(context) : RefuseAsync(context, portal, refusePlain));
    }

    private static async Task RefuseAsync(HttpContext context, Uri portal, Func<HttpContext, string, Task<bool>>? refusePlain)
    {
        var https = portal.Scheme == Uri.UriSchemeHttps ? portal.GetLeftPart(UriPartial.Authority) : null;
        var message = $"calls are taken over TLS only: use {https ?? "https://"} in the base URL. A key that was sent to this address has crossed the network in the clear: replace it";
        if (refusePlain is not null && await refusePlain(context, message))
            return;
        var request = context.Request;
        var call = request.Path.StartsWithSegments("/api/v1") || Array.Exists(KeyHeaders, request.Headers.ContainsKey) || request.Query.ContainsKey("key");
        if (https is not null && !call && (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method)))
        {
            context.Response.StatusCode = 308;
            context.Response.Headers.Location = https + request.PathBase.ToUriComponent() + request.Path.ToUriComponent() + request.QueryString.ToUriComponent();
            return;
        }

        await ProblemAnswer.WriteAsync(context, 403, "tls_required", message);
    }

    private static ForwardedHeadersOptions Forwarded(List<IPNetwork> trusted)
    {
        var options = new ForwardedHeadersOptions
        {
            ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto | ForwardedHeaders.XForwardedHost,
            ForwardLimit = null, // as many hops as are trusted, from the nearest on
            // What it replaces is kept under these names; X-Forwarded-… never goes to a provider.
            OriginalForHeaderName = "X-Forwarded-Original-For",
            OriginalProtoHeaderName = "X-Forwarded-Original-Proto",
            OriginalHostHeaderName = "X-Forwarded-Original-Host",
        };
        options.KnownProxies.Clear();
        options.KnownIPNetworks.Clear();
        foreach (var network in trusted)
            options.KnownIPNetworks.Add(network);
        return options;
    }

    private static IEnumerable<string> Addresses(WebApplication app) =>
        app.Configuration.GetSection("Kestrel:Endpoints").GetChildren().Select(e => e["Url"] ?? "").Concat((app.Configuration["urls"] ?? "").Split(';'));

    private static bool IsHttps(string address) => address.StartsWith("https:", StringComparison.OrdinalIgnoreCase);
}
