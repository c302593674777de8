namespace Tokonomics.Application.Budgets;

/// <summary>The figures that bounds rest on beside the request's own bytes, each with its source. Looked up on 2026-11-22 and 2026-11-29. Where the maker's own
/// page was not at hand it says who quotes it; what could not be confirmed is marked so, and bounded by something larger where there is any.</summary>
internal static class BoundsFacts
{
    /// <summary>
    /// Tokens that a provider puts before a prompt without being asked: its template's own system text. Most in 1,893 recorded calls: 548
    /// beyond the body's bytes (Grok 4). Llama 4, gpt-oss and Qwen templates: below 150.
    /// </summary>
    public const long Preamble = 1024;

    /// <summary>Venice adds its own system prompt to every call unless told not to: 1,477 tokens in a recorded call (docs.venice.ai, "include_venice_system_prompt").</summary>
    public const long VenicePreamble = 4096;

    /// <summary>
    /// The system prompt that enables tools. Anthropic lists 159 to 530 tokens by model and tool choice (docs.anthropic.com,
    /// "Tool use pricing"); Mistral's and Llama's templates need less.
    /// </summary>
    public const long ToolsPreamble = 1024;

    /// <summary>
    /// Tools that Anthropic has defined bring instructions of their own: 735 tokens the computer, 700 the editor, 245 the shell, and 346 in common
    /// (as quoted from Anthropic's pages by claudecodeguides.com; the pages themselves were not at hand).
    /// </summary>
    public const long ProvidersOwnTool = 1536;

    /// <summary>A value of a schema that a template prints on a line of its own: a line break, an indent.</summary>
    public const long TokensPerToolValue = 2;

    /// <summary>
    /// Anthropic's loop of server tools runs ten times and then stops with <c>pause_turn</c> (the default limit of Anthropic's stop reasons
    /// reference, as quoted by startdebugging.net, 2026-05-30); and once more to answer.
    /// </summary>
    public const int AnthropicRuns = 11;

    /// <summary>
    /// What Imagen makes where nothing is said: 4 by Google's page on Imagen (as kept and quoted by others), 1 by Firebase's. 4 is the most that a call may
    /// ask for (docs.cloud.google.com, "Set output resolution"), so it bounds either way.
    /// </summary>
    public const int ImagenDefault = 4;

    /// <summary>
    /// Output tokens of an image by gpt-image-1 and its kin at the dearest size and quality, 1024x1536 and high: 6,240, which at 8 USD a million is Azure's
    /// price of it for the mini (LiteLLM's price list), and at 40 and 32 the 0.25 and 0.20 USD of the others. At most three partial images (Microsoft's and
    /// OpenAI's guides), quoted at 100 tokens each (not confirmed), so taken for 408: an image of that size at the lowest quality. gpt-image-2 takes any size and
    /// has no such table.
    /// </summary>
    public const long GptImage1Tokens = 6240 + (3 * 408);

    /// <summary>Cohere counts up to 100 documents as one search unit, and each piece of 510 tokens of a longer one as a document, the query in each of them (docs.cohere.com, "Rerank").</summary>
    public const int DocumentsPerSearchUnit = 100;

    public const int RerankPieceTokens = 500;

    /// <summary>
    /// The most tokens that an image takes; null where the maker publishes no maximum, so that only the model's window bounds it.
    /// </summary>
    /// <remarks>
    /// Claude: one for 28x28 pixels after scaling to 2,576 on the long edge (platform.claude.com, "Vision"): at most 92 by 92, or 8,848 by the older formula of
    /// 750 pixels a token. 4,005 measured for 12 megapixels; that no image takes more than 4,784 is quoted and not confirmed, and not relied on.
    /// Gemini: to version 2 by tiles of 258 tokens. A tile is two thirds of the shorter edge, 256 pixels at least, of an image within 3072x3072: at most 12 by 2
    /// (as quoted from Google's pages). From 3 on 2,240 at the highest resolution, by Google's table as fastgptplus.com and
    /// awesomeagents.ai quote it; 1,101 measured by default.
    /// OpenAI: by tiles of 512 pixels, scaled into 2048x768, 4 by 2 of 170 and 85 (OpenAI's guide, as docs.camel-ai.org quotes it); gpt-4o-mini bills 5,667 and 2,833
    /// for the same, beyond its window (pypi.org/project/pictoken; not confirmed by a page of OpenAI's); the small ones by 1,536 patches times at most 2.46 (a copy of
    /// the guide, and 1.62 measured: community.openai.com, "Vision Pricing calculator"). Later models take as many patches as the image has: 14,364 tokens
    /// measured (huggingface.co/datasets/JOHNISKING/image-token-cost).
    /// </remarks>
    public static long? ImageTokens(string model)
    {
        var at = model.LastIndexOf('/') + 1;
        var name = model.AsSpan(at);
        if (Has(name, "claude"))
            return 9000;
        if (name.StartsWith("gemini", StringComparison.OrdinalIgnoreCase))
            return 24 * 258;
        if (name.StartsWith("gpt-4o-mini", StringComparison.OrdinalIgnoreCase))
            return 2833 + (8 * 5667);
        if (Begins(name, "gpt-4o") || Begins(name, "gpt-4.1") || Begins(name, "gpt-4-turbo") || Begins(name, "gpt-4-vision") || Begins(name, "gpt-4.5")
            || Begins(name, "o1") || Begins(name, "o3") || Begins(name, "o4-mini") || (Begins(name, "gpt-5") && !Has(name, "image")))
            return 3800;
        return null;
    }

    /// <summary>Whether the provider's limit leaves reasoning out: Grok's reasoning goes on beyond it (recorded: 228 tokens of reasoning at a limit of 10).</summary>
    public static bool ReasonsBeyondLimit(string model) =>
        Has(model, "grok") && !Has(model, "non-reasoning") && !Has(model, "grok-2") && !Has(model, "grok-beta") && !Has(model, "grok-vision")
        && (!Has(model, "grok-3") || Has(model, "mini"));

    /// <summary>
    /// Whether the model is sure not to reason out of sight, so that what passes is all it makes. By name, since makers say of their models that they
    /// reason and never that they don't: families from before reasoning, or whose reasoning is another model's name. All others may.
    /// </summary>
    public static bool ReasonsUnseen(string model)
    {
        var name = model.AsSpan(model.LastIndexOf('/') + 1);
        if (name.StartsWith("sandbox", StringComparison.OrdinalIgnoreCase))
            return Has(name, "reason");
        if (Has(name, "think") || Has(name, "reason") || Has(name, "deepseek-r"))
            return true;
        return !(name.StartsWith("gpt-3.5", StringComparison.OrdinalIgnoreCase) || name.StartsWith("gpt-4", StringComparison.OrdinalIgnoreCase)
            || Has(name, "claude-3-5") || Has(name, "claude-3-haiku") || Has(name, "claude-3-opus") || Has(name, "claude-2")
            || name.StartsWith("llama", StringComparison.OrdinalIgnoreCase) || name.StartsWith("meta-llama", StringComparison.OrdinalIgnoreCase)
            || name.StartsWith("mixtral", StringComparison.OrdinalIgnoreCase) || name.StartsWith("codestral", StringComparison.OrdinalIgnoreCase)
            || name.StartsWith("gemini-1", StringComparison.OrdinalIgnoreCase) || name.StartsWith("gemini-2.0", StringComparison.OrdinalIgnoreCase)
            || (name.StartsWith("command-r", StringComparison.OrdinalIgnoreCase) && !Has(name, "reasoning")));
    }

    public static bool Has(ReadOnlySpan<char> name, string part) => name.Contains(part, StringComparison.OrdinalIgnoreCase);

    // gpt-5, gpt-5-mini, and not gpt-5.4.
    private static bool Begins(ReadOnlySpan<char> name, string with) =>
        name.StartsWith(with, StringComparison.OrdinalIgnoreCase) && (name.Length == with.Length || name[with.Length] is '-' or ':' or '@');
}
