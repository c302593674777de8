using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Tokonomics.Testing.FakeStripe;

/// <summary>The same over the network of this machine, with a page on which to pay, and events that are sent to a webhook.</summary>
public sealed class FakeStripeServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly HttpClient _client = new() { Timeout = TimeSpan.FromSeconds(30) };

    private FakeStripeServer(WebApplication app, FakeStripe stripe) => (_app, Stripe) = (app, stripe);

    public FakeStripe Stripe { get; }

    public Uri Url => Stripe.Url;

    /// <summary>Where events are sent, as soon as they happen; null where a test sends them itself.</summary>
    public Uri? Webhook { get; set; }

    public static async Task<FakeStripeServer> StartAsync(TimeProvider? time = null)
    {
        var stripe = new FakeStripe(time);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var server = new FakeStripeServer(app, stripe);
        app.MapGet("/c/pay/{id}", (string id) => Results.Content(
            $"""<!doctype html><html lang="en"><head><title>Checkout</title></head><body><main><h1>Pay here</h1><form method="post"><button type="submit">Pay {id}</button></form></main></body></html>""", "text/html"));
        app.MapPost("/c/pay/{id}", async (string id, HttpContext context) =>
        {
            stripe.Complete(id);
            await server.SendEventsAsync();
            context.Response.Redirect(stripe.Find(id)["success_url"]!.GetValue<string>().Replace("{CHECKOUT_SESSION_ID}", id, StringComparison.Ordinal));
        });
        app.MapGet("/p/session/{id}", (string id) => Results.Content("""<!doctype html><html lang="en"><head><title>Portal</title></head><body><h1>Manage</h1></body></html>""", "text/html"));
        app.MapFallback(async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            FakeAnswer answer;
            try
            {
                answer = stripe.Handle(context.Request.Method, context.Request.Path + context.Request.QueryString, await reader.ReadToEndAsync(), name => context.Request.Headers[name]);
            }
            catch (HttpRequestException)
            {
                context.Abort();
                return;
            }

            context.Response.StatusCode = answer.Status;
            context.Response.ContentType = "application/json";
            context.Response.Headers["Request-Id"] = $"req_{Guid.NewGuid():n}"[..20];
            foreach (var (name, value) in answer.Headers ?? new Dictionary<string, string>())
                context.Response.Headers[name] = value;
            await context.Response.WriteAsync(answer.Json);
            await server.SendEventsAsync();
        });
        await app.StartAsync();
        stripe.Url = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        return server;
    }

    /// <summary>What has happened is sent to the webhook, where there is one.</summary>
    public async Task SendEventsAsync()
    {
        while (Webhook is not null && Stripe.Events.TryDequeue(out var e))
        {
            using var answer = await SendAsync(Webhook, e);
        }
    }

    /// <summary>Sends one event as Stripe does.</summary>
    public async Task<HttpResponseMessage> SendAsync(Uri webhook, JsonObject e, string secret = FakeStripe.Secret, DateTimeOffset? at = null)
    {
        var body = e.ToJsonString();
        var request = new HttpRequestMessage(HttpMethod.Post, webhook) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.TryAddWithoutValidation("Stripe-Signature", FakeStripe.Sign(body, secret, at ?? Stripe.Now));
        return await _client.SendAsync(request);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}
