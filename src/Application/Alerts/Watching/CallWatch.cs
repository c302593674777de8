using System.Collections.Concurrent;
using Tokonomics.Domain.Alerts;

namespace Tokonomics.Application.Alerts.Watching;

/// <summary>Looks at calls themselves: providers that fail, models without a price, keys that awake.</summary>
internal sealed class CallWatch(IWatchQueries queries, IAlertBook book)
{
    private const string Failing = "failing:";
    private const int FailingMinutes = 5;

    // A key that a person tries isn't busy.
    private const int BusyCalls = 20;

    private const int MostKept = 200_000;

    // A stranger's request may name any model: beyond these, the names of a day are told together.
    private const int UnpricedADay = 5;

    // Keys that were in use or told: of those nothing is asked for a day.
    private readonly ConcurrentDictionary<(string Tenant, string Key), DateTimeOffset> _used = new();

    // Models without a price that were told: a look at them costs nothing.
    private readonly ConcurrentDictionary<(string Tenant, string Cause), DateTimeOffset> _unpriced = new();
    private readonly ConcurrentDictionary<string, (DateOnly Day, int Told)> _unpricedToday = new(StringComparer.Ordinal);

    public async Task<int> LookAsync(WatchedMinute minute, IReadOnlyList<OpenAlert> failing, CancellationToken cancellationToken) =>
        await ProvidersAsync(minute, failing, cancellationToken) + await UnpricedAsync(minute, cancellationToken) + await KeysAsync(minute, cancellationToken);

    private async Task<int> ProvidersAsync(WatchedMinute minute, IReadOnlyList<OpenAlert> open, CancellationToken cancellationToken)
    {
        var told = 0;
        var byProvider = minute.Cells.Where(c => c.Minute < 2 * FailingMinutes).ToLookup(c => c.Provider, StringComparer.Ordinal);
        foreach (var alert in open)
        {
            var provider = alert.Condition[Failing.Length..];
            var (calls, bad) = (byProvider[provider].Sum(c => c.Calls), byProvider[provider].Sum(Bad));
            // Below half of what was told, over twice the time: what hovers at the limit is one failure, not ten.
            if (calls > 0 && bad * 200 >= Terms(minute, provider).FailingPercent * calls)
                continue;
            await book.ResolveAsync(
                new AlertEnd(alert.TenantId, alert.Condition, calls == 0 ? $"Nobody has called {provider} for ten minutes." : $"In the last ten minutes {bad} of {calls} calls to {provider} failed.", [], minute.Now), cancellationToken);
        }

        foreach (var provider in byProvider)
        {
            var cells = provider.Where(c => c.Minute < FailingMinutes).ToList();
            var (terms, calls, bad) = (Terms(minute, provider.Key), cells.Sum(c => c.Calls), cells.Sum(Bad));
            if (!terms.On || calls < terms.LeastCalls || bad * 100 < terms.FailingPercent * calls || open.Any(a => a.Condition == Failing + provider.Key))
                continue;
            (string Word, long Calls)[] kinds = [("answered 429", cells.Sum(c => c.RateLimited)), ("answered 5xx", cells.Sum(c => c.Failed)), ("not answered or broken off", cells.Sum(c => c.Unanswered))];
            var models = cells.Where(c => Bad(c) > 0 && c.Model.Length > 0).GroupBy(c => c.Model).OrderByDescending(g => g.Sum(Bad)).Select(g => g.Key).ToList();
            var how = string.Join(", ", kinds.Where(k => k.Calls > 0).Select(k => $"{k.Calls} {k.Word}"));
            if (await book.TellAsync(
                new AlertDraft(
                    minute.TenantId, $"{Failing}{provider.Key}:{minute.Now.ToUnixTimeSeconds()}", AlertKind.ProviderFailing, 2 * bad > calls ? AlertSeverity.Critical : AlertSeverity.Warning, new AlertSubject("provider", "", provider.Key),
                    $"{provider.Key} fails: {100 * bad / calls} % of calls in five minutes",
                    $"{bad} of {calls} calls to {provider.Key} failed in the last five minutes: {how}. {(kinds[0].Calls * 2 > bad ? "Most are its limits: fewer calls at once, or a higher limit there, help." : "Its status page may know more; calls that can't wait may go to another provider.")}",
                    $"/calls?range=today&provider={Uri.EscapeDataString(provider.Key)}&status=error", [new("Failed", $"{bad} of {calls}"), new("How", how), .. models.Count > 0 ? [new AlertFact("Models", string.Join(", ", models.Take(3)))] : Array.Empty<AlertFact>()], minute.Now,
                    Failing + provider.Key),
                cancellationToken))
                told++;
        }

        return told;
    }

    private static AlertTerms Terms(WatchedMinute minute, string provider) => minute.Terms(AlertKind.ProviderFailing, new AlertSubject("provider", "", provider));

    private static long Bad(SpendCell cell) => cell.RateLimited + cell.Failed + cell.Unanswered;

    private async Task<int> UnpricedAsync(WatchedMinute minute, CancellationToken cancellationToken)
    {
        var told = 0;
        foreach (var model in minute.Cells.Where(c => c.Unpriced > 0).GroupBy(c => (c.Provider, c.Model)))
        {
            var (provider, name) = model.Key;
            if (!minute.Terms(AlertKind.ModelUnpriced, new AlertSubject("provider", "", provider)).On)
                continue;
            var shown = name.Length > 0 ? name : "a model that isn't named";
            var (day, cause) = (DateOnly.FromDateTime(minute.Now.UtcDateTime), $"unpriced:{provider}:{name}");
            var today = _unpricedToday.TryGetValue(minute.TenantId, out var count) && count.Day == day ? count.Told : 0;
            if (_unpriced.ContainsKey((minute.TenantId, cause)))
                continue;
            if (today >= UnpricedADay)
            {
                cause = $"unpriced:more:{day:yyyy-MM-dd}";
                if (_unpriced.ContainsKey((minute.TenantId, cause)))
                    continue;
                shown += " and further models";
            }

            if (await book.TellAsync(
                new AlertDraft(
                    minute.TenantId, cause, AlertKind.ModelUnpriced, AlertSeverity.Warning, new AlertSubject("model", provider, name), $"No price is known for {shown} at {provider}",
                    $"Calls to {shown} are forwarded, and what they cost is not known: they stand in the ledger without a cost, and in no sum. Set a price of your own for it, or let calls without a price be refused (Settings). Caps refuse what they can't bound in any case.",
                    "/settings/prices", [new("Model", shown), new("Provider", provider), new("Calls", $"{model.Sum(c => c.Unpriced)} in the last {minute.Minutes} minutes")], minute.Now),
                cancellationToken))
            {
                told++;
                if (_unpricedToday.Count > MostKept)
                    _unpricedToday.Clear();
                _unpricedToday[minute.TenantId] = (day, today + 1);
            }

            Remember(_unpriced, (minute.TenantId, cause), minute.Now);
        }

        return told;
    }

    private static void Remember<TKey>(ConcurrentDictionary<TKey, DateTimeOffset> known, TKey key, DateTimeOffset now)
        where TKey : notnull
    {
        if (known.Count > MostKept)
            known.Clear();
        known[key] = now;
    }

    private async Task<int> KeysAsync(WatchedMinute minute, CancellationToken cancellationToken)
    {
        var told = 0;
        foreach (var key in minute.Cells.Where(c => c.Minute < 10 && c.Key.Length > 0).GroupBy(c => c.Key))
        {
            var calls = key.Sum(c => c.Calls);
            if (calls < BusyCalls || (_used.TryGetValue((minute.TenantId, key.Key), out var used) && minute.Now - used < TimeSpan.FromDays(1)))
                continue;
            var before = minute.Hour.AddHours(-1);
            var known = await queries.KeyAsync(minute.TenantId, key.Key, before, cancellationToken);
            var terms = minute.Terms(AlertKind.KeyAwake, AlertSubject.Key(key.Key));
            if (known is not { } k || !terms.On || minute.Now - (k.LastUse ?? k.Made) < TimeSpan.FromDays(terms.UnusedDays))
            {
                Remember(_used, (minute.TenantId, key.Key), minute.Now);
                continue;
            }

            var since = k.LastUse is { } last ? $"It was last used on {AlertWords.At(last, minute.Names.Zone)}" : $"It was made on {AlertWords.At(k.Made, minute.Names.Zone)} and never used";
            var models = key.Where(c => c.Model.Length > 0).GroupBy(c => c.Model).OrderByDescending(g => g.Sum(c => c.Calls)).Select(g => g.Key);
            if (await book.TellAsync(
                new AlertDraft(
                    minute.TenantId, $"awake:{key.Key}:{(k.LastUse ?? k.Made).ToUnixTimeSeconds()}", AlertKind.KeyAwake, AlertSeverity.Warning, AlertSubject.Key(key.Key), $"Key {minute.Names.Of(key.Key)} was unused for {(int)(minute.Now - (k.LastUse ?? k.Made)).TotalDays} days and is busy",
                    $"{calls} calls in the last ten minutes. {since}. If nobody of you uses it, somebody has found it: revoke it, or rotate it where it is still needed.",
                    "/keys/" + key.Key, [new("Calls", $"{calls} in ten minutes"), new("Spent", AlertWords.Usd(key.Sum(c => c.Spent))), new("Models", string.Join(", ", models.Take(3)))], minute.Now),
                cancellationToken))
                told++;
            Remember(_used, (minute.TenantId, key.Key), minute.Now);
        }

        return told;
    }
}
