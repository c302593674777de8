using Microsoft.Extensions.Caching.Memory;

namespace Tokonomics.Web.Proxy.Routing;

/// <summary>Which target a conversation is at, on this node: where its prompt is cached at a provider. A number for each, and no text.</summary>
internal sealed class Conversations : IDisposable
{
    private const int Most = 100_000;

    // The longest that a provider keeps a cached prompt (Anthropic's one-hour cache).
    private static readonly TimeSpan Kept = TimeSpan.FromHours(1);

    private readonly MemoryCache _targets = new(new MemoryCacheOptions { SizeLimit = Most });

    /// <returns>The target's model as the route writes it; null where it isn't known.</returns>
    public string? Find(ulong conversation) => conversation == 0 ? null : _targets.Get<string>(conversation);

    public void Set(ulong conversation, string model)
    {
        if (conversation != 0)
            _targets.Set(conversation, model, new MemoryCacheEntryOptions { Size = 1, SlidingExpiration = Kept });
    }

    public void Dispose() => _targets.Dispose();
}
