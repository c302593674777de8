using System.Security.Cryptography;
using System.Text;

namespace Tokonomics.Infrastructure.Redis;

/// <summary>A Lua script, and the hash under which Redis knows it once it has seen it.</summary>
internal sealed class RedisScript
{
    public static readonly RedisScript Enter = new("enter.lua");
    public static readonly RedisScript Renew = new("renew.lua");
    public static readonly RedisScript Nodes = new("nodes.lua");
    public static readonly RedisScript Answers = new("answers.lua");

    private RedisScript(string name)
    {
        using var reader = new StreamReader(typeof(RedisScript).Assembly.GetManifestResourceStream($"redis/{name}")!);
        Text = reader.ReadToEnd();
        // Redis's own name for a script; nothing is protected by it.
#pragma warning disable CA5350
        Hash = SHA1.HashData(Encoding.UTF8.GetBytes(Text));
#pragma warning restore CA5350
    }

    public string Text { get; }

    public byte[] Hash { get; }
}
