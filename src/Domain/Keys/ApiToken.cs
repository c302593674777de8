namespace Tokonomics.Domain.Keys;

/// <summary>A token for the management API in the clear: <c>tk_</c>, then as <see cref="MeteringKey"/>. Calls no provider, whatever its role.</summary>
public sealed class ApiToken
{
    public const string Prefix = "tk_";

    private readonly string _text;

    private ApiToken(string text) => _text = text;

    public static ApiToken Generate() => new(KeyText.Generate(Prefix));

    public static bool IsWellFormed(ReadOnlySpan<char> text) => KeyText.IsWellFormed(text, Prefix);

    public static ReadOnlySpan<char> LookupIdOf(ReadOnlySpan<char> wellFormed) => wellFormed.Slice(Prefix.Length, KeyText.LookupChars);

    public string LookupId => LookupIdOf(_text).ToString();

    /// <summary>The whole token. It leaves the product once, in the answer to its creation.</summary>
    public string Reveal() => _text;

    public static string Mask(string lookupId) => Prefix + lookupId + "…";

    public override string ToString() => Mask(LookupId);
}
