using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Tokonomics.Infrastructure.Journal;

/// <summary>What a record says. The numbers are on disk: never reused, never renumbered.</summary>
internal enum RecordType : byte
{
    /// <summary>The first of each segment: the format's version, its number, and the number and length of the segment before it, so that a lost end is noticed.</summary>
    Header = 1,

    /// <summary>A call, and how often it was sent so far.</summary>
    Admitted = 2,

    /// <summary>An attempt of a call is about to go out.</summary>
    Sent = 3,

    /// <summary>The event of an attempt, and whether it is the call's last.</summary>
    Settled = 4,

    /// <summary>A call that was not sent.</summary>
    Void = 5,

    /// <summary>All events that stand before a place are in the ledger.</summary>
    Shipped = 6,

    /// <summary>More is held for a call: its new upper bound, and all that each lease covers now.</summary>
    Extended = 7,

    /// <summary>How far a call came: its usage so far.</summary>
    Progress = 8,
}

/// <summary>
/// Writes one record: <c>length of what follows the type (4 bytes) · CRC-32C of length, type and what follows (4) · type (1) · fields</c>, little
/// endian. Numbers are LEB128, text is its length in UTF-8 plus one (0: none) before its bytes.
/// </summary>
/// <remarks>In a buffer of the thread's own, so that nothing is allocated; a record is finished and taken before the next is begun.</remarks>
internal ref struct RecordWriter
{
    public const int HeadBytes = 9;

    /// <summary>Far above any record; what claims to be longer is damage.</summary>
    public const int MaxBytes = 1024 * 1024;

    [ThreadStatic]
    private static byte[]? s_buffer;

    private byte[] _buffer;
    private int _at;

    /// <param name="buffer">For a record that is written while another stands finished; null for the thread's.</param>
    public RecordWriter(RecordType type, byte[]? buffer = null)
    {
        _buffer = buffer ?? (s_buffer ??= new byte[4096]);
        _buffer[8] = (byte)type;
        _at = HeadBytes;
    }

    public void Byte(byte value)
    {
        Room(1);
        _buffer[_at++] = value;
    }

    public void Number(long value)
    {
        Room(10);
        var rest = (ulong)value;
        while (rest >= 0x80)
        {
            _buffer[_at++] = (byte)(rest | 0x80);
            rest >>= 7;
        }

        _buffer[_at++] = (byte)rest;
    }

    public void Raw(ReadOnlySpan<byte> fields)
    {
        Room(fields.Length);
        fields.CopyTo(_buffer.AsSpan(_at));
        _at += fields.Length;
    }

    public void Text(string? text)
    {
        if (text is null)
        {
            Byte(0);
            return;
        }

        // Names and ids: short, and of one byte a character, so that their length is known before they are written.
        if (text.Length < 0x7f)
        {
            Room(1 + text.Length);
            if (Ascii.FromUtf16(text, _buffer.AsSpan(_at + 1), out _) == OperationStatus.Done)
            {
                _buffer[_at] = (byte)(text.Length + 1);
                _at += 1 + text.Length;
                return;
            }
        }

        var length = Encoding.UTF8.GetByteCount(text);
        Number(length + 1);
        Room(length);
        Encoding.UTF8.GetBytes(text, _buffer.AsSpan(_at));
        _at += length;
    }

    /// <summary>The whole record; valid until this thread begins another.</summary>
    public readonly ReadOnlySpan<byte> Finish()
    {
        var record = _buffer.AsSpan(0, _at);
        BinaryPrimitives.WriteInt32LittleEndian(record, _at - HeadBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(record[4..], Checksum(record));
        return record;
    }

    /// <summary>Of all of a record but the checksum's own place.</summary>
    public static uint Checksum(ReadOnlySpan<byte> record)
    {
        // CRC-32C (Castagnoli), which processors compute; it finds every error of up to 32 neighbouring bits.
        var crc = BitOperations.Crc32C(uint.MaxValue, BinaryPrimitives.ReadUInt32LittleEndian(record));
        var rest = record[8..];
        for (; rest.Length >= 8; rest = rest[8..])
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(rest));
        foreach (var one in rest)
            crc = BitOperations.Crc32C(crc, one);
        return ~crc;
    }

    private void Room(int bytes)
    {
        if (_buffer.Length - _at >= bytes)
            return;
        Array.Resize(ref _buffer, Math.Max(_buffer.Length * 2, _at + bytes));
        s_buffer = _buffer;
    }
}

/// <summary>Reads the fields of a record whose checksum held.</summary>
/// <exception cref="FormatException">They aren't what they should be: another version of the program wrote them.</exception>
internal ref struct RecordReader(ReadOnlySpan<byte> fields)
{
    private ReadOnlySpan<byte> _rest = fields;

    /// <summary>What has not been read yet.</summary>
    public readonly ReadOnlySpan<byte> Rest => _rest;

    public byte Byte()
    {
        if (_rest.IsEmpty)
            throw new FormatException("a journal record ends too soon");
        var value = _rest[0];
        _rest = _rest[1..];
        return value;
    }

    public long Number()
    {
        ulong value = 0;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var next = Byte();
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80)
                return (long)value;
        }

        throw new FormatException("a journal record has a number of more than 64 bits");
    }

    public int Count(int most)
    {
        var count = Number();
        return count >= 0 && count <= most ? (int)count : throw new FormatException($"a journal record counts {count}, which may be {most} at most");
    }

    public string? Text()
    {
        var length = Count(RecordWriter.MaxBytes) - 1;
        if (length < 0)
            return null;
        if (length > _rest.Length)
            throw new FormatException("a journal record ends too soon");
        var text = Encoding.UTF8.GetString(_rest[..length]);
        _rest = _rest[length..];
        return text;
    }

    /// <param name="otherwise">What no text stands for; null where there must be one.</param>
    public string Name(string? otherwise = null) => Text() ?? otherwise ?? throw new FormatException("a journal record lacks a name");

    /// <summary>The next whole record of a segment.</summary>
    /// <returns>Its length; 0 where none begins here, or where what begins is torn or damaged.</returns>
    public static int Next(ReadOnlySpan<byte> rest, out RecordType type, out ReadOnlySpan<byte> fields)
    {
        type = default;
        fields = default;
        if (rest.Length < RecordWriter.HeadBytes)
            return 0;
        var length = BinaryPrimitives.ReadInt32LittleEndian(rest);
        if (length < 0 || length > RecordWriter.MaxBytes || length > rest.Length - RecordWriter.HeadBytes)
            return 0;
        var record = rest[..(RecordWriter.HeadBytes + length)];
        if (BinaryPrimitives.ReadUInt32LittleEndian(record[4..]) != RecordWriter.Checksum(record))
            return 0;
        type = (RecordType)record[8];
        fields = record[RecordWriter.HeadBytes..];
        return record.Length;
    }
}
