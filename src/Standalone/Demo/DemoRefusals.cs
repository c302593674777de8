using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Standalone.Demo;

/// <summary>Refused calls of a demonstration: a few a day, and an evening on which a batch met its cap.</summary>
internal static class DemoRefusals
{
    private static readonly string[] Codes = ["rate_limited", "unknown_model", "bad_request_body", "unmetered_route"];

    public static async Task WriteAsync(IRefusals refusals, DemoPlaces places, ulong seed, DateTimeOffset end, int days, long events, CancellationToken cancellationToken)
    {
        var random = new SeededNumbers(seed * 977);
        var hour = new DateTimeOffset(end.UtcTicks - (end.UtcTicks % TimeSpan.TicksPerHour), TimeSpan.Zero);
        var keys = places.Keys.Values.Order(StringComparer.Ordinal).ToList();
        var counts = new Dictionary<(DateTimeOffset, string, string), long>();
        for (var day = 0; day < days; day++)
        {
            for (var i = 0; i < 3; i++)
                Add(hour.AddDays(-day).AddHours(-(int)(random.Share() * 12)), random.PickSkewed(Codes), random.Pick(keys), random.Around(Math.Max(1, events / (days * 900.0)), 0.7));
            if (day % 11 == 2)
                Add(hour.AddDays(-day), "budget_exhausted", places.Keys["evals-batch"], random.Around(Math.Max(4, events / (days * 60.0)), 0.3));
        }

        await refusals.WriteAsync($"demo-{seed}", [.. counts.Select(c => new RefusalCount(places.TenantId, KeyEnvironment.Live, c.Key.Item1, c.Key.Item2, c.Key.Item3, c.Value))], cancellationToken);

        void Add(DateTimeOffset at, string code, string key, long calls) => counts[(at, code, key)] = counts.GetValueOrDefault((at, code, key)) + calls;
    }
}
