namespace Tokonomics.Domain.Metering;

/// <summary>Where the counts of an event come from.</summary>
public enum UsageSource : byte
{
    /// <summary>Nothing was used, or nothing can be said: a free call, or an error before any output.</summary>
    None = 0,

    /// <summary>The provider's own final figures.</summary>
    Reported = 1,

    /// <summary>The provider's own figures, but not the final ones: the stream ended early; output is an estimate from what was seen.</summary>
    Partial = 2,

    /// <summary>Our estimate from the bytes of the request and of the answer.</summary>
    Estimated = 3,
}
