using System.Numerics;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.Journal;

/// <summary>How admissions and events stand in a record: the one place that knows the order of their fields.</summary>
internal static class EventFields
{
    private const int Units = (int)UsageUnit.Request + 1;
    private const int MaxTags = 10_000;
    private const int MaxCharges = 10_000;

    public static void Write(ref RecordWriter to, in CallAdmission call)
    {
        to.Text(call.RequestId);
        to.Text(call.TenantId);
        to.Text(call.KeyId);
        to.Text(call.TeamId);
        to.Text(call.ProjectId);
        to.Byte((byte)call.Environment);
        to.Text(call.Provider);
        to.Text(call.Dialect);
        to.Text(call.Operation);
        to.Text(call.RequestModel);
        to.Text(call.PricingHints ?? "");
        to.Text(call.PriceVersion);
        to.Byte((byte)call.Rated);
        to.Byte(call.Streamed ? (byte)1 : (byte)0);
        to.Number(call.At.UtcTicks);
        to.Number(call.RequestBytes);
        Write(ref to, call.Estimate);
        Write(ref to, call.UpperBound?.Value);
        Write(ref to, call.Charges ?? []);
        Write(ref to, call.Tags ?? []);
        to.Number(call.Attempt);
        to.Text(call.Routed);
    }

    public static CallAdmission ReadAdmission(ref RecordReader from)
    {
        // Initialisers run in the order in which they stand: that of the fields.
        return new CallAdmission
        {
            RequestId = from.Name(),
            TenantId = from.Name(),
            KeyId = from.Name(),
            TeamId = from.Text(),
            ProjectId = from.Text(),
            Environment = (KeyEnvironment)from.Byte(),
            Provider = from.Name(),
            Dialect = from.Name(),
            Operation = from.Name(),
            RequestModel = from.Text(),
            PricingHints = from.Name(),
            PriceVersion = from.Name(),
            Rated = (PriceStatus)from.Byte(),
            Streamed = from.Byte() != 0,
            At = Time(ref from),
            RequestBytes = from.Number(),
            Estimate = ReadUsage(ref from),
            UpperBound = ReadOptional(ref from) is { } bound ? new NanoUsd(bound) : null,
            Charges = ReadCharges(ref from),
            Tags = ReadTags(ref from),
            Attempt = from.Rest.IsEmpty ? 1 : ReadAttempt(ref from),
            Routed = from.Rest.IsEmpty ? null : from.Text(),
        };
    }

    private static int ReadAttempt(ref RecordReader from) => from.Number() is > 0 and <= int.MaxValue and var attempt ? (int)attempt : throw new FormatException("a journal record has an impossible attempt");

    public static void Write(ref RecordWriter to, UsageEvent e)
    {
        to.Text(e.RequestId);
        to.Number(e.Attempt);
        to.Text(e.TenantId);
        to.Text(e.KeyId);
        to.Text(e.TeamId);
        to.Text(e.ProjectId);
        to.Byte((byte)e.Environment);
        to.Text(e.Provider);
        to.Text(e.Dialect);
        to.Text(e.Operation);
        to.Text(e.RequestModel);
        to.Text(e.ResponseModel);
        Write(ref to, e.Usage);
        to.Byte((byte)e.UsageSource);
        to.Number(e.OtherModels.Count);
        for (var i = 0; i < e.OtherModels.Count; i++)
        {
            to.Text(e.OtherModels[i].Model);
            Write(ref to, e.OtherModels[i].Usage);
        }

        to.Text(e.PricingHints);
        Write(ref to, e.Cost?.Value);
        to.Byte((byte)e.PriceStatus);
        to.Text(e.PriceVersion);
        Write(ref to, e.ProviderCost?.Value);
        to.Number(e.Status);
        to.Byte((byte)e.Outcome);
        to.Text(e.FinishReason);
        to.Byte(e.Streamed ? (byte)1 : (byte)0);
        to.Number(e.At.UtcTicks);
        to.Number(e.Latency.Ticks);
        Write(ref to, e.FirstByte?.Ticks);
        to.Number(e.RequestBytes);
        to.Number(e.ResponseBytes);
        to.Text(e.ProviderRequestId);
        Write(ref to, e.Tags);
        Write(ref to, e.UpperBound?.Value);
        Write(ref to, e.BudgetCost?.Value);
        Write(ref to, e.Charges);
        to.Text(e.Routed);
        Write(ref to, e.Saved?.Value);
    }

    public static UsageEvent ReadEvent(ref RecordReader from) => new()
    {
        RequestId = from.Name(),
        Attempt = (int)from.Number(),
        TenantId = from.Name(),
        KeyId = from.Name(),
        TeamId = from.Text(),
        ProjectId = from.Text(),
        Environment = (KeyEnvironment)from.Byte(),
        Provider = from.Name(),
        Dialect = from.Name(),
        Operation = from.Name(),
        RequestModel = from.Text(),
        ResponseModel = from.Text(),
        Usage = ReadUsage(ref from),
        UsageSource = (UsageSource)from.Byte(),
        OtherModels = ReadModels(ref from),
        PricingHints = from.Name(),
        Cost = ReadOptional(ref from) is { } cost ? new NanoUsd(cost) : null,
        PriceStatus = (PriceStatus)from.Byte(),
        PriceVersion = from.Name(),
        ProviderCost = ReadOptional(ref from) is { } said ? new NanoUsd(said) : null,
        Status = (int)from.Number(),
        Outcome = (CallOutcome)from.Byte(),
        FinishReason = from.Text(),
        Streamed = from.Byte() != 0,
        At = Time(ref from),
        Latency = new TimeSpan(from.Number()),
        FirstByte = ReadOptional(ref from) is { } ticks ? new TimeSpan(ticks) : null,
        RequestBytes = from.Number(),
        ResponseBytes = from.Number(),
        ProviderRequestId = from.Text(),
        Tags = ReadTags(ref from),
        UpperBound = ReadOptional(ref from) is { } bound ? new NanoUsd(bound) : null,
        BudgetCost = ReadOptional(ref from) is { } counted ? new NanoUsd(counted) : null,
        Charges = ReadCharges(ref from),
        Routed = from.Rest.IsEmpty ? null : from.Text(),
        Saved = !from.Rest.IsEmpty && ReadOptional(ref from) is { } saved ? new NanoUsd(saved) : null,
    };

    // Which units are reported, as bits, then the count of each.
    public static void Write(ref RecordWriter to, in TokenUsage usage)
    {
        to.Number(usage.Reported);
        for (var left = usage.Reported; left != 0; left &= left - 1)
            to.Number(usage.Count((UsageUnit)BitOperations.TrailingZeroCount(left)));
    }

    public static TokenUsage ReadUsage(ref RecordReader from)
    {
        var reported = from.Number();
        if (reported >> Units != 0)
            throw new FormatException("a journal record counts a unit that is not known here");
        var usage = new TokenUsage();
        for (var i = 0; i < Units; i++)
            if ((reported & (1L << i)) != 0)
                usage[(UsageUnit)i] = from.Number();
        return usage;
    }

    private static void Write(ref RecordWriter to, long? value)
    {
        to.Byte(value is null ? (byte)0 : (byte)1);
        if (value is { } number)
            to.Number(number);
    }

    private static long? ReadOptional(ref RecordReader from) => from.Byte() == 0 ? null : from.Number();

    private static void Write(ref RecordWriter to, IReadOnlyList<Tag> tags)
    {
        to.Number(tags.Count);
        for (var i = 0; i < tags.Count; i++)
        {
            to.Text(tags[i].Name);
            to.Text(tags[i].Value);
        }
    }

    private static Tag[] ReadTags(ref RecordReader from)
    {
        var count = from.Count(MaxTags);
        var tags = count == 0 ? [] : new Tag[count];
        for (var i = 0; i < count; i++)
            tags[i] = new Tag(from.Name(), from.Name());
        return tags;
    }

    private static ModelUsage[] ReadModels(ref RecordReader from)
    {
        var count = from.Count(MaxTags);
        var models = count == 0 ? [] : new ModelUsage[count];
        for (var i = 0; i < count; i++)
            models[i] = new ModelUsage(from.Name(), ReadUsage(ref from));
        return models;
    }

    // A call's charges have one tenant and mostly one owner: what is the charge's before stands as no text.
    public static void Write(ref RecordWriter to, IReadOnlyList<BudgetCharge> charges)
    {
        to.Number(charges.Count);
        string? tenant = null, owner = null;
        for (var i = 0; i < charges.Count; i++)
        {
            var charge = charges[i];
            Changed(ref to, charge.Account.TenantId, ref tenant);
            to.Text(charge.Account.BudgetId);
            to.Text(charge.Account.Subject);
            to.Number(charge.Account.PeriodStart);
            Changed(ref to, charge.Owner, ref owner);
            to.Number(charge.Covered.Value);
        }
    }

    private static void Changed(ref RecordWriter to, string text, ref string? before)
    {
        to.Text(text == before ? null : text);
        before = text;
    }

    public static BudgetCharge[] ReadCharges(ref RecordReader from)
    {
        var count = from.Count(MaxCharges);
        var charges = count == 0 ? [] : new BudgetCharge[count];
        string? tenant = null, owner = null;
        for (var i = 0; i < count; i++)
            charges[i] = new BudgetCharge(new AccountKey(tenant = from.Name(tenant), from.Name(), from.Name(), from.Number()), owner = from.Name(owner), new NanoUsd(from.Number()));
        return charges;
    }

    private static DateTimeOffset Time(ref RecordReader from) =>
        from.Number() is var ticks && ticks >= 0 && ticks <= DateTimeOffset.MaxValue.Ticks ? new DateTimeOffset(ticks, TimeSpan.Zero) : throw new FormatException("a journal record has an impossible time");
}
