using System.Text.RegularExpressions;

namespace Tokonomics.Workers.Jobs;

/// <summary>Why a job failed, for a page: one short line without what might be a secret. The log has the whole of it.</summary>
internal static partial class FailureWords
{
    public static string Of(Exception e, int longest)
    {
        var text = $"{e.GetType().Name}: {e.GetBaseException().Message}";
        text = Secret().Replace(new string([.. text.Select(c => char.IsControl(c) ? ' ' : c)]), "…").Trim();
        return text.Length <= longest ? text : text[..longest] + "…";
    }

    // What is named a secret, with its value; and whatever has a key's prefix or is long and has digits in it. An id may go with it.
    [GeneratedRegex("""(?ix) \b(password|pwd|secret|token|api[-_ ]?key|authorization|bearer)\b \s*[=:]?\s* \S+ | \b[rsp]k[-_]\S+ | \bwhsec_\S+ | \b(?=[\w+/=-]*\d)[\w+/=-]{24,}""")]
    private static partial Regex Secret();
}
