namespace Tokonomics.Infrastructure.Providers;

/// <summary>What somebody else's server said, as far as it is worth keeping: its beginning, as one short line.</summary>
internal static class AnswerWords
{
    /// <summary>The first bytes of an answer's body; what it goes on to say is not read.</summary>
    public static async Task<ReadOnlyMemory<byte>> BeginningAsync(HttpResponseMessage answer, int most, CancellationToken cancellationToken)
    {
        var bytes = new byte[most];
        await using var body = await answer.Content.ReadAsStreamAsync(cancellationToken);
        return bytes.AsMemory(0, await body.ReadAtLeastAsync(bytes, most, throwOnEndOfStream: false, cancellationToken));
    }

    /// <summary>On one line, without control characters, of that many characters at most and then an ellipsis.</summary>
    public static string Short(string text, int most)
    {
        text = new string([.. text.Select(c => char.IsControl(c) ? ' ' : c)]).Trim();
        return text.Length <= most ? text : text[..most] + "…";
    }
}
