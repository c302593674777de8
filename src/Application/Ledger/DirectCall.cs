using System.Text.Json;

namespace Tokonomics.Application.Ledger;

/// <summary>Calls that an application made at their providers itself while the proxy was away, reported afterwards: <c>POST /api/v1/usage/import</c>.</summary>
/// <param name="Calls">1 to 100.</param>
public sealed record DirectCallReport(IReadOnlyList<DirectCall>? Calls)
{
    public const string Path = "/api/v1/usage/import";

    /// <summary>The most calls in one report.</summary>
    public const int MostCalls = 100;
}

/// <summary>
/// One of them, as the application saw it: what it asked and what it was answered are metered like any call's and then forgotten. Whoever wants to send no text leaves all out of both but models, usage and what else has a price.
/// </summary>
public sealed record DirectCall
{
    /// <summary>The longest <see cref="Id"/>, characters.</summary>
    public const int LongestId = 200;

    /// <summary>Chosen by the application, another for each call. The same id and <see cref="At"/> are the same call, however often they are sent. 1 to 200 characters.</summary>
    public string? Id { get; init; }

    /// <summary>When the call began; with it the hour, the budget's period and the prices that count. At most seven days ago.</summary>
    public DateTimeOffset? At { get; init; }

    /// <summary>The path that it would have had at the proxy, which says provider and route: <c>/proxy/openai/v1/chat/completions</c>, or <c>/v1/chat/completions</c> where the model says the provider.</summary>
    public string? Path { get; init; }

    /// <summary>POST where it isn't said.</summary>
    public string? Method { get; init; }

    /// <summary>What was asked: the JSON body, as an object or as its text. What is needed of it is the model, and what fixes a price that the answer doesn't tell.</summary>
    public JsonElement? Request { get; init; }

    /// <summary>The request's content type, where it isn't JSON.</summary>
    public string? RequestType { get; init; }

    /// <summary>The provider's HTTP status; left out where no answer came.</summary>
    public int? Status { get; init; }

    /// <summary>What was answered: JSON, or the text of the whole stream. What is needed of it is model and usage.</summary>
    public JsonElement? Response { get; init; }

    /// <summary>False where the answer broke off, or the application stopped reading: what was used is then estimated.</summary>
    public bool Complete { get; init; } = true;

    /// <summary>From its beginning to the last byte, milliseconds.</summary>
    public double? LatencyMs { get; init; }

    /// <summary>From its beginning to the first byte of the answer's body, milliseconds.</summary>
    public double? FirstByteMs { get; init; }

    /// <summary>The provider's own id of the request, from its headers.</summary>
    public string? ProviderRequestId { get; init; }

    /// <summary>As in <c>X-Tokonomics-Tags</c>, over the key's own.</summary>
    public IReadOnlyDictionary<string, string>? Tags { get; init; }
}

/// <summary>What became of a reported call.</summary>
/// <param name="Id">As the application chose it.</param>
/// <param name="RequestId">The row's, the same each time that the call is reported.</param>
/// <param name="CostUsd">A decimal string; null where the price is unknown.</param>
/// <param name="PriceStatus">priced, unpriced, free, deferred.</param>
/// <param name="UsageSource">reported, partial, estimated or none: whether the provider's own counts were in what was reported.</param>
public sealed record DirectCallTaken(string Id, string RequestId, string? CostUsd, Domain.Ledger.PriceStatus PriceStatus, Domain.Metering.UsageSource UsageSource);

/// <summary>What became of a report: all its calls are on file.</summary>
public sealed record DirectCallsTaken(IReadOnlyList<DirectCallTaken> Calls);
