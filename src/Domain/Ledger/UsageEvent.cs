using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Ledger;

/// <summary>Live traffic and the sandbox's are kept apart everywhere.</summary>
public enum KeyEnvironment : byte
{
    Live = 0,
    Test = 1,
}

/// <summary>How an attempt at the provider ended. Every attempt ends in exactly one of these.</summary>
public enum CallOutcome : byte
{
    /// <summary>The answer, whatever its status, was read to its end.</summary>
    Completed = 0,

    /// <summary>The provider could not be reached, or closed before it sent a status.</summary>
    Unreachable = 1,

    /// <summary>No first byte, or no further byte, within the time allowed.</summary>
    TimedOut = 2,

    /// <summary>The provider broke off in the middle of its answer.</summary>
    Truncated = 3,

    /// <summary>The client left before the answer was read to its end.</summary>
    ClientGone = 4,

    /// <summary>The proxy itself ended the answer (a limit on its size, its own shutdown).</summary>
    CutByProxy = 5,

    /// <summary>The proxy died while the call ran: it was sent, and how it ended is not known. Counts and cost are an estimate from the request; budgets count the whole hold.</summary>
    Abandoned = 6,
}

/// <summary>Why an event has the cost it has.</summary>
public enum PriceStatus : byte
{
    /// <summary>Rated from the price version that the event names.</summary>
    Priced = 0,

    /// <summary>The model, or a unit that was used, has no price: the cost is unknown, never zero.</summary>
    Unpriced = 1,

    /// <summary>A call that providers don't charge for: lists of models, token counts, files, polls.</summary>
    Free = 2,

    /// <summary>The provider will charge for it later and outside of this call (batches, fine-tuning).</summary>
    Deferred = 3,
}

/// <summary>A name and a value that a key or a request carries, for grouping spend. Names are lower case.</summary>
public readonly record struct Tag(string Name, string Value);

/// <summary>What one further model used inside an answer.</summary>
public sealed record ModelUsage(string Model, TokenUsage Usage)
{
    /// <summary>The form in which the ledger keeps a list of them: <c>claude-opus-5:Input=12,Output=3;…</c>.</summary>
    public static string Write(IReadOnlyList<ModelUsage> all) => string.Join(';', all.Select(m => $"{m.Model}:{m.Usage}"));

    /// <summary>Reads what <see cref="Write"/> writes.</summary>
    public static IReadOnlyList<ModelUsage> Read(string text) => text.Length == 0
        ? []
        : [.. text.Split(';').Select(m => new ModelUsage(m[..m.LastIndexOf(':')], TokenUsage.Parse(m[(m.LastIndexOf(':') + 1)..])))];
}

/// <summary>
/// One upstream attempt: the ledger's row. Immutable; unique by <see cref="RequestId"/> and <see cref="Attempt"/>. Holds no word of a
/// prompt or an answer, and no key.
/// </summary>
public sealed record UsageEvent
{
    /// <summary><c>req_</c> and 26 characters that sort by time; the client sees it in <c>x-tokonomics-request-id</c>.</summary>
    public required string RequestId { get; init; }

    /// <summary>1 for the first attempt; each retry or fallback of the same request counts on.</summary>
    public int Attempt { get; init; } = 1;

    public required string TenantId { get; init; }

    public required string KeyId { get; init; }

    public string? TeamId { get; init; }

    public string? ProjectId { get; init; }

    public KeyEnvironment Environment { get; init; }

    /// <summary>The provider's name in our data (<c>openai</c>), or of the tenant's own endpoint.</summary>
    public required string Provider { get; init; }

    /// <summary>The dialect that read the usage (<c>openai-chat</c>); <c>free</c> where there was nothing to read.</summary>
    public required string Dialect { get; init; }

    /// <summary>The route's template, ids left out: <c>POST /chat/completions</c>.</summary>
    public required string Operation { get; init; }

    public string? RequestModel { get; init; }

    public string? ResponseModel { get; init; }

    public TokenUsage Usage { get; init; }

    public UsageSource UsageSource { get; init; }

    /// <summary>What other models used inside the same answer (Anthropic's advisor tool); priced as those models, part of <see cref="Cost"/>, in no total.</summary>
    public IReadOnlyList<ModelUsage> OtherModels { get; init; } = [];

    /// <summary>What the price depends on besides model and counts, as <c>name=value</c> pairs sorted and joined by <c>;</c>.</summary>
    public string PricingHints { get; init; } = "";

    /// <summary>Null where <see cref="PriceStatus"/> is <see cref="Ledger.PriceStatus.Unpriced"/>.</summary>
    public NanoUsd? Cost { get; init; }

    public PriceStatus PriceStatus { get; init; }

    /// <summary>The version of the price book that rated this event: re-rating with it gives the same cost to the last digit.</summary>
    public required string PriceVersion { get; init; }

    /// <summary>What the provider itself says that the call cost, where it does (OpenRouter, xAI, Perplexity). Never charged, only compared.</summary>
    public NanoUsd? ProviderCost { get; init; }

    /// <summary>The status that the provider answered; 0 where it answered none.</summary>
    public int Status { get; init; }

    public CallOutcome Outcome { get; init; }

    public string? FinishReason { get; init; }

    public bool Streamed { get; init; }

    /// <summary>When the request was admitted, UTC. Decides the hour and the period that the event counts in.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>From admission to the last byte.</summary>
    public TimeSpan Latency { get; init; }

    /// <summary>From admission to the first byte of the provider's body; null where none came.</summary>
    public TimeSpan? FirstByte { get; init; }

    public long RequestBytes { get; init; }

    public long ResponseBytes { get; init; }

    /// <summary>The provider's own id of the request, from its headers.</summary>
    public string? ProviderRequestId { get; init; }

    public IReadOnlyList<Tag> Tags { get; init; } = [];

    /// <summary>The most that it could cost, as held on its budgets; null where nothing was held.</summary>
    public NanoUsd? UpperBound { get; init; }

    /// <summary>What budgets count for it where that isn't the cost: the upper bound of an abandoned call.</summary>
    public NanoUsd? BudgetCost { get; init; }

    /// <summary>The value of <see cref="Routed"/> for a repeat that was answered from the cache.</summary>
    public const string FromCache = "cache";

    /// <summary>The value of <see cref="Routed"/> for a call that the application made at the provider itself and reported afterwards.</summary>
    public const string Direct = "direct";

    /// <summary>It got the kept answer of an earlier call, and reached no provider.</summary>
    public bool IsRepeat => Routed == FromCache;

    /// <summary>It went past the proxy: nothing was checked and held before it, and it counts in no quota of proxied calls. Budgets count what it cost.</summary>
    public bool IsDirect => Routed == Direct;

    /// <summary>
    /// Who chose that it is answered like this: <c>cache</c> where it repeats an answer that is kept and reached no provider; <c>direct</c> where the application went past the proxy; the mark of a quality group (<see cref="Routing.RoutedMark"/>) where one decided between its
    /// models. Null for all others.
    /// </summary>
    public string? Routed { get; init; }

    /// <summary>What it cost less than without that choice: of a repeat all that the answer cost, of a group's candidate the difference to its strong model at the same counts. Negative where it cost more; null where there was no choice.</summary>
    public NanoUsd? Saved { get; init; }

    /// <summary>The leases that cover it. On its way to the ledger only: posted there, and not kept.</summary>
    public IReadOnlyList<BudgetCharge> Charges { get; init; } = [];
}
