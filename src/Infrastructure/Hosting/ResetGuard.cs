using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Tokonomics.Infrastructure.Hosting;

/// <summary>
/// Keeps the place of a request over HTTP/2 that its client has reset for a while longer. A client that resets all that it sends (CVE-2023-44487) so comes to Kestrel's limit of open requests
/// (twice <c>Http2:MaxStreamsPerConnection</c>) and has its connection closed, while one that gives up now and then notices nothing.
/// </summary>
/// <remarks>
/// Without it places are free again as fast as they are taken, Kestrel 10.0 loses some of what it has to write about them, and a connection of which something was lost is never over: of
/// 2,287 that one attacker made in 15 s, 93 still counted as open after all sockets were closed, and kept the process from ending when it was told to.
/// </remarks>
internal static class ResetGuard
{
    private static readonly TimeSpan Kept = TimeSpan.FromSeconds(1);

    public static void UseResetGuard(this WebApplication app)
    {
        var time = app.Services.GetRequiredService<TimeProvider>();
        app.Use((context, next) => HttpProtocol.IsHttp2(context.Request.Protocol) ? KeepAsync(context, next, time) : next(context));
    }

    private static async Task KeepAsync(HttpContext context, RequestDelegate next, TimeProvider time)
    {
        try
        {
            await next(context);
        }
        finally
        {
            // Where the connection itself is gone, so is what there was to keep.
            if (context.RequestAborted.IsCancellationRequested && context.Features.Get<IConnectionLifetimeFeature>() is { ConnectionClosed: { IsCancellationRequested: false } closed })
                await Task.Delay(Kept, time, closed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
