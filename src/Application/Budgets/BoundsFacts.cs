namespace Tokonomics.Application.Budgets;

/// <summary>The figures that bounds rest on beside the request's own bytes, each with its source. All checked on 2026-11-21.</summary>
internal static class BoundsFacts
{
    /// <summary>
    /// Tokens that a provider puts before a prompt without being asked: its template's own system text. Most in 1,893 recorded calls: 548
    /// beyond the body's bytes (Grok 4, "hi"), of which the body covers another 100. Llama 4, gpt-oss and Qwen templates: below 150.
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
    /// Tools that Anthropic has defined bring instructions of their own: 735 tokens the computer, 700 the editor, 245 the shell, and 466 to 499
    /// for the computer's system prompt (docs.anthropic.com, "Computer use", "Text editor", "Bash").
    /// </summary>
    public const long ProvidersOwnTool = 1536;

    /// <summary>A value of a schema that a template prints on a line of its own: a line break, an indent.</summary>
    public const long TokensPerToolValue = 2;

    /// <summary>
    /// Anthropic's loop of server tools runs ten times and then stops with <c>pause_turn</c> (platform.claude.com, "Handling stop reasons",
    /// "Server tools"); and once more to answer.
    /// </summary>
    public const int AnthropicRuns = 11;

    /// <summary>What Imagen makes where nothing is said (ai.google.dev, "Imagen": numberOfImages, "the default is 4").</summary>
    public const int ImagenDefault = 4;

    /// <summary>
    /// Output tokens of an image by gpt-image-1 and its kin at the dearest size and quality, 1024x1536 and high: 6,240, and 100 for each of at
    /// most three partial images (developers.openai.com, "Image generation"). gpt-image-2 has no such table.
    /// </summary>
    public const long GptImage1Tokens = 6240 + (3 * 100);

    /// <summary>Cohere counts up to 100 documents as one search unit, and each piece of 510 tokens of a longer one as a document, the query in each of them (docs.cohere.com, "Rerank").</summary>
    public const int DocumentsPerSearchUnit = 100;

    public const int RerankPieceTokens = 500;

    /// <summary>
    /// The most tokens that an image takes; null where the maker publishes no maximum, so that only the model's window bounds it.
    /// </summary>
    /// <remarks>
    /// Claude: at most 4,784 of 28x28 pixels after scaling (platform.claude.com, "Vision": 2,576 pixels on the long edge; 4,005 measured for 12 megapixels).
    /// Gemini: up to 2 by tiles of 258 tokens and at least 256 pixels of 3072x3072, at most 12 by 2 of them; from 3 on up to 2,240 (ai.google.dev, "Image understanding", "Media resolution").
    /// OpenAI (developers.openai.com, "Images and vision"): by tiles, scaled into 2048x768, 8 of 170 and 85; gpt-4o-mini bills 8 of 5,667 and
    /// 2,833 for the same, beyond its window; the small ones by 1,536 patches times at most 2.46. Later models take as many patches as the image has.
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

    public static bool Has(ReadOnlySpan<char> name, string part) => name.Contains(part, StringComparison.OrdinalIgnoreCase);

    // gpt-5, gpt-5-mini, and not gpt-5.4.
    private static bool Begins(ReadOnlySpan<char> name, string with) =>
        name.StartsWith(with, StringComparison.OrdinalIgnoreCase) && (name.Length == with.Length || name[with.Length] is '-' or ':' or '@');
}
