using System.CommandLine;
using System.Text.Json;
using MediatR;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Standalone.Commands;

/// <summary><c>provision</c>: a tenant ready for use, with its keys printed once. Works while the product serves, which knows them within a second.</summary>
internal static class Provision
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    public static Command Command()
    {
        var tenant = new Option<string>("--tenant") { Description = "The tenant's name", Required = true };
        var email = new Option<string>("--email") { Description = "The owner's e-mail address", Required = true };
        var plan = new Option<string>("--plan") { Description = "free or pro", DefaultValueFactory = _ => "free" };
        plan.AcceptOnlyFromAmong("free", "pro");
        var zone = new Option<string>("--time-zone") { Description = "Where its days and months begin: an IANA name, such as Europe/Berlin", DefaultValueFactory = _ => "UTC" };
        var providers = new Option<string[]>("--provider") { Description = "A provider's key as name=key (openai=sk-…); repeatable. name=- reads the key from standard input", AllowMultipleArgumentsPerToken = true };
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var command = new Command("provision", "Makes a tenant with its owner, a live and a test key, an API token and provider keys, and prints them once.") { tenant, email, plan, zone, providers, json };
        command.SetAction(async (parse, cancellationToken) => await RunAsync(
            parse.GetValue(tenant)!, parse.GetValue(email)!, parse.GetValue(plan) == "pro" ? TenantPlan.Pro : TenantPlan.Free, parse.GetValue(zone)!, parse.GetValue(providers) ?? [], parse.GetValue(json), cancellationToken));
        return command;
    }

    private static Task<int> RunAsync(string tenant, string email, TenantPlan plan, string zone, string[] providers, bool json, CancellationToken cancellationToken) =>
        StoreCommand.RunAsync(async services =>
        {
            var keys = new List<KeyValuePair<string, string>>();
            foreach (var text in providers)
            {
                var at = text.IndexOf('=', StringComparison.Ordinal);
                if (at < 1 || at == text.Length - 1)
                    return await StoreCommand.FailAsync($"--provider takes name=key, such as openai=sk-…; what was given has {(at < 0 ? "no '='" : "an empty part")}");
                var key = text[(at + 1)..];
                keys.Add(new(text[..at], key == "-" ? (await Console.In.ReadLineAsync(cancellationToken) ?? "").Trim() : key));
            }

            var made = await services.GetRequiredService<IMediator>().Send(new ProvisionTenant(Caller.Operator, tenant, email, keys, zone, plan), cancellationToken);
            if (!made.Succeeded)
                return await StoreCommand.FailAsync(string.Join(" ", made.Refusal!.Fields.Select(f => f.Message).DefaultIfEmpty(made.Refusal.Message)));
            var m = made.Value;
            var text2 = json
                ? JsonSerializer.Serialize(
                    new
                    {
                        m.TenantId,
                        m.OwnerId,
                        MeteringKey = m.LiveKey.Secret,
                        MeteringKeyId = m.LiveKey.Id,
                        TestKey = m.TestKey.Secret,
                        TestKeyId = m.TestKey.Id,
                        ApiToken = m.ApiToken.Secret,
                        Plan = plan.ToString().ToLowerInvariant(),
                        Providers = keys.Select(k => k.Key),
                    },
                    Json)
                : $"tenant        {m.TenantId}\nmetering key  {m.LiveKey.Secret}\ntest key      {m.TestKey.Secret}\nAPI token     {m.ApiToken.Secret}\nThey are shown this once.";
            await Console.Out.WriteLineAsync(text2);
            return 0;
        });
}
