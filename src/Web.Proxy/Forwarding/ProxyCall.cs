using System.Text;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Caching;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Idempotency;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Providers;
using Tokonomics.Application.RateLimits;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Web.Proxy.Caching;
using Tokonomics.Web.Proxy.Routing;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>What is known of one call while it runs; filled in step by step by <see cref="Forwarder"/>, read once by <see cref="Settlement"/>.</summary>
internal sealed class ProxyCall(string requestId, TimeProvider time)
{
    private readonly long _started = time.GetTimestamp();

    public string RequestId { get; } = requestId;

    /// <summary>When the request was admitted; its period and its prices are those of this instant.</summary>
    public DateTimeOffset At { get; init; } = time.GetUtcNow();

    /// <summary>Which attempt of its request it is, from 1.</summary>
    public int Attempt { get; private init; } = 1;

    public KeySnapshot? Key { get; set; }

    public IReadOnlyList<Tag> Tags { get; set; } = [];

    public RouteMatch? Match { get; set; }

    public Provider? Provider { get; set; }

    public ProviderCredential? Credential { get; set; }

    /// <summary>Null on routes that nothing is read from.</summary>
    public Dialect? Dialect { get; set; }

    /// <summary>Between the client and a provider of another dialect; null where they speak one.</summary>
    public CallTranslation? Translation { get; set; }

    /// <summary>What a quality group did with it (<see cref="UsageEvent.Routed"/>).</summary>
    public string? Routed { get; set; }

    /// <summary>The strong model whose place a candidate takes: what the call would have cost there is what was saved.</summary>
    public PlannedTarget? InsteadOf { get; set; }

    /// <summary>It is made beside the client's own call: all that it costs is spent for nothing but knowledge.</summary>
    public bool IsExtra { get; set; }

    /// <summary>Its answer is looked at before the client sees any of it: nothing of it is paid for slice by slice.</summary>
    public bool HoldsWhole { get; set; }

    /// <summary>Its answer, for somebody who reads it when it has ended; null where nobody does.</summary>
    public AnswerCopy? Copy { get; set; }

    /// <summary>The id of its answer is to be known, by which a later request may go on from it.</summary>
    public bool WatchesAnswerId { get; set; }

    /// <summary>Null where it wasn't found: in the beginning of the answer, in one piece.</summary>
    public string? AnswerId { get; private set; }

    /// <summary>The meter and the copy get the provider's next bytes.</summary>
    public void Feed(ReadOnlySpan<byte> bytes)
    {
        if (WatchesAnswerId)
        {
            WatchesAnswerId = false;
            if (bytes.IndexOf("\"resp_"u8) is >= 0 and var at && bytes[(at + 1)..] is var rest && rest.IndexOf((byte)'"') is > 0 and <= 128 and var length)
                AnswerId = Encoding.UTF8.GetString(rest[..length]);
        }

        Reader?.Feed(bytes);
        Copy?.Add(bytes);
    }

    /// <summary>The shape of errors that the client reads.</summary>
    public ErrorShape ClientErrors => ErrorsOfRoute ?? Match!.Surface.Errors;

    /// <summary>The client's, where a route may lead to another dialect.</summary>
    public ErrorShape? ErrorsOfRoute { get; set; }

    public RequestFacts Facts { get; set; }

    public RequestPeek Peek { get; set; } = RequestPeek.None;

    public string? RequestModel { get; set; }

    public long RequestBytes { get; set; }

    /// <summary>A usage chunk that the client didn't ask for is taken out of the stream.</summary>
    public bool Swallows { get; set; }

    /// <summary>What its rate limits said.</summary>
    public RateVerdict Rate { get; set; }

    /// <summary>What is set aside for it on its budgets.</summary>
    public Hold Hold { get; } = new();

    /// <summary>The one call that is set aside for it of its plan's quota; nothing where the plan has none.</summary>
    public Hold Quota { get; } = new();

    /// <summary>
    /// The next attempt of the same request: a call of its own, with its own hold and its own row. What belongs to the request goes with it: who asks, the rate limits' ticket, the Idempotency-Key. This one has ended.
    /// </summary>
    public ProxyCall Again(TimeProvider time) => new(RequestId, time)
    {
        Attempt = Attempt + 1, Key = Key, Tags = Tags, WantsReceipt = WantsReceipt, Rate = Rate, Claim = Claim, Caching = Caching, Entered = true, TraceParent = TraceParent, TraceState = TraceState,
        SentBefore = true, ChargedBefore = ChargedBefore || !FreeOfCharge, TokensBefore = TokensBefore + (Event?.Usage is { IsEmpty: false } usage ? usage.InputTokens + usage.OutputTokens : 0),
    };

    /// <summary>The request's rate limits have let it in, and it has its Idempotency-Key if it sends one.</summary>
    public bool Entered { get; set; }

    /// <summary>An earlier attempt was sent.</summary>
    public bool SentBefore { get; private init; }

    /// <summary>Something may have been charged for an earlier attempt.</summary>
    public bool ChargedBefore { get; private init; }

    /// <summary>What earlier attempts used, tokens.</summary>
    public long TokensBefore { get; private init; }

    /// <summary>The leases that cover it, of its budgets and its quota.</summary>
    public IReadOnlyList<BudgetCharge> Charges()
    {
        if (Quota.Count == 0)
            return Hold.Charges();
        return Hold.Count == 0 ? Quota.Charges() : [.. Hold.Charges(), .. Quota.Charges()];
    }

    /// <summary>The most that it can cost; meaningful where <see cref="Hold"/> is held.</summary>
    public UpperBound Bound { get; set; }

    /// <summary>The output limit that the budgets' room pays for, to be put into the request; null where the request keeps its own.</summary>
    public long? OutputLimit { get; set; }

    /// <summary>Output tokens that the hold of a stream pays for, which is extended as it passes; 0 where the hold is whole.</summary>
    public long PaidTokens { get; set; }

    /// <summary>The model that was asked for, where a budget sent the call to a cheaper one.</summary>
    public string? DowngradedFrom { get; set; }

    /// <summary>Where a spent budget sends it, at another provider or along a route; null once it is under way there, or found not to be possible.</summary>
    public CheaperModel? SentElsewhere { get; set; }

    /// <summary>The stream was ended because no budget had room for more, in the way in which its protocol ends at the output limit.</summary>
    public bool CutAtBudget { get; set; }

    /// <summary>The provider went on far beyond the limit that it was sent: the bound was none.</summary>
    public bool Overran { get; set; }

    /// <summary>Where its client leaves, the answer is read to its end all the same.</summary>
    public bool ReadsOn => Dialect is not null && Key!.Tenant.ReadsOn;

    /// <summary>It was: what it used is known although its client left.</summary>
    public bool WasReadOn { get; set; }

    /// <summary>Its client left when more had come than was passed on: the provider may be ahead of it by more than a margin.</summary>
    public bool Behind { get; set; }

    /// <summary>The connection to the provider was never made: nothing can have been charged.</summary>
    public bool NeverLeft { get; set; }

    /// <summary>The caller asks to be told what the call cost.</summary>
    public bool WantsReceipt { get; set; }

    /// <summary>The use of an Idempotency-Key that this call has claimed; null where it sends none, or another call has it.</summary>
    public KeyClaim? Claim { get; set; }

    /// <summary>It is certain that nothing is charged for it: the same key may be used again.</summary>
    public bool FreeOfCharge { get; set; }

    /// <summary>How its answer is kept for exact repeats; null where it isn't.</summary>
    public CallCaching? Caching { get; set; }

    /// <summary>The kept answer that it gets; null where it is forwarded.</summary>
    public KeptAnswer? Hit { get; set; }

    /// <summary>The event that it became; null before it is settled.</summary>
    public UsageEvent? Event { get; set; }

    /// <summary>When to try again after it failed on the way. Null where its Idempotency-Key won't let it: what may have been charged is not sent twice.</summary>
    public TimeSpan? RetryAfter => Claim is null || NeverLeft ? TimeSpan.FromSeconds(1) : null;

    /// <summary>The call in the journal; none before it is sent.</summary>
    public CallTicket Ticket { get; set; }

    /// <summary>Something may have reached the provider: there will be an event.</summary>
    public bool Sent { get; private set; }

    /// <summary>When that was, after <see cref="At"/>.</summary>
    public TimeSpan SentAfter { get; private set; }

    /// <summary>How long the client's body took to come.</summary>
    public TimeSpan ReadFor { get; set; }

    /// <summary>The caller's <c>traceparent</c> and <c>tracestate</c>; null where nobody wants spans.</summary>
    public string? TraceParent { get; set; }

    public string? TraceState { get; set; }

    /// <summary>From here on something may reach the provider.</summary>
    public void Leaves() => (Sent, SentAfter) = (true, Elapsed);

    public int Status { get; set; }

    public string? ProviderRequestId { get; set; }

    public CallOutcome Outcome { get; set; } = CallOutcome.Completed;

    public bool Streamed { get; set; }

    public ResponseReader? Reader { get; set; }

    /// <summary>What an estimate of its usage is corrected by.</summary>
    public Correction Correction { get; set; } = Correction.None;

    /// <summary>At so many output tokens its progress is put on file again.</summary>
    public long NextProgress { get; set; }

    public long ResponseBytes { get; set; }

    public TimeSpan? FirstByte { get; set; }

    /// <summary>How long it took, where it ran elsewhere and is over. Null for all others.</summary>
    public TimeSpan? Took { get; init; }

    public TimeSpan Elapsed => Took ?? time.GetElapsedTime(_started);
}
