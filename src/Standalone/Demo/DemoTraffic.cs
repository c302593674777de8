using Tokonomics.Application.Pricing;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Standalone.Demo;

/// <summary>Where a demonstration's traffic belongs: the tenant's own ids.</summary>
internal sealed record DemoPlaces(string TenantId, TimeZoneInfo Zone, IReadOnlyDictionary<string, string> Projects, IReadOnlyDictionary<string, string> TeamsOfProjects, IReadOnlyDictionary<string, string> Keys, string TestKey);

/// <summary>
/// Calls of the past days, in the order of time: the same for the same seed, number and end, but for the ids of tenant and requests. Each is rated from the
/// price book like a real one, so that `tokonomics verify` and `tokonomics rerate` hold for it.
/// </summary>
internal sealed class DemoTraffic(DemoPlaces places, PriceBook book, ulong seed, DateTimeOffset end, int days)
{
    private const double TestShare = 0.02;

    private static readonly TokenUsage SandboxUsage = new() { [UsageUnit.Input] = 24, [UsageUnit.Output] = 40 };

    private readonly SeededNumbers _random = new(seed);

    // Of the ids alone: two tenants of one database must not share them.
    private readonly SeededNumbers _ids = new(seed ^ BitConverter.ToUInt64(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(places.TenantId))));

    public IEnumerable<UsageEvent> Calls(long count)
    {
        var first = new DateTimeOffset(end.UtcTicks - (end.UtcTicks % TimeSpan.TicksPerHour), TimeSpan.Zero).AddDays(-days);
        var hours = (int)Math.Ceiling((end - first).TotalHours);
        var flows = DemoFlow.All;
        var sum = 0.0;
        for (var h = 0; h < hours; h++)
            foreach (var flow in flows)
                sum += Rate(flow, first.AddHours(h), h / (24.0 * days));
        // What is owed of each flow is carried from hour to hour, so that the whole comes out to the call.
        var (owed, made) = (new double[flows.Count], 0L);
        var hour = new List<(long Ticks, int Flow)>();
        for (var h = 0; h < hours; h++)
        {
            var at = first.AddHours(h);
            hour.Clear();
            var span = Math.Min(TimeSpan.TicksPerHour, (end - at).Ticks);
            for (var f = 0; f < flows.Count; f++)
            {
                owed[f] += Rate(flows[f], at, h / (24.0 * days)) / sum * count;
                for (; owed[f] >= 1; owed[f]--)
                    hour.Add(((long)(_random.Share() * span), f));
            }

            hour.Sort();
            foreach (var (ticks, flow) in hour)
            {
                var when = at.AddTicks(ticks - (ticks % TimeSpan.TicksPerMicrosecond));
                foreach (var usage in Call(flows[flow], when))
                {
                    if (made == count)
                        yield break;
                    made++;
                    yield return usage;
                }
            }
        }

        // Rounding left a few: they were made in the last minute.
        while (made < count)
        {
            made++;
            yield return Attempt(flows[0], NewId(end.AddMinutes(-1)), 1, end.AddMinutes(-1));
        }
    }

    private double Rate(DemoFlow flow, DateTimeOffset at, double passed)
    {
        if (passed < flow.Since)
            return 0;
        var local = TimeZoneInfo.ConvertTime(at, places.Zone).DateTime;
        // Every day is a little different, and the same for the same seed.
        var day = new SeededNumbers(seed ^ ((ulong)local.Date.Ticks * 31) ^ (ulong)flow.Feature.Length).Share();
        return flow.Weight * flow.At(local) * Math.Pow(flow.Growth, (passed - 0.5) * days / 30) * (0.88 + (0.24 * day)) * (at + TimeSpan.FromHours(1) > end ? (end - at).TotalHours : 1);
    }

    private IEnumerable<UsageEvent> Call(DemoFlow flow, DateTimeOffset at)
    {
        var id = NewId(at);
        var usage = Attempt(flow, id, 1, at);
        yield return usage;
        // The connection pool sent it once more: the first sending never had an answer.
        if (usage.Outcome == CallOutcome.Unreachable && _random.Chance(0.7))
            yield return Attempt(flow, id, 2, at, succeeds: true);
    }

    private UsageEvent Attempt(DemoFlow flow, string id, int attempt, DateTimeOffset at, bool succeeds = false)
    {
        var test = _random.Chance(TestShare);
        var (status, outcome) = succeeds ? (200, CallOutcome.Completed) : Ending();
        var answered = status == 200;
        var usage = !answered ? default : test ? SandboxUsage : Usage(flow, outcome);
        var latency = outcome == CallOutcome.TimedOut ? 120_000 : _random.Around(answered ? flow.Latency : 180, 0.45);
        var model = test ? "sandbox-small" : flow.Model;
        var row = new UsageEvent
        {
            RequestId = id,
            Attempt = attempt,
            TenantId = places.TenantId,
            KeyId = test ? places.TestKey : places.Keys[flow.Key],
            TeamId = test ? null : places.TeamsOfProjects[flow.Project],
            ProjectId = test ? null : places.Projects[flow.Project],
            Environment = test ? KeyEnvironment.Test : KeyEnvironment.Live,
            Provider = test ? "sandbox" : flow.Provider,
            Dialect = test ? "openai-chat" : flow.Dialect,
            Operation = test ? "POST /chat/completions" : flow.Operation,
            RequestModel = model,
            ResponseModel = answered ? model : null,
            Usage = usage,
            UsageSource = usage.IsEmpty ? UsageSource.None : outcome == CallOutcome.ClientGone ? UsageSource.Estimated : UsageSource.Reported,
            PriceVersion = book.Version,
            Status = status,
            Outcome = outcome,
            FinishReason = !answered || outcome != CallOutcome.Completed || flow.Output == 0 ? null : _random.Chance(0.97) ? "stop" : "length",
            Streamed = flow.Streamed,
            At = at,
            Latency = TimeSpan.FromMilliseconds(latency),
            FirstByte = status == 0 ? null : TimeSpan.FromMilliseconds(flow.Streamed ? Math.Max(60, latency / 8) : latency),
            RequestBytes = (usage.InputTokens * 4) + 310,
            ResponseBytes = answered ? (usage.OutputTokens * (flow.Streamed ? 130 : 5)) + 540 : 190,
            ProviderRequestId = status == 0 ? null : $"up_{_ids.Next():x16}",
            Tags = test ? [new Tag("feature", flow.Feature)]
                : flow.ForCustomers ? [new Tag("customer", _random.PickSkewed(DemoFlow.Customers)), new Tag("feature", flow.Feature)] : [new Tag("feature", flow.Feature)],
        };
        if (usage.IsEmpty)
            return row with { Cost = NanoUsd.Zero, PriceStatus = PriceStatus.Free };
        var rated = CallRating.Rate(book, row);
        return row with { Cost = rated.Cost, PriceStatus = rated.Status };
    }

    private (int Status, CallOutcome Outcome) Ending()
    {
        var share = _random.Share();
        return share switch
        {
            < 0.006 => (429, CallOutcome.Completed),
            < 0.009 => (500, CallOutcome.Completed),
            < 0.011 => (529, CallOutcome.Completed),
            < 0.0125 => (0, CallOutcome.Unreachable),
            < 0.013 => (0, CallOutcome.TimedOut),
            < 0.019 => (200, CallOutcome.ClientGone),
            < 0.0193 => (200, CallOutcome.Truncated),
            _ => (200, CallOutcome.Completed),
        };
    }

    private TokenUsage Usage(DemoFlow flow, CallOutcome outcome)
    {
        var input = _random.Around(flow.Input, 0.55);
        var cached = flow.Cached > 0 && _random.Chance(0.75) ? (long)(input * flow.Cached) / 128 * 128 : 0;
        var usage = new TokenUsage { [UsageUnit.Input] = input - cached };
        if (flow.Cached > 0)
            usage[UsageUnit.CacheRead] = cached;
        if (flow.Provider == "anthropic" && flow.Cached > 0 && cached == 0)
        {
            var written = (long)(input * flow.Cached);
            (usage[UsageUnit.Input], usage[UsageUnit.CacheWrite]) = (input - written, written);
        }

        if (flow.Output > 0)
            usage[UsageUnit.Output] = _random.Around(flow.Output, 0.6) / (outcome == CallOutcome.Completed ? 1 : 3);
        if (flow.Reasoning > 0)
            usage[UsageUnit.Reasoning] = _random.Around(flow.Reasoning, 0.8);
        return usage;
    }

    private string NewId(DateTimeOffset at) => SortableId.Of("req", at, new UInt128(_ids.Next(), _ids.Next()));
}
