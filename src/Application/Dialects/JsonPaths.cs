using System.Text;

namespace Tokonomics.Application.Dialects;

/// <summary>What the skimmer does with a value that it finds at a declared path.</summary>
internal enum Skim : byte
{
    /// <summary>Nothing: the path only leads on.</summary>
    Pass,

    /// <summary>Hands the value's JSON to the sink, whole.</summary>
    Take,

    /// <summary>Adds the bytes of the value's text to a counter; of an object or array, all its bytes.</summary>
    Count,

    /// <summary>Tells the sink, at the value's end, that it was there, and its first byte. May have paths below it.</summary>
    Mark,
}

/// <summary>
/// The paths that a dialect reads, as a trie: <c>response.usage</c>, <c>choices[].delta.content</c>. Built once, shared by all readers.
/// </summary>
/// <remarks>
/// A document that is an array is read as a run of documents (Gemini's JSON stream, the error arrays of its OpenAI endpoint): the root is its own element.
/// </remarks>
internal sealed class JsonPaths
{
    public JsonPaths(params (string Path, Skim Does, int Slot)[] paths)
    {
        Root.Element = Root;
        foreach (var (path, does, slot) in paths)
        {
            var node = Root;
            foreach (var step in path.Split('.'))
            {
                node = node.Child(step.TrimEnd('[', ']'));
                if (step.EndsWith("[]", StringComparison.Ordinal))
                    node = node.Element ??= new Node();
            }

            node.Does = does;
            node.Slot = slot;
        }
    }

    public Node Root { get; } = new();

    internal sealed class Node
    {
        private byte[][] _keys = [];
        private Node[] _children = [];

        public Node? Element { get; set; }

        public Skim Does { get; set; }

        public int Slot { get; set; }

        public bool HasKeys => _keys.Length > 0;

        public Node? Find(ReadOnlySpan<byte> key)
        {
            for (var i = 0; i < _keys.Length; i++)
                if (key.SequenceEqual(_keys[i]))
                    return _children[i];
            return null;
        }

        public Node Child(string key)
        {
            var bytes = Encoding.UTF8.GetBytes(key);
            if (Find(bytes) is { } known)
                return known;
            var child = new Node();
            _keys = [.. _keys, bytes];
            _children = [.. _children, child];
            return child;
        }
    }
}
