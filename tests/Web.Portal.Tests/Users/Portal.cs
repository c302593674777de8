using System.Net;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Identity;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Mails;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Infrastructure.Mails;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Users;

/// <summary>A product whose clock can be put forward, whose password hashes are quick and counted, and whose limits by address are out of the way.</summary>
public sealed partial class Portal : IAsyncLifetime
{
    public TestProduct Product { get; private set; } = null!;

    /// <summary>Whom the settings name as operators.</summary>
    public string Operators { get; init; } = "";

    public Clock Time { get; } = new();

    /// <summary>How often a password was hashed or compared.</summary>
    public int Hashes => _hasher.Count;

    private readonly CountingHasher _hasher = new();

    public async ValueTask InitializeAsync() => Product = await TestProduct.StartAsync(
        [new("Portal:TriesPerAddress", "10000"), new("Portal:Operators", Operators)],
        services: s =>
        {
            s.AddSingleton<TimeProvider>(Time);
            s.AddSingleton<IPasswordHasher<User>>(_hasher);
        });

    public ValueTask DisposeAsync() => Product.DisposeAsync();

    public Task<PortalVisitor> SignedInAsync(string? email = null) => PortalVisitor.SignedInAsync(Product, Product.TenantId, email: email);

    public IReadOnlyList<Mail> MailsTo(string email) => [.. Product.Services.GetRequiredService<RecentMails>().All.Where(m => m.To == email)];

    /// <summary>The link in the newest mail to that address, as a path.</summary>
    public string LinkTo(string email) => new Uri(MailsTo(email)[0].Text.Split('\n').First(l => l.StartsWith("http", StringComparison.Ordinal))).PathAndQuery;

    /// <summary>The link's parameters as the form has them, and what else is filled in.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Fields(string link, params KeyValuePair<string, string>[] more) =>
        link[(link.IndexOf('?', StringComparison.Ordinal) + 1)..].Split('&').Select(p => p.Split('=', 2)).Select(p => KeyValuePair.Create(p[0], Uri.UnescapeDataString(p[1]))).Concat(more);

    /// <summary>Turns one-time codes on.</summary>
    /// <returns>The seed, and the recovery codes.</returns>
    public static async Task<(string Seed, string[] Codes)> TurnOnCodesAsync(PortalVisitor visitor, Func<string, string> code)
    {
        var page = await visitor.ReadAsync("/account/totp");
        var seed = SeedOn(page);
        using var answer = await visitor.PostAsync("/account/totp", [new("Setup", Hidden(page, "Setup")), new("Code", code(seed))]);
        var text = await answer.Content.ReadAsStringAsync();
        return (seed, WebUtility.HtmlDecode(Codes().Match(text).Groups[1].Value).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
    }

    public static string SeedOn(string page) => Seed().Match(page).Groups[1].Value.Replace(" ", "", StringComparison.Ordinal);

    public static string Hidden(string page, string name) => WebUtility.HtmlDecode(Regex.Match(page, $"name=\"{name}\" value=\"([^\"]*)\"").Groups[1].Value);

    /// <summary>Whether a session still opens pages.</summary>
    public static async Task<bool> IsInAsync(PortalVisitor visitor)
    {
        using var answer = await visitor.GetAsync("/account");
        return answer.StatusCode == HttpStatusCode.OK;
    }

    /// <summary>Lines of the audit log: tenant, actor, action, result, detail, remote address.</summary>
    public List<(string Tenant, string Actor, string Action, string Result, string Detail, string Remote)> AuditLines(string subject) => Rows(
        "SELECT tenant_id, actor, action, result, detail, remote FROM audit_log WHERE subject = @p ORDER BY tenant_id, seq", subject,
        r => (r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetString(4), r.IsDBNull(5) ? "" : r.GetString(5)));

    public List<T> Rows<T>(string sql, string parameter, Func<SqliteDataReader, T> read)
    {
        using var connection = new SqliteConnection($"Data Source={Product.DataFolder}/tokonomics.db");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.Parameters.AddWithValue("@p", parameter);
        using var row = command.ExecuteReader();
        var rows = new List<T>();
        while (row.Read())
            rows.Add(read(row));
        return rows;
    }

    [GeneratedRegex("""id="seed">([^<]+)<""")]
    private static partial Regex Seed();

    [GeneratedRegex("""id="codes"[^>]*>([^<]+)<""")]
    private static partial Regex Codes();

    public sealed class Clock : TimeProvider
    {
        public TimeSpan Ahead { get; set; }

        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Ahead;
    }

    private sealed class CountingHasher : IPasswordHasher<User>
    {
        private readonly PasswordHasher<User> _quick = TestProduct.QuickHasher();
        private int _count;

        public int Count => _count;

        public string HashPassword(User user, string password)
        {
            Interlocked.Increment(ref _count);
            return _quick.HashPassword(user, password);
        }

        public PasswordVerificationResult VerifyHashedPassword(User user, string hashedPassword, string providedPassword)
        {
            Interlocked.Increment(ref _count);
            return _quick.VerifyHashedPassword(user, hashedPassword, providedPassword);
        }
    }
}
