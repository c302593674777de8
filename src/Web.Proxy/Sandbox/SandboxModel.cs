using System.Globalization;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>What a model's name asks for. Each is a part of the name between hyphens: see <see cref="SandboxModel.Behaviours"/>.</summary>
[Flags]
internal enum SandboxBehaviour
{
    None = 0,
    Reason = 1 << 0,
    Hang = 1 << 1,
    HangMid = 1 << 2,
    Cut = 1 << 3,
    Reset = 1 << 4,
    Long = 1 << 5,
    Slow = 1 << 6,
    IgnoresMaxTokens = 1 << 7,
    NoUsage = 1 << 8,
    BadJson = 1 << 9,
    BadSse = 1 << 10,
    Gzip = 1 << 11,
    Brotli = 1 << 12,
    Deflate = 1 << 13,
    Flaky = 1 << 14,
    Drip = 1 << 15,
    Empty = 1 << 16,
    Redirect = 1 << 17,
    Huge = 1 << 18,
    BillsOn = 1 << 19,
    Wrong = 1 << 20,
    Grades = 1 << 21,
}

/// <summary>A model's name, taken apart. Any name is answered; behaviours start after <c>sandbox-</c>.</summary>
internal sealed record SandboxModel(string Name, SandboxBehaviour Behaviour, int? Status, int? Tokens, int? Words)
{
    /// <summary>The models with rates of their own. Every other <c>sandbox…</c> name costs what <c>sandbox-small</c> costs.</summary>
    public static readonly (string Name, string Description)[] Priced =
    [
        ("sandbox-small", "Answers about 24 words. USD 1 in, 2 out, per million tokens; cache read 0.1, write 1.25, one-hour write 2."),
        ("sandbox-large", "The same answer, dearer. USD 10 in, 40 out, per million tokens; cache read 1, write 12.5, one-hour write 20."),
        ("sandbox-embed", "Embeddings. USD 0.1 per million input tokens."),
        ("sandbox-image", "Images. USD 0.02 each."),
    ];

    /// <summary>Parts of a name that answer with a status before any output; such a call costs nothing.</summary>
    public static readonly (string Part, int Status, string Description)[] Statuses =
    [
        ("400", 400, "Refuses the request as invalid."),
        ("401", 401, "Refuses the key."),
        ("429", 429, "Rate limit, with Retry-After: 1 and the provider's rate-limit headers."),
        ("500", 500, "Internal error."),
        ("503", 503, "Unavailable, with Retry-After: 1."),
        ("529", 529, "Overloaded."),
    ];

    /// <summary>The other parts that a name may contain, in any order and number.</summary>
    public static readonly (string Part, SandboxBehaviour Behaviour, string Description)[] Behaviours =
    [
        ("reason", SandboxBehaviour.Reason, "Thinks 32 reasoning tokens before it answers."),
        ("hang", SandboxBehaviour.Hang, "Takes the request and never answers, not even headers. Costs nothing."),
        ("hang-mid", SandboxBehaviour.HangMid, "Stops after 3 events (plain: after half the body) and keeps the connection open."),
        ("cut", SandboxBehaviour.Cut, "Closes the connection after 6 events (plain: after half the body)."),
        ("reset", SandboxBehaviour.Reset, "Resets the connection (RST) after 3 events (plain: after half the body)."),
        ("long", SandboxBehaviour.Long, "Answers 2,000 tokens."),
        ("slow", SandboxBehaviour.Slow, "Takes 20 ms for each token, streamed or not."),
        ("ignores-max-tokens", SandboxBehaviour.IgnoresMaxTokens, "Answers ten times the output limit."),
        ("no-usage", SandboxBehaviour.NoUsage, "Leaves usage out of the answer; the bill has it."),
        ("bad-json", SandboxBehaviour.BadJson, "Breaks off the JSON (stream: of the second event)."),
        ("bad-sse", SandboxBehaviour.BadSse, "Byte-order mark, comments, CR line ends, a field without a colon, an event without data; no end marker. Plain answers are sound."),
        ("gzip", SandboxBehaviour.Gzip, "Compresses with gzip, asked or not."),
        ("br", SandboxBehaviour.Brotli, "Compresses with Brotli, asked or not."),
        ("deflate", SandboxBehaviour.Deflate, "Compresses with zlib (HTTP's deflate), asked or not."),
        ("flaky", SandboxBehaviour.Flaky, "Every second call of this model answers 500."),
        ("drip", SandboxBehaviour.Drip, "Sends one byte per write."),
        ("empty", SandboxBehaviour.Empty, "200 and an empty body; only the input is billed."),
        ("redirect", SandboxBehaviour.Redirect, "302 to /elsewhere. Costs nothing."),
        ("huge", SandboxBehaviour.Huge, "An answer of 8 MB: 2,097,152 tokens, streamed in chunks of 64 KB."),
        ("bills-on", SandboxBehaviour.BillsOn, "Keeps generating and billing after the client has gone."),
        ("wrong", SandboxBehaviour.Wrong, "Tool calls and JSON answers that don't fit their schema."),
        ("grades", SandboxBehaviour.Grades, "Judges two answers for a quality group (chat only): the longer one gets 10, the other its share of that."),
    ];

    public bool Is(SandboxBehaviour behaviour) => (Behaviour & behaviour) != 0;

    public static SandboxModel Parse(string name)
    {
        var start = name.IndexOf("sandbox-", StringComparison.Ordinal);
        if (start < 0) return new SandboxModel(name, SandboxBehaviour.None, null, null, null);

        var parts = "-" + name[(start + "sandbox-".Length)..] + "-";
        var behaviour = SandboxBehaviour.None;
        foreach (var (part, flag, _) in Behaviours)
            if (parts.Contains($"-{part}-", StringComparison.Ordinal)) behaviour |= flag;
        if ((behaviour & SandboxBehaviour.HangMid) != 0) behaviour &= ~SandboxBehaviour.Hang;

        int? status = null;
        foreach (var (part, code, _) in Statuses)
            if (parts.Contains($"-{part}-", StringComparison.Ordinal) && Number(parts, "tokens") != code && Number(parts, "words") != code) status = code;

        return new SandboxModel(name, behaviour, status, Number(parts, "tokens"), Number(parts, "words"));
    }

    /// <summary>The N of <c>-tokens-N-</c>, at most a million, so that a name can't ask for all the memory.</summary>
    private static int? Number(string parts, string of)
    {
        var at = parts.IndexOf($"-{of}-", StringComparison.Ordinal);
        if (at < 0) return null;
        var from = at + of.Length + 2;
        var to = parts.IndexOf('-', from);
        return to > from && int.TryParse(parts.AsSpan(from, to - from), NumberStyles.None, CultureInfo.InvariantCulture, out var n)
            ? Math.Clamp(n, 1, 1_000_000)
            : null;
    }
}
