using Tokonomics.Application.Idempotency;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Tests.Idempotency;

/// <summary>Who has a key, by its row and by what the ledger knows of the call.</summary>
public abstract class IdempotencyKeysTests<TKind> : IAsyncLifetime
    where TKind : IStoreKind, new()
{
    private static readonly DateTimeOffset At = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private static readonly TKind Kind = new();

    private TempStore _store = null!;
    private string _tenant = "";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private IIdempotencyKeys Keys => _store.Get<IIdempotencyKeys>();

    public async ValueTask InitializeAsync()
    {
        _store = await Kind.NewAsync();
        _tenant = (await _store.ProvisionAsync()).TenantId;
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private KeyClaim Claim(string request, byte key = 1, byte body = 1, string keyId = "key_a", string node = "node", string run = "run1", double hours = 0) => new(
        _tenant, keyId, [.. Enumerable.Repeat(key, 32)], [.. Enumerable.Repeat(body, 32)], request, node, run, At.AddHours(hours), At.AddHours(hours + 24));

    private Task<int> LedgerAsync(string request, int status, CallOutcome outcome, long? cost, int attempt = 1) => _store.Get<IUsageLedger>().AppendAsync([new UsageEvent
    {
        RequestId = request,
        Attempt = attempt,
        TenantId = _tenant,
        KeyId = "key_a",
        Provider = "openai",
        Dialect = "openai-chat",
        Operation = "POST chat/completions",
        PriceVersion = "v",
        At = At,
        Status = status,
        Outcome = outcome,
        Cost = cost is { } nano ? new NanoUsd(nano) : null,
        PriceStatus = cost is null ? PriceStatus.Unpriced : PriceStatus.Priced,
    }], Cancel);

    private async Task<KeyVerdict> VerdictAsync(KeyClaim claim) => (await Keys.ClaimAsync(claim, Cancel)).Verdict;

    [Fact]
    public async Task Of_many_that_claim_at_once_one_has_it()
    {
        for (var round = 0; round < 20; round++)
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Task.Run(() => Keys.ClaimAsync(Claim($"req_{round}_{i}", key: (byte)round), Cancel))));
            answers.Count(a => a.Verdict == KeyVerdict.Claimed).ShouldBe(1);
            answers.Where(a => a.Verdict != KeyVerdict.Claimed).Select(a => a.Earlier!.RequestId).Distinct().ShouldHaveSingleItem();
        }
    }

    [Fact]
    public async Task Two_processes_on_one_store_share_the_keys()
    {
        await using var other = await Kind.NewAsync(_store);
        for (byte round = 0; round < 20; round++)
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() => (i % 2 == 0 ? Keys : other.Get<IIdempotencyKeys>()).ClaimAsync(Claim($"req_{i}", key: round), Cancel))));
            answers.Count(a => a.Verdict == KeyVerdict.Claimed).ShouldBe(1);
        }
    }

    [Fact]
    public async Task A_key_is_its_metering_keys_and_its_tenants_own()
    {
        (await VerdictAsync(Claim("req_1"))).ShouldBe(KeyVerdict.Claimed);
        (await VerdictAsync(Claim("req_2", keyId: "key_b"))).ShouldBe(KeyVerdict.Claimed);
        var other = (await _store.ProvisionAsync("Other")).TenantId;
        (await VerdictAsync(Claim("req_3") with { TenantId = other })).ShouldBe(KeyVerdict.Claimed);
        (await VerdictAsync(Claim("req_4"))).ShouldBe(KeyVerdict.Running);
        (await VerdictAsync(Claim("req_5", body: 2))).ShouldBe(KeyVerdict.Mismatch);
    }

    [Fact]
    public async Task What_became_of_a_call_is_what_the_ledger_says()
    {
        await Keys.ClaimAsync(Claim("req_1"), Cancel);
        await LedgerAsync("req_1", 500, CallOutcome.Completed, 0);
        (await VerdictAsync(Claim("req_2"))).ShouldBe(KeyVerdict.Running); // a further attempt may run
        await LedgerAsync("req_1", 200, CallOutcome.Completed, 1200, attempt: 2);
        var (verdict, earlier) = await Keys.ClaimAsync(Claim("req_3"), Cancel);
        verdict.ShouldBe(KeyVerdict.Done);
        earlier.ShouldBe(new EarlierCall("req_1", At, 200, CallOutcome.Completed, new NanoUsd(1200)));
    }

    [Fact]
    public async Task An_unknown_cost_is_not_nothing()
    {
        await Keys.ClaimAsync(Claim("req_1"), Cancel);
        await LedgerAsync("req_1", 200, CallOutcome.Completed, null);
        var (verdict, earlier) = await Keys.ClaimAsync(Claim("req_2"), Cancel);
        (verdict, earlier!.Cost).ShouldBe((KeyVerdict.Done, null));
    }

    [Fact]
    public async Task A_released_key_is_free_and_only_its_owner_releases_it()
    {
        await Keys.ClaimAsync(Claim("req_1"), Cancel);
        await Keys.ReleaseAsync(Claim("req_2"), Cancel);
        (await VerdictAsync(Claim("req_2"))).ShouldBe(KeyVerdict.Running);
        await Keys.ReleaseAsync(Claim("req_1"), Cancel);
        (await VerdictAsync(Claim("req_3", body: 2))).ShouldBe(KeyVerdict.Claimed);
    }

    [Fact]
    public async Task A_claim_whose_answer_was_lost_may_be_made_again()
    {
        (await VerdictAsync(Claim("req_1"))).ShouldBe(KeyVerdict.Claimed);
        (await VerdictAsync(Claim("req_1"))).ShouldBe(KeyVerdict.Claimed);
        (await VerdictAsync(Claim("req_2"))).ShouldBe(KeyVerdict.Running);
    }

    [Fact]
    public async Task After_its_time_a_key_is_free_whatever_became_of_its_call()
    {
        await Keys.ClaimAsync(Claim("req_1"), Cancel);
        await LedgerAsync("req_1", 200, CallOutcome.Completed, 1200);
        (await VerdictAsync(Claim("req_2", hours: 23.9))).ShouldBe(KeyVerdict.Done);
        (await VerdictAsync(Claim("req_3", body: 2, hours: 24))).ShouldBe(KeyVerdict.Claimed);
        (await Keys.ForgetExpiredAsync(At.AddHours(47.9), Cancel)).ShouldBe(0);
        (await Keys.ForgetExpiredAsync(At.AddHours(48), Cancel)).ShouldBe(1);
    }

    [Fact]
    public async Task The_next_run_of_a_node_releases_what_was_not_charged()
    {
        await Keys.ClaimAsync(Claim("req_unsent", key: 1), Cancel);
        await Keys.ClaimAsync(Claim("req_failed", key: 2), Cancel);
        await Keys.ClaimAsync(Claim("req_abandoned", key: 3), Cancel);
        await Keys.ClaimAsync(Claim("req_done", key: 4), Cancel);
        await Keys.ClaimAsync(Claim("req_elsewhere", key: 5, node: "other"), Cancel);
        await Keys.ClaimAsync(Claim("req_running", key: 6, run: "run2"), Cancel);
        await LedgerAsync("req_failed", 503, CallOutcome.Completed, 0);
        await LedgerAsync("req_abandoned", 0, CallOutcome.Abandoned, 0);
        await LedgerAsync("req_done", 200, CallOutcome.Completed, 1200);

        (await Keys.ReleaseUnchargedAsync("node", "run2", lostRecords: true, Cancel)).ShouldBe(1); // of the unsent one nobody can be sure
        (await VerdictAsync(Claim("again", key: 2))).ShouldBe(KeyVerdict.Claimed);
        (await VerdictAsync(Claim("again", key: 1))).ShouldBe(KeyVerdict.Running);
        await Keys.ReleaseAsync(Claim("again", key: 2), Cancel);
        (await Keys.ReleaseUnchargedAsync("node", "run2", lostRecords: false, Cancel)).ShouldBe(1);
        (await VerdictAsync(Claim("again", key: 1))).ShouldBe(KeyVerdict.Claimed);
        (await VerdictAsync(Claim("again", key: 3))).ShouldBe(KeyVerdict.Done);
        (await VerdictAsync(Claim("again", key: 4))).ShouldBe(KeyVerdict.Done);
        (await VerdictAsync(Claim("again", key: 5))).ShouldBe(KeyVerdict.Running);
        (await VerdictAsync(Claim("again", key: 6))).ShouldBe(KeyVerdict.Running);
    }
}

public sealed class SqliteIdempotencyKeysTests : IdempotencyKeysTests<OnSqlite>;

public sealed class PostgresIdempotencyKeysTests : IdempotencyKeysTests<OnPostgres>;
