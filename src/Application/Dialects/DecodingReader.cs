using System.Diagnostics.CodeAnalysis;
using System.IO.Compression;
using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Dialects;

/// <summary>
/// Meters a compressed answer: decompresses a copy of the bytes as they pass and feeds the reader behind it. The relay never waits for it
/// and is never harmed by it: on bad data, or once more than <c>maxBytes</c> have come out (a decompression bomb), it just stops reading.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "Finish, which every reader gets once, disposes what there is to dispose.")]
public sealed class DecodingReader : ResponseReader
{
    /// <summary>More than any answer of a model; a bomb is cut off here.</summary>
    public const long DefaultMaxBytes = 64L * 1024 * 1024;

    private const int Piece = 16 * 1024;

    private readonly ResponseReader _inner;
    private readonly string _encoding;
    private readonly byte[] _decoded = new byte[Piece];
    private readonly Feeder _feeder = new();
    private BrotliDecoder _brotli;
    private Stream? _inflater;
    private long _left;
    private bool _stopped;

    private DecodingReader(ResponseReader inner, string encoding, long maxBytes)
    {
        _inner = inner;
        _encoding = encoding;
        _left = maxBytes;
    }

    /// <summary>The reader itself for an answer that isn't compressed; for an encoding that can't be read, one that reads nothing and reports that.</summary>
    public static ResponseReader For(ResponseReader reader, string? contentEncoding, long maxBytes = DefaultMaxBytes) =>
        contentEncoding?.Trim().ToLowerInvariant() switch
        {
            null or "" or "identity" => reader,
            var encoding => new DecodingReader(reader, encoding, maxBytes),
        };

    public override void Feed(ReadOnlySpan<byte> bytes)
    {
        if (_stopped || bytes.IsEmpty)
            return;
        try
        {
            switch (_encoding)
            {
                case "br":
                    Brotli(bytes);
                    break;
                case "gzip" or "x-gzip" or "deflate":
                    Inflate(bytes);
                    break;
                default:
                    _stopped = true;
                    break;
            }
        }
        catch (Exception) // whatever a decompressor makes of hostile bytes, the relay goes on
        {
            _stopped = true;
        }
    }

    public override long EstimatedOutputTokens => _inner.EstimatedOutputTokens;

    public override Correction Correction
    {
        get => _inner.Correction;
        set => _inner.Correction = value;
    }

    public override bool Flawed => _stopped || _inner.Flawed;

    public override PassedTokens Passed => _inner.Passed;

    public override TokenUsage UsageSoFar => _inner.UsageSoFar;

    // What could not be decompressed could be anything.
    public override long OutputTokensAtMost => _stopped ? long.MaxValue : _inner.OutputTokensAtMost;

    public override MeteredResponse Finish(bool whole)
    {
        _brotli.Dispose();
        _inflater?.Dispose();
        return _inner.Finish(whole && !_stopped);
    }

    private void Brotli(ReadOnlySpan<byte> bytes)
    {
        while (!_stopped)
        {
            var status = _brotli.Decompress(bytes, _decoded, out var read, out var written);
            bytes = bytes[read..];
            Pass(written);
            if (status == System.Buffers.OperationStatus.InvalidData)
                _stopped = true;
            if (status != System.Buffers.OperationStatus.DestinationTooSmall)
                return;
        }
    }

    // The stream behind the inflater returns 0 when it is drained. The inflater takes that for the end of this read only and goes on when
    // more comes. A gzip member that ended is followed by a new inflater, which is how members that follow each other are read.
    private void Inflate(ReadOnlySpan<byte> bytes)
    {
        _feeder.Add(bytes);
        if (_inflater is null)
        {
            // Two bytes tell whether "deflate" is zlib, as the standard says, or raw, as some servers send.
            if (_feeder.Pending < 2)
                return;
            _inflater = _encoding != "deflate" ? new GZipStream(_feeder, CompressionMode.Decompress)
                : _feeder.LooksLikeZlib ? new ZLibStream(_feeder, CompressionMode.Decompress)
                : new DeflateStream(_feeder, CompressionMode.Decompress);
        }

        while (!_stopped)
        {
            var written = _inflater.Read(_decoded);
            if (written == 0)
                return;
            Pass(written);
        }
    }

    private void Pass(int count)
    {
        if (count > _left)
        {
            _stopped = true;
            return;
        }

        _left -= count;
        _inner.Feed(_decoded.AsSpan(0, count));
    }

    // Holds what came and wasn't taken yet: a read by the inflater takes all of it, so that this stays as small as one network read.
    private sealed class Feeder : Stream
    {
        private byte[] _bytes = [];
        private int _start;
        private int _end;

        public int Pending => _end - _start;

        // RFC 1950: method 8 and a check value over the first two bytes.
        public bool LooksLikeZlib => (_bytes[_start] & 0x0F) == 8 && ((_bytes[_start] << 8) | _bytes[_start + 1]) % 31 == 0;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public void Add(ReadOnlySpan<byte> bytes)
        {
            var pending = Pending;
            if (_bytes.Length < pending + bytes.Length)
                Array.Resize(ref _bytes, Math.Max(1024, (pending + bytes.Length) * 2));
            if (_start > 0)
                _bytes.AsSpan(_start, pending).CopyTo(_bytes);
            bytes.CopyTo(_bytes.AsSpan(pending));
            (_start, _end) = (0, pending + bytes.Length);
        }

        public override int Read(Span<byte> buffer)
        {
            var count = Math.Min(buffer.Length, Pending);
            _bytes.AsSpan(_start, count).CopyTo(buffer);
            _start += count;
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
