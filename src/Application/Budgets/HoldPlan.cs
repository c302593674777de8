using Tokonomics.Application.Dialects;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Application.Budgets;

/// <summary>A metered call as its cost depends on it.</summary>
/// <param name="Model">As it will be sent.</param>
/// <param name="Streams">The body or the path asks for a stream.</param>
/// <param name="Head">Which of a router's providers the path chose; null where it is no router.</param>
public readonly record struct MeteredCall(
    PriceBook Prices, Provider Provider, Dialect Dialect, RequestPeek Peek, string Model, bool Streams, string? Head, string KeyId, KeyEnvironment Environment, DateTimeOffset At)
{
    /// <summary>The model that prices it; null where none does.</summary>
    public ModelPrices? Priced => CallRating.Model(Prices, Provider.Name, Model, Head, Environment, At);
}

/// <summary>
/// What a call asks of its budgets before it is sent: the most that it can cost, or, of a stream that can be paid for as it passes, its first slice.
/// The one place where that is decided, for calls and for estimates of them.
/// </summary>
public readonly record struct HoldPlan
{
    /// <summary>What a stream may be ahead of what has been seen of it, tokens: on its way, or generated before the provider notices that the connection has closed.</summary>
    public const long Margin = 256;

    private const long LeastSlice = 512;

    public UpperBound Bound { get; private init; }

    /// <summary>What to ask for; zero where there is no bound.</summary>
    public HoldRequest Request { get; private init; }

    /// <summary>Output tokens that the first slice of a stream pays for; 0 where the whole is held.</summary>
    public long Slice { get; private init; }

    /// <summary>There is no telling what the call can cost: <see cref="UpperBound.Why"/>. A strict budget refuses it, others count it afterwards.</summary>
    public bool Unbounded { get; private init; }

    private long Least { get; init; }

    public static HoldPlan Of(in MeteredCall call, RecentOutputs outputs)
    {
        var (provider, dialect, peek, name) = (call.Provider, call.Dialect, call.Peek, call.Model);
        var bound = UpperBound.Of(call.Priced, call.At, Bounds.Of(dialect.Name, provider.Name, name, peek));
        var onlyOutput = bound.Most is null && bound.Why == NoBound.Output && bound.MostLimit > 0;
        var least = Bounds.LeastLimit(dialect.Name, peek);
        var plan = new HoldPlan { Bound = bound, Least = least };

        // 1. A stream whose output can be counted as it passes: the likely part, and more when it comes to that.
        if (call.Streams && peek.MaxOutputTokens is null && (onlyOutput || bound.Limit > LeastSlice) && Bounds.CountsAsItPasses(dialect.Name, provider, name, peek))
        {
            var slice = Math.Max(LeastSlice, outputs.AtPercentile(call.KeyId, name, 99) + Margin);
            if (bound.Limit > 0)
                slice = Math.Min(slice, bound.Limit);
            return plan with
            {
                Slice = slice,
                Request = new HoldRequest(bound.MostWith(slice), Expected(call, bound, slice, outputs), bound.MostWith(Math.Min(slice, Margin + UpperBound.LeastLimit))),
            };
        }

        // 2. The whole; less where a lower limit can be put into the request.
        var limitable = BoundsClamp.CanLimit(dialect, provider.Name, peek) && bound.MostLimit >= least;
        if (bound.Most is { } whole)
            return plan with { Request = new HoldRequest(whole, Expected(call, bound, bound.Limit, outputs), limitable ? bound.MostWith(least) : whole) };
        if (onlyOutput && limitable)
            return plan with { Request = new HoldRequest(bound.MostWith(bound.MostLimit), Expected(call, bound, bound.MostLimit, outputs), bound.MostWith(least)) };

        // 3. No bound.
        return plan with { Unbounded = true, Request = new HoldRequest(NanoUsd.Zero) };
    }

    /// <summary>What was held may be less than asked for: then the call must not be able to cost more.</summary>
    /// <returns>The output limit to put into the request, null where it keeps its own; and the output tokens that the hold of a stream pays for, 0 where it is whole.</returns>
    public (long? OutputLimit, long PaidTokens) With(NanoUsd held)
    {
        if (Slice > 0)
            return (null, held < Request.UpperBound ? Bound.LimitFor(held, 1) ?? 0 : Slice);
        var lowered = (Bound.Most is { } most && held < most) || (Bound.Most is null && Bound.MostLimit > 0);
        return (lowered ? Bound.LimitFor(held, Least) : null, 0);
    }

    private static NanoUsd Expected(in MeteredCall call, in UpperBound bound, long limit, RecentOutputs outputs) =>
        bound.MostWith(Math.Min(limit, outputs.AtPercentile(call.KeyId, call.Model, 95)));
}
