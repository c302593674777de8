using Tokonomics.Application.Dialects;
using Tokonomics.Application.Translation;

namespace Tokonomics.Web.Proxy.Routing;

/// <summary>A call whose provider speaks another dialect than its client.</summary>
/// <param name="Request">What is sent.</param>
/// <param name="JsonArray">A client of Gemini's dialect asked for its stream without <c>alt=sse</c>.</param>
internal sealed record CallTranslation(Translator Translator, TranslatedRequest Request, bool JsonArray)
{
    /// <summary>Of an answer: hints of the request that its provider was not told, with the reason.</summary>
    public const string NotesHeader = "x-tokonomics-not-carried";

    private const int MostNoteChars = 1000;

    public string? Notes => Request.Notes.Count == 0 ? null : string.Join("; ", Request.Notes) is var all && all.Length <= MostNoteChars ? all : all[..MostNoteChars];

    public AnswerWishes Wishes(DateTimeOffset at, ProviderQuirks quirks) => new(null, at, Request.UsageInStream, Request.Thoughts, JsonArray, quirks);
}
