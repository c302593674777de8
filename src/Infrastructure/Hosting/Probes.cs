using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Infrastructure.Hosting;

/// <summary>One thing that a host needs, asked by <c>/readyz</c>.</summary>
/// <param name="Name">For programs: <c>store</c>.</param>
/// <param name="Essential">Without it the host should be sent nothing. Where it isn't, the host says that it is degraded and serves on.</param>
/// <param name="Problem">What is wrong, in a sentence; null where nothing is.</param>
public sealed record ReadinessCheck(string Name, bool Essential, Func<CancellationToken, ValueTask<string?>> Problem);

/// <summary><c>/healthz</c>: the process lives. <c>/readyz</c>: whether it should be sent traffic, and what is wrong.</summary>
public static class Probes
{
    // A probe that hangs is worse than one that fails.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>For a host that can do nothing without the store. A proxy can: it knows its keys, and its journal keeps what the store doesn't take.</summary>
    public static IServiceCollection AddStoreCheck(this IServiceCollection services) => services.AddSingleton(provider => new ReadinessCheck("store", Essential: true, async cancellationToken =>
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        await using var scope = provider.CreateAsyncScope();
        try
        {
            await scope.ServiceProvider.GetRequiredService<TokonomicsDbContext>().Tenants.AnyAsync(patience.Token);
            return null;
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            return "the store can't be reached";
        }
    }));

    internal static void UseProbes(this WebApplication app)
    {
        var checks = app.Services.GetServices<ReadinessCheck>().ToArray();
        var drain = app.Services.GetRequiredService<Drain>();
        app.Use((context, next) => context.Request.Path.Value switch
        {
            "/healthz" => LiveAsync(context),
            "/readyz" => ReadyAsync(context, drain, checks),
            _ => next(context),
        });
    }

    private static Task LiveAsync(HttpContext context)
    {
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync("ok");
    }

    private static async Task ReadyAsync(HttpContext context, Drain drain, ReadinessCheck[] checks)
    {
        var problems = new List<(string Check, string Detail)>();
        var ready = !drain.Draining;
        if (!ready)
            problems.Add(("drain", "the process was told to stop and takes no new work"));
        foreach (var check in checks)
        {
            if (await check.Problem(context.RequestAborted) is not { } problem)
                continue;
            problems.Add((check.Name, problem));
            ready &= !check.Essential;
        }

        context.Response.StatusCode = ready ? 200 : 503;
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.Headers.CacheControl = "no-store";
        await using var json = new Utf8JsonWriter(context.Response.BodyWriter);
        json.WriteStartObject();
        json.WriteString("status", !ready ? "not_ready" : problems.Count > 0 ? "degraded" : "ready");
        json.WriteStartArray("problems");
        foreach (var (check, detail) in problems)
        {
            json.WriteStartObject();
            json.WriteString("check", check);
            json.WriteString("detail", detail);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
