using Tokonomics.Application.Caching;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.Caching;

/// <summary>An answer as bytes, before they are sealed.</summary>
internal static class AnswerFormat
{
    // Of the fields and their order. Another version's is as if it weren't there: it is asked for anew.
    private const byte Version = 1;

    private const int MostHeaders = 64;

    public static byte[] Write(KeptAnswer answer)
    {
        using var bytes = new MemoryStream(answer.Body.Length + 512);
        using (var writer = new BinaryWriter(bytes))
        {
            writer.Write(Version);
            writer.Write(answer.RequestId);
            writer.Write(answer.At.UtcTicks);
            writer.Write(answer.Until.UtcTicks);
            writer.Write(answer.Provider);
            writer.Write(answer.Dialect);
            writer.Write(answer.Operation);
            Write(writer, answer.RequestModel);
            Write(writer, answer.ResponseModel);
            Write(writer, answer.FinishReason);
            writer.Write(answer.Streamed);
            writer.Write(answer.Cost is not null);
            writer.Write(answer.Cost?.Value ?? 0);
            writer.Write((byte)answer.Headers.Count);
            foreach (var (name, value) in answer.Headers)
            {
                writer.Write(name);
                writer.Write(value);
            }

            writer.Write(answer.Body.Length);
            writer.Write(answer.Body);
        }

        return bytes.ToArray();
    }

    /// <returns>Null where it is of another version, or not what this wrote.</returns>
    public static KeptAnswer? Read(byte[] bytes)
    {
        try
        {
            using var reader = new BinaryReader(new MemoryStream(bytes, writable: false));
            if (reader.ReadByte() != Version)
                return null;
            var (id, at, until) = (reader.ReadString(), Time(reader), Time(reader));
            var (provider, dialect, operation) = (reader.ReadString(), reader.ReadString(), reader.ReadString());
            var (asked, answered, finish, streamed) = (Text(reader), Text(reader), Text(reader), reader.ReadBoolean());
            var (priced, cost, count) = (reader.ReadBoolean(), reader.ReadInt64(), reader.ReadByte());
            if (count > MostHeaders)
                return null;
            var headers = new KeyValuePair<string, string>[count];
            for (var i = 0; i < count; i++)
                headers[i] = new(reader.ReadString(), reader.ReadString());
            var length = reader.ReadInt32();
            var body = length < 0 ? [] : reader.ReadBytes(length);
            return length != body.Length || reader.BaseStream.Position != bytes.Length
                ? null
                : new KeptAnswer(id, at, until, provider, dialect, operation, asked, answered, finish, streamed, priced ? new NanoUsd(cost) : null, headers, body);
        }
        catch (Exception e) when (e is IOException or FormatException or ArgumentException)
        {
            return null;
        }
    }

    private static void Write(BinaryWriter writer, string? text)
    {
        writer.Write(text is not null);
        if (text is not null)
            writer.Write(text);
    }

    private static string? Text(BinaryReader reader) => reader.ReadBoolean() ? reader.ReadString() : null;

    private static DateTimeOffset Time(BinaryReader reader) => new(reader.ReadInt64(), TimeSpan.Zero);
}
