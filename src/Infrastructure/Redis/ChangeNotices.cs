using System.Threading.Channels;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Keys;

namespace Tokonomics.Infrastructure.Redis;

/// <summary>
/// Says to the other nodes that something changed in the store, and has this node's directories read the store when another says so. A notice is a hint: it
/// says nothing of what changed, may be lost or come twice, and the directories go on polling as if there were none.
/// </summary>
internal sealed partial class ChangeNotices(RedisConnection redis, RedisOptions options, IServiceProvider services, ILogger<ChangeNotices> log) : BackgroundService, IDirectoryRefresh
{
    // Room for one: a notice that comes while one waits adds nothing to it.
    private readonly Channel<bool> _heard = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    private string Name => $"{options.Prefix}changes";

    /// <summary>Called when this process has changed something and its own directories have read it, or are about to; waits for nobody.</summary>
    public Task RefreshAsync(CancellationToken cancellationToken)
    {
        redis.Publish(Name, redis.Node);
        return Task.CompletedTask;
    }

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        redis.Subscribe(Name, from =>
        {
            if (from != redis.Node)
                _heard.Writer.TryWrite(true);
        });
        // What was said while nobody could hear it.
        redis.Reconnected += () => _heard.Writer.TryWrite(true);
        await redis.StartAsync();
        await base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Not by the constructor: this is one of them.
        var directories = services.GetServices<IDirectoryRefresh>().Where(d => d != this).ToList();
        await foreach (var _ in _heard.Reader.ReadAllAsync(stoppingToken))
            foreach (var directory in directories)
            {
                try
                {
                    await directory.RefreshAsync(stoppingToken);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    NotRead(e); // the next poll will
                }
            }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Another node changed something that could not be read at once; polling goes on")]
    private partial void NotRead(Exception e);
}
