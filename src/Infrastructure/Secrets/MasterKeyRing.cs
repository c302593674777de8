using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Secrets;

namespace Tokonomics.Infrastructure.Secrets;

/// <summary>
/// The key-encryption keys, and beside them the pepper of the metering keys' hashes: all that must not stand in the database. A key's id is a
/// fingerprint of itself, so that two processes or two files never mean different keys by one id.
/// </summary>
/// <remarks>The pepper isn't rotated with the keys: only a hash is kept of each metering key, and a hash can't be made anew without the key.</remarks>
public sealed class MasterKeyRing(IOptions<SecretOptions> options, IOptions<StoreOptions> store) : IMasterKeys
{
    private readonly Lock _gate = new();
    private readonly string _path = Path.Combine(store.Value.DataDirectory, "master.key");
    private volatile Ring? _ring;

    private sealed record Ring(string Current, IReadOnlyDictionary<string, byte[]> Keys, byte[] Pepper);

    private sealed record RingFile(string Current, IReadOnlyList<KeyLine> Keys, string Pepper);

    private sealed record KeyLine(string Id, DateTimeOffset CreatedAt, string Key);

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    private bool FromSettings => options.Value.MasterKey is not null;

    /// <summary>False where the keys would have to be made. Asked before a database that was written with other keys is opened.</summary>
    internal bool Exists => FromSettings || File.Exists(_path);

    internal string Source => FromSettings ? "Secrets:MasterKey" : _path;

    public string CurrentId => Loaded().Current;

    internal ReadOnlySpan<byte> Pepper => Loaded().Pepper;

    /// <summary>Null where the ring has no such key, also after a second look at the file: another process may have added it.</summary>
    internal byte[]? Find(string id)
    {
        if (Loaded().Keys.TryGetValue(id, out var key))
            return key;
        if (FromSettings)
            return null;
        lock (_gate)
            _ring = Read();
        return _ring.Keys.GetValueOrDefault(id);
    }

    public string Add()
    {
        if (FromSettings)
            throw new InvalidOperationException("The master keys come from Secrets:MasterKey. To rotate, put a new key before the others there, restart, and run tokonomics rotate-master-key --rewrap; docs/operations/keys.md has the order for several hosts.");
        lock (_gate)
        {
            Loaded();
            var file = ReadFile();
            var key = RandomNumberGenerator.GetBytes(32);
            var id = IdOf(key);
            Write(file with { Current = id, Keys = [.. file.Keys, new KeyLine(id, TimeProvider.System.GetUtcNow(), Convert.ToBase64String(key))] }, replace: true);
            _ring = Read();
            return id;
        }
    }

    private Ring Loaded()
    {
        if (_ring is { } ring)
            return ring;
        lock (_gate)
        {
            if (_ring is not null)
                return _ring;
            if (options.Value.Problem() is { } problem)
                throw new InvalidOperationException(problem);
            if (FromSettings)
            {
                var keys = options.Value.MasterKey!.Split(',').Select(k => Convert.FromBase64String(k.Trim())).ToList();
                return _ring = new Ring(IdOf(keys[0]), keys.ToDictionary(IdOf), Convert.FromBase64String(options.Value.Pepper!.Trim()));
            }

            if (!File.Exists(_path))
            {
                var key = RandomNumberGenerator.GetBytes(32);
                var id = IdOf(key);
                // Two processes may start at once on an empty directory: the first to move its file there wins, both then read it.
                Write(new RingFile(id, [new KeyLine(id, TimeProvider.System.GetUtcNow(), Convert.ToBase64String(key))], Convert.ToBase64String(RandomNumberGenerator.GetBytes(32))), replace: false);
            }

            return _ring = Read();
        }
    }

    private Ring Read()
    {
        var file = ReadFile();
        var ring = new Ring(file.Current, file.Keys.ToDictionary(k => k.Id, k => Convert.FromBase64String(k.Key)), Convert.FromBase64String(file.Pepper));
        if (!ring.Keys.ContainsKey(ring.Current) || ring.Pepper.Length != 32 || ring.Keys.Any(k => k.Value.Length != 32 || IdOf(k.Value) != k.Key))
            throw new InvalidDataException($"{_path}: a key or its id is damaged; restore the file from your backup.");
        return ring;
    }

    private RingFile ReadFile()
    {
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(_path) & (UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite)) != 0)
            throw new InvalidOperationException($"{_path} can be read by others than its owner; run: chmod 600 {_path}");
        try
        {
            return JsonSerializer.Deserialize<RingFile>(File.ReadAllBytes(_path), Json) ?? throw new JsonException("it is empty");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{_path} is not a key ring ({e.Message}); restore the file from your backup.", e);
        }
    }

    private void Write(RingFile file, bool replace)
    {
        OwnFiles.MakeFolder(Path.GetDirectoryName(_path)!);
        var temporary = $"{_path}.{Environment.ProcessId}.{Guid.NewGuid():N}";
        using (var stream = new FileStream(temporary, OwnFiles.Options(FileMode.CreateNew, FileAccess.Write, FileShare.Read)))
        {
            stream.Write(JsonSerializer.SerializeToUtf8Bytes(file, Json));
            stream.Flush(flushToDisk: true);
        }

        try
        {
            // File.Move without overwriting looks first and renames then: of two processes that look at once, the second would put its keys over those that the first has used.
            if (replace || OperatingSystem.IsWindows())
                File.Move(temporary, _path, replace);
            else if (Link(Encoding.UTF8.GetBytes(temporary + '\0'), Encoding.UTF8.GetBytes(_path + '\0')) == 0)
                File.Delete(temporary);
            else if (!File.Exists(_path))
                File.Move(temporary, _path, overwrite: false); // a file system without links
            else
                File.Delete(temporary);
        }
        catch (IOException) when (!replace && File.Exists(_path))
        {
            File.Delete(temporary);
        }
    }

    [DllImport("libc", EntryPoint = "link", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Link(byte[] existing, byte[] path);

    private static string IdOf(byte[] key)
    {
        Span<byte> hash = stackalloc byte[32];
        HMACSHA256.HashData(key, "tokonomics key id"u8, hash);
        return "kek_" + Convert.ToHexStringLower(hash[..6]);
    }

    /// <summary>Tells this pepper from another without telling anything of it.</summary>
    internal string PepperFingerprint() => Convert.ToHexStringLower(HMACSHA256.HashData(Pepper, Encoding.ASCII.GetBytes("tokonomics pepper check"))[..8]);
}
