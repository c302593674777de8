namespace Tokonomics.Application.Budgets;

/// <summary>The figures that bounds rest on beside the request's own bytes, each with its source. Looked up on 2026-11-22 unless it says
/// "not confirmed": such a figure is the maker's as it has long been quoted, and to be compared with the maker's page before a cap relies on it.</summary>
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

    /// <summary>What Imagen makes where nothing is said: 4 by Google's REST reference (not confirmed), 1 by Firebase's. The higher one bounds.</summary>
    public const int ImagenDefault = 4;

    /// <summary>
    /// Output tokens of an image by gpt-image-1 and its kin at the dearest size and quality, 1024x1536 and high: 6,240, and 100 for each of at
    /// most three partial images (OpenAI's guide to image generation; not confirmed, though 6,240 at 40 USD a million is the 0.25 USD of its price list).
    /// gpt-image-2 takes any size and has no such table.
    /// </summary>
    public const long GptImage1Tokens = 6240 + (3 * 100);

    /// <summary>Cohere counts up to 100 documents as one search unit, and each piece of 510 tokens of a longer one as a document, the query in each of them (docs.cohere.com, "Rerank").</summary>
    public const int DocumentsPerSearchUnit = 100;

    public const int RerankPieceTokens = 500;

    /// <summary>
    /// The most tokens that an image takes; null where the maker publishes no maximum, so that only the model's window bounds it.
    /// </summary>
    /// <remarks>
    /// Claude: one for 28x28 pixels after scaling to 2,576 on the long edge (platform.claude.com, "Vision"); 4,005 measured for 12 megapixels, at most 4,784 (not confirmed).
    /// Gemini: to version 2 by tiles of 258 tokens, of at least 256 pixels of 3072x3072, which makes at most 12 by 2 (not confirmed); from 3 on
    /// 1,101 measured by default and 2,240 at the highest resolution (not confirmed).
    /// OpenAI: by tiles, scaled into 2048x768, 8 of 170 and 85; gpt-4o-mini bills 8 of 5,667 and 2,833 for the same (not confirmed), beyond its
    /// window (pypi.org/project/pictoken); the small ones by 1,536 patches times at most 2.46 (not confirmed). Later models take as many
    /// patches as the image has: 14,364 tokens measured (huggingface.co/datasets/JOHNISKING/image-token-cost).
    /// </remarks>
    public static long? ImageTokens(string model)
    {
        var at = model.LastIndexOf('/') + 1;
        var name = model.AsSpan(at);
        if (Has(name, "claude"))
            return 5000;
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
