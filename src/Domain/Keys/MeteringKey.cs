using Tokonomics.Domain.Ledger;

namespace Tokonomics.Domain.Keys;

/// <summary>
/// A metering key in the clear: <c>mk_live_</c> or <c>mk_test_</c>, 33 random characters, 6 of checksum. Exists while it is issued or
/// presented; nothing stores it, and <see cref="ToString"/> shows the masked form.
/// </summary>
public sealed class MeteringKey
{
    public const string LivePrefix = "mk_live_";
    public const string TestPrefix = "mk_test_";
    public const int Length = 8 + KeyText.RandomChars + KeyText.ChecksumChars;

    private readonly string _text;

    private MeteringKey(string text) => _text = text;

    public static MeteringKey Generate(KeyEnvironment environment) =>
        new(KeyText.Generate(environment == KeyEnvironment.Live ? LivePrefix : TestPrefix));

    /// <summary>True for a text that could be a metering key: prefix, length, alphabet and checksum are right.</summary>
    public static bool IsWellFormed(ReadOnlySpan<char> text) => KeyText.IsWellFormed(text, LivePrefix) || KeyText.IsWellFormed(text, TestPrefix);

    /// <summary>The part by which a well-formed key is looked up: the first 10 random characters (59 bits), stored in the clear.</summary>
    public static ReadOnlySpan<char> LookupIdOf(ReadOnlySpan<char> wellFormed) => wellFormed.Slice(LivePrefix.Length, KeyText.LookupChars);

    public string LookupId => LookupIdOf(_text).ToString();

    public KeyEnvironment Environment => _text.StartsWith(LivePrefix, StringComparison.Ordinal) ? KeyEnvironment.Live : KeyEnvironment.Test;

    /// <summary>The whole key. It leaves the product once, in the answer to its creation.</summary>
    public string Reveal() => _text;

    /// <summary>How lists show a key: <c>mk_live_AbCdEfGhIj…</c>.</summary>
    public static string Mask(KeyEnvironment environment, string lookupId) =>
        (environment == KeyEnvironment.Live ? LivePrefix : TestPrefix) + lookupId + "…";

    public override string ToString() => Mask(Environment, LookupId);
}
