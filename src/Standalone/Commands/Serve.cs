using System.CommandLine;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Tenants;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Web.Portal;

namespace Tokonomics.Standalone.Commands;

/// <summary><c>serve</c>: the product, until it is told to stop.</summary>
internal static class Serve
{
    public static Command Command()
    {
        var command = new Command("serve", "Serves the proxy, the portal and the workers on one port (the default). ASPNETCORE_URLS moves the address, TOKONOMICS_DATA the data folder.");
        command.SetAction((_, cancellationToken) => RunAsync(cancellationToken));
        return command;
    }

    public static async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        FileStream? folder = null;
        try
        {
            return await HostSetup.RunAsync(
                () =>
                {
                    folder = Product.TakeFolder(StoreSetup.DataFolder);
                    return Product.Build(StoreSetup.DataFolder);
                },
                WelcomeAsync,
                cancellationToken);
        }
        finally
        {
            folder?.Dispose();
        }
    }

    /// <summary>Says where everything is; on the first start makes a tenant to try, and shows its keys this once.</summary>
    private static async Task WelcomeAsync(WebApplication app, CancellationToken cancellationToken)
    {
        var url = app.Services.GetRequiredService<IOptions<PortalOptions>>().Value.PublicUrl.ToString().TrimEnd('/');
        await Console.Out.WriteLineAsync($"Tokonomics serves on {string.Join(", ", app.Urls)}, with its data in {StoreSetup.DataFolder}\n  portal  {url}/\n  API     {url}/api");
        await using var scope = app.Services.CreateAsyncScope();
        if (await scope.ServiceProvider.GetRequiredService<TokonomicsDbContext>().Tenants.AnyAsync(cancellationToken))
        {
            await Console.Out.WriteLineAsync("Ctrl+C stops it.");
            return;
        }

        var made = await scope.ServiceProvider.GetRequiredService<IMediator>().Send(new ProvisionTenant(Caller.Operator, "default", "owner@localhost.localdomain", []), cancellationToken);
        if (!made.Succeeded)
            throw new StartupException(made.Refusal!.Message);
        var (test, live, token) = (made.Value.TestKey.Secret, made.Value.LiveKey.Secret, made.Value.ApiToken.Secret);
        await Console.Out.WriteLineAsync($$"""

            This is the first start: a tenant named "default" was made. Its keys are shown this once:
              test key  {{test}}   (reaches the built-in sandbox; needs no provider account)
              live key  {{live}}   (store a provider key first: POST {{url}}/api/v1/credentials)
              API token {{token}}

            Try it:
              curl {{url}}/v1/chat/completions -H "Authorization: Bearer {{test}}" -H "Content-Type: application/json" -d '{"model":"sandbox-small","messages":[{"role":"user","content":"Hello"}]}'

            and read the call back:
              curl "{{url}}/api/v1/usage/events?environment=test" -H "Authorization: Bearer {{token}}"

            Ctrl+C stops it.
            """);
    }
}
