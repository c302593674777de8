using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Pricing;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Pricing;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Pricing;

/// <summary>
/// Keeps the text of every price book that ever rated an event, and finds it again by the version stamped on the event. Of an overlay,
/// whose version is <c>BOOK+OVERRIDES</c>, both halves are kept apart: the book is shared by all tenants.
/// </summary>
public sealed class PriceVersions(ISqlStore store, PriceBook current, TimeProvider time) : IPriceVersions, IHostedService
{
    private readonly ConcurrentDictionary<string, PriceBook> _kept = new(StringComparer.Ordinal);

    /// <summary>Writes a book down before it may rate anything. Repeating it changes nothing.</summary>
    public void Keep(PriceBook book)
    {
        if (book.Beneath is { } beneath)
        {
            Keep(beneath);
            Keep(book.Overrides!);
            return;
        }

        if (!_kept.TryAdd(book.Version, book))
            return;
        using var connection = store.Open();
        using var command = connection.Command(
            null, "INSERT INTO price_versions (version, canonical, first_used_at) VALUES (@version, @canonical, @at) ON CONFLICT (version) DO NOTHING",
            ("@version", book.Version), ("@canonical", PriceBookText.Write(book)), ("@at", UsageRow.Micros(time.GetUtcNow())));
        command.ExecuteNonQuery();
    }

    public Func<UsageEvent, RatedCost>? Find(string version) => Book(version) is { } book ? usage => CallRating.Rate(book, usage) : null;

    public PriceBook? Book(string version)
    {
        if (_kept.TryGetValue(version, out var known))
            return known;
        var plus = version.IndexOf('+', StringComparison.Ordinal);
        if (plus < 0)
            return Read(version) is { } text ? _kept.GetOrAdd(version, PriceSheetReader.ReadBook(text)) : null;
        return Book(version[..plus]) is { } beneath && Book(version[(plus + 1)..]) is { } overrides ? _kept.GetOrAdd(version, beneath.Overlay(overrides)) : null;
    }

    private string? Read(string version)
    {
        using var connection = store.Open();
        return connection.Scalar("SELECT canonical FROM price_versions WHERE version = @version", ("@version", version)) as string;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.Run(() => Keep(current), cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
