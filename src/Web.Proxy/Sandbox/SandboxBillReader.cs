using System.Text;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>Reads a bill again and again while it grows: each time only what was added, so that a witness may look often at a long one.</summary>
public sealed class SandboxBillReader(string path)
{
    private readonly Dictionary<string, SandboxBillLine> _calls = [];
    private readonly Lock _gate = new();
    private long _read;

    /// <summary>The bill so far, in the order of acceptance. A call without its last line is <see cref="SandboxOutcome.Open"/>.</summary>
    public IReadOnlyList<SandboxBillLine> Read()
    {
        lock (_gate)
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var added = new byte[Math.Max(0, file.Length - _read)];
            file.Seek(_read, SeekOrigin.Begin);
            // What follows the last line's end is being written right now, or was cut by a kill: it is not yet a line.
            var whole = added.AsSpan(0, added.AsSpan(0, file.ReadAtLeast(added, added.Length, throwOnEndOfStream: false)).LastIndexOf((byte)'\n') + 1);
            foreach (var text in whole.Split((byte)'\n'))
                if (SandboxBill.TryParse(Encoding.UTF8.GetString(whole[text])) is { } line)
                    _calls[line.Id] = line;
            _read += whole.Length;
            return [.. _calls.Values.OrderBy(l => l.Sequence)];
        }
    }
}
