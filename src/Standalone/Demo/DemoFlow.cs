namespace Tokonomics.Standalone.Demo;

/// <summary>When a kind of traffic runs.</summary>
internal enum DemoRhythm
{
    /// <summary>People at their desks, Monday to Friday.</summary>
    Office,

    /// <summary>People at home: evenings, and weekends more than weekdays.</summary>
    Consumer,

    /// <summary>Jobs at night.</summary>
    Nightly,

    /// <summary>Machines, all day.</summary>
    Steady,
}

/// <summary>One kind of traffic: a feature of a project on a model.</summary>
/// <param name="Weight">How many of all calls, relative to the others, in the middle of the time.</param>
/// <param name="Input">Tokens, the middle value.</param>
/// <param name="Cached">Which share of the input is read from a cache where it hits.</param>
/// <param name="Growth">Calls a month later for each call now.</param>
/// <param name="Since">Which share of the days had passed when it was switched on.</param>
internal sealed record DemoFlow(
    string Project, string Key, string Feature, string Provider, string Model, string Dialect, string Operation, double Weight, double Input, double Output, double Reasoning, double Cached, double Latency, DemoRhythm Rhythm,
    double Growth, double Since = 0, bool Streamed = false, bool ForCustomers = true)
{
    private const string Chat = "POST /chat/completions";

    /// <summary>A company with a search, a help desk, a writing tool and people who build them. Late in the time its summaries are moved to a better model: the story of its bill.</summary>
    public static readonly IReadOnlyList<DemoFlow> All =
    [
        new("Site search", "search-prod", "search", "openai", "gpt-5-mini", "openai-chat", Chat, 22, 900, 120, 40, 0.6, 900, DemoRhythm.Consumer, 1.06, Streamed: true),
        new("Site search", "search-prod", "embed", "openai", "text-embedding-3-small", "openai-embeddings", "POST /embeddings", 20, 350, 0, 0, 0, 90, DemoRhythm.Consumer, 1.06),
        new("Ranking", "rank-batch", "rerank", "groq", "llama-3.3-70b-versatile", "openai-chat", Chat, 9, 2200, 60, 0, 0, 350, DemoRhythm.Nightly, 1.02),
        new("Help desk", "helpdesk-prod", "answer", "anthropic", "claude-sonnet-4-5", "anthropic-messages", "POST /messages", 12, 5200, 420, 0, 0.8, 4200, DemoRhythm.Office, 1.10, Streamed: true),
        new("Help desk", "helpdesk-prod", "classify", "openai", "gpt-4o-mini", "openai-chat", Chat, 12, 480, 12, 0, 0, 420, DemoRhythm.Office, 1.08),
        new("Call summaries", "calls-prod", "summarise", "openai", "gpt-4o-mini", "openai-chat", Chat, 6, 7500, 520, 0, 0.2, 5200, DemoRhythm.Office, 1.04),
        new("Call summaries", "calls-prod", "summarise", "openai", "gpt-5.1", "openai-chat", Chat, 4.5, 7800, 640, 380, 0.2, 8800, DemoRhythm.Office, 1.20, Since: 0.62),
        new("Copywriting", "copy-prod", "draft", "anthropic", "claude-opus-4-5", "anthropic-messages", "POST /messages", 0.9, 2100, 1300, 0, 0.3, 19000, DemoRhythm.Office, 1.05, Streamed: true),
        new("Copywriting", "copy-prod", "draft", "gemini", "gemini-2.5-pro", "gemini-generate", "POST /models/{model}:generateContent", 1.2, 1900, 1100, 900, 0.1, 16000, DemoRhythm.Office, 0.96, Streamed: true),
        new("Internal tools", "tools-dev", "chat", "openai", "gpt-5.1", "openai-responses", "POST /responses", 1.6, 3200, 520, 700, 0.5, 9500, DemoRhythm.Office, 1.03, Streamed: true, ForCustomers: false),
        new("Internal tools", "tools-dev", "code", "anthropic", "claude-sonnet-4-5", "anthropic-messages", "POST /messages", 2.4, 18000, 900, 0, 0.9, 14000, DemoRhythm.Office, 1.12, Streamed: true, ForCustomers: false),
        new("Evals", "evals-batch", "judge", "gemini", "gemini-2.5-flash", "gemini-generate", "POST /models/{model}:generateContent", 5, 2600, 90, 160, 0, 1700, DemoRhythm.Nightly, 1.01, ForCustomers: false),
        new("Evals", "evals-batch", "judge", "mistral", "mistral-small-2603", "openai-chat", Chat, 3, 2600, 90, 0, 0, 900, DemoRhythm.Nightly, 1.00, ForCustomers: false),
    ];

    public static readonly IReadOnlyList<(string Name, string Team)> Projects =
    [
        ("Site search", "Search"), ("Ranking", "Search"), ("Help desk", "Support"), ("Call summaries", "Support"), ("Copywriting", "Growth"), ("Internal tools", "Platform"), ("Evals", "Platform"),
    ];

    public static readonly IReadOnlyList<string> Customers =
    [
        "northwind", "acme", "globex", "initech", "umbrella", "hooli", "stark-industries", "wayne-enterprises", "wonka", "tyrell", "cyberdyne", "soylent", "oscorp", "massive-dynamic", "aperture", "black-mesa",
        "vandelay", "dunder-mifflin", "pied-piper", "bluth", "sterling-cooper", "prestige-worldwide", "gringotts", "duff", "monarch", "nakatomi", "weyland", "virtucon", "zorin", "octan",
    ];

    /// <summary>How much runs at a local hour, 1 in the middle.</summary>
    public double At(DateTime local)
    {
        var (hour, weekend) = (local.Hour + (local.Minute / 60.0), local.DayOfWeek is DayOfWeek.Saturday or DayOfWeek.Sunday);
        return Rhythm switch
        {
            DemoRhythm.Office => (weekend ? 0.12 : 1.35) * (0.08 + Bell(hour, 10.5, 2.2) + Bell(hour, 15, 2.4)) * 1.55,
            DemoRhythm.Consumer => (weekend ? 1.25 : 0.9) * (0.25 + Bell(hour, 20, 3.2) + (0.6 * Bell(hour, 12.5, 2.6))) * 1.35,
            DemoRhythm.Nightly => hour is >= 1 and < 5 ? 5.2 : 0.16,
            _ => 1,
        };
    }

    private static double Bell(double hour, double middle, double width) => Math.Exp(-(hour - middle) * (hour - middle) / (2 * width * width));
}
