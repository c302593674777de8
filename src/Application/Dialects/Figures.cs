using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Dialects;

/// <summary>
/// One provider's figures brought to one meaning: totals, and parts that lie inside them. Null is "not reported".
/// </summary>
/// <remarks>
/// <see cref="ToUsage"/> makes disjoint units of them. Where the figures contradict each other (more cached than sent, more reasoning
/// than output; both are on record) the total is right and the part is cut to fit: the total is what providers bill by.
/// </remarks>
internal struct Figures
{
    /// <summary>All input tokens, cached and of every modality.</summary>
    public long? Input;
    public long? CacheRead;

    /// <summary>All cache writes, <see cref="CacheWrite1h"/> among them.</summary>
    public long? CacheWrite;
    public long? CacheWrite1h;
    public long? AudioIn;
    public long? ImageIn;
    public long? VideoIn;
    public long? CacheReadAudio;
    public long? CacheReadImage;
    public long? CacheReadVideo;

    /// <summary>All output tokens, reasoning and every modality.</summary>
    public long? Output;
    public long? Reasoning;
    public long? AudioOut;
    public long? ImageOut;
    public long? VideoOut;

    /// <summary>What is not tokens: searches, images, seconds. Taken over as it is.</summary>
    public TokenUsage Other;

    public readonly bool IsEmpty => Input is null && Output is null && Other.IsEmpty;

    public readonly TokenUsage ToUsage()
    {
        var usage = Other;
        var room = Input ?? 0;
        var read = Cut(CacheRead, ref room);
        var write = Cut(CacheWrite, ref room);
        var write1h = Math.Min(CacheWrite1h ?? 0, write);

        // Cached parts of a modality come out of the cached total, the rest of that modality out of what isn't cached.
        var readLeft = read;
        var readAudio = Cut(Least(CacheReadAudio, AudioIn), ref readLeft);
        var readImage = Cut(Least(CacheReadImage, ImageIn), ref readLeft);
        var audio = Cut(AudioIn - readAudio, ref room);
        var image = Cut(ImageIn - readImage, ref room);
        var video = Cut(VideoIn - Least(CacheReadVideo, VideoIn), ref room);
        if (Input is not null)
            usage[UsageUnit.Input] = room;
        Set(ref usage, UsageUnit.InputAudio, AudioIn, audio);
        Set(ref usage, UsageUnit.InputImage, ImageIn, image);
        Set(ref usage, UsageUnit.InputVideo, VideoIn, video);
        Set(ref usage, UsageUnit.CacheRead, CacheRead, readLeft);
        Set(ref usage, UsageUnit.CacheReadAudio, CacheReadAudio, readAudio);
        Set(ref usage, UsageUnit.CacheReadImage, CacheReadImage, readImage);
        Set(ref usage, UsageUnit.CacheWrite, CacheWrite, write - write1h);
        Set(ref usage, UsageUnit.CacheWrite1h, CacheWrite1h, write1h);

        room = Output ?? 0;
        var reasoning = Cut(Reasoning, ref room);
        var audioOut = Cut(AudioOut, ref room);
        var imageOut = Cut(ImageOut, ref room);
        var videoOut = Cut(VideoOut, ref room);
        if (Output is not null)
            usage[UsageUnit.Output] = room;
        Set(ref usage, UsageUnit.Reasoning, Reasoning, reasoning);
        Set(ref usage, UsageUnit.OutputAudio, AudioOut, audioOut);
        Set(ref usage, UsageUnit.OutputImage, ImageOut, imageOut);
        Set(ref usage, UsageUnit.OutputVideo, VideoOut, videoOut);
        return usage;
    }

    /// <summary>Sums that can't overflow: each count is at most <see cref="UsageWalker.MaxCount"/>. Null only where both are.</summary>
    public static long? Sum(long? a, long? b) => a is null && b is null ? null : (a ?? 0) + (b ?? 0);

    private static long Cut(long? part, ref long room)
    {
        var cut = Math.Clamp(part ?? 0, 0, room);
        room -= cut;
        return cut;
    }

    private static long? Least(long? part, long? whole) => part is null ? null : Math.Min(part.Value, whole ?? 0);

    private static void Set(ref TokenUsage usage, UsageUnit unit, long? reported, long count)
    {
        if (reported is not null)
            usage[unit] = count;
    }
}
