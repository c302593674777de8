namespace Tokonomics.Domain.Pricing;

/// <summary>One model in a provider's sheet: its names, what it is, and its rates over time.</summary>
public sealed record ModelPrices
{
    /// <summary>An exact name, or a pattern (see <see cref="NamePattern"/>): then the model is found but not listed.</summary>
    public required string Name { get; init; }

    /// <summary>Further exact names and patterns.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    /// <summary>chat, embedding, image, transcription, speech, rerank, moderation, ocr, realtime or video.</summary>
    public string Kind { get; init; } = "chat";

    /// <summary>The longest input in tokens; null where not known.</summary>
    public long? MaxInput { get; init; }

    /// <summary>The longest output in tokens; null where not known.</summary>
    public long? MaxOutput { get; init; }

    /// <summary>In the order of the sheet. The last one that holds at the time of the call is the one.</summary>
    public required IReadOnlyList<RatePeriod> Periods { get; init; }

    /// <summary>The rates at an instant; null before the first period begins: nobody knows what it cost then.</summary>
    public RateCard? At(DateTimeOffset at)
    {
        for (var i = Periods.Count - 1; i >= 0; i--)
            if (Periods[i].Holds(at))
                return Periods[i].Card;
        return null;
    }
}

/// <summary>When a card holds.</summary>
/// <param name="From">From this instant on, itself included; null: always.</param>
/// <param name="Hours">Only in these hours; null: all day.</param>
public sealed record RatePeriod(DateTimeOffset? From, DailyHours? Hours, RateCard Card)
{
    public bool Holds(DateTimeOffset at) => (From is not { } from || at >= from) && (Hours is not { } hours || hours.Include(at));
}

/// <summary>Hours of the day in UTC: start included, end excluded; an end at or before the start is on the next day.</summary>
/// <param name="WeekdaysOnly">Only on Monday to Friday of the UTC calendar, by the day on which the call is made.</param>
public sealed record DailyHours(TimeOnly Start, TimeOnly End, bool WeekdaysOnly)
{
    public bool Include(DateTimeOffset at)
    {
        var utc = at.UtcDateTime;
        if (WeekdaysOnly && utc.DayOfWeek is (DayOfWeek.Saturday or DayOfWeek.Sunday))
            return false;
        var time = TimeOnly.FromDateTime(utc);
        return Start < End ? time >= Start && time < End : time >= Start || time < End;
    }
}
