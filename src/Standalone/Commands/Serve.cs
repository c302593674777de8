using System.CommandLine;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
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

    /// <summary>Says where everything is; on the first start makes a tenant to try, shows its keys this once, and a link for whoever sits here to own it.</summary>
    private static async Task WelcomeAsync(WebApplication app, CancellationToken cancellationToken)
    {
        var url = app.Services.GetRequiredService<IOptions<PortalOptions>>().Value.PublicUrl.ToString().TrimEnd('/');
        await Console.Out.WriteLineAsync($"Tokonomics {ProductVersion.Text} serves on {string.Join(", ", app.Urls)}, with its data in {StoreSetup.DataFolder}\n  portal  {url}/\n  API     {url}/api");
        await using var scope = app.Services.CreateAsyncScope();
        var mediator = scope.ServiceProvider.GetRequiredService<IMediator>();
        if (await scope.ServiceProvider.GetRequiredService<TokonomicsDbContext>().Tenants.AnyAsync(cancellationToken))
        {
            // Nobody has taken the first tenant yet: the link of the last start may be lost, so there is a new one.
            if (await mediator.Send(new OfferTenant(null), cancellationToken) is { Succeeded: true } again)
                await Console.Out.WriteLineAsync($"\nThis installation has no owner yet. Open this link and it is yours; it works once:\n  {url}/claim/{again.Value.Token}\n");
            await Console.Out.WriteLineAsync("Ctrl+C stops it.");
            return;
        }

        var made = await mediator.Send(new ProvisionTenant(Caller.Operator, "default", "owner@localhost.localdomain", []), cancellationToken);
        if (!made.Succeeded)
            throw new StartupException(made.Refusal!.Message);
        var (test, live, token) = (made.Value.TestKey.Secret, made.Value.LiveKey.Secret, made.Value.ApiToken.Secret);
        var offer = (await mediator.Send(new OfferTenant(made.Value.TenantId), cancellationToken)).Value;
        await Console.Out.WriteLineAsync($$"""

            This is the first start. Open this link and the installation is yours; it works once:
              {{url}}/claim/{{offer.Token}}

            A tenant named "default" was made. Its keys are shown this once:
              test key  {{test}}   (reaches the built-in sandbox; needs no provider account)
              live key  {{live}}   (store a provider key first: {{url}}/providers, or POST {{url}}/api/v1/credentials)
              API token {{token}}

            Try it:
              curl {{url}}/v1/chat/completions -H "Authorization: Bearer {{test}}" -H "Content-Type: application/json" -d '{"model":"sandbox-small","messages":[{"role":"user","content":"Hello"}]}'

            and read the call back:
              curl "{{url}}/api/v1/usage/events?environment=test" -H "Authorization: Bearer {{token}}"

            Ctrl+C stops it.
            """);
    }
}
