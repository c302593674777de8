using System.Collections;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Caching;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Journal;
using Tokonomics.Infrastructure.Mails;
using Tokonomics.Infrastructure.RateLimits;
using Tokonomics.Infrastructure.Redis;
using Tokonomics.Infrastructure.Secrets;
using Tokonomics.Infrastructure.Telemetry;
using Tokonomics.Web.Portal;
using Tokonomics.Web.Proxy;

namespace Tokonomics.Standalone;

/// <summary>One setting of an options class.</summary>
/// <param name="Name">As a configuration key: <c>Proxy:MaxBodyBytes</c>.</param>
/// <param name="Default">As it is written; empty where there is none.</param>
/// <param name="Range">Where the class says it by itself; empty where its description does.</param>
public sealed record Setting(string Name, PropertyInfo Property, string Default, string Range)
{
    /// <summary>Its value is for nobody's eyes.</summary>
    public bool IsSecret => Settings.IsSecret(Name);

    /// <summary>It is a list: <c>Alerts:SlackHosts:0</c>, <c>:1</c>.</summary>
    public bool IsList => Property.PropertyType != typeof(string) && typeof(IEnumerable).IsAssignableFrom(Property.PropertyType);
}

/// <summary>Every setting of ours that there is: what the page of settings and <c>config check</c> are made of.</summary>
public static class Settings
{
    /// <summary>Sections of the configuration and the options that are read from them.</summary>
    public static readonly IReadOnlyList<(string Name, Type Options)> Sections =
    [
        ("Proxy", typeof(ProxyOptions)), ("Proxy", typeof(TransportOptions)), ("Drain", typeof(DrainOptions)), ("Portal", typeof(PortalOptions)), ("Mail", typeof(MailOptions)), ("Billing", typeof(BillingOptions)),
        ("Store", typeof(StoreOptions)), ("Recorder", typeof(RecorderOptions)), ("Journal", typeof(JournalOptions)), ("Budgets", typeof(BudgetGateOptions)), ("Endpoints", typeof(EndpointOptions)),
        ("Routes", typeof(ModelRouteOptions)), ("Alerts", typeof(AlertOptions)), ("Tenants", typeof(TenantOptions)), ("RateLimits", typeof(RateLimitOptions)), ("Redis", typeof(RedisOptions)),
        ("Cache", typeof(AnswerCacheOptions)), ("Secrets", typeof(SecretOptions)), ("Telemetry", typeof(TelemetryOptions)),
    ];

    /// <summary>Those that no options class has: their names, or where they end in a colon what their names begin with.</summary>
    public static readonly IReadOnlyList<string> Others =
        ["ConnectionStrings:Postgres", "ConnectionStrings:Redis", "AllowedHosts", "Prices:Folder", "OTEL_EXPORTER_OTLP_ENDPOINT", "Kestrel:", "Logging:", "Providers:"];

    /// <summary>What <c>Providers:{name}</c> has.</summary>
    public static readonly IReadOnlyList<string> OfProviders = ["BaseUrl", "StreamUsage", "FirstByteTimeout", "IdleTimeout"];

    /// <summary>In the order of their sections.</summary>
    public static IEnumerable<Setting> All()
    {
        foreach (var (section, type) in Sections)
        {
            var options = Activator.CreateInstance(type)!;
            foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance))
            {
                // The data folder has an environment variable of its own.
                var written = property.CanWrite ? !(type == typeof(StoreOptions) && property.Name == nameof(StoreOptions.DataDirectory)) : property.PropertyType == typeof(IList<string>);
                if (written)
                    yield return new Setting($"{section}:{property.Name}", property, Shown(property.GetValue(options)), RangeOf(property));
            }
        }
    }

    /// <summary>As a setting's value is written.</summary>
    public static string Shown(object? value) => value switch
    {
        null => "",
        bool b => b ? "true" : "false",
        string text => text,
        IEnumerable list => string.Join(", ", list.Cast<object>()),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    /// <summary>By its name, so that a new one is hidden before anybody thinks of it.</summary>
    public static bool IsSecret(string name)
    {
        var last = name[(name.LastIndexOf(':') + 1)..];
        return last is not ("IdempotencyKeyLifetime" or "KeyPath")
            && (last.Contains("Password", StringComparison.OrdinalIgnoreCase) || last.Contains("Secret", StringComparison.OrdinalIgnoreCase) || last.Contains("Token", StringComparison.OrdinalIgnoreCase)
                || last.Contains("Pepper", StringComparison.OrdinalIgnoreCase) || last.Contains("Key", StringComparison.OrdinalIgnoreCase));
    }

    private static string RangeOf(PropertyInfo property) => property.GetCustomAttribute<RangeAttribute>() is { } range ? $"{Shown(range.Minimum)} to {Shown(range.Maximum)}" : "";
}
