using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Proxy.Forwarding;
using Tokonomics.Web.Proxy.Ingress;

namespace Tokonomics.Web.Proxy.DirectCalls;

/// <summary>Turns a reported call into one that has just ended here: the same routes, readers and prices as for those that pass.</summary>
internal sealed class DirectCallMeter(Upstreams upstreams, TimeProvider time)
{
    /// <summary>How long ago a reported call may have begun: sums and statements of what is older may be closed.</summary>
    public static readonly TimeSpan Oldest = TimeSpan.FromDays(7);

    // The application's clock isn't ours.
    private static readonly TimeSpan Ahead = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    /// <returns>The call, read and not yet settled; or which field of it is wrong, and how to mend it.</returns>
    public (ProxyCall? Call, string Field, string Problem) Read(KeySnapshot key, DirectCall reported)
    {
        // 1. Which call it is.
        if (reported.Id is not { Length: >= 1 and <= DirectCall.LongestId } id)
            return Wrong("id", $"Name each call by an id of 1 to {DirectCall.LongestId} characters of your own, another for each and the same whenever it is reported.");
        if (reported.At is not { } at)
            return Wrong("at", "Say when the call began, such as 2026-11-30T12:00:00.123Z.");
        var now = time.GetUtcNow();
        if (at < now - Oldest || at > now + Ahead)
            return Wrong("at", $"It began at {at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)}: calls of the last seven days are taken. Is that machine's clock right?");
        if (reported.LatencyMs is { } latency && !(latency >= 0 && latency <= Longest.TotalMilliseconds))
            return Wrong("latency_ms", "Milliseconds, 0 to a day's.");
        if (reported.FirstByteMs is { } first && !(first >= 0 && first <= Longest.TotalMilliseconds))
            return Wrong("first_byte_ms", "Milliseconds, 0 to a day's.");
        if (reported.Status is not (null or (>= 200 and <= 599)))
            return Wrong("status", "The provider's HTTP status, 200 to 599; leave it out where no answer came.");
        if (reported.ProviderRequestId is { Length: > 200 })
            return Wrong("provider_request_id", "At most 200 characters.");
        var (tags, badTags) = RequestTags.Read(reported.Tags ?? new Dictionary<string, string>(), key.Tags);
        if (badTags is not null)
            return Wrong("tags", $"{badTags}.");

        // 2. Where it went.
        if (ProxyTarget.Of(reported.Path, "") is not { } target)
            return Wrong("path", "The path that the call would have had here: /proxy/{provider}/…, such as /proxy/openai/v1/chat/completions, or /v1/… where the model says the provider.");
        var call = new ProxyCall(IdOf(key, id, at), time)
        {
            At = at.ToUniversalTime(),
            Took = TimeSpan.FromMilliseconds(reported.LatencyMs ?? 0),
            Key = key,
            Tags = tags,
            Routed = UsageEvent.Direct,
            Status = reported.Status ?? 0,
            ProviderRequestId = reported.ProviderRequestId,
            FirstByte = reported.FirstByteMs is { } ms ? TimeSpan.FromMilliseconds(ms) : null,
        };
        if (CallRoute.Find(upstreams, (reported.Method ?? "POST").ToUpperInvariant(), target, call) is { } nowhere)
            return Wrong("path", Sentence(nowhere.Message));

        // 3. What was asked.
        if (Bytes(reported.Request) is not { } asked)
            return Wrong("request", "The request's JSON body, as an object or as its text.");
        if (ReadRequest(call, target, asked, reported.RequestType ?? "application/json") is { } unreadable)
            return Wrong(asked.Length > 0 ? "request" : "path", Sentence(unreadable));

        // 4. What was answered.
        if (Bytes(reported.Response) is not { } answered)
            return Wrong("response", "The answer's JSON body, as an object or as its text, or the text of the whole stream.");
        if (answered.Length > 0 && call.Status == 0)
            return Wrong("status", "There is an answer: say the HTTP status that it had.");
        (call.RequestBytes, call.ResponseBytes) = (asked.Length, answered.Length);
        // Who reads chat's stream leaves at its last word, before the connection ends.
        var whole = reported.Complete || answered.AsSpan().TrimEnd(" \t\r\n"u8).EndsWith("data: [DONE]"u8);
        call.Outcome = call.Status == 0 ? CallOutcome.Unreachable : whole ? CallOutcome.Completed : CallOutcome.Truncated;
        var stream = answered.Length > 0 && !IsJson(answered);
        call.Streamed = stream || call.Peek.Stream || call.Facts.PathStreams;
        if (call.Dialect is { } dialect && answered.Length > 0)
        {
            call.Reader = dialect.Read(call.Facts, call.Peek, new ResponseFacts(call.Status, stream && dialect.Errors != ErrorShape.Ollama ? "text/event-stream" : stream ? "application/x-ndjson" : "application/json"));
            call.Reader.Feed(answered);
        }

        return (call, "", "");
    }

    private static (ProxyCall?, string, string) Wrong(string field, string problem) => (null, field, problem);

    /// <returns>What is wrong with it; null where nothing is.</returns>
    private string? ReadRequest(ProxyCall call, ProxyTarget target, byte[] body, string contentType)
    {
        var metered = call.Match!.Route.Kind == RouteKind.Metered;
        if (metered && body.Length > 0 && CallPeek.Problem(call, body, contentType) is { } problem)
            return problem;
        if (target.Provider is null)
        {
            if (metered && call.RequestModel is null)
                return "the path doesn't name the provider, and no model says it: report the request, or a path of the form /proxy/{provider}/…";
            if (CallRoute.ByModel(upstreams, target, call, passThrough: true) is { } unknown)
                return unknown.Message;
            if (metered && body.Length > 0)
                return CallPeek.Problem(call, body, contentType); // again, now that the provider's ways are known
        }

        if (metered && body.Length == 0)
            CallPeek.WithoutBody(call, contentType); // an answer tells its model; where none came, or it doesn't, nothing is priced
        return null;
    }

    // The same call has the same id each time, so that the ledger takes it once.
    private static string IdOf(KeySnapshot key, string id, DateTimeOffset at)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{key.Tenant.Id}\n{key.Id}\n{at.UtcTicks}\n{id}")));
        return SortableId.Of("req", at, BinaryPrimitives.ReadUInt128BigEndian(hash));
    }

    /// <returns>Null where it is of another kind than a body.</returns>
    private static byte[]? Bytes(JsonElement? value) => value switch
    {
        null or { ValueKind: JsonValueKind.Null } => [],
        { ValueKind: JsonValueKind.Object or JsonValueKind.Array } json => Encoding.UTF8.GetBytes(json.GetRawText()),
        { ValueKind: JsonValueKind.String } text => Encoding.UTF8.GetBytes(text.GetString()!),
        _ => null,
    };

    // One value and nothing behind it: an answer in one piece. Several, one to a line, are a stream, as events are.
    private static bool IsJson(ReadOnlySpan<byte> text)
    {
        var reader = new Utf8JsonReader(text);
        try
        {
            return reader.Read() && reader.TrySkip() && !reader.Read();
        }
        catch (JsonException)
        {
            return text.TrimStart(" \t\r\n"u8) is [(byte)'[', ..]; // Gemini's stream without alt=sse, broken off
        }
    }

    private static string Sentence(string message) => string.Concat(message[..1].ToUpperInvariant(), message.AsSpan(1), message.EndsWith('.') ? "" : ".");
}
