using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Tokonomics.Infrastructure.Redis;

/// <summary>
/// Redis, as something that may be away. A question that isn't answered within <see cref="RedisOptions.Timeout"/>, or is answered by an error
/// (OOM, READONLY, LOADING, BUSY, MISCONF, whatever else), opens the circuit: nobody asks until a probe was answered, and no caller pays for the probe. Nothing
/// here blocks a thread, and nothing throws for Redis being away.
/// </summary>
/// <param name="without">How its users do while it is away, for the log.</param>
internal sealed partial class RedisConnection(string connectionString, RedisOptions options, TimeProvider time, ILogger<RedisConnection> log, string without = "rate limits go by this node's share, changes are seen by polling") : IAsyncDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    // After so many probes in a row without any answer the connection itself is replaced: a peer that vanished without a word is found out by TCP only
    // after many minutes.
    private const int SilentProbes = 5;

    private readonly Lock _sync = new();
    private readonly List<(RedisChannel Channel, Action<RedisValue> Handler)> _subscriptions = [];
    private ConnectionMultiplexer? _connection;
    private Task? _connecting;
    private bool _closed = true; // nothing is asked before the first probe was answered
    private bool _disposed;
    private TimeSpan _pause = FirstPause;
    private long _probeAt;
    private int _silent;

    /// <summary>This run of this process among those that share Redis.</summary>
    public string Node { get; } = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6));

    /// <summary>True where a question is likely to be answered.</summary>
    public bool IsUsable => !Volatile.Read(ref _closed);

    /// <summary>True where it is time to ask <see cref="ProbeAsync"/>.</summary>
    public bool IsProbeDue => !IsUsable && time.GetTimestamp() >= Interlocked.Read(ref _probeAt);

    /// <summary>Raised on any thread when Redis is there again, the first time included.</summary>
    public event Action? Restored;

    /// <summary>Raised on any thread when a connection stands again: what was published meanwhile was not heard.</summary>
    public event Action? Reconnected;

    /// <summary>Begins to connect, and waits for it a second at most; goes on trying for ever.</summary>
    public async Task StartAsync()
    {
        var connecting = Connect();
        await Task.WhenAny(connecting, Task.Delay(TimeSpan.FromSeconds(1), time));
    }

    private Task Connect()
    {
        lock (_sync)
            return _connecting ??= ConnectAsync();
    }

    private async Task ConnectAsync()
    {
        await Task.Yield();
        try
        {
            var configuration = ConfigurationOptions.Parse(connectionString);
            configuration.AbortOnConnectFail = false;
            configuration.ConnectTimeout = 2000;
            configuration.KeepAlive = 5; // seconds
            configuration.ClientName = $"tokonomics-{Node}";
            var connecting = ConnectionMultiplexer.ConnectAsync(configuration);
            // It may wait for ever for a peer that accepts and says nothing.
            if (await Task.WhenAny(connecting, Task.Delay(TimeSpan.FromSeconds(5), time)) != connecting)
            {
                _ = connecting.ContinueWith(static late => late.IsCompletedSuccessfully ? CloseAsync(late.Result) : Task.CompletedTask, TaskScheduler.Default);
                throw new TimeoutException();
            }

            var connection = await connecting;
            connection.ConnectionRestored += (_, _) => Reconnected?.Invoke();
            (RedisChannel, Action<RedisValue>)[] subscriptions;
            ConnectionMultiplexer? before;
            lock (_sync)
            {
                (before, _connection) = (_connection, connection);
                subscriptions = [.. _subscriptions];
            }

            foreach (var (channel, handler) in subscriptions)
                _ = SubscribeAsync(connection, channel, handler);
            if (before is not null)
                _ = CloseAsync(before);
            if (_disposed)
                _ = CloseAsync(connection);
        }
        catch (Exception e)
        {
            var reason = Reason(e);
            NotConnected(reason);
            await Task.Delay(LongestPause, time);
        }
        finally
        {
            lock (_sync)
                _connecting = null;
        }

        if (_connection is null && !_disposed)
            _ = Connect();
    }

    /// <summary>Runs a script; null where Redis can't be asked, didn't answer in time or answered with an error.</summary>
    /// <param name="late">Called on any thread where the answer comes after the caller has gone on without it: what was done has to be undone.</param>
    public async Task<RedisResult?> EvaluateAsync(RedisScript script, RedisKey[] keys, RedisValue[] values, Action<RedisResult>? late = null)
    {
        if (!IsUsable || _connection is not { } connection)
            return null;
        return await AskAsync(connection, script, keys, values, late);
    }

    /// <summary>The question that finds out whether Redis is there again; it must be one that writes. Null where it isn't.</summary>
    public async Task<RedisResult?> ProbeAsync(RedisScript script, RedisKey[] keys, RedisValue[] values)
    {
        if (_connection is not { } connection)
        {
            Pause();
            _ = Connect();
            return null;
        }

        var answer = await AskAsync(connection, script, keys, values, null);
        if (answer is null)
        {
            if (++_silent > SilentProbes)
            {
                _silent = 0;
                _ = Connect();
            }

            return null;
        }

        lock (_sync)
        {
            _pause = FirstPause;
            _silent = 0;
            if (!_closed)
                return answer;
            _closed = false;
        }

        There();
        Restored?.Invoke();
        return answer;
    }

    private async Task<RedisResult?> AskAsync(ConnectionMultiplexer connection, RedisScript script, RedisKey[] keys, RedisValue[] values, Action<RedisResult>? late)
    {
        Task<RedisResult>? asking = null;
        try
        {
            asking = RunAsync(connection, script, keys, values);
            await ((Task)asking).WaitAsync(options.Timeout, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            // The library completes its tasks one after the other on a thread of its own: whoever waited goes on elsewhere.
            await Task.Yield();
            if (asking.IsCompletedSuccessfully)
                return await asking;
            if (asking.IsCompleted)
            {
                Away(asking.Exception!.GetBaseException());
                return null;
            }

            Away(new TimeoutException());
            _ = asking.ContinueWith(
                static (task, undo) =>
                {
                    if (task.IsCompletedSuccessfully)
                        ((Action<RedisResult>?)undo)?.Invoke(task.Result);
                    else
                        _ = task.Exception; // observed
                },
                late,
                CancellationToken.None,
                TaskContinuationOptions.RunContinuationsAsynchronously,
                TaskScheduler.Default);
            return null;
        }
        catch (Exception e) when (e is RedisException or ObjectDisposedException or InvalidOperationException or TimeoutException)
        {
            Away(e);
            return null;
        }
    }

    private static async Task<RedisResult> RunAsync(ConnectionMultiplexer connection, RedisScript script, RedisKey[] keys, RedisValue[] values)
    {
        var database = connection.GetDatabase();
        try
        {
            return await database.ScriptEvaluateAsync(script.Hash, keys, values).ConfigureAwait(false);
        }
        catch (RedisServerException e) when (e.Message.StartsWith("NOSCRIPT", StringComparison.Ordinal))
        {
            // A Redis that was restarted, or a replica that took over, doesn't know it. EVAL runs it and makes it known.
            var arguments = new List<object>(2 + keys.Length + values.Length) { script.Text, keys.Length };
            foreach (var key in keys)
                arguments.Add(key);
            foreach (var value in values)
                arguments.Add(value);
            return await database.ExecuteAsync("EVAL", arguments.ToArray()).ConfigureAwait(false);
        }
    }

    /// <summary>Sends a command whose answer nobody waits for; lost where Redis is away.</summary>
    /// <param name="itAnswers">Redis has just been heard of, whatever the circuit says.</param>
    public void Send(Func<IDatabase, Task> command, bool itAnswers = false)
    {
        if ((!IsUsable && !itAnswers) || _connection is not { } connection)
            return;
        try
        {
            _ = Observe(command(connection.GetDatabase()));
        }
        catch (Exception e) when (e is RedisException or ObjectDisposedException or InvalidOperationException)
        {
            Away(e);
        }
    }

    /// <summary>Tells all nodes that listen; lost where Redis is away.</summary>
    public void Publish(RedisChannel channel, RedisValue message)
    {
        if (_connection is not { } connection)
            return;
        try
        {
            _ = Observe(connection.GetSubscriber().PublishAsync(channel, message, CommandFlags.FireAndForget));
        }
        catch (Exception e) when (e is RedisException or ObjectDisposedException or InvalidOperationException)
        {
            // Seen by polling.
        }
    }

    /// <summary>Hears what is published from now on, over new connections too. The handler must return at once.</summary>
    public void Subscribe(RedisChannel channel, Action<RedisValue> handler)
    {
        ConnectionMultiplexer? connection;
        lock (_sync)
        {
            _subscriptions.Add((channel, handler));
            connection = _connection;
        }

        if (connection is not null)
            _ = SubscribeAsync(connection, channel, handler);
    }

    private async Task SubscribeAsync(ConnectionMultiplexer connection, RedisChannel channel, Action<RedisValue> handler)
    {
        try
        {
            await connection.GetSubscriber().SubscribeAsync(channel, (_, message) => handler(message));
            Reconnected?.Invoke();
        }
        catch (Exception e)
        {
            var reason = Reason(e);
            NotConnected(reason); // the library subscribes when it has a connection
        }
    }

    private void Away(Exception e)
    {
        bool news;
        if (e is RedisServerException)
            _silent = 0; // it does answer
        lock (_sync)
        {
            news = !_closed;
            _closed = true;
        }

        Pause();
        if (!news)
            return;
        var reason = Reason(e);
        Gone(reason, without);
    }

    // Nodes that lost Redis at the same moment must not come back at the same moment: half to one and a half of the pause.
    private void Pause()
    {
        lock (_sync)
        {
            var jittered = _pause * (0.5 + RandomNumberGenerator.GetInt32(1000) / 1000.0);
            Interlocked.Exchange(ref _probeAt, time.GetTimestamp() + (long)(jittered.TotalSeconds * time.TimestampFrequency));
            _pause = _pause * 2 < LongestPause ? _pause * 2 : LongestPause;
        }
    }

    private static async Task Observe(Task task)
    {
        try
        {
            await task.ConfigureAwait(false);
        }
        catch (Exception)
        {
            // What was sent is found out to be missing by whoever needs it: leases expire, polls see changes.
        }
    }

    // The first line without what it was about: a message of the library may quote the command.
    private static string Reason(Exception e) => e is RedisServerException
        ? e.Message.Split(' ', 2)[0]
        : $"{e.GetType().Name}{(e is RedisConnectionException connection ? $" ({connection.FailureType})" : "")}";

    private static async Task CloseAsync(ConnectionMultiplexer connection)
    {
        try
        {
            await connection.CloseAsync(allowCommandsToComplete: false).WaitAsync(TimeSpan.FromSeconds(5));
            connection.Dispose();
        }
        catch (Exception)
        {
            // It is gone either way.
        }
    }

    public async ValueTask DisposeAsync()
    {
        ConnectionMultiplexer? connection;
        lock (_sync)
        {
            _disposed = true;
            _closed = true;
            (connection, _connection) = (_connection, null);
        }

        if (connection is not null)
            await CloseAsync(connection);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Redis is away ({Reason}): {Without}")]
    private partial void Gone(string reason, string without);

    [LoggerMessage(Level = LogLevel.Information, Message = "Redis is there")]
    private partial void There();

    [LoggerMessage(Level = LogLevel.Warning, Message = "Redis could not be connected to ({Reason}); trying on")]
    private partial void NotConnected(string reason);
}
