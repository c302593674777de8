using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Mails;
using Tokonomics.Domain.Pricing;
using Tokonomics.Infrastructure.Jobs;
using Tokonomics.Infrastructure.Mails;
using Tokonomics.Infrastructure.Pricing;

namespace Tokonomics.Tests.Pricing;

/// <summary>Operators are told of price sheets that nobody has looked at for long: once a week for each sheet, however many workers ask.</summary>
public sealed class PriceSheetAgeTests : IAsyncDisposable
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private readonly TempStore _store;

    public PriceSheetAgeTests() => _store = new TempStore(settings: s => s["Portal:Operators"] = "ops@example.com", more: (services, _) => services.AddSingleton<OperatorMails>());

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    private PriceSheetAge Age(params (string Provider, int Days)[] sheets) => new(
        _store.Sql, new PriceBook(sheets.Select(s => new PriceSheet { Provider = s.Provider, Checked = DateOnly.FromDateTime(_store.Clock.GetUtcNow().UtcDateTime).AddDays(-s.Days), Sources = [], Models = [] })),
        _store.Get<OperatorMails>(), _store.Get<IPortalLinks>(), _store.Clock);

    private long Mails(string where = "1 = 1") => _store.Count($"SELECT count(*) FROM operator_mails WHERE {where}");

    [Fact]
    public async Task Each_sheet_once_a_week_in_one_mail_to_each_operator()
    {
        using (var connection = _store.Open())
        using (var command = connection.CreateCommand())
        {
            command.CommandText = """
                INSERT INTO users (id, user_name, normalized_user_name, email, normalized_email, email_confirmed, security_stamp, concurrency_stamp, two_factor_enabled, lockout_enabled, access_failed_count, name, created_at, totp_step, is_operator)
                VALUES ('u1', 'first@example.com', 'FIRST@EXAMPLE.COM', 'first@example.com', 'FIRST@EXAMPLE.COM', 1, '', '', 0, 0, 0, '', 0, 0, 1)
                """;
            command.ExecuteNonQuery();
        }

        var age = Age(("a", 91), ("b", 90), ("c", 200));
        (await age.PlanAsync(Cancel)).ShouldBe([new OldSheet("c", 200, true), new OldSheet("a", 91, true)]);
        (await age.PlanAsync(Cancel)).ShouldBe([new OldSheet("c", 200, false), new OldSheet("a", 91, false)]);
        (Mails(), Mails("address = 'first@example.com'"), Mails("text LIKE '%c: 200 days%' AND text NOT LIKE '%b: 90%'")).ShouldBe((2, 1, 2));
        (await _store.Get<OperatorMails>().SendAsync(Cancel)).ShouldBe(2);
        (await _store.Get<OperatorMails>().SendAsync(Cancel)).ShouldBe(0);
        _store.Get<RecentMails>().All.Select(m => (m.To, m.Subject)).Order().ShouldBe([("first@example.com", "2 price sheets are old"), ("ops@example.com", "2 price sheets are old")]);

        // A third that gets old in the same week is told of by itself; all again in the next week.
        await Age(("a", 91), ("b", 91), ("c", 200)).PlanAsync(Cancel);
        Mails("subject = 'The price sheet of b is old'").ShouldBe(2);
        _store.Clock.Ahead += TimeSpan.FromDays(7);
        await age.PlanAsync(Cancel);
        Mails("subject = '3 price sheets are old'").ShouldBe(2);
    }

    [Fact]
    public async Task Two_workers_that_find_it_at_once_write_one_mail_and_a_young_sheet_is_not_told_of()
    {
        var age = Age(("a", 91));
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => age.PlanAsync(Cancel)));
        Mails().ShouldBe(1);
        (await Age(("b", 90)).PlanAsync(Cancel)).ShouldBeEmpty();
    }
}
