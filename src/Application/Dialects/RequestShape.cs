using System.Text;

namespace Tokonomics.Application.Dialects;

/// <summary>A part of a request that decides money. Two that stand for the same field may not both be there.</summary>
internal enum Field : byte
{
    None,
    Model,
    Stream,
    StreamOptions,
    IncludeUsage,
    Limit,
    OtherLimit,
    Choices,
    BestOf,
    Tier,
    Geo,
    Speed,
    SearchContext,
    Size,
    Quality,
    Prompt,
    Input,
    Spoken,

    /// <summary>A limit for thinking alone.</summary>
    ThinkingBudget,

    /// <summary>The object that the output limit belongs into.</summary>
    LimitHolder,
}

/// <summary>What the request itself fixes of what is billed.</summary>
internal enum FixedUnits : byte
{
    None,

    /// <summary>The characters of the field that is <see cref="Field.Spoken"/>.</summary>
    Characters,

    /// <summary>As many images as choices.</summary>
    Images,
}

/// <summary>Where a dialect's requests keep what the proxy needs. Built once.</summary>
internal sealed class RequestShape
{
    private readonly (byte[]? Parent, byte[] Key, Field Field)[] _fields;

    /// <param name="fields">Name and meaning; <c>parent.name</c> for a field one level down.</param>
    public RequestShape(params (string Path, Field Field)[] fields) =>
        _fields = Array.ConvertAll(fields, f => f.Path.Split('.') is [var parent, var key]
            ? (Encoding.UTF8.GetBytes(parent), Encoding.UTF8.GetBytes(key), f.Field)
            : ((byte[]?)null, Encoding.UTF8.GetBytes(f.Path), f.Field));

    /// <summary>The answer streams unless <c>stream: false</c> is said (Ollama).</summary>
    public bool StreamsByDefault { get; init; }

    /// <summary><c>stream_options</c> may be spliced in where the provider needs it.</summary>
    public bool AsksForUsage { get; init; }

    public FixedUnits Units { get; init; }

    /// <summary>A negative limit means "none" (Ollama's <c>num_predict</c>).</summary>
    public bool NegativeLimitIsNone { get; init; }

    public int Count => _fields.Length;

    public (byte[]? Parent, byte[] Key, Field Field) this[int index] => _fields[index];
}
