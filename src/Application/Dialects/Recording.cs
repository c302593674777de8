namespace Tokonomics.Application.Dialects;

/// <summary>How long an uploaded file can play at most, from its bytes alone.</summary>
/// <remarks>
/// What the name or the content type claims is not believed: providers look into the file. MP3 has no bit rate below 8 kbit/s (ISO 13818-3).
/// For the other containers the lowest rate of a speech codec in common use counts (a convention, no proof: a codec may pack silence tighter), 4.75 kbit/s (AMR; Opus begins at 6). FLAC packs silence
/// into next to nothing, so that no length follows from its size; the same holds for what isn't known.
/// </remarks>
internal static class Recording
{
    private const long Mp3BytesPerSecond = 1000;
    private const long LeastBytesPerSecond = 593;

    public static void Add(RequestExtent extent, ReadOnlySpan<byte> file)
    {
        extent.TextBytes = Math.Max(0, extent.TextBytes - file.Length);
        if (IsImage(file))
        {
            extent.Images++;
            return;
        }

        extent.OtherMedia++;
        var most = BytesPerSecond(file) is { } rate ? (file.Length * 1000 / rate) + 1000 : long.MaxValue;
        extent.RecordingMilliseconds = most == long.MaxValue || extent.RecordingMilliseconds == long.MaxValue ? long.MaxValue : extent.RecordingMilliseconds + most;
    }

    private static bool IsImage(ReadOnlySpan<byte> file) =>
        file is [0x89, (byte)'P', (byte)'N', (byte)'G', ..] || file is [0xFF, 0xD8, 0xFF, ..]
        || file.StartsWith("GIF8"u8) || (file.StartsWith("RIFF"u8) && file.Length > 12 && file[8..].StartsWith("WEBP"u8));

    private static long? BytesPerSecond(ReadOnlySpan<byte> file)
    {
        if (file.StartsWith("ID3"u8) || (file is [0xFF, >= 0xE0, ..] && (file[1] & 0x06) != 0)) // the layer bits: 0 would be AAC
            return Mp3BytesPerSecond;
        var known = (file.StartsWith("RIFF"u8) && file.Length > 12 && file[8..].StartsWith("WAVE"u8)) || file.StartsWith("OggS"u8)
            || file is [0x1A, 0x45, 0xDF, 0xA3, ..] || (file.Length > 8 && file[4..].StartsWith("ftyp"u8)) || file.StartsWith("#!AMR"u8);
        return known && file.IndexOf("fLaC"u8) < 0 ? LeastBytesPerSecond : null;
    }
}
