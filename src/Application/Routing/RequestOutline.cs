using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Tokonomics.Application.Routing;

/// <summary>What routing asks of a request's body beyond what every call is peeked for. No text of it is kept.</summary>
/// <param name="HasTools">It offers tools.</param>
/// <param name="InToolLoop">Its last message is a tool's result: the model is in the middle of something.</param>
/// <param name="GoesOn">More than its first message has been said: a provider may have cached it.</param>
/// <param name="Conversation">The same for all requests of a conversation: a hash of its instructions and its first message. 0 where it has none.</param>
public readonly record struct RequestOutline(bool HasTools, bool InToolLoop, bool GoesOn, ulong Conversation)
{
    /// <summary>Of the answer that it goes on from, as <see cref="OfAnswer"/> makes it; 0 where it brings all that was said itself.</summary>
    public ulong Previous { get; private init; }

    // Enough to tell conversations apart; a system prompt may have a hundred thousand bytes.
    private const int HashedBytes = 4096;

    /// <summary>Where its conversation falls in a draw by weight, 0 to 1: all its calls draw alike, on every node.</summary>
    public double Draw => (Conversation >> 11) / (double)(1UL << 53);

    /// <param name="salt">Whose conversation it is: the same words of another key are another.</param>
    public static RequestOutline Of(ReadOnlySpan<byte> body, string salt) => Of(RequestParts.Of(body), salt);

    /// <inheritdoc cref="Of(ReadOnlySpan{byte}, string)"/>
    public static RequestOutline Of(in RequestParts parts, string salt) =>
        new(parts.HasTools, parts.ToolLast, parts.GoesOn, parts.First.IsEmpty ? 0 : Hash(salt, parts.Instructions, parts.First)) { Previous = parts.Previous is [_, .. var id, _] ? OfAnswer(salt, id) : 0 };

    /// <summary>A number for an answer that its provider keeps.</summary>
    /// <param name="id">Its id, such as <c>resp_…</c>, in UTF-8.</param>
    public static ulong OfAnswer(string salt, ReadOnlySpan<byte> id) => Hash(salt, "answer"u8, id);

    private static ulong Hash(string salt, ReadOnlySpan<byte> instructions, ReadOnlySpan<byte> first)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(salt));
        Span<byte> length = stackalloc byte[4];
        Add(instructions, length);
        Add(first, length);
        Span<byte> digest = stackalloc byte[32];
        hash.GetHashAndReset(digest);
        return BinaryPrimitives.ReadUInt64LittleEndian(digest) | 1; // never 0

        void Add(ReadOnlySpan<byte> text, Span<byte> head)
        {
            BinaryPrimitives.WriteInt32LittleEndian(head, text.Length);
            hash.AppendData(head);
            hash.AppendData(text.Length <= HashedBytes ? text : text[..HashedBytes]);
        }
    }
}
